//! A few threads for what blocks: state changes, waiting for webrtcbin, events that go upstream.
//!
//! Not tokio's blocking pool: sessions are also closed from threads that know no runtime.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// More sessions than this are not built at the same moment; the rest wait in the queue, which is bounded
/// by what HTTP lets in and by the number of sessions that can close.
const THREADS: usize = 8;

/// An idle thread ends after this.
const IDLE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

#[derive(Default)]
struct Pool {
    state: Mutex<State>,
    wake: Condvar,
}

static POOL: LazyLock<Pool> = LazyLock::new(Pool::default);

/// Runs a job soon, on a thread that may block. Never blocks itself.
pub(crate) fn run(job: impl FnOnce() + Send + 'static) {
    let mut state = POOL.state.lock();
    state.jobs.push_back(Box::new(job));
    if state.idle >= state.jobs.len() || state.threads >= THREADS {
        drop(state);
        POOL.wake.notify_one();
        return;
    }
    state.threads += 1;
    drop(state);
    let spawned = std::thread::Builder::new()
        .name("sluice-session".to_owned())
        .spawn(work);
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread for a session");
        POOL.state.lock().threads -= 1;
    }
}

fn work() {
    loop {
        let mut state = POOL.state.lock();
        while state.jobs.is_empty() {
            state.idle += 1;
            let timed_out = POOL.wake.wait_for(&mut state, IDLE).timed_out();
            state.idle -= 1;
            if timed_out && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
        let job = state.jobs.pop_front();
        drop(state);
        if let Some(job) = job {
            // A panic ends one session's job, not the pool.
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            if caught.is_err() {
                tracing::error!("a session's job panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_that_block_do_not_hold_up_the_others() {
        let (release, blocked) = mpsc::channel::<()>();
        let (done, all) = mpsc::channel();
        let first = done.clone();
        run(move || {
            blocked.recv().unwrap();
            first.send("blocked").unwrap();
        });
        run(move || done.send("free").unwrap());
        let wait = Duration::from_secs(5);
        assert_eq!(all.recv_timeout(wait), Ok("free"));
        release.send(()).unwrap();
        assert_eq!(all.recv_timeout(wait), Ok("blocked"));
    }

    #[test]
    fn a_panic_leaves_the_pool_alive() {
        let (done, all) = mpsc::channel();
        run(|| panic!("on purpose"));
        run(move || done.send(()).unwrap());
        assert_eq!(all.recv_timeout(Duration::from_secs(5)), Ok(()));
    }
}
