//! Takes parameter sets out of the middle of access units, as core finds them.

use gst::prelude::*;
use sluice_core::Codec;
use sluice_core::bitstream::tidy::without_late_headers;

/// Tidies the access units that pass `pad`, if their codec has parameter sets.
pub(crate) fn watch(pad: &gst::Pad, media: &str) {
    let codec = match media {
        "video/x-h264" => Codec::H264,
        "video/x-h265" => Codec::H265,
        _ => return,
    };
    let added = pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
            && let Some(tidy) = tidied(buffer, codec)
        {
            *buffer = tidy;
        }
        gst::PadProbeReturn::Ok
    });
    debug_assert!(
        added.is_some(),
        "a probe that does not block is never refused"
    );
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
