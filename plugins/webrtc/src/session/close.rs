//! The end of a session.

use std::sync::Arc;

use gst::prelude::*;
use sluice_core::whep::CloseReason;

use super::{Audience, Phase, Session};
use crate::peer::Signal;
use crate::worker;

impl Session {
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
        let first = {
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
                Phase::Connecting | Phase::Verified | Phase::Playing { .. } => {
                    let first = std::mem::replace(&mut state.phase, Phase::Closing);
                    state.machine.on_close(CloseReason::Left);
                    state.waiters.push(Box::new(done));
                    first
                }
            }
        };
        match self.audience {
            Audience::Viewer => tracing::info!(viewer = %self.id, why, "viewer leaves"),
            Audience::Target => tracing::debug!(session = %self.id, why, "push ends"),
        }
        if let Some(signals) = &self.signals {
            let why = why.to_owned();
            signals.tell(Signal::Ended { why });
        }
        // Before it is off the list: who sees that it has gone sees that its rendition has one less. Not under the lock:
        // whoever made it takes locks of its own.
        let rendition = self.rendition.lock().take();
        drop(rendition);
        if let Some(producer) = self.producer.upgrade() {
            producer.remove_session(&self.id, why);
            if let Some(fanout) = producer.fanout() {
                fanout.leave(&self.member);
            }
        }
        let connected = first != Phase::Connecting;
        let session = self.clone();
        worker::run(move || session.take_down(connected));
        true
    }

    fn take_down(&self, connected: bool) {
        if connected && !self.member.is_evicted() {
            self.peer.say_goodbye();
        }
        // A push that is still under way returns at once.
        self.member.evict();
        self.peer.stop();
        for lane in &self.member.lanes {
            self.peer.webrtcbin.release_request_pad(&lane.pad);
        }
        let waiters = {
            let mut state = self.state.lock();
            state.phase = Phase::Closed;
            std::mem::take(&mut state.waiters)
        };
        for waiter in waiters {
            waiter();
        }
    }
}
