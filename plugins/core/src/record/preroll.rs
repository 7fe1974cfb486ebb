//! What came before somebody asked for a recording.

use std::collections::VecDeque;
use std::time::Duration;

/// More than this is not kept, whatever the time: a minute of 8 Mbit/s.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug, Clone)]
struct Held<T> {
    at: Duration,
    begins: bool,
    bytes: u64,
    frame: T,
}

/// Keeps the frames of the last seconds, from a key frame on.
#[derive(Debug, Clone)]
pub struct PreRoll<T> {
    span: Duration,
    frames: VecDeque<Held<T>>,
    bytes: u64,
}

impl<T> PreRoll<T> {
    /// Makes it for so much time; it holds up to one more interval between key frames, and 64 MiB at most.
    pub const fn new(span: Duration) -> Self {
        Self {
            span,
            frames: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Takes a frame, in order of time over all tracks. `begins`: a segment may begin with it.
    pub fn push(&mut self, at: Duration, begins: bool, bytes: u64, frame: T) {
        if self.span.is_zero() {
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.frames.push_back(Held {
            at,
            begins,
            bytes,
            frame,
        });
        while let Some(next) = self.next_begin() {
            let is_old = self
                .frames
                .get(next)
                .is_some_and(|held| held.at.saturating_add(self.span) <= at);
            if !is_old && self.bytes <= MOST_BYTES {
                break;
            }
            self.drop_first(next);
        }
        if self.bytes > MOST_BYTES {
            // Not one interval between key frames fits.
            self.frames.clear();
            self.bytes = 0;
        }
    }

    /// Gives all that is kept, oldest first, and is empty then.
    pub fn take(&mut self) -> impl Iterator<Item = (Duration, T)> + use<T> {
        self.bytes = 0;
        let frames = std::mem::take(&mut self.frames);
        let frames = frames.into_iter().skip_while(|held| !held.begins);
        frames.map(|held| (held.at, held.frame))
    }

    /// The place of the second frame that a segment may begin with, or of the first if others stand before it.
    fn next_begin(&self) -> Option<usize> {
        let mut begins = self.frames.iter().enumerate().skip(1);
        begins.find(|(_, held)| held.begins).map(|(place, _)| place)
    }

    fn drop_first(&mut self, count: usize) {
        let gone = self.frames.drain(..count);
        let bytes: u64 = gone.map(|held| held.bytes).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    /// A frame each second, a key frame each `interval`; what is kept of them.
    fn kept(span: u64, interval: u64, seconds: u64, bytes: u64) -> Vec<u64> {
        let mut ring = PreRoll::new(S(span));
        for second in 0..seconds {
            ring.push(S(second), second.is_multiple_of(interval), bytes, second);
        }
        ring.take().map(|(_, second)| second).collect()
    }

    #[test]
    fn the_last_seconds_are_kept_from_a_key_frame_on() {
        for (span, interval, seconds, want) in [
            (10, 1, 5, 0..5),
            (10, 1, 30, 19..30),
            (10, 4, 30, 16..30),
            (10, 20, 30, 0..30),
            (10, 20, 31, 20..31),
        ] {
            assert_eq!(
                kept(span, interval, seconds, 1),
                want.collect::<Vec<_>>(),
                "{span} {interval} {seconds}"
            );
        }
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_asked_for_nor_too_many_bytes() {
        assert!(kept(0, 2, 10, 1).is_empty());
        assert_eq!(kept(100, 2, 10, MOST_BYTES / 4), [6, 7, 8, 9]);
        assert!(kept(100, 20, 10, MOST_BYTES / 4).is_empty());
    }

    #[test]
    fn what_cannot_begin_a_segment_is_left_out_at_the_begin() {
        let mut ring = PreRoll::new(S(10));
        ring.push(S(0), false, 1, 0);
        ring.push(S(1), true, 1, 1);
        ring.push(S(2), false, 1, 2);
        let all: Vec<_> = ring.take().map(|(_, frame)| frame).collect();
        assert_eq!(all, [1, 2]);
        assert_eq!(ring.take().count(), 0);
    }
}
