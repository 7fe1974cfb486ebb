//! The end of a session.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use gst::prelude::*;
use sluice_core::whep::CloseReason;

use super::{Phase, Session, build};
use crate::worker;

/// How long the `close_notify` may take to leave: one packet through one queue, on a machine that may be
/// busy. Only a session whose transport is stuck waits this long.
const FAREWELL: Duration = Duration::from_secs(1);

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
        tracing::info!(viewer = %self.id, why, "viewer leaves");
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
            self.say_goodbye();
        }
        // A push that is still under way returns at once.
        self.member.evict();
        build::stop(&self.pipeline);
        for lane in &self.member.lanes {
            self.webrtcbin.release_request_pad(&lane.pad);
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

    /// Lets DTLS send its `close_notify`, so that the peer knows at once. The encoder does so on end of
    /// stream; its data pad is there though no data channel is.
    fn say_goodbye(&self) {
        let Some(dtlsenc) = self.inner("dtlsenc") else {
            return;
        };
        let pads = (dtlsenc.static_pad("sink"), dtlsenc.static_pad("src"));
        let (Some(sink), Some(src)) = pads else {
            return;
        };
        let (sent, farewell) = mpsc::sync_channel(1);
        let probe = src.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if !info.buffer().is_some_and(|buffer| is_alert(buffer)) {
                return gst::PadProbeReturn::Ok;
            }
            // Pushed from here: a probe is called before its packet goes on, and the pipeline stops as
            // soon as the packet is known to have left.
            let (Some(next), Some(gst::PadProbeData::Buffer(alert))) =
                (pad.peer(), info.data.take())
            else {
                return gst::PadProbeReturn::Drop;
            };
            info.flow_res = next.chain(alert);
            // Full or gone: it has been said already.
            let _sent = sent.try_send(());
            gst::PadProbeReturn::Handled
        });
        if sink.send_event(gst::event::Eos::new()) && farewell.recv_timeout(FAREWELL).is_err() {
            tracing::debug!(viewer = %self.id, "no close_notify left in time");
        }
        if let Some(probe) = probe {
            src.remove_probe(probe);
        }
    }
}

/// Whether a DTLS record is an alert, as `close_notify` is (RFC 6347 section 4.1). DTLS 1.3 hides the type of
/// an encrypted record (RFC 9147 section 4); after the handshake only alerts come from our side.
fn is_alert(record: &gst::BufferRef) -> bool {
    const ALERT: u8 = 21;
    const UNIFIED_HEADER: std::ops::RangeInclusive<u8> = 0x20..=0x3f;
    let mut first = [0];
    record.copy_to_slice(0, &mut first).is_ok()
        && (first == [ALERT] || UNIFIED_HEADER.contains(&first[0]))
}
