//! RTCP that lies. GStreamer 1.22 has assertions, not errors, for some of it: each is a line of its log.

use gst::prelude::*;
use sluice_core::rtcp::{is_empty_goodbye, report_blocks};

use crate::probe::retain;

/// Says whether rtpbin may see this packet.
pub(crate) fn is_sound(packet: &gst::Buffer) -> bool {
    packet
        .map_readable()
        .is_ok_and(|packet| report_blocks(&packet).is_ok())
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
