//! Tries to sign in: one of each client at a time, and none while it has to wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sluice_core::access::Throttle;
use tokio::sync::OwnedMutexGuard;

/// From so many clients on, those without a try under way are forgotten.
const TIDY: usize = 256;

/// Who tries, and who failed.
#[derive(Debug, Default)]
pub(super) struct Tries {
    throttle: Mutex<Throttle>,
    /// A thousand tries at once must not all pass before the first has failed.
    turns: Mutex<HashMap<IpAddr, Arc<tokio::sync::Mutex<()>>>>,
}

/// One client's turn; the next one's begins when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _mine: OwnedMutexGuard<()>,
}

impl Tries {
    /// Waits for this client's turn; fails with the time that it has to wait first.
    pub(super) async fn begin(&self, client: IpAddr) -> Result<Turn, Duration> {
        let turn = {
            let mut turns = self.turns.lock();
            if turns.len() >= TIDY {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(client).or_default())
        };
        let mine = turn.lock_owned().await;
        match self.wait(client) {
            Some(wait) => Err(wait),
            None => Ok(Turn { _mine: mine }),
        }
    }

    /// Says how long this client has to wait.
    pub(super) fn wait(&self, client: IpAddr) -> Option<Duration> {
        self.throttle.lock().wait(client, Instant::now())
    }

    /// Takes note of a failure. Who fails again and again appears in the log with the address, for those
    /// who ban by it; each doubling of the wait gives one line.
    pub(super) fn failed(&self, client: IpAddr) {
        let wait = self.throttle.lock().on_failure(client, Instant::now());
        if wait.is_zero() {
            tracing::debug!(%client, "a client failed to sign in");
        } else {
            let wait_s = wait.as_secs();
            tracing::warn!(%client, wait_s, "a client keeps failing to sign in and has to wait");
        }
    }
}
