//! Timestamps for a viewer who joins from the cached group of pictures.

use std::time::Duration;

/// How long a frame takes a decoder, about: what the catch-up must allow per cached frame.
const PER_FRAME: Duration = Duration::from_millis(3);
/// How fast a viewer's line is taken to be while the cached group is sent.
const BITS_PER_SECOND: u128 = 25_000_000;
/// The longest catch-up; beyond it a viewer takes the delay for a fault.
const LONGEST: Duration = Duration::from_millis(1500);

/// Compresses the cached past of a stream into a short span after a viewer's join.
///
/// With the first cached frame at `first` and the join at `live`, times `first..live+span` are mapped
/// linearly onto `live..live+span`; after that, time is left alone. So the cached frames and those that
/// arrive meanwhile play fast but in order, and at the end the viewer is live without a jump. A frame is
/// sent when the clock reaches its mapped time, and carries that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatchUp {
    first: Duration,
    live: Duration,
    end: Duration,
}

impl CatchUp {
    /// Plans the catch-up of `frames` cached frames of `bytes` together, for a viewer who joins at `live`.
    pub fn new(first: Duration, live: Duration, frames: usize, bytes: usize) -> Self {
        let first = first.min(live);
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        let for_decoding = PER_FRAME.saturating_mul(frames);
        let for_sending = nanos((bytes as u128) * 8 * 1_000_000_000 / BITS_PER_SECOND);
        let span = for_decoding.max(for_sending).min(LONGEST);
        Self {
            first,
            live,
            end: live.saturating_add(span),
        }
    }

    /// Gives the time at which the frame of time `t` is sent and which it carries.
    ///
    /// It never goes back as `t` goes on, is continuous, and is `t` itself once the catch-up is over.
    pub fn map(&self, t: Duration) -> Duration {
        if t >= self.end {
            return t;
        }
        let past = t.saturating_sub(self.first).as_nanos();
        let from = self.end.saturating_sub(self.first).as_nanos();
        let to = self.end.saturating_sub(self.live).as_nanos();
        // With nothing cached `from` is 0; then every time before the end is sent at once.
        let moved = (past * to).checked_div(from).unwrap_or(0);
        self.live.saturating_add(nanos(moved))
    }

    /// Says whether a frame of time `t` is past the catch-up, so that nothing need be mapped any more.
    pub fn done(&self, t: Duration) -> bool {
        t >= self.end
    }

    /// Gives the time at which the viewer is live.
    pub const fn end(&self) -> Duration {
        self.end
    }

    /// Gives how long the catch-up takes.
    pub fn span(&self) -> Duration {
        self.end.saturating_sub(self.live)
    }
}

fn nanos(n: u128) -> Duration {
    Duration::from_nanos(u64::try_from(n).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ms;

    #[test]
    fn the_span_covers_decoding_and_sending_and_is_bounded() {
        for (frames, bytes, span) in [
            (0, 0, ms(0)),
            (100, 1000, ms(300)),
            (1, 3_125_000, ms(1000)),
            (300, 3_125_000, ms(1000)),
            (10_000, 0, ms(1500)),
            (1, 16 << 20, ms(1500)),
            (usize::MAX, usize::MAX, ms(1500)),
        ] {
            assert_eq!(CatchUp::new(ms(0), ms(10_000), frames, bytes).span(), span);
        }
    }

    #[test]
    fn the_cached_past_is_pressed_into_the_span_and_the_joint_is_smooth() {
        // Ten seconds of 30 fps: 300 frames, so 0.9 s.
        let catch_up = CatchUp::new(ms(50_000), ms(60_000), 300, 1000);
        for (t, mapped) in [
            (ms(49_000), ms(60_000)),
            (ms(50_000), ms(60_000)),
            (ms(55_450), ms(60_450)),
            (ms(60_900), ms(60_900)),
            (ms(60_901), ms(60_901)),
            (ms(99_000), ms(99_000)),
        ] {
            assert_eq!(catch_up.map(t), mapped, "{t:?}");
        }
    }

    #[test]
    fn frames_never_go_back_nor_share_a_timestamp() {
        for (first, live, frames) in [(0, 10_000, 300), (0, 33, 1), (500, 12_400, 720)] {
            let catch_up = CatchUp::new(ms(first), ms(live), frames, 100_000);
            let mut last = None;
            for t in (first..live + 3000).step_by(16) {
                let mapped = catch_up.map(ms(t));
                // One tick of the 90 kHz clock is 11.1 µs.
                if let Some(last) = last {
                    assert!(mapped >= last + Duration::from_micros(12), "{t}");
                }
                last = Some(mapped);
            }
        }
    }

    #[test]
    fn a_frame_arriving_meanwhile_is_never_sent_before_it_is_there() {
        let catch_up = CatchUp::new(ms(0), ms(10_000), 300, 0);
        for t in (0..12_000).step_by(7) {
            assert!(catch_up.map(ms(t)) >= ms(t), "{t}");
        }
    }

    #[test]
    fn without_a_cached_past_time_is_left_alone() {
        let catch_up = CatchUp::new(ms(5000), ms(5000), 0, 0);
        assert_eq!(catch_up.map(ms(5000)), ms(5000));
        assert!(catch_up.done(ms(5000)));
        // A first frame ahead of the join (clocks of two threads) is no past either.
        let ahead = CatchUp::new(ms(5010), ms(5000), 1, 0);
        assert_eq!(ahead.map(ms(5010)), ms(5010));
    }
}
