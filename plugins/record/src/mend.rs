//! What `mp4mux` 1.22 writes wrong.

use std::sync::Arc;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::record::fragments;

use crate::track::Earlier;

/// Shared with the streaming thread of the muxer.
pub(crate) type Starts = Arc<Mutex<Vec<Duration>>>;

/// Puts right what `mp4mux` 1.22 writes: the time in the header, and in fragments where tracks begin. It lets each begin
/// at zero, pictures when they are decoded, so that sound would be ahead of those that are shown later.
pub(crate) fn mend(
    muxer: &gst::Element,
    starts: &Starts,
    earlier: &Earlier,
    first: Duration,
) -> Result<(), glib::BoolError> {
    let pad = muxer.static_pad("src");
    let pad = pad.ok_or_else(|| glib::bool_error!("the muxer has no source pad"))?;
    let (starts, earlier) = (Arc::clone(starts), Arc::clone(earlier));
    let scales = Mutex::new(Vec::new());
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        // Boxes begin where buffers do; frames have no name there. One of silence has three bytes, and no more are asked for.
        let mut head = [0; 8];
        let has = buffer.size() >= head.len() && buffer.copy_to_slice(0, &mut head).is_ok();
        let is = |kind: &[u8]| has && head.ends_with(kind);
        if !(is(b"ftyp") || is(b"moov") || is(b"moof")) {
            return gst::PadProbeReturn::Ok;
        }
        if let Ok(mut map) = buffer.make_mut().map_writable() {
            let mut scales = scales.lock();
            if let Some(found) = fragments::timescales(&map) {
                *scales = found;
                let ahead = *earlier.lock();
                if let Some((place, by)) = ahead.filter(|(_, by)| !by.is_zero()) {
                    fragments::begin_shown(&mut map, &scales, place, by);
                }
            }
            fragments::stamp(&mut map, first);
            fragments::shift(&mut map, &scales, &starts.lock());
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}
