//! Follows a sender whose clock runs at another speed than ours.
//!
//! MPEG-TS carries the sender's time. Taken as it is, the picture would be late by seconds after a day; tsdemux's
//! own correction bends timestamps by half within the first seconds. This one moves by at most 2 ms in 10 s.

const WINDOW: u64 = 10_000_000_000;
const STEP: i64 = 2_000_000;

/// The correction of one epoch, in nanoseconds. `now` is the element's running time.
#[derive(Debug, Default)]
pub(crate) struct Drift {
    correction: i64,
    /// How far ahead of the clock the punctual frames of the first window were.
    wanted: Option<i64>,
    window: Option<(u64, i64)>,
}

impl Drift {
    /// Takes a frame's mapped time when it arrives; gives what to add to it.
    pub(crate) fn on_frame(&mut self, mapped: u64, now: u64) -> i64 {
        let ahead = difference(mapped, now).saturating_add(self.correction);
        // The frame that the network delayed least tells of the clocks.
        let (since, best) = self
            .window
            .map_or((now, ahead), |(since, best)| (since, best.max(ahead)));
        self.window = Some((since, best));
        if now.saturating_sub(since) >= WINDOW {
            let wanted = *self.wanted.get_or_insert(best);
            self.correction += (wanted - best).clamp(-STEP, STEP);
            self.window = None;
        }
        self.correction
    }
}

fn difference(a: u64, b: u64) -> i64 {
    let size = i64::try_from(a.abs_diff(b)).unwrap_or(i64::MAX);
    if a >= b { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays an hour of a sender whose clock is `ppm` fast; gives how late or early its frames are at the end.
    fn hour(ppm: i64) -> i64 {
        let mut drift = Drift::default();
        let mut error = 0;
        for frame in 0..(3600 * 25) {
            let now: u64 = frame * 40_000_000;
            let sent = i64::try_from(now).unwrap() / 1_000_000 * (1_000_000 + ppm);
            let sent = u64::try_from(sent).unwrap();
            error = difference(sent, now) + drift.on_frame(sent, now);
        }
        error
    }

    #[test]
    fn an_hour_of_a_fast_or_slow_sender_stays_within_ten_milliseconds() {
        for ppm in [-100, -20, 0, 20, 100] {
            assert!(hour(ppm).abs() < 10_000_000, "{ppm}: {}", hour(ppm));
        }
    }

    #[test]
    fn a_burst_after_a_stall_is_no_drift() {
        let mut drift = Drift::default();
        for frame in 0_u64..2000 {
            let sent = frame * 40_000_000;
            let late = if frame % 100 < 20 {
                (20 - frame % 100) * 40_000_000
            } else {
                0
            };
            assert_eq!(drift.on_frame(sent, sent + late), 0);
        }
    }
}
