//! The end of a session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_core::whep::CloseReason;

use super::session::{Phase, Publisher};
use crate::peer::Signal;
use crate::worker;

/// Longer than any chain of elements takes to be built.
const BUILDING: Duration = Duration::from_secs(2);

impl Publisher {
    /// Closes the session soon; never blocks. A second call does nothing.
    pub(crate) fn close(self: &Arc<Self>, why: &str) {
        self.close_then(why, || {});
    }

    /// Closes the session and calls `done` when its resources are freed; `false` if it was being closed
    /// already.
    pub(crate) fn close_then(
        self: &Arc<Self>,
        why: &str,
        done: impl FnOnce() + Send + 'static,
    ) -> bool {
        let was_live = {
            let mut state = self.state.lock();
            match state.phase {
                Phase::Closed => {
                    drop(state);
                    done();
                    return false;
                }
                Phase::Closing => {
                    state.waiters.push(Box::new(done));
                    return false;
                }
                Phase::Connecting | Phase::Live => {
                    let before = std::mem::replace(&mut state.phase, Phase::Closing);
                    state.machine.on_close(CloseReason::Left);
                    state.waiters.push(Box::new(done));
                    state.video.clear();
                    state.line = None;
                    before == Phase::Live
                }
            }
        };
        tracing::info!(publisher = %self.id(), why, "publisher goes");
        self.gate.shut();
        self.gathering().close();
        if let Some(signals) = &self.signals {
            let why = why.to_owned();
            signals.tell(Signal::Ended { why });
        }
        if let Some(ingress) = self.ingress.upgrade() {
            ingress.remove(self.id(), why);
        }
        let session = self.clone();
        worker::run(move || session.take_down(was_live));
        true
    }

    fn take_down(&self, connected: bool) {
        if connected {
            self.peer.say_goodbye();
        }
        self.wait_built();
        self.peer.stop();
        let waiters = {
            let mut state = self.state.lock();
            state.phase = Phase::Closed;
            std::mem::take(&mut state.waiters)
        };
        for waiter in waiters {
            waiter();
        }
    }

    /// Waits until nothing adds elements any more. A pipeline that is shut down meanwhile deadlocks: one thread
    /// holds the new element's state and wants the stream, the other has the stream and wants the state.
    fn wait_built(&self) {
        let deadline = Instant::now() + BUILDING;
        let mut state = self.state.lock();
        while state.building > 0 && Instant::now() < deadline {
            self.built.wait_until(&mut state, deadline);
        }
    }
}
