//! One viewer in the fan-out: what it is sent of what comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use sluice_core::Allowance;

use super::Notice;
use super::headers::{Moment, packets_for};
use super::lane::{Place, Position};
use super::lists::Lists;
use super::member::{Lane, Member};
use super::watchdog::Pushing;
use crate::packetize::Frame;

/// A viewer who was sent a key frame this recently needs no other one: it is still on its way.
const FRESH: Duration = Duration::from_millis(1000);

/// One viewer and its places.
pub(super) struct Viewer {
    pub(super) member: Arc<Member>,
    pub(super) positions: Vec<Position>,
    pub(super) first_key: Option<Instant>,
    /// What it may be sent again.
    pub(super) allowance: Allowance,
}

/// What a push needs from the thread that it is done by.
pub(super) struct Pusher<'a> {
    pub(super) pushing: &'a Pushing,
    pub(super) listener: &'a dyn Fn(Notice),
}

impl Pusher<'_> {
    /// Pushes a list; `false` when the viewer takes no more.
    fn push(&self, member: &Arc<Member>, lane: &Lane, list: gst::BufferList, bytes: usize) -> bool {
        let now = Instant::now();
        let packets = list.len();
        self.pushing.begin(member, now);
        let result = match lane.short.take() {
            Some(short) => short.push_list(list),
            None => lane.pad.chain_list(list),
        };
        self.pushing.end();
        if let Err(error) = result {
            tracing::debug!(viewer = %member.id, ?error, "webrtcbin takes no more");
            let why = if member.is_evicted() {
                "its connection took nothing for 2 s"
            } else {
                "its connection is broken"
            };
            (self.listener)(Notice::Failed(member.id.clone(), why));
            return false;
        }
        member.sent.add(packets, bytes, now);
        lane.sent.add(packets, bytes);
        true
    }
}

impl Viewer {
    /// Takes a live frame; `false` when the viewer takes no more.
    pub(super) fn take(
        &mut self,
        frame: &Arc<Frame>,
        lists: &mut Lists<'_>,
        now: Instant,
        pusher: &Pusher<'_>,
    ) -> bool {
        let member = self.member.clone();
        for (lane, position) in member.lanes.iter().zip(&mut self.positions) {
            if lane.track != frame.track {
                continue;
            }
            match &mut position.place {
                Place::WaitingForKeyFrame if !frame.key => continue,
                Place::KeyFrames if !frame.key => {
                    position.leave_out(frame);
                    continue;
                }
                Place::Choked if !frame.key => {
                    position.leave_out(frame);
                    member.count_left_out(1);
                    continue;
                }
                Place::Live if !frame.key && lane.video && member.is_thinned() => {
                    position.place = Place::KeyFrames;
                    position.leave_out(frame);
                    continue;
                }
                Place::CatchingUp(backlog) if !backlog.is_over(now) => {
                    backlog.push(frame.clone());
                    continue;
                }
                Place::KeyFrames if member.is_thinned() => {}
                Place::WaitingForKeyFrame
                | Place::CatchingUp(_)
                | Place::KeyFrames
                | Place::Choked => {
                    position.place = Place::Live;
                }
                Place::Live => {}
            }
            if !pusher.push(
                &member,
                lane,
                lists.of(lane, position.left_out),
                frame.bytes,
            ) {
                return false;
            }
            position.on_sent(frame);
            self.allowance.on_sent(frame.bytes);
            if frame.key && self.first_key.is_none() && (lane.video || member.lanes.len() == 1) {
                self.first_key = Some(now);
                (pusher.listener)(Notice::Playing(member.id.clone()));
            }
        }
        self.heed_choke();
        true
    }

    /// Leaves out all pictures up to the next key frame if the viewer's connection had no room for one: what builds on it
    /// would only fill the connection up again. The sound goes on. Nobody is asked for a key frame: one viewer's slow
    /// network is no reason to send all others more.
    fn heed_choke(&mut self) {
        if !self.member.take_choke() {
            return;
        }
        let lanes = self.member.lanes.iter().zip(&mut self.positions);
        for (_, position) in lanes.filter(|(lane, _)| lane.video) {
            self.member.count_left_out(position.choke());
        }
    }

    /// Sends at most `turn` frames of the cached groups that are due; `false` when the viewer takes no more.
    pub(super) fn catch_up(&mut self, now: Instant, turn: usize, pusher: &Pusher<'_>) -> bool {
        let member = self.member.clone();
        for (lane, position) in member.lanes.iter().zip(&mut self.positions) {
            for _ in 0..turn {
                let Some((frame, at)) = position.pop(now) else {
                    break;
                };
                let moment = Moment {
                    at,
                    clock_rate: lane.clock_rate,
                    left_out: position.left_out,
                };
                let list = packets_for(&frame, lane.looks.now(), moment);
                if !pusher.push(&member, lane, list, frame.bytes) {
                    return false;
                }
                position.on_sent(&frame);
                self.allowance.on_sent(frame.bytes);
                if self.first_key.is_none() {
                    self.first_key = Some(now);
                    (pusher.listener)(Notice::Playing(member.id.clone()));
                }
            }
        }
        self.heed_choke();
        true
    }

    /// Says whether a key frame of the track is on its way to this viewer anyway.
    pub(super) fn is_being_served(&self, track: usize, now: Instant) -> bool {
        let fresh = self
            .first_key
            .is_some_and(|sent| now.saturating_duration_since(sent) < FRESH);
        let mut lanes = self.member.lanes.iter().zip(&self.positions);
        fresh
            || lanes.any(|(lane, position)| {
                lane.track == track
                    && matches!(position.place, Place::CatchingUp(_))
                    && self.first_key.is_none()
            })
    }
}
