//! How long what comes may be collected: set while it comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// What is set, and who rests by it. Each clone is the same one.
#[derive(Debug, Clone)]
pub(crate) struct Burst(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    ms: Mutex<u32>,
    changed: Condvar,
}

impl Burst {
    /// In milliseconds: what lets the rest of a frame come. At 100 Mbit/s, 25 kB.
    pub(crate) const DEFAULT: u32 = 2;

    /// Sets it, for those too who rest just now.
    pub(crate) fn set(&self, ms: u32) {
        *self.0.ms.lock() = ms;
        self.wake();
    }

    pub(crate) fn ms(&self) -> u32 {
        *self.0.ms.lock()
    }

    pub(crate) fn get(&self) -> Duration {
        Duration::from_millis(self.ms().into())
    }

    /// Lets all who rest look whether they are to end.
    pub(crate) fn wake(&self) {
        // Taking the lock orders this after their last look.
        drop(self.0.ms.lock());
        self.0.changed.notify_all();
    }

    /// Blocks for `limit`, or for what is set if that is less, or until `is_over` at a `wake`.
    pub(crate) fn rest(&self, limit: Duration, is_over: impl Fn() -> bool) {
        let start = Instant::now();
        let mut ms = self.0.ms.lock();
        while !is_over() {
            let end = start + limit.min(Duration::from_millis((*ms).into()));
            if self.0.changed.wait_until(&mut ms, end).timed_out() {
                return;
            }
        }
    }
}

impl Default for Burst {
    fn default() -> Self {
        Self(Arc::new(Inside {
            ms: Mutex::new(Self::DEFAULT),
            changed: Condvar::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_rest_ends_when_less_is_set_or_it_is_over() {
        let burst = Burst::default();
        burst.set(u32::MAX);
        let over = Arc::new(AtomicBool::new(false));
        let rest = |burst: &Burst| {
            let (burst, over) = (burst.clone(), Arc::clone(&over));
            thread::spawn(move || burst.rest(LONG, || over.load(Relaxed)))
        };
        let resting = rest(&burst);
        burst.set(1);
        resting.join().unwrap();
        burst.set(u32::MAX);
        let resting = rest(&burst);
        over.store(true, Relaxed);
        burst.wake();
        resting.join().unwrap();
        // What is set is the most.
        burst.set(0);
        over.store(false, Relaxed);
        rest(&burst).join().unwrap();
    }
}
