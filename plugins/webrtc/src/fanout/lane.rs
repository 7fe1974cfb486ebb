//! Where one viewer stands in one track.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_core::{CatchUp, GroupCache};

use crate::packetize::Frame;

/// Packets that a viewer may ask for again lie no further back.
const AGO: u16 = 0x4000;

/// A viewer's place in a track, and what of it was left out.
pub(super) struct Position {
    pub(super) place: Place,
    /// Packets between key frames that did not go out: the viewer's sequence numbers are so much lower, so that they
    /// have no gap.
    pub(super) left_out: u16,
    /// The viewer's first sequence number since that changed; `None` until a packet was sent since.
    since: Option<u16>,
    /// How the cached group was pressed together that it began with.
    joined: Option<CatchUp>,
    /// The number of the next packet that is sent again.
    again: u16,
}

impl Position {
    /// Begins somewhere.
    pub(super) const fn new(place: Place) -> Self {
        let joined = match &place {
            Place::CatchingUp(backlog) => Some(backlog.map),
            Place::WaitingForKeyFrame | Place::Live | Place::KeyFrames | Place::Choked => None,
        };
        Self {
            place,
            left_out: 0,
            since: None,
            joined,
            again: 0,
        }
    }

    /// Gives the next frame of the cached group that is due, with the time that it carries.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Arc<Frame>, Duration)> {
        match &mut self.place {
            Place::CatchingUp(backlog) => backlog.pop(now),
            Place::WaitingForKeyFrame | Place::Live | Place::KeyFrames | Place::Choked => None,
        }
    }

    /// Takes note that a frame is sent.
    pub(super) fn on_sent(&mut self, frame: &Frame) {
        let Some(first) = frame.packets.first() else {
            return;
        };
        let first = first.sequence.wrapping_sub(self.left_out);
        let since = *self.since.get_or_insert(first);
        // Numbers wrap: what is long ago must not become what is to come.
        if first.wrapping_sub(since) > AGO {
            self.since = Some(first.wrapping_sub(AGO));
        }
    }

    /// Gives the number in the stream of a packet that the viewer knows as `sequence`; `None` if that was before something
    /// was left out, where all numbers were others, and which nothing builds on any more.
    pub(super) fn original(&self, sequence: u16) -> Option<u16> {
        let since = sequence.wrapping_sub(self.since?);
        (since < 0x8000).then(|| sequence.wrapping_add(self.left_out))
    }

    /// Gives the time that a frame was sent with.
    pub(super) fn time_of(&self, frame: &Frame) -> Duration {
        self.joined.map_or(frame.at, |joined| joined.map(frame.at))
    }

    /// Gives the number of the next packet that is sent again.
    pub(super) const fn next_again(&mut self) -> u16 {
        let number = self.again;
        self.again = number.wrapping_add(1);
        number
    }

    /// Leaves out all up to the next key frame, what waits to be sent too; gives how many frames that are so far.
    pub(super) fn choke(&mut self) -> usize {
        let waiting = match std::mem::replace(&mut self.place, Place::Choked) {
            Place::CatchingUp(backlog) => backlog.frames,
            Place::WaitingForKeyFrame | Place::Live | Place::KeyFrames | Place::Choked => {
                VecDeque::new()
            }
        };
        for frame in &waiting {
            self.leave_out(frame);
        }
        waiting.len()
    }

    /// Leaves a frame out.
    pub(super) fn leave_out(&mut self, frame: &Frame) {
        // As sequence numbers do, it wraps.
        let packets = frame.packets.len() & usize::from(u16::MAX);
        self.since = None;
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
    /// The viewer's connection had no room for a frame: the next key frame is the first that is sent again.
    Choked,
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

    // What was sent under other numbers would come back as another packet.
    #[test]
    fn what_was_sent_before_something_was_left_out_is_not_sent_again() {
        let numbered = |sequence| Frame {
            packets: vec![crate::packetize::Packet {
                marker: true,
                sequence,
                timestamp: 0,
                ssrc: 1,
                payload: gst::Buffer::new(),
            }],
            ..Arc::into_inner(frame(0)).unwrap()
        };
        gst::init().unwrap();
        let mut position = Position::new(Place::Live);
        assert_eq!(position.original(10), None);
        position.on_sent(&numbered(10));
        position.on_sent(&numbered(11));
        assert_eq!(position.original(9), None);
        assert_eq!(position.original(11), Some(11));
        position.leave_out(&numbered(12));
        position.leave_out(&numbered(13));
        assert_eq!(position.original(11), None);
        position.on_sent(&numbered(14));
        assert_eq!(position.original(11), None);
        assert_eq!(position.original(12), Some(14));
        // However long it goes on.
        for sequence in (15..=u16::MAX).chain(0..1000) {
            position.on_sent(&numbered(sequence));
        }
        assert_eq!(position.original(990), Some(992));
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
