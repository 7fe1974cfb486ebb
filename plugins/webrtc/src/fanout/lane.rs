//! Where one viewer stands in one track.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_core::{CatchUp, GroupCache};

use crate::packetize::Frame;

/// A viewer's place in a track, and what of it was left out.
pub(super) struct Position {
    pub(super) place: Place,
    /// Packets between key frames that did not go out: the viewer's sequence numbers are so much lower, so that they
    /// have no gap.
    pub(super) left_out: u16,
}

impl Position {
    /// Begins somewhere.
    pub(super) const fn new(place: Place) -> Self {
        Self { place, left_out: 0 }
    }

    /// Leaves a frame out.
    pub(super) fn leave_out(&mut self, frame: &Frame) {
        // As sequence numbers do, it wraps.
        let packets = frame.packets.len() & usize::from(u16::MAX);
        self.left_out = self
            .left_out
            .wrapping_add(u16::try_from(packets).unwrap_or(0));
    }
}

/// A viewer's place in a track.
pub(super) enum Place {
    /// No whole group was there to begin with: the next key frame is the first.
    WaitingForKeyFrame,
    /// The cached group is being sent, pressed into a short time.
    CatchingUp(Backlog),
    /// Frames go out as they come in.
    Live,
    /// Key frames go out as they come in, and nothing between them.
    KeyFrames,
}

/// Frames that are still to be sent, each at its mapped time.
pub(super) struct Backlog {
    frames: VecDeque<Arc<Frame>>,
    map: CatchUp,
    /// The instant of the join, and the running time that it stands for.
    joined: Instant,
    live: Duration,
}

impl Backlog {
    /// Begins with a cached group; `None` if there is none.
    pub(super) fn new(group: &GroupCache<Arc<Frame>>, now: Instant) -> Option<Self> {
        let (first, _) = group.key_frame()?;
        let live = group.newest()?;
        Some(Self {
            frames: group.frames().cloned().collect(),
            map: CatchUp::new(first, live, group.len(), group.bytes()),
            joined: now,
            live,
        })
    }

    /// Adds a frame that came in meanwhile.
    pub(super) fn push(&mut self, frame: Arc<Frame>) {
        self.frames.push_back(frame);
    }

    /// Gives the next frame that is due, with the time that it carries.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Arc<Frame>, Duration)> {
        if self.due()? > now {
            return None;
        }
        let frame = self.frames.pop_front()?;
        let at = self.map.map(frame.at);
        Some((frame, at))
    }

    /// Says when the next frame is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let next = self.frames.front()?;
        if self.map.done(next.at) {
            // It came in live, and its time is its own: there is nothing to wait for.
            return Some(self.joined);
        }
        Some(self.joined + self.map.map(next.at).saturating_sub(self.live))
    }

    /// Says whether the viewer is live: nothing waits, and the next frame's time is its own.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.frames.is_empty() && self.joined + self.map.span() <= now
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::GroupLimits;

    use super::*;

    fn frame(ms: u64) -> Arc<Frame> {
        Arc::new(Frame {
            track: 0,
            packets: Vec::new(),
            at: Duration::from_millis(ms),
            video: true,
            key: ms == 0,
            gap: false,
            bytes: 1000,
        })
    }

    fn cached(times: impl Iterator<Item = u64>) -> GroupCache<Arc<Frame>> {
        let mut group = GroupCache::new(GroupLimits::default());
        for ms in times {
            let frame = frame(ms);
            let (key, at, bytes) = (frame.key, frame.at, frame.bytes);
            group.push(frame, key, at, bytes);
        }
        group
    }

    #[test]
    fn the_key_frame_is_due_at_once_and_the_rest_within_the_span() {
        let now = Instant::now();
        // Ten seconds of 25 pictures a second: 251 frames, so 753 ms.
        let mut backlog = Backlog::new(&cached((0..=10_000).step_by(40)), now).unwrap();
        let (first, at) = backlog.pop(now).unwrap();
        assert!(first.key);
        assert_eq!(at, Duration::from_secs(10));
        assert!(backlog.pop(now).is_none());

        let mut last = at;
        let mut sent = 1;
        while let Some((_, at)) = backlog.pop(now + Duration::from_millis(753)) {
            assert!(at > last);
            last = at;
            sent += 1;
        }
        assert_eq!(sent, 251);
        assert!(last < Duration::from_millis(10_753));
    }

    #[test]
    fn it_is_over_when_the_span_is_and_nothing_waits() {
        let now = Instant::now();
        let mut backlog = Backlog::new(&cached(0..1), now).unwrap();
        let after = now + Duration::from_millis(3);
        assert!(backlog.pop(now).is_some());
        assert!(!backlog.is_over(now));
        assert!(backlog.is_over(after));
        backlog.push(frame(40));
        assert!(!backlog.is_over(after));
        assert!(backlog.pop(after).is_some());
        assert!(backlog.is_over(after));
    }

    #[test]
    fn without_a_cached_group_there_is_no_backlog() {
        assert!(Backlog::new(&cached(1..3), Instant::now()).is_none());
    }
}
