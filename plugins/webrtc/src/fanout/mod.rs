//! One producer's fan-out: every frame to every viewer, by one thread that no viewer can hold up; with many viewers,
//! the process's helpers take some of them, one per further core at most.
//!
//! A streaming thread hands in frames and never blocks. The thread owns the cached groups of pictures and
//! the list of viewers; a viewer comes in only when it is connected and its certificate was checked,
//! because a push into a webrtcbin that is not connected blocks. A push that lasts too long is cut off by
//! the watchdog, which evicts that viewer.

mod crew;
mod delay;
mod headers;
mod lane;
mod lists;
mod member;
mod queue;
mod resend;
mod short;
#[cfg(test)]
mod tests;
mod thread;
mod viewer;
mod watchdog;

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use sluice_core::{GroupLimits, SessionId};

pub(crate) use delay::take as take_delay;
pub(crate) use headers::{Again, Class};
pub(crate) use member::{Lane, Looks, Member, Passed};
use queue::{Item, Queue};
pub(crate) use short::ShortWay;
use watchdog::Pushing;
pub(crate) use watchdog::{is_watched, look};

use crate::packetize::Frame;

/// What the fan-out tells its owner. Called on the fan-out's thread: must not block.
#[derive(Debug, Clone)]
pub(crate) enum Notice {
    /// A key frame of this track is needed from the source.
    NeedKeyFrame(usize),
    /// The viewer was sent its first key frame.
    Playing(SessionId),
    /// The viewer's webrtcbin takes no more.
    Failed(SessionId, &'static str),
}

/// Takes the notices.
pub(crate) type Listener = Box<dyn Fn(Notice) + Send>;

/// Handle of the fan-out thread; dropping it ends the thread.
pub(crate) struct FanOut {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FanOut {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system gives no more threads.
    pub(crate) fn start(limits: GroupLimits, listener: Listener) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let thread = thread::Thread::new(queue.clone(), Pushing::watched(), limits, listener);
        let thread = std::thread::Builder::new()
            .name("sluice-fanout".to_owned())
            .spawn(move || thread.run())?;
        Ok(Self {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands in a frame; never blocks. `false` says that frames were dropped and the source should send
    /// a key frame.
    #[must_use]
    pub(crate) fn push(&self, frame: Frame) -> bool {
        self.queue.push_frame(frame)
    }

    /// Lets a connected and verified viewer in.
    pub(crate) fn join(&self, member: Arc<Member>) {
        self.queue.push(Item::Join(member));
    }

    /// Takes a viewer out, once the frames before are with it.
    pub(crate) fn leave(&self, member: &Member) {
        self.queue.push(Item::Leave(member.id.clone()));
    }

    /// Sends packets of one of a viewer's lanes again, as far as they are still there and its allowance goes. Never blocks.
    pub(crate) fn resend(&self, member: &Arc<Member>, lane: usize, sequences: &[u16]) {
        if member.ask_again(lane, sequences) {
            self.queue.push(Item::Resend(member.id.clone()));
        }
    }

    /// Passes on a viewer's wish for a key frame.
    pub(crate) fn want_key_frame(&self, track: usize, viewer: SessionId) {
        self.queue.push(Item::WantKeyFrame(track, viewer));
    }

    /// Drops the cached group of a track whose codec changed.
    pub(crate) fn forget(&self, track: usize) {
        self.queue.push(Item::Forget(track));
    }
}

impl Drop for FanOut {
    fn drop(&mut self) {
        self.queue.stop();
        let Some(thread) = self.thread.lock().take() else {
            return;
        };
        // The last handle may be dropped on the fan-out's own thread, by its listener.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the fan-out thread panicked");
        }
    }
}
