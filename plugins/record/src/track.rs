//! Codecs by their caps, and what must stand in front of a muxer.

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::Codec;
use sluice_core::record::{Container, Format};

/// Caps by name; the second part is `mpegversion`, where a name has several.
const CODECS: &[(&str, &[i32], Codec)] = &[
    ("video/x-h264", &[], Codec::H264),
    ("video/x-h265", &[], Codec::H265),
    ("video/x-vp8", &[], Codec::Vp8),
    ("video/x-vp9", &[], Codec::Vp9),
    ("video/x-av1", &[], Codec::Av1),
    ("image/jpeg", &[], Codec::Mjpeg),
    ("audio/mpeg", &[2, 4], Codec::Aac),
    ("audio/mpeg", &[1], Codec::Mp3),
    ("audio/x-opus", &[], Codec::Opus),
    ("audio/x-mulaw", &[], Codec::Pcmu),
    ("audio/x-alaw", &[], Codec::Pcma),
    ("audio/G722", &[], Codec::G722),
    ("audio/x-raw", &[], Codec::L16),
];

/// What brings a codec into the shape that the muxer takes, without touching what is coded.
const PARSERS: &[(Codec, &str)] = &[
    (Codec::H264, "h264parse"),
    (Codec::H265, "h265parse"),
    (Codec::Vp9, "vp9parse"),
    (Codec::Av1, "av1parse"),
    (Codec::Aac, "aacparse"),
    (Codec::Mp3, "mpegaudioparse"),
];

/// What says when pictures are decoded that come in another order than they are shown: over a network only that comes.
const TIMESTAMPERS: &[(Codec, &str, &str, &str)] = &[
    (Codec::H264, "h264timestamper", "video/x-h264", "avc"),
    (Codec::H265, "h265timestamper", "video/x-h265", "hvc1"),
];

/// Fields that must stay the same within a segment.
const FORMAT: &[&str] = &[
    "width",
    "height",
    "rate",
    "channels",
    "codec_data",
    "profile",
    "stream-format",
];

pub(crate) fn codec(caps: &gst::CapsRef) -> Option<Codec> {
    let structure = caps.structure(0)?;
    let version = structure.get::<i32>("mpegversion").unwrap_or_default();
    let found = CODECS.iter().find(|(name, versions, _)| {
        structure.name() == *name && (versions.is_empty() || versions.contains(&version))
    });
    found.map(|(_, _, codec)| *codec)
}

/// Says whether a track of these caps can be recorded.
pub(crate) fn accepts(format: Format, caps: &gst::CapsRef) -> Result<Codec, String> {
    let codec = codec(caps).ok_or_else(|| format!("{caps} cannot be recorded"))?;
    format.takes(codec)?;
    Ok(codec)
}

pub(crate) fn parser(codec: Codec) -> Option<&'static str> {
    let found = PARSERS.iter().find(|(known, _)| *known == codec);
    found.map(|(_, factory)| *factory)
}

/// Gives a timestamper, and what the muxer behind it takes, of which it says nothing to the parser before it. Matroska knows when
/// pictures are shown, and nothing else.
pub(crate) fn timestamper(container: Container, codec: Codec) -> Option<(&'static str, gst::Caps)> {
    let (_, factory, media, mp4) = TIMESTAMPERS.iter().find(|(known, ..)| *known == codec)?;
    if container == Container::Matroska {
        return None;
    }
    // In byte streams, timestampers of 1.22 lose the first picture's time.
    let caps = gst::Caps::builder(*media)
        .field("stream-format", *mp4)
        .field("alignment", "au");
    Some((factory, caps.build()))
}

/// The place of a track, and how much earlier its first picture is decoded than the segment begins.
pub(crate) type Earlier = Arc<Mutex<Option<(usize, Duration)>>>;

/// Takes note of that from the first picture that leaves a timestamper.
pub(crate) fn measure(timestamper: &gst::Element, place: usize, earlier: &Earlier) {
    let Some(pad) = timestamper.static_pad("src") else {
        return;
    };
    let earlier = Arc::clone(earlier);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let times = info.buffer().and_then(|one| Some((one.pts()?, one.dts()?)));
        let by = times.map(|(shown, decoded)| shown.saturating_sub(decoded));
        *earlier.lock() = Some((place, by.unwrap_or_default().into()));
        gst::PadProbeReturn::Remove
    });
}

pub(crate) fn is_same_format(one: &gst::CapsRef, other: &gst::CapsRef) -> bool {
    let (Some(one), Some(other)) = (one.structure(0), other.structure(0)) else {
        return false;
    };
    let value = |structure: &gst::StructureRef, field: &str| {
        let value = structure.value(field).ok();
        value.and_then(|value| value.serialize().ok())
    };
    one.name() == other.name()
        && FORMAT
            .iter()
            .all(|field| value(one, field) == value(other, field))
}

/// Adds what muxers want to know and sources leave out.
pub(crate) fn complete(caps: &gst::Caps, codec: Codec) -> gst::Caps {
    let mut caps = caps.clone();
    if let Some(structure) = caps.make_mut().structure_mut(0) {
        if codec == Codec::Opus && !structure.has_field("channel-mapping-family") {
            structure.set("channel-mapping-family", 0i32);
        }
        if codec == Codec::Opus && !structure.has_field("channels") {
            structure.set("channels", 2i32);
        }
    }
    caps
}

/// Adds the chroma site to the caps of VP9 that leave a pad: without one, `mp4mux` 1.22 reads a string that is not there.
/// VP9 itself does not say which it is; left of the pixels, as in MPEG-2, is what nearly all pictures have.
pub(crate) fn with_chroma_site(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        if let Some(event) = info.event_mut()
            && let gst::EventView::Caps(caps) = event.view()
            && !caps.caps().iter().all(|caps| caps.has_field("chroma-site"))
        {
            let mut caps = caps.caps_owned();
            caps.make_mut().set("chroma-site", "mpeg2");
            *event = gst::event::Caps::new(&caps);
        }
        gst::PadProbeReturn::Ok
    });
}

pub(crate) fn template_caps(kind: &str) -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    for (name, versions, _) in CODECS {
        let is_video = name.starts_with("video") || name.starts_with("image");
        if is_video != (kind == "video") {
            continue;
        }
        let mut structure = gst::Structure::builder(*name);
        if !versions.is_empty() {
            structure = structure.field("mpegversion", gst::List::new(versions.iter().copied()));
        }
        caps.make_mut().append_structure(structure.build());
    }
    caps
}
