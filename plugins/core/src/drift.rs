//! Follows a sender whose clock runs at another speed than ours.
//!
//! MPEG-TS carries the sender's time, and RTP over TCP. Taken as it is, the picture would be late by seconds after a day; tsdemux's
//! own correction bends timestamps by half within the first seconds. This one moves by at most 2 ms in 10 s.

/// How long the punctual frames are looked for, in ns.
const WINDOW: i64 = 10_000_000_000;
/// How far times are moved after each.
const STEP: i64 = 2_000_000;
/// More than this is no clock's drift: the sender stopped its time for a while.
const BROKEN: i64 = 1_000_000_000;

/// The correction of one sender, in ns.
#[derive(Debug, Default)]
pub struct Drift {
    correction: i64,
    /// How far ahead of the clock the punctual frames of the first window were.
    wanted: Option<i64>,
    /// Since when, and the most punctual frame so far.
    window: Option<(i64, i64)>,
    /// A sender's time that stands still is caught up with at once.
    catches_up: bool,
}

impl Drift {
    /// Makes one that catches up at once with a sender whose time stood still for more than a second.
    pub fn catching_up() -> Self {
        Self {
            catches_up: true,
            ..Self::default()
        }
    }

    /// Takes a frame's time when it arrives, and our own; gives what to add to it.
    pub fn on_frame(&mut self, time: i64, now: i64) -> i64 {
        let ahead = time.saturating_sub(now).saturating_add(self.correction);
        // The frame that the network delayed least tells of the clocks.
        let (since, best) = self
            .window
            .map_or((now, ahead), |(since, best)| (since, best.max(ahead)));
        self.window = Some((since, best));
        if now.saturating_sub(since) >= WINDOW {
            let wanted = *self.wanted.get_or_insert(best);
            let off = wanted.saturating_sub(best);
            self.correction += if self.catches_up && off > BROKEN {
                off
            } else {
                off.clamp(-STEP, STEP)
            };
            self.window = None;
        }
        self.correction
    }

    /// Gives what to add to the time of a frame that says nothing of the clocks.
    pub const fn correction(&self) -> i64 {
        self.correction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays an hour of a sender whose clock is `ppm` fast; gives how late or early its frames are at the end.
    fn hour(ppm: i64) -> i64 {
        let mut drift = Drift::default();
        let mut error = 0;
        for frame in 0..(3600 * 25) {
            let now = frame * 40_000_000;
            let sent = now / 1_000_000 * (1_000_000 + ppm);
            error = sent - now + drift.on_frame(sent, now);
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
        for frame in 0_i64..2000 {
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
