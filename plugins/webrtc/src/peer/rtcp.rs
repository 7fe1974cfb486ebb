//! RTCP that lies. GStreamer 1.22 has assertions, not errors, for some of it, each a line of its log; others crash it.

use gst::prelude::*;
use sluice_core::rtcp::{
    ReportBlock, RtcpError, is_empty_goodbye, report_blocks, without_transport_feedback,
};

use crate::probe::retain;

/// Gives the reports in a packet, and leaves of it what rtpbin may see: `None` is nothing.
pub(crate) fn purify(packet: &mut gst::Buffer) -> Result<Option<Vec<ReportBlock>>, RtcpError> {
    let (blocks, rest) = {
        let bytes = packet.map_readable().map_err(|_| RtcpError::NoRtcp)?;
        (report_blocks(&bytes)?, without_transport_feedback(&bytes))
    };
    let Some(rest) = rest else {
        return Ok(Some(blocks));
    };
    if rest.is_empty() {
        return Ok(None);
    }
    let mut pure = gst::Buffer::from_mut_slice(rest);
    if let Some(pure) = pure.get_mut() {
        // By its time the round trip is measured.
        drop(packet.copy_into(pure, gst::BufferCopyFlags::TIMESTAMPS, ..));
    }
    *packet = pure;
    Ok(Some(blocks))
}

/// Keeps from a `dtlssrtpdec` goodbyes of nobody. It looks for their sender before it knows whether the packet is
/// the peer's at all, so anybody could send them.
pub(crate) fn watch_entry(dtlssrtpdec: &gst::Element) {
    let Some(sink) = dtlssrtpdec.static_pad("sink") else {
        return;
    };
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    sink.add_probe(types, |_pad, info| {
        retain(info, |datagram| {
            let datagram = datagram.map_readable();
            !datagram.is_ok_and(|datagram| is_empty_goodbye(&datagram))
        })
    });
}
