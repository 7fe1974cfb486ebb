//! One frame for many viewers, by as many threads as there are cores.
//!
//! The fan-out thread goes through its viewers in batches, from the front; the process's helpers, one per further core and
//! shared by all fan-outs, take batches from the back as soon as they run. Where the other cores are busy with something
//! else, the fan-out thread has done all by itself by then, and has only lost the call that wakes them.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::lists::Lists;
use super::viewer::{Pusher, Viewer};
use super::{Notice, Pushing};
use crate::packetize::Frame;
use crate::worker::Pool;

/// Below, waking another thread (some 50 µs of a virtual machine's processor) takes more than it saves.
const MANY: usize = 48;

/// Viewers that one thread serves before it looks what is left: some 0.3 ms.
const BATCH: usize = 12;

/// The helpers of all fan-outs.
static HELPERS: LazyLock<Pool> = LazyLock::new(|| {
    let further = std::thread::available_parallelism().map_or(0, |cores| cores.get() - 1);
    Pool::new("sluice-fanout-n", further)
});

thread_local! {
    /// The push that this helper is in.
    static PUSHING: Arc<Pushing> = Pushing::watched();
}

/// Viewers that are served by one thread, with the number of their batch.
type Batch = (usize, Vec<Viewer>);

/// A frame on its way to many viewers.
struct Job {
    frame: Arc<Frame>,
    now: Instant,
    work: Mutex<Work>,
    /// A helper has ended.
    ended: Condvar,
}

#[derive(Default)]
struct Work {
    left: VecDeque<Batch>,
    done: Vec<Batch>,
    /// What helpers have to tell: only the fan-out's own thread does, which may be the last that holds its owner.
    notices: Vec<Notice>,
    /// Helpers that are at it.
    helpers: usize,
}

/// Sends a live frame to all viewers, and takes those out who take no more. Blocks until all were sent it.
pub(super) fn send(
    viewers: &mut Vec<Viewer>,
    frame: &Arc<Frame>,
    now: Instant,
    pusher: &Pusher<'_>,
) {
    let helpers = HELPERS.most().min(viewers.len() / (2 * BATCH));
    if viewers.len() < MANY || helpers == 0 {
        let mut lists = Lists::new(frame);
        viewers.retain_mut(|viewer| viewer.take(frame, &mut lists, now, pusher));
        return;
    }
    let job = Arc::new(Job {
        frame: Arc::clone(frame),
        now,
        work: Mutex::new(Work {
            left: batches(std::mem::take(viewers)),
            ..Work::default()
        }),
        ended: Condvar::new(),
    });
    for _ in 0..helpers {
        let job = Arc::downgrade(&job);
        HELPERS.run(move || {
            // Who comes when all is done finds no job any more.
            if let Some(job) = job.upgrade() {
                PUSHING.with(|pushing| job.help(pushing));
            }
        });
    }
    job.serve(pusher, VecDeque::pop_front);
    let work = job.finish();
    viewers.extend(work.done.into_iter().flat_map(|(_, batch)| batch));
    work.notices.into_iter().for_each(pusher.listener);
}

/// Cuts viewers into batches.
fn batches(viewers: Vec<Viewer>) -> VecDeque<Batch> {
    let mut viewers = viewers.into_iter();
    let parts = std::iter::from_fn(|| {
        let part: Vec<_> = viewers.by_ref().take(BATCH).collect();
        (!part.is_empty()).then_some(part)
    });
    parts.enumerate().collect()
}

impl Job {
    /// Serves batches until none is left.
    fn serve(&self, pusher: &Pusher<'_>, next: fn(&mut VecDeque<Batch>) -> Option<Batch>) {
        let mut lists = Lists::new(&self.frame);
        loop {
            let batch = next(&mut self.work.lock().left);
            let Some((number, mut viewers)) = batch else {
                return;
            };
            viewers.retain_mut(|viewer| viewer.take(&self.frame, &mut lists, self.now, pusher));
            self.work.lock().done.push((number, viewers));
        }
    }

    /// Serves as a helper, if there is anything left.
    fn help(&self, pushing: &Pushing) {
        {
            let mut work = self.work.lock();
            if work.left.is_empty() {
                return;
            }
            work.helpers += 1;
        }
        let _ended = Ended(self);
        let listener = |notice| self.work.lock().notices.push(notice);
        let pusher = Pusher {
            pushing,
            listener: &listener,
        };
        self.serve(&pusher, VecDeque::pop_back);
    }

    /// Waits for the helpers that are still at it, and gives what was done, in the viewers' order.
    fn finish(&self) -> Work {
        let mut work = self.work.lock();
        while work.helpers > 0 {
            self.ended.wait(&mut work);
        }
        let mut work = std::mem::take(&mut *work);
        work.done.sort_by_key(|(number, _)| *number);
        work
    }
}

/// Says that a helper has ended, by a panic too: the fan-out goes on without the viewers of that batch.
struct Ended<'a>(&'a Job);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.work.lock().helpers -= 1;
        self.0.ended.notify_one();
    }
}
