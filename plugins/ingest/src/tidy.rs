//! Takes parameter sets out of the middle of access units and puts together what was split there, as core finds them.

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::Codec;
use sluice_core::bitstream::tidy::{Parts, without_late_headers};

/// Tidies the access units that pass `pad`, if their codec has parameter sets.
pub(crate) fn watch(pad: &gst::Pad, media: &str) {
    let codec = match media {
        "video/x-h264" => Codec::H264,
        "video/x-h265" => Codec::H265,
        _ => return,
    };
    let parts = Mutex::<Parts<gst::Buffer>>::default();
    let added = pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(gst::PadProbeData::Buffer(buffer)) = info.data.take() else {
            return gst::PadProbeReturn::Ok;
        };
        let flags = buffer.flags();
        let (is_key, ends) = (
            !flags.contains(gst::BufferFlags::DELTA_UNIT),
            flags.contains(gst::BufferFlags::MARKER),
        );
        let time = buffer.pts().map(gst::ClockTime::nseconds);
        let frames = parts.lock().on_part(buffer, time, is_key, ends);
        let mut flow = Ok(gst::FlowSuccess::Ok);
        if let (Some(frame), Some(next)) = (joined(frames.earlier, codec), pad.peer()) {
            flow = next.chain(frame);
        }
        match joined(frames.now, codec) {
            Some(frame) if flow.is_ok() => {
                info.data = Some(gst::PadProbeData::Buffer(frame));
                gst::PadProbeReturn::Ok
            }
            _ => {
                info.flow_res = flow;
                gst::PadProbeReturn::Handled
            }
        }
    });
    debug_assert!(
        added.is_some(),
        "a probe that does not block is never refused"
    );
}

/// Makes one buffer of the parts of a frame, tidied; `None` without any.
fn joined(parts: Vec<gst::Buffer>, codec: Codec) -> Option<gst::Buffer> {
    let mut frame = parts.into_iter().reduce(|mut frame, part| {
        frame.append(part);
        frame.make_mut().set_flags(gst::BufferFlags::MARKER);
        frame
    })?;
    if !frame.flags().contains(gst::BufferFlags::DELTA_UNIT)
        && let Some(tidy) = tidied(&frame, codec)
    {
        frame = tidy;
    }
    Some(frame)
}

fn tidied(buffer: &gst::BufferRef, codec: Codec) -> Option<gst::Buffer> {
    let data = {
        let map = buffer.map_readable().ok()?;
        without_late_headers(codec, map.as_slice())?
    };
    let mut tidy = gst::Buffer::from_mut_slice(data);
    let flags =
        gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META;
    buffer.copy_into(tidy.get_mut()?, flags, ..).ok()?;
    Some(tidy)
}
