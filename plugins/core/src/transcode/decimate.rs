//! Fewer pictures a second than come.

use std::time::Duration;

/// Lets at most so many pictures a second through, evenly.
#[derive(Debug, Clone)]
pub struct Decimate {
    /// Between two pictures; zero lets all through.
    gap: Duration,
    due: Option<Duration>,
}

impl Decimate {
    /// Makes one for `most` pictures a second; 0 lets all through.
    pub fn new(most: u32) -> Self {
        let gap = match most {
            0 => Duration::ZERO,
            most => Duration::from_secs(1) / most,
        };
        Self { gap, due: None }
    }

    /// Says whether the picture of this time is let through.
    pub fn takes(&mut self, time: Duration) -> bool {
        if self.gap.is_zero() {
            return true;
        }
        // A quarter of the gap is jitter of the source's clock, not a faster source.
        let slack = self.gap / 4;
        match self.due {
            Some(due) if time + slack < due && due.saturating_sub(time) <= self.gap * 2 => false,
            Some(due) if time < due + self.gap => {
                self.due = Some(due + self.gap);
                true
            }
            // The first one, one after a pause, or one after a jump of the clock.
            Some(_) | None => {
                self.due = Some(time + self.gap);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(most: u32, fps: u32) -> usize {
        let mut decimate = Decimate::new(most);
        (0..fps * 10)
            .filter(|frame| decimate.takes(Duration::from_secs(1) * *frame / fps))
            .count()
    }

    #[test]
    fn the_rate_is_never_above_the_limit() {
        for (most, fps, passed) in [
            (0, 25, 250),
            (5, 25, 50),
            (15, 30, 150),
            (10, 25, 100),
            (30, 25, 250),
        ] {
            let count = count(most, fps);
            assert!(count.abs_diff(passed) <= 1, "{most} of {fps}: {count}");
        }
    }

    #[test]
    fn a_jump_of_the_clock_does_not_stop_the_pictures() {
        let mut decimate = Decimate::new(10);
        assert!(decimate.takes(Duration::from_secs(100)));
        assert!(decimate.takes(Duration::from_secs(1)));
    }
}
