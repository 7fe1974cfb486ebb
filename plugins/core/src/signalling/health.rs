//! Whether a socket's peer lives, and whether it floods.

use std::time::{Duration, Instant};

use super::{DEAD, Order, PING, message};
use crate::access::RateLimit;

/// Messages a second, and at once: a session costs about twenty, most of them candidates.
const MESSAGES: (u32, u32) = (100, 500);
/// Of those that make the gateway look something up or build something.
const REQUESTS: (u32, u32) = (5, 40);
/// Who sends so many more in spite of being told is sent away.
const PATIENCE: u32 = 2000;
/// Who is told off too often could be made to read nothing else.
const COMPLAINT: Duration = Duration::from_secs(1);

/// The health of one socket.
#[derive(Debug)]
pub(super) struct Health {
    heard: Instant,
    pinged: bool,
    messages: RateLimit<()>,
    requests: RateLimit<()>,
    excess: u32,
    complained: Option<Instant>,
}

impl Health {
    /// Begins with a socket that has just been opened.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            pinged: false,
            messages: RateLimit::new(MESSAGES.0, MESSAGES.1),
            requests: RateLimit::new(REQUESTS.0, REQUESTS.1),
            excess: 0,
            complained: None,
        }
    }

    /// Takes note of anything that came: a message, a ping, a pong.
    pub(super) fn on_heard(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
        self.pinged = false;
    }

    /// Takes a message from the peer's share; fails with what to do when it is used up.
    pub(super) fn on_message(&mut self, now: Instant) -> Result<(), Vec<Order>> {
        if self.messages.take(&(), now).is_ok() {
            return Ok(());
        }
        Err(self.complain(now))
    }

    /// The same for a message that costs more.
    pub(super) fn on_request(&mut self, now: Instant) -> Result<(), Vec<Order>> {
        if self.requests.take(&(), now).is_ok() {
            return Ok(());
        }
        Err(self.complain(now))
    }

    fn complain(&mut self, now: Instant) -> Vec<Order> {
        self.excess = self.excess.saturating_add(1);
        if self.excess > PATIENCE {
            return vec![Order::Close {
                code: 1008,
                why: "too many messages",
            }];
        }
        if self.complained.is_some_and(|at| now < at + COMPLAINT) {
            return Vec::new();
        }
        self.complained = Some(now);
        vec![message::error(
            "too many messages come from you; those above the limit are not read",
        )]
    }

    /// Says when `handle_timeout` wants to be called.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.heard + if self.pinged { DEAD } else { PING }
    }

    /// Moves time on.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Order> {
        if now < self.poll_timeout() {
            return None;
        }
        if self.pinged {
            return Some(Order::Close {
                code: 1001,
                why: "nothing was heard from you",
            });
        }
        self.pinged = true;
        Some(Order::Ping)
    }
}
