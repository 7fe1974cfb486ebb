//! The end of a connection, said aloud.

use std::sync::mpsc;
use std::time::Duration;

use gst::prelude::*;
use sluice_core::dtls;

use super::Peer;

/// How long the `close_notify` may take to leave: one packet through one queue, on a machine that may be
/// busy. Only a session whose transport is stuck waits this long.
const FAREWELL: Duration = Duration::from_secs(1);

impl Peer {
    /// Lets DTLS send its `close_notify`, so that the peer knows at once. The encoder does so on end of
    /// stream; its data pad is there though no data channel is.
    pub(crate) fn say_goodbye(&self) {
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
            let Some(next) = pad.peer() else {
                return gst::PadProbeReturn::Ok;
            };
            // Pushed from here: a probe is called before its packet goes on, and the pipeline stops as
            // soon as the packet is known to have left.
            if let Some(gst::PadProbeData::Buffer(alert)) = info.data.take() {
                info.flow_res = next.chain(alert);
            }
            // Full or gone: it has been said already.
            let _sent = sent.try_send(());
            gst::PadProbeReturn::Handled
        });
        if sink.send_event(gst::event::Eos::new()) && farewell.recv_timeout(FAREWELL).is_err() {
            tracing::debug!("no close_notify left in time");
        }
        if let Some(probe) = probe {
            src.remove_probe(probe);
        }
    }
}

/// Whether a packet may be an alert, as `close_notify` is; after the handshake only alerts come from our side.
fn is_alert(packet: &gst::BufferRef) -> bool {
    packet
        .map_readable()
        .is_ok_and(|packet| dtls::may_be_alert(&packet))
}
