//! Packets that are sent again when they were lost (RFC 4585, 6.2.1; RFC 4588): what is kept of a stream for all its
//! viewers together, and how much of it one viewer gets.

use std::collections::VecDeque;
use std::time::Duration;

/// What is asked for later than this would come too late to be shown.
const SPAN: Duration = Duration::from_secs(1);

/// A second of 32 Mbit/s.
const BYTES: usize = 4 << 20;

/// The latest second of one stream, found by sequence number.
#[derive(Debug, Clone)]
pub struct History<T> {
    frames: VecDeque<Entry<T>>,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    /// The sequence number of its first packet.
    first: u16,
    packets: usize,
    bytes: usize,
    at: Duration,
    frame: T,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<T> History<T> {
    /// Adds a frame, whose packets are numbered from `first` on, at running time `at`. What is too old or too much goes.
    pub fn push(&mut self, frame: T, first: u16, packets: usize, bytes: usize, at: Duration) {
        self.frames.push_back(Entry {
            first,
            packets,
            bytes,
            at,
            frame,
        });
        self.bytes = self.bytes.saturating_add(bytes);
        while let Some(oldest) = self.frames.front() {
            // Time may go back where a source begins anew.
            let old = at.abs_diff(oldest.at) > SPAN;
            if !old && self.bytes <= BYTES {
                break;
            }
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            self.frames.pop_front();
        }
    }

    /// Finds the frame that the packet of this number is in, and the packet's place in it.
    pub fn find(&self, sequence: u16) -> Option<(&T, usize)> {
        // Lost packets are young ones.
        self.frames.iter().rev().find_map(|entry| {
            let index = usize::from(sequence.wrapping_sub(entry.first));
            (index < entry.packets).then_some((&entry.frame, index))
        })
    }
}

/// The most that a viewer may be owed, in bytes: half a second without a network, at 8 Mbit/s.
const MOST: usize = 512 << 10;

/// What a viewer may have before it was sent much, in bytes: a key frame.
const FIRST: usize = 128 << 10;

/// A token bucket that fills with what the viewer is sent: it gets half as much again at most, however much it asks for.
/// A network that loses a third of everything is not helped by more.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    bytes: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { bytes: FIRST }
    }
}

impl Allowance {
    /// Takes note that the viewer was sent so many bytes for the first time.
    pub fn on_sent(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes / 2).min(MOST);
    }

    /// Says whether the viewer may be sent so many bytes again, and counts them.
    pub const fn take(&mut self, bytes: usize) -> bool {
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ms;

    #[test]
    fn packets_are_found_by_number_across_the_wrap() {
        let mut history = History::default();
        history.push("a", 0xfffe, 3, 100, ms(0));
        history.push("b", 1, 1, 100, ms(33));
        history.push("c", 2, 2, 100, ms(66));
        for (sequence, found) in [
            (0xfffd, None),
            (0xfffe, Some((&"a", 0))),
            (0, Some((&"a", 2))),
            (1, Some((&"b", 0))),
            (3, Some((&"c", 1))),
            (4, None),
        ] {
            assert_eq!(history.find(sequence), found, "{sequence}");
        }
    }

    #[test]
    fn what_is_older_than_a_second_goes() {
        let mut history = History::default();
        for number in 0..40_u16 {
            history.push(number, number, 1, 10, ms(u64::from(number) * 40));
        }
        assert_eq!(history.find(13), None);
        assert_eq!(history.find(14), Some((&14, 0)));
        // A source that begins anew: nothing of before is kept for ever.
        for number in 40..70_u16 {
            history.push(number, number, 1, 10, ms(u64::from(number) * 40 + 100_000));
        }
        assert_eq!(history.find(39), None);
        assert_eq!(history.find(69), Some((&69, 0)));
    }

    #[test]
    fn no_more_than_so_many_bytes_are_kept() {
        let mut history = History::default();
        for number in 0..10_u16 {
            history.push(number, number, 1, BYTES / 4, ms(u64::from(number)));
        }
        assert_eq!(history.find(5), None);
        assert_eq!(history.find(6), Some((&6, 0)));
    }

    #[test]
    fn a_viewer_gets_half_as_much_again_at_most() {
        let mut allowance = Allowance::default();
        assert!(allowance.take(FIRST));
        assert!(!allowance.take(1));
        allowance.on_sent(2400);
        assert!(allowance.take(1200));
        assert!(!allowance.take(1));
        allowance.on_sent(usize::MAX);
        assert!(allowance.take(MOST));
        assert!(!allowance.take(1));
    }
}
