//! One thread per process that looks four times a second whether a push is stuck or a session overdue.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

const PERIOD: Duration = Duration::from_millis(250);

#[derive(Default)]
struct Ticker {
    running: Mutex<bool>,
    never: Condvar,
}

static TICKER: LazyLock<Ticker> = LazyLock::new(Ticker::default);

/// Starts the thread unless it runs. It ends by itself when there is nothing left to look at.
pub(crate) fn start() {
    let mut running = TICKER.running.lock();
    if *running {
        return;
    }
    let spawned = std::thread::Builder::new()
        .name("sluice-ticker".to_owned())
        .spawn(tick);
    match spawned {
        Ok(_detached) => *running = true,
        Err(error) => tracing::error!(%error, "no thread for the watchdog"),
    }
}

fn tick() {
    let mut running = TICKER.running.lock();
    while *running {
        // Nobody notifies: the condition variable only lets the lock go while this thread waits.
        let _timed_out = TICKER.never.wait_for(&mut running, PERIOD);
        parking_lot::MutexGuard::unlocked(&mut running, || {
            let now = Instant::now();
            crate::fanout::look(now);
            crate::session::look(now);
            crate::publish::look(now);
            crate::load::look(now);
        });
        *running = crate::fanout::is_watched() || crate::publish::is_watched();
    }
}
