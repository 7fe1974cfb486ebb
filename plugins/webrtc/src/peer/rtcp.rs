//! RTCP that lies. GStreamer 1.22 has assertions, not errors, for some of it, each a line of its log; others crash it.

use gst::prelude::*;
use sluice_core::rtcp::{RtcpError, Said, is_empty_goodbye, read};

use crate::probe::{PACKETS, retain};

/// Gives what a packet says, and leaves of it what rtpbin may see, if that is anything.
pub(crate) fn purify(packet: &mut gst::Buffer) -> Result<Said, RtcpError> {
    let said = {
        let bytes = packet.map_readable().map_err(|_| RtcpError::NoRtcp)?;
        read(&bytes)?
    };
    if let Some(rest) = said.rest.clone().filter(|rest| !rest.is_empty()) {
        let mut pure = gst::Buffer::from_mut_slice(rest);
        if let Some(pure) = pure.get_mut() {
            // By its time the round trip is measured.
            drop(packet.copy_into(pure, gst::BufferCopyFlags::TIMESTAMPS, ..));
        }
        *packet = pure;
    }
    Ok(said)
}

/// Keeps from a `dtlssrtpdec` goodbyes of nobody. It looks for their sender before it knows whether the packet is
/// the peer's at all, so anybody could send them.
pub(crate) fn watch_entry(dtlssrtpdec: &gst::Element) {
    let Some(sink) = dtlssrtpdec.static_pad("sink") else {
        return;
    };
    sink.add_probe(PACKETS, |_pad, info| {
        retain(info, |datagram| {
            let datagram = datagram.map_readable();
            !datagram.is_ok_and(|datagram| is_empty_goodbye(&datagram))
        })
    });
}
