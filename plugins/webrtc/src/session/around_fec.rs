//! Past the elements that would take a frame's list of packets apart.
//!
//! webrtcbin puts `rtpulpfecenc` and `rtpredenc` into every sender's way, whether FEC was negotiated or not,
//! and neither knows buffer lists (fact F19); all behind them do (ICE.md, I17). Led around, a frame stays one
//! list up to the socket. Where the elements are missing or FEC is on, packets go the normal way, only dearer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use gst::prelude::*;

/// The payload type by which `rtpulpfecenc` says that it makes no FEC packets.
const NO_FEC: u32 = 255;

/// Leads lists that reach `ulpfecenc` straight out of the RED encoder behind it, and counts them.
pub(super) fn lead(ulpfecenc: &gst::Element, taken: &Arc<AtomicU64>) {
    let Some(sink) = ulpfecenc.static_pad("sink") else {
        return;
    };
    let (ulpfecenc, taken) = (ulpfecenc.downgrade(), taken.clone());
    // The first list goes through both elements, so that its caps have passed them (I20).
    let first = AtomicBool::new(true);
    let exit = OnceLock::new();
    sink.add_probe(gst::PadProbeType::BUFFER_LIST, move |_pad, info| {
        if first.swap(false, Relaxed) {
            return gst::PadProbeReturn::Ok;
        }
        let exit = exit.get_or_init(|| exit_of(&ulpfecenc.upgrade()?));
        let Some(exit) = exit.as_ref().and_then(|pad| pad.upgrade()) else {
            return gst::PadProbeReturn::Ok;
        };
        if let Some(gst::PadProbeData::BufferList(list)) = info.data.take() {
            taken.fetch_add(1, Relaxed);
            info.flow_res = exit.push_list(list);
        }
        gst::PadProbeReturn::Handled
    });
}

/// The source pad of the RED encoder, if nothing is to be encoded.
fn exit_of(ulpfecenc: &gst::Element) -> Option<gst::glib::WeakRef<gst::Pad>> {
    if ulpfecenc.property::<u32>("pt") != NO_FEC {
        return None;
    }
    let redenc = ulpfecenc.static_pad("src")?.peer()?.parent_element()?;
    if redenc.factory()?.name() != "rtpredenc" {
        return None;
    }
    Some(redenc.static_pad("src")?.downgrade())
}
