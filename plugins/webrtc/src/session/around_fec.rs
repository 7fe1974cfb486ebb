//! Past the elements that would take a frame's list of packets apart, and all others that have nothing to do.
//!
//! webrtcbin puts `rtpulpfecenc` and `rtpredenc` into every sender's way, whether FEC was negotiated or not,
//! and neither knows buffer lists (fact F19); all behind them do (ICE.md, I17). Led around, a frame stays one
//! list up to the socket. Behind them is a funnel: it tells all behind it of a new segment, the same as before, whenever sound
//! follows pictures or pictures sound, eighty times a second, which took a third of all that a viewer costs. So lists go in
//! right in front of `rtpsession`, or of the first element that has something to do. Where the elements are missing or
//! FEC is on, packets go the normal way, only dearer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use gst::prelude::*;

use crate::fanout::ShortWay;
use crate::pads::{entry, is_of, onward};

/// The payload type by which `rtpulpfecenc` says that it makes no FEC packets.
const NO_FEC: u32 = 255;

/// The short ways of a webrtcbin's sink pads, by their names.
#[derive(Debug)]
pub(super) struct ShortWays {
    ways: BTreeMap<String, Arc<ShortWay>>,
    /// Lists that went one.
    pub(super) taken: Arc<AtomicU64>,
}

impl ShortWays {
    pub(super) fn new(pads: impl Iterator<Item = String>) -> Self {
        let taken = Arc::default();
        let way = |name| (name, Arc::new(ShortWay::new(&taken)));
        Self {
            ways: pads.map(way).collect(),
            taken,
        }
    }

    pub(super) fn of(&self, pad: &gst::Pad) -> Arc<ShortWay> {
        let found = self.ways.get(pad.name().as_str());
        found.map_or_else(Arc::default, Arc::clone)
    }

    /// Opens the way of the track whose second list has come to this `rtpulpfecenc`. The first goes through all elements, so that its
    /// caps have passed them (I20).
    pub(super) fn watch(self: &Arc<Self>, webrtcbin: &gst::Element, ulpfecenc: &gst::Element) {
        let Some(sink) = ulpfecenc.static_pad("sink") else {
            return;
        };
        let (webrtcbin, ulpfecenc) = (webrtcbin.downgrade(), ulpfecenc.downgrade());
        let ways = Arc::clone(self);
        let first = AtomicBool::new(true);
        sink.add_probe(gst::PadProbeType::BUFFER_LIST, move |sink, info| {
            if first.swap(false, Relaxed) {
                return gst::PadProbeReturn::Ok;
            }
            let ends = webrtcbin.upgrade().zip(ulpfecenc.upgrade());
            let Some(exit) = ends.as_ref().and_then(|(_, ulpfecenc)| exit_of(ulpfecenc)) else {
                return gst::PadProbeReturn::Remove;
            };
            let entry = ends.and_then(|(webrtcbin, _)| entry(&webrtcbin, sink));
            if let Some(way) = entry.and_then(|entry| ways.ways.get(entry.name().as_str())) {
                way.open(exit.downgrade());
            }
            if let Some(gst::PadProbeData::BufferList(list)) = info.data.take() {
                ways.taken.fetch_add(1, Relaxed);
                info.flow_res = exit.push_list(list);
            }
            gst::PadProbeReturn::Handled
        });
    }
}

/// The pad in front of the next element that has something to do, if that is not the FEC encoder.
fn exit_of(ulpfecenc: &gst::Element) -> Option<gst::Pad> {
    if ulpfecenc.property::<u32>("pt") != NO_FEC {
        return None;
    }
    let redenc = ulpfecenc.static_pad("src")?.peer()?.parent_element()?;
    if !is_of(&redenc, "rtpredenc") {
        return None;
    }
    Some(onward(redenc.static_pad("src")?, hands_on))
}

/// Whether an element only hands on what goes to the RTP session.
fn hands_on(element: &gst::Element) -> bool {
    is_of(element, "rtpfunnel") || is_of(element, "rtprtxsend") && repeats_nothing(element)
}

/// Whether nothing that is lost is sent again by `rtprtxsend`: it needs to be told the payload types.
fn repeats_nothing(rtprtxsend: &gst::Element) -> bool {
    let types = rtprtxsend.property::<Option<gst::Structure>>("payload-type-map");
    types.is_none_or(|types| types.n_fields() == 0)
}
