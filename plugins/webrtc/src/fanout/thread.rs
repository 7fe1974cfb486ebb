//! The fan-out thread's loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use sluice_core::{Allowance, GroupCache, GroupLimits, History, KeyFrameGate, SessionId};

use super::delay::Delay;
use super::headers::{Moment, packets_for};
use super::lane::{Backlog, Place, Position};
use super::lists::Lists;
use super::member::{Lane, Member};
use super::queue::{Item, Queue};
use super::resend::{keep, resend};
use super::{Listener, Notice, Pushing};
use crate::packetize::Frame;

/// The source is asked for a key frame at most this often.
const KEY_FRAME_INTERVAL: Duration = Duration::from_secs(1);

/// A viewer who was sent a key frame this recently needs no other one: it is still on its way.
const FRESH: Duration = Duration::from_millis(1000);

/// Cached frames that one viewer is sent before it is the next one's turn.
const TURN: usize = 4;

/// One viewer and its places.
struct Viewer {
    member: Arc<Member>,
    positions: Vec<Position>,
    first_key: Option<Instant>,
    /// What it may be sent again.
    allowance: Allowance,
}

/// What is kept per track; of sound, only the history.
struct TrackState {
    /// For viewers who lose packets.
    history: History<Arc<Frame>>,
    group: GroupCache<Arc<Frame>>,
    gate: KeyFrameGate,
}

/// State of the thread.
pub(super) struct Thread {
    queue: Arc<Queue>,
    pushing: Arc<Pushing>,
    delay: Arc<Delay>,
    limits: GroupLimits,
    listener: Listener,
    tracks: BTreeMap<usize, TrackState>,
    viewers: Vec<Viewer>,
}

impl Thread {
    pub(super) fn new(
        queue: Arc<Queue>,
        pushing: Arc<Pushing>,
        limits: GroupLimits,
        listener: Listener,
    ) -> Self {
        Self {
            delay: Delay::watched(&queue),
            queue,
            pushing,
            limits,
            listener,
            tracks: BTreeMap::new(),
            viewers: Vec::new(),
        }
    }

    /// Runs until the queue is stopped.
    pub(super) fn run(mut self) {
        while let Some(items) = self.queue.wait(self.next_deadline()) {
            for item in items {
                match item {
                    Item::Frame(frame, since) => {
                        self.delay.begin(since);
                        self.on_frame(&frame);
                        self.delay.end(Instant::now());
                    }
                    Item::Join(member) => self.on_join(member),
                    Item::Leave(id) => self.viewers.retain(|viewer| viewer.member.id != id),
                    Item::Resend(id) => self.on_resend(&id),
                    Item::WantKeyFrame(track, id) => self.on_want_key_frame(track, &id),
                    Item::Forget(track) => {
                        self.tracks.remove(&track);
                    }
                }
            }
            self.on_time(Instant::now());
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let gates = self
            .tracks
            .values()
            .filter_map(|track| track.gate.poll_timeout());
        let backlogs = self.viewers.iter().flat_map(|viewer| {
            viewer.positions.iter().filter_map(|at| match &at.place {
                Place::CatchingUp(backlog) => backlog.due(),
                Place::WaitingForKeyFrame | Place::Live | Place::KeyFrames | Place::Choked => None,
            })
        });
        gates.chain(backlogs).min()
    }

    fn on_frame(&mut self, frame: &Arc<Frame>) {
        let now = Instant::now();
        let track = self.track(frame.track);
        keep(&mut track.history, frame);
        if frame.video {
            track
                .group
                .push(frame.clone(), frame.key, frame.at, frame.bytes);
            if frame.key {
                track.gate.on_key_frame(now);
            } else if frame.gap {
                self.ask(frame.track, now);
            }
        }
        let mut lists = Lists::new(frame);
        let Self {
            viewers,
            pushing,
            listener,
            ..
        } = self;
        let pusher = Pusher { pushing, listener };
        viewers.retain_mut(|viewer| viewer.take(frame, &mut lists, now, &pusher));
    }

    fn on_join(&mut self, member: Arc<Member>) {
        let now = Instant::now();
        let mut needed = Vec::new();
        let places = member.lanes.iter().map(|lane| {
            if !lane.video {
                return Place::Live;
            }
            let group = self.tracks.get(&lane.track).map(|track| &track.group);
            match group.and_then(|group| Backlog::new(group, now)) {
                Some(backlog) => Place::CatchingUp(backlog),
                None => {
                    needed.push(lane.track);
                    Place::WaitingForKeyFrame
                }
            }
        });
        let positions = places.map(Position::new).collect();
        self.viewers.push(Viewer {
            member,
            positions,
            first_key: None,
            allowance: Allowance::default(),
        });
        for track in needed {
            self.ask(track, now);
        }
    }

    fn on_want_key_frame(&mut self, track: usize, id: &SessionId) {
        let now = Instant::now();
        let viewer = self.viewers.iter().find(|viewer| viewer.member.id == *id);
        let served = viewer.is_some_and(|viewer| viewer.is_being_served(track, now));
        if viewer.is_some() && !served {
            self.ask(track, now);
        }
    }

    fn on_resend(&mut self, id: &SessionId) {
        let Self {
            viewers,
            tracks,
            pushing,
            ..
        } = self;
        let mut viewers = viewers.iter_mut();
        if let Some(viewer) = viewers.find(|viewer| viewer.member.id == *id) {
            resend(
                &viewer.member,
                &mut viewer.positions,
                &mut viewer.allowance,
                |track| tracks.get(&track).map(|track| &track.history),
                pushing,
            );
        }
    }

    fn on_time(&mut self, now: Instant) {
        let Self {
            viewers,
            pushing,
            listener,
            tracks,
            ..
        } = self;
        let pusher = Pusher { pushing, listener };
        // Whoever has no picture yet comes before those who only catch up; live frames come before both,
        // because the queue is looked at again after each turn.
        viewers.retain_mut(|viewer| viewer.first_key.is_some() || viewer.catch_up(now, 1, &pusher));
        viewers.retain_mut(|viewer| viewer.catch_up(now, TURN, &pusher));
        for (track, state) in tracks {
            if state.gate.handle_timeout(now) {
                listener(Notice::NeedKeyFrame(*track));
            }
        }
    }

    fn ask(&mut self, track: usize, now: Instant) {
        if self.track(track).gate.on_request(now) {
            (self.listener)(Notice::NeedKeyFrame(track));
        }
    }

    fn track(&mut self, track: usize) -> &mut TrackState {
        let limits = self.limits;
        self.tracks.entry(track).or_insert_with(|| TrackState {
            history: History::default(),
            group: GroupCache::new(limits),
            gate: KeyFrameGate::new(KEY_FRAME_INTERVAL),
        })
    }
}

/// What a push needs from the thread.
struct Pusher<'a> {
    pushing: &'a Pushing,
    listener: &'a Listener,
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
    fn take(
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
    fn catch_up(&mut self, now: Instant, turn: usize, pusher: &Pusher<'_>) -> bool {
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
    fn is_being_served(&self, track: usize, now: Instant) -> bool {
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
