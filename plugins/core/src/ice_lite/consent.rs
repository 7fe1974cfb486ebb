//! Whether the peer still wants our packets (RFC 7675).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Without an answer for so long, nothing is sent any more (RFC 7675, 5.1).
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// Between two checks, times 0.8 to 1.2 so that sessions do not ask in step.
const PERIOD: Duration = Duration::from_secs(5);

/// Checks whose answers are still good: those of 30 s.
const ASKED: usize = 8;

/// The consent of one pair.
#[derive(Debug)]
pub(super) struct Consent {
    until: Instant,
    next: Instant,
    asked: VecDeque<u128>,
}

impl Consent {
    /// Begins with the peer's own check, by which it has shown that it wants this session.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            until: now + SILENCE,
            next: now + PERIOD,
            asked: VecDeque::with_capacity(ASKED),
        }
    }

    /// Says when something is due.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.until.min(self.next)
    }

    /// Says whether the peer has not answered for too long.
    pub(super) fn is_lost(&self, now: Instant) -> bool {
        now >= self.until
    }

    /// Says whether a check is due, and takes note that it is sent as this transaction. `spread` is random.
    pub(super) fn asks(&mut self, now: Instant, transaction: u128, spread: u32) -> bool {
        if now < self.next {
            return false;
        }
        // From 4 to 6 s.
        let share = f64::from(spread) / f64::from(u32::MAX);
        self.next = now + PERIOD.mul_f64(share.mul_add(0.4, 0.8));
        if self.asked.len() == ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back(transaction);
        true
    }

    /// Says whether this is a check of ours.
    pub(super) fn is_asked(&self, transaction: u128) -> bool {
        self.asked.contains(&transaction)
    }

    /// Takes note of an answer; those that are still to come are to older questions.
    pub(super) fn on_granted(&mut self, now: Instant) {
        self.until = now + SILENCE;
    }
}
