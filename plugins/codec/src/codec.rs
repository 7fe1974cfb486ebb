//! What video becomes, as a property's type.

use gst::glib;
use sluice_core::Codec;

/// What video becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "SluiceVideoCodec")]
pub enum VideoCodec {
    /// Video passes as it is.
    #[default]
    #[enum_value(name = "Video passes as it is", nick = "none")]
    None,
    /// H.264, constrained baseline.
    #[enum_value(name = "H.264", nick = "h264")]
    H264,
    /// VP8.
    #[enum_value(name = "VP8", nick = "vp8")]
    Vp8,
    /// VP9, profile 0.
    #[enum_value(name = "VP9", nick = "vp9")]
    Vp9,
    /// AV1, main profile.
    #[enum_value(name = "AV1", nick = "av1")]
    Av1,
}

impl VideoCodec {
    /// Gives the codec that is made; `None` if video passes.
    pub const fn made(self) -> Option<Codec> {
        match self {
            Self::None => None,
            Self::H264 => Some(Codec::H264),
            Self::Vp8 => Some(Codec::Vp8),
            Self::Vp9 => Some(Codec::Vp9),
            Self::Av1 => Some(Codec::Av1),
        }
    }
}

/// Caps behind the encoder, in the shape that tracks have in Sluice, and the parser that makes it.
pub(crate) struct Shape {
    codec: Codec,
    /// Directly behind the encoder.
    pub(crate) encoded: &'static str,
    pub(crate) parser: Option<&'static str>,
    /// Behind the parser.
    pub(crate) parsed: &'static str,
}

/// Every browser that has H.264 decodes constrained baseline.
const SHAPES: &[Shape] = &[
    Shape {
        codec: Codec::H264,
        encoded: "video/x-h264,profile={constrained-baseline,baseline}",
        parser: Some("h264parse"),
        parsed: "video/x-h264,stream-format=byte-stream,alignment=au",
    },
    Shape {
        codec: Codec::Vp8,
        encoded: "video/x-vp8",
        parser: None,
        parsed: "video/x-vp8",
    },
    Shape {
        codec: Codec::Vp9,
        encoded: "video/x-vp9",
        parser: None,
        parsed: "video/x-vp9",
    },
    Shape {
        codec: Codec::Av1,
        encoded: "video/x-av1",
        parser: Some("av1parse"),
        parsed: "video/x-av1,stream-format=obu-stream,alignment=tu",
    },
];

/// Gives the shape of what is made; `None` for codecs that nothing here makes.
pub(crate) fn shape(codec: Codec) -> Option<&'static Shape> {
    SHAPES.iter().find(|shape| shape.codec == codec)
}
