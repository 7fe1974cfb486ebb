//! The table of encoders.

use super::encoders::{Colour, Encoder, PixelFormat, Rate};
use super::memory::Memory;
use crate::track::Codec;

type Live = &'static [(&'static str, &'static str)];

const NV: Live = &[
    ("preset", "low-latency-hq"),
    ("rc-mode", "cbr"),
    // What "nvcuda…" of 1.22 calls it.
    ("rate-control", "cbr"),
    ("zerolatency", "true"),
    ("zero-reorder-delay", "true"),
    ("bframes", "0"),
    ("b-frames", "0"),
    ("rc-lookahead", "0"),
    ("strict-gop", "true"),
];
const VA: Live = &[
    ("rate-control", "cbr"),
    ("b-frames", "0"),
    // VP9 and AV1: more levels hide pictures that wait for later ones.
    ("hierarchical-level", "1"),
    ("target-usage", "6"),
];
const VAAPI: Live = &[
    ("rate-control", "cbr"),
    ("max-bframes", "0"),
    ("quality-level", "6"),
];
const QSV: Live = &[
    ("rate-control", "cbr"),
    ("b-frames", "0"),
    ("low-latency", "true"),
    ("target-usage", "6"),
];
const MSDK: Live = &[
    ("rate-control", "cbr"),
    ("b-frames", "0"),
    ("async-depth", "1"),
    ("target-usage", "6"),
];
const AMF: Live = &[
    ("usage", "ultra-low-latency"),
    ("rate-control", "cbr"),
    ("b-frames", "0"),
];
const D3D12: Live = &[("rate-control", "cbr")];
const MF: Live = &[
    ("rc-mode", "cbr"),
    ("low-latency", "true"),
    ("bframes", "0"),
];
const VT: Live = &[("realtime", "true"), ("allow-frame-reordering", "false")];
const JETSON: Live = &[
    ("control-rate", "constant_bitrate"),
    ("insert-sps-pps", "true"),
    ("num-B-Frames", "0"),
    ("maxperf-enable", "true"),
];
const OMX: Live = &[("control-rate", "constant"), ("b-frames", "0")];
// Sliced threads and no look-ahead: a frame leaves before the next one comes.
const X264: Live = &[
    ("speed-preset", "veryfast"),
    ("tune", "zerolatency"),
    ("bframes", "0"),
    ("vbv-buf-capacity", "500"),
];
const OPENH264: Live = &[
    ("complexity", "low"),
    ("rate-control", "bitrate"),
    ("enable-frame-skip", "false"),
];
// One thread: on a machine with other work, the threads of libvpx's VP8 wait for each other by spinning
// (measured on 2 cores at 720p: 24 pictures a second with 2, 200 with 1).
const VP8: Live = &[
    ("deadline", "1"),
    ("cpu-used", "8"),
    ("lag-in-frames", "0"),
    ("end-usage", "cbr"),
    ("buffer-size", "600"),
    ("buffer-initial-size", "300"),
    ("buffer-optimal-size", "400"),
    ("min-quantizer", "2"),
    ("max-quantizer", "56"),
    ("threads", "1"),
];
const VP9: Live = &[
    ("deadline", "1"),
    ("cpu-used", "8"),
    ("lag-in-frames", "0"),
    ("end-usage", "cbr"),
    ("row-mt", "true"),
    ("buffer-size", "600"),
    ("buffer-initial-size", "300"),
    ("buffer-optimal-size", "400"),
    ("min-quantizer", "2"),
    ("max-quantizer", "56"),
    ("threads", "4"),
];
// libaom 3.6 ends the process by an assertion at constant rate without a maximal quantizer.
const AOM: Live = &[
    ("usage-profile", "realtime"),
    ("cpu-used", "8"),
    ("lag-in-frames", "0"),
    ("max-quantizer", "56"),
    ("end-usage", "cbr"),
    ("row-mt", "true"),
    ("threads", "4"),
];
const SVT: Live = &[
    ("preset", "10"),
    // Low-delay prediction: without it pictures wait for later ones.
    ("parameters-string", "pred-struct=1:rc=2:lookahead=0"),
];
const RAV1E: Live = &[("speed-preset", "10"), ("low-latency", "true")];

const KBPS: Rate = Rate::Kbps("bitrate");
const BPS: Rate = Rate::Bps("bitrate");
const TARGET_KBPS: Rate = Rate::Kbps("target-bitrate");
const TARGET_BPS: Rate = Rate::Bps("target-bitrate");

/// A row of hardware: NV12, new bitrates while it runs, colours told.
const fn hw(
    codec: Codec,
    factory: &'static str,
    memory: Memory,
    rate: Rate,
    key: Option<&'static str>,
    live: Live,
) -> Encoder {
    Encoder {
        factory,
        codec,
        memory,
        format: PixelFormat::Nv12,
        rate,
        rate_is_live: true,
        key,
        colour: if matches!(codec, Vp8) {
            Colour::Bt601
        } else {
            Colour::Told
        },
        live,
    }
}

/// A row of software: I420 in the machine's own memory.
const fn sw(
    codec: Codec,
    factory: &'static str,
    rate: Rate,
    key: &'static str,
    live: Live,
) -> Encoder {
    Encoder {
        format: PixelFormat::I420,
        ..hw(codec, factory, System, rate, Some(key), live)
    }
}

/// The same row with colours that the stream does not tell.
const fn untold(row: Encoder) -> Encoder {
    Encoder {
        colour: Colour::Bt601,
        ..row
    }
}

/// The same row whose bitrate stays as it was at the start.
const fn fixed(row: Encoder) -> Encoder {
    Encoder {
        rate_is_live: false,
        ..row
    }
}

const GOP: Option<&str> = Some("gop-size");
const KEYINT: Option<&str> = Some("key-int-max");
const PERIOD: Option<&str> = Some("keyframe-period");

use Codec::{Av1, H264, Vp8, Vp9};
use Memory::{Cuda, D3d11, DmaBuf, Nvmm, System, Va, Vaapi};

/// Encoders in order of preference, hardware first. Adding one is one line.
#[rustfmt::skip]
pub const ENCODERS: &[Encoder] = &[
    // NVIDIA desktop and server. "auto GPU" takes pictures from wherever they lie.
    hw(H264, "nvautogpuh264enc", Cuda, KBPS, GOP, NV),
    hw(H264, "nvcudah264enc", Cuda, KBPS, GOP, NV),
    hw(H264, "nvh264enc", Cuda, KBPS, GOP, NV),
    // Intel and AMD by VA; "lp" is the fixed-function unit of newer Intel chips.
    hw(H264, "vah264lpenc", Va, KBPS, KEYINT, VA),
    hw(H264, "vah264enc", Va, KBPS, KEYINT, VA),
    hw(H264, "qsvh264enc", System, KBPS, GOP, QSV),
    hw(H264, "msdkh264enc", System, KBPS, GOP, MSDK),
    hw(H264, "vaapih264enc", Vaapi, KBPS, PERIOD, VAAPI),
    // Windows: AMD, then whatever Media Foundation finds.
    hw(H264, "amfh264enc", D3d11, KBPS, GOP, AMF),
    hw(H264, "d3d12h264enc", System, KBPS, GOP, D3D12),
    hw(H264, "mfh264enc", D3d11, KBPS, GOP, MF),
    // macOS.
    hw(H264, "vtenc_h264_hw", System, KBPS, Some("max-keyframe-interval"), VT),
    // Boards: Jetson, i.MX, Qualcomm, then any V4L2 device (Raspberry Pi, Rockchip, …).
    hw(H264, "nvv4l2h264enc", Nvmm, BPS, Some("iframeinterval"), JETSON),
    hw(H264, "vpuenc_h264", System, KBPS, GOP, &[]),
    hw(H264, "imxvpuenc_h264", System, KBPS, GOP, &[]),
    hw(H264, "qtic2venc", System, TARGET_BPS, None, &[("control-rate", "constant")]),
    hw(H264, "omxh264enc", System, TARGET_BPS, Some("interval-intraframes"), OMX),
    fixed(hw(H264, "v4l2h264enc", DmaBuf, Rate::V4l2, None, &[])),
    sw(H264, "x264enc", KBPS, "key-int-max", X264),
    untold(sw(H264, "openh264enc", BPS, "gop-size", OPENH264)),

    hw(Vp8, "vaapivp8enc", Vaapi, KBPS, PERIOD, VAAPI),
    hw(Vp8, "vavp8enc", Va, KBPS, KEYINT, VA),
    hw(Vp8, "nvv4l2vp8enc", Nvmm, BPS, Some("iframeinterval"), JETSON),
    fixed(hw(Vp8, "v4l2vp8enc", DmaBuf, Rate::V4l2, None, &[])),
    sw(Vp8, "vp8enc", TARGET_BPS, "keyframe-max-dist", VP8),

    hw(Vp9, "vavp9lpenc", Va, KBPS, KEYINT, VA),
    hw(Vp9, "vavp9enc", Va, KBPS, KEYINT, VA),
    hw(Vp9, "qsvvp9enc", System, KBPS, GOP, QSV),
    hw(Vp9, "msdkvp9enc", System, KBPS, GOP, MSDK),
    hw(Vp9, "vaapivp9enc", Vaapi, KBPS, PERIOD, VAAPI),
    hw(Vp9, "mfvp9enc", D3d11, KBPS, GOP, MF),
    hw(Vp9, "nvv4l2vp9enc", Nvmm, BPS, Some("iframeinterval"), JETSON),
    fixed(hw(Vp9, "v4l2vp9enc", DmaBuf, Rate::V4l2, None, &[])),
    sw(Vp9, "vp9enc", TARGET_BPS, "keyframe-max-dist", VP9),

    hw(Av1, "nvautogpuav1enc", Cuda, KBPS, GOP, NV),
    hw(Av1, "nvav1enc", Cuda, KBPS, GOP, NV),
    hw(Av1, "vaav1lpenc", Va, KBPS, KEYINT, VA),
    hw(Av1, "vaav1enc", Va, KBPS, KEYINT, VA),
    hw(Av1, "qsvav1enc", System, KBPS, GOP, QSV),
    hw(Av1, "msdkav1enc", System, KBPS, GOP, MSDK),
    hw(Av1, "amfav1enc", D3d11, KBPS, GOP, AMF),
    hw(Av1, "nvv4l2av1enc", Nvmm, BPS, Some("iframeinterval"), JETSON),
    sw(Av1, "av1enc", TARGET_KBPS, "keyframe-max-dist", AOM),
    // Behind libaom: SVT-AV1 2.3 under GStreamer 1.26 (Debian 13) stops for ever within three pictures when it works without delay.
    fixed(sw(Av1, "svtav1enc", TARGET_KBPS, "intra-period-length", SVT)),
    fixed(sw(Av1, "rav1enc", BPS, "max-key-frame-interval", RAV1E)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_factory_stands_once_and_each_codec_ends_with_software() {
        let mut names: Vec<_> = ENCODERS.iter().map(|row| row.factory).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ENCODERS.len());
        for codec in [H264, Vp8, Vp9, Av1] {
            let last = ENCODERS.iter().rfind(|row| row.codec == codec).unwrap();
            assert_eq!(last.memory, System, "{codec:?}");
            assert_eq!(last.format, PixelFormat::I420, "{codec:?}");
        }
    }

    #[test]
    fn vp8_never_claims_to_tell_its_colours() {
        for row in ENCODERS.iter().filter(|row| row.codec == Vp8) {
            assert_eq!(row.colour, Colour::Bt601, "{}", row.factory);
        }
    }
}
