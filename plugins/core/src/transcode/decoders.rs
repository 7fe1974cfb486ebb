//! The table of decoders: what takes each codec apart.

use super::Memory;
use crate::track::Codec;

/// One decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoder {
    /// The element's factory.
    pub factory: &'static str,
    /// Device memory that it can leave pictures in.
    pub memory: Memory,
    /// Settings that keep pictures from being held back; those that a version lacks are passed over.
    pub live: &'static [(&'static str, &'static str)],
}

/// The ways from one codec to pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoding {
    /// What comes in.
    pub codec: Codec,
    /// Media type of its caps, and the value that `mpegversion` must have.
    pub media: (&'static str, Option<i32>),
    /// The parser in front of the decoder.
    pub parser: Option<&'static str>,
    /// In order of preference.
    pub decoders: &'static [Decoder],
    /// Debian's package with the one that works without hardware.
    pub package: &'static str,
}

const fn on(
    memory: Memory,
    factory: &'static str,
    live: &'static [(&'static str, &'static str)],
) -> Decoder {
    Decoder {
        factory,
        memory,
        live,
    }
}

/// Frame threads would hold back one picture each. A torn stream is no error: the next key frame mends it.
const LIBAV: &[(&str, &str)] = &[("thread-type", "slice"), ("max-errors", "-1")];
const TOLERANT: &[(&str, &str)] = &[("max-errors", "-1")];
const DAV1D: &[(&str, &str)] = &[("max-frame-delay", "1"), ("max-errors", "-1")];
const NV: &[(&str, &str)] = &[("max-display-delay", "0"), ("max-errors", "-1")];

const BAD: &str = "gstreamer1.0-plugins-bad";
const GOOD: &str = "gstreamer1.0-plugins-good";
const AV: &str = "gstreamer1.0-libav";

use Memory::{Cuda, D3d11, DmaBuf, Nvmm, System, Va, Vaapi};

/// Everything that can be taken apart. Adding a decoder is one line.
#[rustfmt::skip]
pub const DECODERS: &[Decoding] = &[
    Decoding { codec: Codec::H264, media: ("video/x-h264", None), parser: Some("h264parse"), package: AV, decoders: &[
        on(Cuda, "nvh264dec", NV),
        on(Va, "vah264dec", TOLERANT),
        on(Vaapi, "vaapih264dec", &[("low-latency", "true")]),
        on(D3d11, "d3d11h264dec", TOLERANT),
        on(System, "qsvh264dec", TOLERANT),
        on(System, "msdkh264dec", &[("async-depth", "1")]),
        on(Nvmm, "nvv4l2decoder", &[("enable-max-performance", "true")]),
        on(DmaBuf, "v4l2slh264dec", TOLERANT),
        on(DmaBuf, "v4l2h264dec", TOLERANT),
        on(System, "vtdec_hw", TOLERANT),
        on(System, "avdec_h264", LIBAV),
        on(System, "openh264dec", TOLERANT),
    ] },
    Decoding { codec: Codec::H265, media: ("video/x-h265", None), parser: Some("h265parse"), package: AV, decoders: &[
        on(Cuda, "nvh265dec", NV),
        on(Va, "vah265dec", TOLERANT),
        on(Vaapi, "vaapih265dec", &[]),
        on(D3d11, "d3d11h265dec", TOLERANT),
        on(System, "qsvh265dec", TOLERANT),
        on(System, "msdkh265dec", &[("async-depth", "1")]),
        on(Nvmm, "nvv4l2decoder", &[("enable-max-performance", "true")]),
        on(DmaBuf, "v4l2slh265dec", TOLERANT),
        on(DmaBuf, "v4l2h265dec", TOLERANT),
        on(System, "vtdec_hw", TOLERANT),
        on(System, "avdec_h265", LIBAV),
        on(System, "libde265dec", TOLERANT),
    ] },
    Decoding { codec: Codec::Vp8, media: ("video/x-vp8", None), parser: None, package: GOOD, decoders: &[
        on(Cuda, "nvvp8dec", NV),
        on(Va, "vavp8dec", TOLERANT),
        on(Vaapi, "vaapivp8dec", &[]),
        on(D3d11, "d3d11vp8dec", TOLERANT),
        on(DmaBuf, "v4l2slvp8dec", TOLERANT),
        on(DmaBuf, "v4l2vp8dec", TOLERANT),
        on(System, "vp8dec", TOLERANT),
        on(System, "avdec_vp8", LIBAV),
    ] },
    Decoding { codec: Codec::Vp9, media: ("video/x-vp9", None), parser: Some("vp9parse"), package: GOOD, decoders: &[
        on(Cuda, "nvvp9dec", NV),
        on(Va, "vavp9dec", TOLERANT),
        on(Vaapi, "vaapivp9dec", &[]),
        on(D3d11, "d3d11vp9dec", TOLERANT),
        on(System, "qsvvp9dec", TOLERANT),
        on(System, "msdkvp9dec", &[("async-depth", "1")]),
        on(DmaBuf, "v4l2slvp9dec", TOLERANT),
        on(DmaBuf, "v4l2vp9dec", TOLERANT),
        on(System, "vp9dec", TOLERANT),
        on(System, "avdec_vp9", LIBAV),
    ] },
    Decoding { codec: Codec::Av1, media: ("video/x-av1", None), parser: Some("av1parse"), package: BAD, decoders: &[
        on(Cuda, "nvav1dec", NV),
        on(Va, "vaav1dec", TOLERANT),
        on(D3d11, "d3d11av1dec", TOLERANT),
        on(System, "msdkav1dec", &[("async-depth", "1")]),
        on(DmaBuf, "v4l2slav1dec", TOLERANT),
        on(System, "dav1ddec", DAV1D),
        on(System, "av1dec", TOLERANT),
    ] },
    Decoding { codec: Codec::Mjpeg, media: ("image/jpeg", None), parser: None, package: GOOD, decoders: &[
        on(Va, "vajpegdec", TOLERANT),
        on(System, "jpegdec", TOLERANT),
        on(System, "avdec_mjpeg", LIBAV),
    ] },
    Decoding { codec: Codec::Mpeg2, media: ("video/mpeg", Some(2)), parser: Some("mpegvideoparse"), package: "gstreamer1.0-plugins-ugly", decoders: &[
        on(Cuda, "nvmpeg2videodec", TOLERANT),
        on(Va, "vampeg2dec", TOLERANT),
        on(System, "mpeg2dec", TOLERANT),
        on(System, "avdec_mpeg2video", LIBAV),
    ] },
    Decoding { codec: Codec::Mpeg4, media: ("video/mpeg", Some(4)), parser: Some("mpeg4videoparse"), package: AV, decoders: &[
        on(Cuda, "nvmpeg4videodec", TOLERANT),
        on(System, "avdec_mpeg4", LIBAV),
    ] },
];

/// The row for a media type with its `mpegversion`; `None` when nothing takes it apart.
pub fn decoding(media: &str, mpegversion: Option<i32>) -> Option<&'static Decoding> {
    DECODERS
        .iter()
        .find(|row| row.media.0 == media && (row.media.1.is_none() || row.media.1 == mpegversion))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promised_codec_has_a_row_that_needs_no_hardware() {
        for (media, version, codec) in [
            ("video/x-h264", None, Codec::H264),
            ("video/x-h265", None, Codec::H265),
            ("video/x-vp8", None, Codec::Vp8),
            ("video/x-vp9", None, Codec::Vp9),
            ("video/x-av1", None, Codec::Av1),
            ("image/jpeg", None, Codec::Mjpeg),
            ("video/mpeg", Some(2), Codec::Mpeg2),
            ("video/mpeg", Some(4), Codec::Mpeg4),
        ] {
            let row = decoding(media, version).unwrap();
            assert_eq!(row.codec, codec);
            assert_eq!(row.decoders.last().unwrap().memory, System);
        }
        assert!(decoding("video/mpeg", Some(1)).is_none());
        assert!(decoding("video/x-theora", None).is_none());
    }
}
