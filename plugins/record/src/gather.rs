//! Hands each fragment to the file as one list: a write of its own for each frame costs as much as all the muxer does.

use gst::glib;
use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::record::Gathering;

/// Gathers what leaves a muxer of fragments. Fragments leave it whole, frame by frame, so nothing is held back but the first ones of a
/// file, until each track has one.
pub(crate) fn gather(muxer: &gst::Element, tracks: usize) -> Result<(), glib::BoolError> {
    let pad = muxer.static_pad("src");
    let pad = pad.ok_or_else(|| glib::bool_error!("the muxer has no source pad"))?;
    let fragment = Mutex::new(Fragment {
        gathering: Gathering::new(tracks),
        list: None,
    });
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(types, move |pad, info| match info.data.take() {
        Some(gst::PadProbeData::Buffer(buffer)) => {
            let list = fragment.lock().on_buffer(buffer);
            info.flow_res = list.map_or(Ok(gst::FlowSuccess::Ok), |list| push(pad, list));
            gst::PadProbeReturn::Handled
        }
        Some(gst::PadProbeData::Event(event)) => {
            let left = if event.is_serialized() {
                fragment.lock().list.take()
            } else {
                None
            };
            if let Some(Err(error)) = left.map(|list| push(pad, list)) {
                gst::debug!(gst::CAT_DEFAULT, "the end of a file: {error}");
            }
            info.data = Some(gst::PadProbeData::Event(event));
            gst::PadProbeReturn::Ok
        }
        other => {
            info.data = other;
            gst::PadProbeReturn::Ok
        }
    });
    Ok(())
}

fn push(pad: &gst::Pad, list: gst::BufferList) -> Result<gst::FlowSuccess, gst::FlowError> {
    let peer = pad.peer().ok_or(gst::FlowError::NotLinked)?;
    peer.chain_list(list)
}

struct Fragment {
    gathering: Gathering,
    list: Option<gst::BufferList>,
}

impl Fragment {
    /// Takes a buffer, and gives what goes on now.
    fn on_buffer(&mut self, buffer: gst::Buffer) -> Option<gst::BufferList> {
        let mut head = [0; 16];
        let known = buffer.size().min(head.len());
        let known = head.get_mut(..known).unwrap_or_default();
        let copied = buffer.copy_to_slice(0, known);
        debug_assert!(copied.is_ok(), "no more is asked for than there is");
        let is_whole = self.gathering.on_piece(known, buffer.size() as u64);
        let list = self.list.get_or_insert_with(gst::BufferList::new);
        if let Some(list) = list.get_mut() {
            list.add(buffer);
        }
        if is_whole { self.list.take() } else { None }
    }
}
