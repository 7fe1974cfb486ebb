//! The fan-out thread's loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_core::{Allowance, GroupCache, GroupLimits, History, KeyFrameGate, SessionId};

use super::crew::send;
use super::delay::Delay;
use super::lane::{Backlog, Place, Position};
use super::member::Member;
use super::queue::{Item, Queue};
use super::resend::{keep, resend};
use super::viewer::{Pusher, Viewer};
use super::{Listener, Notice, Pushing};
use crate::packetize::Frame;

/// The source is asked for a key frame at most this often.
const KEY_FRAME_INTERVAL: Duration = Duration::from_secs(1);

/// Cached frames that one viewer is sent before it is the next one's turn.
const TURN: usize = 4;

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
        let Self {
            viewers,
            pushing,
            listener,
            ..
        } = self;
        let pusher = Pusher { pushing, listener };
        send(viewers, frame, now, &pusher);
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
