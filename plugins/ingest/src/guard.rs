//! Keeps packets from depayloaders that would read behind their end: a broken or hostile camera must not end the
//! process.

use std::ops::ControlFlow;

use gst::prelude::*;
use gst_rtp::RTPBuffer;
use sluice_core::Codec;
use sluice_core::bitstream::payload::is_safe;

/// Those that believe what packets say of their length.
const TRUSTING: &[(&str, Codec)] = &[
    ("rtph264depay", Codec::H264),
    ("rtph265depay", Codec::H265),
    ("rtpvp8depay", Codec::Vp8),
];

/// Guards a depayloader, if it needs it.
pub(crate) fn watch(depayloader: &gst::Element, factory: &str) {
    let codec = TRUSTING.iter().find(|(name, _)| *name == factory);
    let (Some((_, codec)), Some(pad)) = (codec, depayloader.static_pad("sink")) else {
        return;
    };
    let is_safe = |buffer: &gst::Buffer| {
        RTPBuffer::from_buffer_readable(buffer)
            .and_then(|packet| packet.payload().map(|payload| is_safe(*codec, payload)))
            .unwrap_or(false)
    };
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(types, move |_pad, info| {
        match &mut info.data {
            // Nothing was taken out: the packet is still the probe's to drop.
            Some(gst::PadProbeData::Buffer(buffer)) if !is_safe(buffer) => {
                return gst::PadProbeReturn::Drop;
            }
            Some(gst::PadProbeData::BufferList(list))
                if !list.iter_owned().all(|one| is_safe(&one)) =>
            {
                list.make_mut().foreach_mut(|buffer, _index| {
                    let kept = is_safe(&buffer).then_some(buffer);
                    ControlFlow::Continue(kept)
                });
            }
            Some(_) | None => {}
        }
        gst::PadProbeReturn::Ok
    });
}
