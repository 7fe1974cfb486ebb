//! The one way into the fan-out thread.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use sluice_core::SessionId;

use super::member::Member;
use crate::packetize::Frame;

/// About four seconds of 30 pictures and 50 audio packets a second: more than the watchdog lets a stuck
/// push last, so an overflow means that this machine is too slow.
const FRAMES: usize = 320;

/// What the fan-out thread is told.
pub(super) enum Item {
    /// A frame for all, and since when it waits.
    Frame(Arc<Frame>, Instant),
    /// A viewer who is connected and verified.
    Join(Arc<Member>),
    /// A viewer who is gone.
    Leave(SessionId),
    /// A viewer asked for a key frame of a track.
    WantKeyFrame(usize, SessionId),
    /// A viewer has lost packets; which, its member says.
    Resend(SessionId),
    /// A track's codec changed: its cached group is of no use.
    Forget(usize),
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    frames: usize,
    /// Tracks of which frames are dropped until their next key frame.
    headless: BTreeSet<usize>,
    stopped: bool,
}

/// A bounded queue whose producer never blocks.
///
/// When it is full, all queued frames of the pushed frame's track are dropped, and so are later ones until
/// the next key frame; the pusher is told to ask for one. Commands are always taken.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

impl Queue {
    /// Adds a frame; `false` says that frames were dropped and a key frame is needed.
    pub(super) fn push_frame(&self, mut frame: Frame) -> bool {
        let mut state = self.state.lock();
        let track = frame.track;
        if state.headless.contains(&track) {
            if !frame.key {
                return true;
            }
            state.headless.remove(&track);
            frame.gap = true;
        }
        let overflow = state.frames >= FRAMES;
        if overflow {
            let of_track = |item: &Item| matches!(item, Item::Frame(f, _) if f.track == track);
            let before = state.items.len();
            state.items.retain(|item| !of_track(item));
            state.frames -= before - state.items.len();
            if !frame.key || state.frames >= FRAMES {
                state.headless.insert(track);
                return false;
            }
            frame.gap = true;
        }
        state.frames += 1;
        state
            .items
            .push_back(Item::Frame(Arc::new(frame), Instant::now()));
        drop(state);
        self.wake.notify_one();
        !overflow
    }

    /// Adds a command.
    pub(super) fn push(&self, item: Item) {
        self.state.lock().items.push_back(item);
        self.wake.notify_one();
    }

    /// Says since when the oldest frame waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let state = self.state.lock();
        let mut times = state.items.iter().filter_map(|item| match item {
            Item::Frame(_, since) => Some(*since),
            Item::Join(_)
            | Item::Leave(_)
            | Item::WantKeyFrame(..)
            | Item::Resend(_)
            | Item::Forget(_) => None,
        });
        times.next()
    }

    /// Ends the thread's loop.
    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.wake.notify_one();
    }

    /// Waits for items, at most until `deadline`; `None` after `stop`.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<VecDeque<Item>> {
        let mut state = self.state.lock();
        while state.items.is_empty() && !state.stopped {
            match deadline {
                None => self.wake.wait(&mut state),
                Some(deadline) => {
                    if self.wake.wait_until(&mut state, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        if state.stopped {
            return None;
        }
        state.frames = 0;
        Some(std::mem::take(&mut state.items))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(track: usize, key: bool) -> Frame {
        Frame {
            track,
            packets: Vec::new(),
            at: Duration::ZERO,
            video: true,
            key,
            gap: false,
            bytes: 0,
        }
    }

    fn frames(queue: &Queue) -> Vec<(usize, bool, bool)> {
        let items = queue.wait(Some(Instant::now())).unwrap();
        items
            .into_iter()
            .filter_map(|item| match item {
                Item::Frame(f, _) => Some((f.track, f.key, f.gap)),
                Item::Join(_)
                | Item::Leave(_)
                | Item::WantKeyFrame(..)
                | Item::Resend(_)
                | Item::Forget(_) => None,
            })
            .collect()
    }

    #[test]
    fn a_full_queue_drops_the_track_until_its_next_key_frame_and_asks_for_one() {
        let queue = Queue::default();
        assert!(queue.push_frame(frame(0, true)));
        for _ in 1..FRAMES {
            assert!(queue.push_frame(frame(0, false)));
        }
        assert!(!queue.push_frame(frame(0, false)));
        assert!(queue.push_frame(frame(0, false)), "asked once, not again");
        assert!(queue.push_frame(frame(1, true)), "other tracks go on");
        assert!(queue.push_frame(frame(0, true)));
        assert!(queue.push_frame(frame(0, false)));

        let left = [(1, true, false), (0, true, true), (0, false, false)];
        assert_eq!(frames(&queue), left);
    }

    #[test]
    fn a_stopped_queue_ends_the_wait() {
        let queue = Queue::default();
        queue.stop();
        assert!(queue.wait(None).is_none());
    }
}
