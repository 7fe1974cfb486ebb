//! A few threads for what blocks (state changes, waiting for webrtcbin, events that go upstream), and pools like that one.
//!
//! Not tokio's blocking pool: sessions are also closed from threads that know no runtime.

use std::collections::VecDeque;
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

/// Threads that come when there is something to do, and end when they are idle.
pub(crate) struct Pool {
    name: &'static str,
    most: usize,
    state: Mutex<State>,
    wake: Condvar,
}

static SESSIONS: Pool = Pool::new("sluice-session", THREADS);

/// Runs a job soon, on a thread that may block. Never blocks itself.
pub(crate) fn run(job: impl FnOnce() + Send + 'static) {
    SESSIONS.run(job);
}

impl Pool {
    /// Makes one whose threads have this name (15 bytes at most), never more than so many.
    pub(crate) const fn new(name: &'static str, most: usize) -> Self {
        Self {
            name,
            most,
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                threads: 0,
                idle: 0,
            }),
            wake: Condvar::new(),
        }
    }

    /// Gives how many threads there may be.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Runs a job soon. Never blocks itself; if the system gives no more threads, it waits for one that is there.
    pub(crate) fn run(&'static self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.state.lock();
        state.jobs.push_back(Box::new(job));
        if state.idle >= state.jobs.len() || state.threads >= self.most {
            drop(state);
            self.wake.notify_one();
            return;
        }
        state.threads += 1;
        drop(state);
        let spawned = std::thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(|| self.work());
        if let Err(error) = spawned {
            tracing::error!(thread = self.name, %error, "no further thread");
            self.state.lock().threads -= 1;
        }
    }

    fn work(&self) {
        loop {
            let mut state = self.state.lock();
            while state.jobs.is_empty() {
                state.idle += 1;
                let timed_out = self.wake.wait_for(&mut state, IDLE).timed_out();
                state.idle -= 1;
                if timed_out && state.jobs.is_empty() {
                    state.threads -= 1;
                    return;
                }
            }
            let job = state.jobs.pop_front();
            drop(state);
            if let Some(job) = job {
                // A panic ends one job, not the pool.
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                if caught.is_err() {
                    tracing::error!(thread = self.name, "a job panicked");
                }
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
