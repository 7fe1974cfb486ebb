//! What caps say of a track.

use sluice_core::{AudioFormat, Codec, Track, VideoFormat};

/// Media types and their codecs.
const MEDIA_TYPES: &[(&str, Codec)] = &[
    ("video/x-h264", Codec::H264),
    ("video/x-h265", Codec::H265),
    ("video/x-vp8", Codec::Vp8),
    ("video/x-vp9", Codec::Vp9),
    ("video/x-av1", Codec::Av1),
    ("image/jpeg", Codec::Mjpeg),
    ("audio/x-opus", Codec::Opus),
    ("audio/x-mulaw", Codec::Pcmu),
    ("audio/x-alaw", Codec::Pcma),
];

fn codec(structure: &gst::StructureRef) -> Option<Codec> {
    let name = structure.name().as_str();
    if name == "video/mpeg" {
        return match structure.get::<i32>("mpegversion") {
            Ok(1 | 2) => Some(Codec::Mpeg2),
            Ok(4) => Some(Codec::Mpeg4),
            Ok(_) | Err(_) => None,
        };
    }
    let (_, codec) = MEDIA_TYPES
        .iter()
        .find(|(media_type, _)| *media_type == name)?;
    Some(*codec)
}

/// Reads a track out of fixed caps; `None` for a media type that the sink does not take.
pub(crate) fn track_from_caps(caps: &gst::CapsRef) -> Option<Track> {
    let structure = caps.structure(0)?;
    let codec = codec(structure)?;
    let number = |field| {
        structure
            .get::<i32>(field)
            .ok()
            .and_then(|value| u32::try_from(value).ok())
            .filter(|value| *value > 0)
    };
    let text = |field| structure.get::<String>(field).ok();
    Some(match codec.kind() {
        sluice_core::Kind::Audio => Track::audio(
            codec,
            AudioFormat {
                rate: number("rate"),
                channels: number("channels"),
            },
        ),
        sluice_core::Kind::Video => Track::video(
            codec,
            VideoFormat {
                width: number("width"),
                height: number("height"),
                framerate: framerate(structure),
                profile: text("profile"),
                level: text("level"),
                bit_depth: structure
                    .get::<u32>("bit-depth-luma")
                    .ok()
                    .and_then(|depth| u8::try_from(depth).ok()),
                chroma: text("chroma-format"),
                interlaced: text("interlace-mode").is_some_and(|mode| mode != "progressive"),
                reorders: false,
            },
        ),
    })
}

fn framerate(structure: &gst::StructureRef) -> Option<(u32, u32)> {
    let rate = structure.get::<gst::Fraction>("framerate").ok()?;
    let (n, d) = (
        u32::try_from(rate.numer()).ok()?,
        u32::try_from(rate.denom()).ok()?,
    );
    (n > 0 && d > 0).then_some((n, d))
}
