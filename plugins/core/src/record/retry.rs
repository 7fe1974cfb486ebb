//! When a disk that failed is tried again.

use std::time::{Duration, Instant};

/// The first wait, doubled after each failure.
const FIRST: Duration = Duration::from_millis(500);

/// The longest wait: space that is free again is used within 5 s, a key frame included.
const LONGEST: Duration = Duration::from_secs(2);

/// Says when a disk that failed may be tried again.
#[derive(Debug, Clone, Default)]
pub struct DiskRetry {
    failures: u32,
    due: Option<Instant>,
}

impl DiskRetry {
    /// Takes a failure; gives how long to wait.
    pub fn on_failure(&mut self, now: Instant) -> Duration {
        let wait = FIRST
            .saturating_mul(2u32.saturating_pow(self.failures.min(8)))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now + wait);
        wait
    }

    /// Takes note that a segment was written whole, or long enough to trust the disk.
    pub fn on_success(&mut self) {
        self.failures = 0;
        self.due = None;
    }

    /// Says whether a segment may be opened.
    pub fn may_open(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now >= due)
    }

    /// Counts the failures since the last success.
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, origin};

    #[test]
    fn waits_grow_to_two_seconds_and_never_end() {
        let mut retry = DiskRetry::default();
        let start = origin();
        assert!(retry.may_open(start));
        let waits: Vec<_> = (0..6)
            .map(|_| retry.on_failure(start).as_millis())
            .collect();
        assert_eq!(waits, [500, 1000, 2000, 2000, 2000, 2000]);
        assert!(!retry.may_open(start + ms(1999)));
        assert!(retry.may_open(start + ms(2000)));
    }

    #[test]
    fn a_success_forgets_the_failures() {
        let mut retry = DiskRetry::default();
        let start = origin();
        retry.on_failure(start);
        retry.on_failure(start);
        retry.on_success();
        assert!(retry.may_open(start));
        assert_eq!(retry.on_failure(start), ms(500));
    }
}
