//! How long a reader rests once something comes, so that one read takes more: a wake costs more than what it reads.

use std::time::Duration;

/// A rest begins with what lets the rest of a frame come.
pub const LEAST: Duration = Duration::from_millis(2);
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
    /// Gives the next rest: never more than `most`.
    pub fn next(&self, most: Duration) -> Duration {
        self.now.min(most)
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
        assert_eq!(rest.next(SHORT), SHORT);
        assert_eq!(rest.next(Duration::ZERO), Duration::ZERO);
        // Whoever came has gone again: it grows anew.
        rest.on_read(5000, SHORT);
        assert_eq!(rest.next(LONG), SHORT);
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
