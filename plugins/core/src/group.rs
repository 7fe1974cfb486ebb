//! The cached group of pictures: what a new viewer gets first.

use std::collections::VecDeque;
use std::time::Duration;

/// How much a group may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// Of frames, together.
    pub bytes: usize,
    /// From the first frame to the last.
    pub span: Duration,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self {
            bytes: 16 * 1024 * 1024,
            span: Duration::from_secs(12),
        }
    }
}

/// Keeps the frames since the last key frame, within limits.
///
/// A group that outgrows its limits is dropped whole, and nothing is kept until the next key frame:
/// a group without its head is of no use to anyone.
#[derive(Debug, Clone)]
pub struct GroupCache<T> {
    limits: GroupLimits,
    frames: VecDeque<(Duration, T)>,
    bytes: usize,
}

impl<T> GroupCache<T> {
    /// Makes an empty cache.
    pub fn new(limits: GroupLimits) -> Self {
        Self {
            limits,
            frames: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Adds a frame of `bytes` at running time `at`; a key frame begins a new group.
    ///
    /// Without a key frame at its head the frame is not kept.
    pub fn push(&mut self, frame: T, key: bool, at: Duration, bytes: usize) {
        if key {
            self.clear();
        } else if self.frames.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.frames.push_back((at, frame));
        if self.bytes > self.limits.bytes || self.span() > self.limits.span {
            self.clear();
        }
    }

    /// Gives the frames from the last key frame on; none while there is no whole group.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &T> {
        self.frames.iter().map(|(_, frame)| frame)
    }

    /// Gives the frames together with their running times.
    pub fn timed_frames(&self) -> impl ExactSizeIterator<Item = (Duration, &T)> {
        self.frames.iter().map(|(at, frame)| (*at, frame))
    }

    /// Gives the key frame that heads the group, and its running time.
    pub fn key_frame(&self) -> Option<(Duration, &T)> {
        self.frames.front().map(|(at, frame)| (*at, frame))
    }

    /// Gives the running time of the newest frame.
    pub fn newest(&self) -> Option<Duration> {
        self.frames.back().map(|(at, _)| *at)
    }

    /// Counts the frames.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Says whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Counts the bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Measures the time from the first frame to the last.
    pub fn span(&self) -> Duration {
        match (self.frames.front(), self.frames.back()) {
            (Some((first, _)), Some((last, _))) => last.saturating_sub(*first),
            (None, _) | (_, None) => Duration::ZERO,
        }
    }

    /// Forgets the group; the next key frame begins a new one.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ms;

    const LIMITS: GroupLimits = GroupLimits {
        bytes: 1000,
        span: Duration::from_secs(2),
    };

    fn held(cache: &GroupCache<u32>) -> Vec<u32> {
        cache.frames().copied().collect()
    }

    #[test]
    fn a_group_begins_with_its_key_frame() {
        let mut cache = GroupCache::new(LIMITS);
        cache.push(0, false, ms(0), 10);
        assert!(cache.is_empty());
        for (frame, key) in [(1, true), (2, false), (3, false), (4, true), (5, false)] {
            cache.push(frame, key, ms(u64::from(frame) * 40), 10);
        }
        assert_eq!(held(&cache), [4, 5]);
        assert_eq!(cache.key_frame(), Some((ms(160), &4)));
        assert_eq!(cache.newest(), Some(ms(200)));
        assert_eq!((cache.bytes(), cache.span(), cache.len()), (20, ms(40), 2));
    }

    #[test]
    fn a_group_over_its_bytes_is_dropped_whole_until_the_next_key_frame() {
        let mut cache = GroupCache::new(LIMITS);
        cache.push(1, true, ms(0), 600);
        cache.push(2, false, ms(40), 400);
        assert_eq!(held(&cache), [1, 2]);
        cache.push(3, false, ms(80), 1);
        assert_eq!(held(&cache), [0u32; 0]);
        cache.push(4, false, ms(120), 1);
        assert_eq!((cache.len(), cache.bytes()), (0, 0));
        cache.push(5, true, ms(160), 1);
        assert_eq!(held(&cache), [5]);
    }

    #[test]
    fn a_group_over_its_span_is_dropped_whole() {
        let mut cache = GroupCache::new(LIMITS);
        cache.push(1, true, ms(500), 1);
        cache.push(2, false, ms(2500), 1);
        assert_eq!(held(&cache), [1, 2]);
        cache.push(3, false, ms(2501), 1);
        assert!(cache.is_empty());
    }

    #[test]
    fn a_key_frame_too_large_for_the_cache_is_not_kept() {
        let mut cache = GroupCache::new(LIMITS);
        cache.push(1, true, ms(0), 1001);
        cache.push(2, false, ms(40), 1);
        assert!(cache.is_empty());
    }

    #[test]
    fn clearing_waits_for_a_key_frame() {
        let mut cache = GroupCache::new(LIMITS);
        cache.push(1, true, ms(0), 1);
        cache.clear();
        cache.push(2, false, ms(40), 1);
        assert!(cache.is_empty());
    }
}
