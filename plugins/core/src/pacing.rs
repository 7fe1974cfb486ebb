//! Spreading a large frame over a short time, so that it does not fill the queue of a slow link at once.

use std::time::Duration;

/// What leaves at once, in bytes: eight full packets. A link of 5 Mbit/s takes 20 ms for it, and most frames are no larger.
const BURST: usize = 10_000;

/// More parts than this only cost calls.
const MOST_PARTS: usize = 12;

/// A part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// So many packets, behind those of the parts before.
    pub packets: usize,
    /// When it leaves, after the first part.
    pub after: Duration,
}

/// Cuts packets of these lengths into parts of about one size, the last of which leaves `span` after the first. What is
/// small, or with no span at all, is one part.
pub fn parts(lengths: &[usize], span: Duration) -> Vec<Part> {
    let total: usize = lengths.iter().sum();
    let wanted = total.div_ceil(BURST).clamp(1, MOST_PARTS);
    if span.is_zero() || wanted == 1 {
        let packets = lengths.len();
        let after = Duration::ZERO;
        return vec![Part { packets, after }];
    }
    let size = total.div_ceil(wanted);
    let (mut sizes, mut packets, mut bytes) = (Vec::with_capacity(wanted), 0, 0);
    for length in lengths {
        packets += 1;
        bytes += length;
        if bytes >= size {
            sizes.push(packets);
            (packets, bytes) = (0, 0);
        }
    }
    if packets > 0 {
        sizes.push(packets);
    }
    let steps = u32::try_from(sizes.len() - 1).unwrap_or(u32::MAX).max(1);
    let parts = (0..).zip(sizes).map(|(step, packets)| Part {
        packets,
        after: span * step / steps,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ms;

    fn cut(packets: usize, span: Duration) -> Vec<(usize, Duration)> {
        let parts = parts(&vec![1200; packets], span);
        parts
            .iter()
            .map(|part| (part.packets, part.after))
            .collect()
    }

    #[test]
    fn most_frames_leave_at_once() {
        for packets in [0, 1, 8] {
            assert_eq!(cut(packets, ms(20)), [(packets, ms(0))]);
        }
        assert_eq!(cut(100, ms(0)), [(100, ms(0))]);
    }

    #[test]
    fn a_key_frame_is_spread_over_the_whole_span_and_no_longer() {
        assert_eq!(cut(16, ms(20)), [(8, ms(0)), (8, ms(20))]);
        let parts = cut(100, ms(22));
        assert_eq!(parts.len(), 12);
        assert_eq!(parts.first(), Some(&(9, ms(0))));
        assert_eq!(parts.get(1), Some(&(9, ms(2))));
        assert_eq!(parts.last(), Some(&(1, ms(22))));
        assert_eq!(parts.iter().map(|(packets, _)| packets).sum::<usize>(), 100);
    }

    #[test]
    fn no_packet_is_lost_or_sent_twice_whatever_their_lengths() {
        for count in 0..400 {
            let lengths: Vec<usize> = (0..count).map(|n| n * 7919 % 1400).collect();
            let parts = parts(&lengths, ms(20));
            assert_eq!(parts.iter().map(|part| part.packets).sum::<usize>(), count);
            assert!(parts.iter().all(|part| part.after <= ms(20)));
            assert!(parts.is_sorted_by_key(|part| part.after));
        }
    }
}
