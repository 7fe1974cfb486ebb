//! What waits for a decoder, and what is given up when it is too slow.

use std::collections::VecDeque;
use std::time::Duration;

/// The most that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Units.
    pub units: usize,
    /// Bytes, all units together.
    pub bytes: usize,
    /// From when the oldest came to when the newest did.
    pub span: Duration,
}

#[derive(Debug)]
struct Waiting<U> {
    unit: U,
    key: bool,
    bytes: usize,
    time: Option<Duration>,
}

/// A queue of encoded pictures that never grows beyond its bounds and never leaves a torn group behind.
///
/// When it is full, the oldest group goes; if nothing but one group waits, all of it goes, and so does
/// whatever comes before the next key frame.
#[derive(Debug)]
pub struct Backlog<U> {
    bounds: Bounds,
    waiting: VecDeque<Waiting<U>>,
    bytes: usize,
    torn: bool,
    dropped: u64,
}

impl<U> Backlog<U> {
    /// Makes an empty queue.
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            waiting: VecDeque::new(),
            bytes: 0,
            torn: false,
            dropped: 0,
        }
    }

    /// Takes one unit; `key` says that decoding can start with it, `time` is when it came, on any scale.
    pub fn push(&mut self, unit: U, key: bool, bytes: usize, time: Option<Duration>) {
        self.torn &= !key;
        if self.torn {
            self.dropped += 1;
            return;
        }
        self.bytes += bytes;
        self.waiting.push_back(Waiting {
            unit,
            key,
            bytes,
            time,
        });
        while self.is_over() {
            self.drop_group();
        }
    }

    /// Takes what is no picture, such as new caps; it is kept in its place whatever is given up around it.
    pub fn push_mark(&mut self, unit: U) {
        self.waiting.push_back(Waiting {
            unit,
            key: true,
            bytes: 0,
            time: None,
        });
    }

    /// Gives the oldest unit.
    pub fn pop(&mut self) -> Option<U> {
        let first = self.waiting.pop_front()?;
        self.bytes -= first.bytes;
        Some(first.unit)
    }

    /// Shows the oldest unit.
    pub fn front(&self) -> Option<&U> {
        self.waiting.front().map(|first| &first.unit)
    }

    /// Says whether all pictures are given up until the next key frame.
    pub const fn is_torn(&self) -> bool {
        self.torn
    }

    /// Says how many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Says whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Says how many pictures were given up so far.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets what waits; it does not count as given up.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.torn = false;
    }

    fn is_over(&self) -> bool {
        let mut times = self.waiting.iter().filter_map(|waiting| waiting.time);
        let span = times
            .next()
            .zip(times.next_back())
            .map_or(Duration::ZERO, |(first, last)| last.saturating_sub(first));
        self.waiting.len() > self.bounds.units
            || self.bytes > self.bounds.bytes
            || span > self.bounds.span
    }

    /// Drops from the oldest picture to the one before the next key frame.
    fn drop_group(&mut self) {
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        let mut gone = 0_u64;
        let mut done = false;
        for waiting in self.waiting.drain(..) {
            let mark = waiting.bytes == 0 && waiting.time.is_none();
            done |= gone > 0 && waiting.key && !mark;
            if done || mark {
                kept.push_back(waiting);
            } else {
                gone += 1;
                self.bytes -= waiting.bytes;
            }
        }
        self.torn = !done;
        self.dropped += gone;
        self.waiting = kept;
        if gone == 0 {
            // Nothing but marks: more of them than the bounds allow is no stream.
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(units: usize) -> Backlog<u32> {
        Backlog::new(Bounds {
            units,
            bytes: 1_000,
            span: Duration::from_secs(1),
        })
    }

    fn rest(backlog: &mut Backlog<u32>) -> Vec<u32> {
        std::iter::from_fn(|| backlog.pop()).collect()
    }

    #[test]
    fn a_full_queue_of_one_group_is_emptied_up_to_the_next_key_frame() {
        let mut backlog = of(3);
        for unit in 0..6 {
            backlog.push(unit, unit == 0 || unit == 5, 1, None);
        }
        assert_eq!(rest(&mut backlog), [5]);
        assert_eq!(backlog.dropped(), 5);
    }

    #[test]
    fn pictures_that_are_all_key_frames_lose_the_oldest_only() {
        let mut backlog = of(3);
        for unit in 0..5 {
            backlog.push(unit, true, 1, None);
        }
        assert_eq!(rest(&mut backlog), [2, 3, 4]);
    }

    #[test]
    fn bytes_and_time_are_bounds_too() {
        let mut backlog = of(100);
        backlog.push(0, true, 600, None);
        backlog.push(1, true, 600, None);
        assert_eq!(rest(&mut backlog), [1]);
        let second = |at| Some(Duration::from_millis(at));
        backlog.push(2, true, 1, second(0));
        backlog.push(3, true, 1, second(900));
        backlog.push(4, true, 1, second(1_800));
        assert_eq!(rest(&mut backlog), [3, 4]);
    }

    #[test]
    fn new_caps_stay_in_their_place() {
        let mut backlog = of(2);
        backlog.push(0, true, 1, None);
        backlog.push_mark(1);
        backlog.push(2, true, 1, None);
        assert_eq!(rest(&mut backlog), [1, 2]);
    }

    #[test]
    fn after_a_clear_pictures_are_taken_again() {
        let mut backlog = of(1);
        backlog.push(0, true, 1, None);
        backlog.push(1, false, 1, None);
        assert!(backlog.is_empty());
        backlog.clear();
        backlog.push(2, false, 1, None);
        assert_eq!(backlog.front(), Some(&2));
        assert_eq!(backlog.len(), 1);
    }
}
