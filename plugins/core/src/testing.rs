//! What several test modules share.

use std::time::{Duration, Instant};

/// Gives an instant to count from; tests never ask the clock again.
#[expect(
    clippy::disallowed_methods,
    reason = "std has no other way to make an Instant; only the origin comes from the clock"
)]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

/// Gives `n` milliseconds.
pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
