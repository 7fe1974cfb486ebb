//! How long a reader rests once something comes, so that one read takes more: a wake costs more than what it reads.

use std::time::Duration;

/// A rest begins with what lets the rest of a frame come.
pub const LEAST: Duration = Duration::from_millis(2);
/// While somebody waits for pictures: what lets the rest of a frame come whose packets are written one after the other. One
/// that takes longer gets as much again, up to the most: most are whole after the first. What is whole when it is first looked
/// at, as sound is, gets none: each rest is a wake of its own.
const PIECE: Duration = Duration::from_micros(400);
/// How much it grows with each read.
const STEP: Duration = Duration::from_millis(1);
/// A read that brings this many bytes had too long a rest: what is not read fills the window, and then the camera's own buffer.
const PLENTY: usize = 64 << 10;

/// The rest of one connection.
#[derive(Debug)]
pub struct Rest {
    now: Duration,
}

impl Default for Rest {
    fn default() -> Self {
        Self { now: LEAST }
    }
}

impl Rest {
    /// Gives the rest before the next read: never more than `most`, and none if that is no longer than the least.
    pub fn next(&self, most: Duration) -> Duration {
        if most > LEAST {
            self.now.min(most)
        } else {
            Duration::ZERO
        }
    }

    /// Gives a further one for a frame that is not whole after so much rest; `None` if it has had its time, or if nobody waits
    /// for it.
    pub fn further(rested: Duration, most: Duration) -> Option<Duration> {
        let left = most.saturating_sub(rested);
        (most <= LEAST && !left.is_zero()).then(|| left.min(PIECE))
    }

    /// Takes how many bytes came after a rest that might have been `most`. Rests grow slowly, and halve when much comes.
    pub fn on_read(&mut self, bytes: usize, most: Duration) {
        let next = if bytes >= PLENTY {
            self.now / 2
        } else {
            self.now + STEP
        };
        self.now = next.min(most).max(LEAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(2);
    const LONG: Duration = Duration::from_millis(40);

    #[test]
    fn rests_grow_while_little_comes_and_end_with_who_waits() {
        let mut rest = Rest::default();
        assert_eq!(rest.next(LONG), LEAST);
        for _ in 0..100 {
            rest.on_read(5000, LONG);
        }
        assert_eq!(rest.next(LONG), LONG);
        assert_eq!(rest.next(SHORT), Duration::ZERO);
        // Whoever came has gone again: it grows anew.
        rest.on_read(5000, SHORT);
        assert_eq!(rest.next(LONG), SHORT);
    }

    #[test]
    fn a_frame_that_is_not_whole_has_its_time_in_pieces() {
        let rest = Rest::default();
        let mut rested = rest.next(SHORT);
        let mut pieces = 0;
        while let Some(piece) = Rest::further(rested, SHORT) {
            rested += piece;
            pieces += 1;
        }
        assert_eq!((rested, pieces), (SHORT, 5));
        assert_eq!(Rest::further(SHORT, LONG), None);
    }

    #[test]
    fn a_fast_camera_is_read_often() {
        // 50 Mbit/s: 6250 bytes per millisecond.
        let mut rest = Rest::default();
        let mut most = 0;
        for _ in 0..1000 {
            let bytes = usize::try_from(rest.next(LONG).as_micros()).unwrap() * 6250 / 1000;
            rest.on_read(bytes, LONG);
            most = most.max(bytes);
        }
        assert!(most < 2 * PLENTY, "{most}");
    }
}
