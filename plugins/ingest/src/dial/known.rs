//! The known picture and tone of `test:`.

use gst::prelude::*;
use sluice_core::{Codec, SourceUri, TestOptions};

use super::Order;
use crate::elements::set;
use crate::failure::Fault;
use crate::route::Plumbing;

/// A factory and its properties.
type Row = (&'static str, &'static [(&'static str, &'static str)]);

/// Bars with burnt-in clocks in the lower corners: the bars above stay clean for whoever checks colours.
const PICTURE: &[Row] = &[
    (
        "videotestsrc",
        &[
            ("is-live", "true"),
            ("pattern", "smpte"),
            ("do-timestamp", "true"),
        ],
    ),
    ("capsfilter", &[]),
    (
        "timeoverlay",
        &[
            ("halignment", "left"),
            ("valignment", "bottom"),
            ("font-desc", "Monospace, 24"),
            ("shaded-background", "true"),
        ],
    ),
    (
        "clockoverlay",
        &[
            ("halignment", "right"),
            ("valignment", "bottom"),
            ("font-desc", "Monospace, 24"),
            ("shaded-background", "true"),
        ],
    ),
];

const TONE: &[Row] = &[
    (
        "audiotestsrc",
        &[
            ("is-live", "true"),
            ("wave", "sine"),
            ("freq", "440"),
            ("volume", "0.3"),
            ("samplesperbuffer", "960"),
        ],
    ),
    (
        "capsfilter",
        &[(
            "caps",
            "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved",
        )],
    ),
    ("opusenc", &[("bitrate", "64000"), ("frame-size", "20")]),
];

/// Live H.264 without B-frames (F7).
const H264: &[Row] = &[
    (
        "x264enc",
        &[
            ("tune", "zerolatency"),
            ("speed-preset", "ultrafast"),
            ("bitrate", "2000"),
            ("bframes", "0"),
            ("threads", "1"),
        ],
    ),
    (
        "capsfilter",
        &[("caps", "video/x-h264,profile=constrained-baseline")],
    ),
];

/// Live VP8. The filter must be there: vp8enc finds no profile while nothing is linked to it.
const VP8: &[Row] = &[
    (
        "vp8enc",
        &[
            ("deadline", "1"),
            ("cpu-used", "8"),
            ("threads", "1"),
            ("end-usage", "cbr"),
            ("target-bitrate", "2000000"),
            ("lag-in-frames", "0"),
        ],
    ),
    ("capsfilter", &[("caps", "video/x-vp8,profile=(string)0")]),
];

/// Builds bars with a burnt-in clock as H.264 or VP8, and a 440 Hz tone as Opus.
pub(super) fn build(plumbing: &Plumbing, _order: &Order, uri: &SourceUri) -> Result<(), Fault> {
    let options = uri.test().copied().unwrap_or_default();
    let mut video = chain(plumbing, PICTURE)?;
    if let Some(filter) = video.get(1) {
        filter.set_property("caps", caps(&options));
    }
    let seconds = u32::try_from(options.key_interval.as_secs()).unwrap_or(2);
    video.extend(encoder(
        plumbing,
        options.codec,
        options.framerate.saturating_mul(seconds),
    )?);
    plumbing.on_pad(&plumbing.chain(&video)?);
    let tone = chain(plumbing, TONE)?;
    plumbing.on_pad(&plumbing.chain(&tone)?);
    Ok(())
}

/// An encoder for live pictures, with a key frame at least every `interval` frames.
pub(super) fn encoder(
    plumbing: &Plumbing,
    codec: Codec,
    interval: u32,
) -> Result<Vec<gst::Element>, Fault> {
    let (rows, distance) = if codec == Codec::Vp8 {
        (VP8, "keyframe-max-dist")
    } else {
        (H264, "key-int-max")
    };
    let elements = chain(plumbing, rows)?;
    if let Some(encoder) = elements.first() {
        set(encoder, distance, &interval.max(1).to_string());
    }
    Ok(elements)
}

/// Makes an element with properties from a table.
pub(super) fn element(
    plumbing: &Plumbing,
    (factory, properties): Row,
) -> Result<gst::Element, Fault> {
    let element = plumbing.add(factory)?;
    for (name, value) in properties {
        set(&element, name, value);
    }
    Ok(element)
}

fn chain(plumbing: &Plumbing, rows: &[Row]) -> Result<Vec<gst::Element>, Fault> {
    rows.iter().map(|row| element(plumbing, *row)).collect()
}

fn caps(options: &TestOptions) -> gst::Caps {
    let int = |value| i32::try_from(value).unwrap_or(i32::MAX);
    gst::Caps::builder("video/x-raw")
        // Anything but 4:2:0 makes a profile that browsers show in wrong colours (F11).
        .field("format", "I420")
        .field("width", int(options.width))
        .field("height", int(options.height))
        .field("framerate", gst::Fraction::new(int(options.framerate), 1))
        .build()
}
