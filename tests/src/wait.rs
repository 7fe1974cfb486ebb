//! Waiting with a deadline, in one place.

use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// How often a condition without an event of its own is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Waits until `probe` gives a value and returns it.
///
/// # Panics
/// When it has not within `limit`, naming `what` was awaited.
pub fn until<T>(limit: Duration, what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(limit, probe).unwrap_or_else(|| panic!("waited {limit:?} in vain for {what}"))
}

/// Like [`until`], for callers to whom the end of the time is an answer.
pub fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        let left = end.checked_duration_since(Instant::now())?;
        park_timeout(TICK.min(left));
    }
}

/// Lets `span` pass, for measurements over a window of time.
pub fn pass(span: Duration) {
    let end = Instant::now() + span;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        park_timeout(left);
    }
}

/// Seconds, short.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
