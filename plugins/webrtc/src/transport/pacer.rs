//! Sends the later parts of large frames at their time: one thread for all sessions, started with the first such frame.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::session::Session;

/// The span of most frames is shorter than the time between two frames.
const DEFAULT_US: u64 = 20_000;

static SPAN_US: AtomicU64 = AtomicU64::new(DEFAULT_US);

/// Sets over which time large frames are spread, for all sinks of this process; zero sends them at once. It is 20 ms
/// otherwise.
pub fn pace(span: Duration) {
    SPAN_US.store(u64::try_from(span.as_micros()).unwrap_or(u64::MAX), Relaxed);
}

/// Gives the time over which large frames are spread.
pub(super) fn span() -> Duration {
    Duration::from_micros(SPAN_US.load(Relaxed))
}

/// A session that has something to send then. Ordered by time alone.
struct Turn(Instant, Weak<Session>);

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Turn {}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

#[derive(Default)]
struct State {
    turns: BinaryHeap<Reverse<Turn>>,
    running: bool,
}

#[derive(Default)]
struct Pacer {
    state: Mutex<State>,
    wake: Condvar,
}

static PACER: LazyLock<Pacer> = LazyLock::new(Pacer::default);

/// Lets a session send what is due at each of these instants. `false` says that there is no thread to do it.
#[must_use]
pub(super) fn at(times: impl Iterator<Item = Instant>, session: &Arc<Session>) -> bool {
    let mut state = PACER.state.lock();
    if !state.running {
        let spawned = std::thread::Builder::new()
            .name("sluice-pacer".to_owned())
            .spawn(run);
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to spread large frames with");
            return false;
        }
        state.running = true;
    }
    let turns = times.map(|time| Reverse(Turn(time, Arc::downgrade(session))));
    state.turns.extend(turns);
    drop(state);
    PACER.wake.notify_one();
    true
}

fn run() {
    let mut state = PACER.state.lock();
    loop {
        let Some(Reverse(Turn(due, _))) = state.turns.peek() else {
            PACER.wake.wait(&mut state);
            continue;
        };
        let due = *due;
        if Instant::now() < due {
            let _timed_out = PACER.wake.wait_until(&mut state, due);
            continue;
        }
        if let Some(Reverse(Turn(_, session))) = state.turns.pop() {
            parking_lot::MutexGuard::unlocked(&mut state, || {
                if let Some(session) = session.upgrade() {
                    session.send_part();
                }
            });
        }
    }
}
