//! The known picture and tone of `test:`.

use gst::prelude::*;
use sluice_core::{Codec, SourceUri};

use super::Order;
use crate::elements::set;
use crate::failure::Fault;
use crate::route::Plumbing;

/// Builds bars with a burnt-in clock as H.264, and a 440 Hz tone as Opus.
pub(super) fn build(plumbing: &Plumbing, _order: &Order, uri: &SourceUri) -> Result<(), Fault> {
    let options = uri.test().copied().unwrap_or_default();
    let size = gst::Caps::builder("video/x-raw")
        // Anything but 4:2:0 makes a profile that browsers show in wrong colours (F11).
        .field("format", "I420")
        .field("width", i32::try_from(options.width).unwrap_or(1280))
        .field("height", i32::try_from(options.height).unwrap_or(720))
        .field(
            "framerate",
            gst::Fraction::new(i32::try_from(options.framerate).unwrap_or(30), 1),
        )
        .build();
    let interval = options
        .framerate
        .saturating_mul(u32::try_from(options.key_interval.as_secs()).unwrap_or(2));
    let mut video = vec![
        element(
            plumbing,
            "videotestsrc",
            &[
                ("is-live", "true"),
                ("pattern", "smpte"),
                ("do-timestamp", "true"),
            ],
        )?,
        element(plumbing, "capsfilter", &[])?,
        // The lower corners: the bars above stay clean for whoever checks colours.
        element(
            plumbing,
            "timeoverlay",
            &[
                ("halignment", "left"),
                ("valignment", "bottom"),
                ("font-desc", "Monospace, 24"),
                ("shaded-background", "true"),
            ],
        )?,
        element(
            plumbing,
            "clockoverlay",
            &[
                ("halignment", "right"),
                ("valignment", "bottom"),
                ("font-desc", "Monospace, 24"),
                ("shaded-background", "true"),
            ],
        )?,
    ];
    if let Some(filter) = video.get(1) {
        filter.set_property("caps", size);
    }
    video.extend(match options.codec {
        Codec::Vp8 => vp8(plumbing, interval)?,
        _ => encoder(plumbing, interval)?,
    });
    plumbing.on_pad(&plumbing.chain(&video)?);
    let tone = [
        element(
            plumbing,
            "audiotestsrc",
            &[
                ("is-live", "true"),
                ("wave", "sine"),
                ("freq", "440"),
                ("volume", "0.3"),
                ("samplesperbuffer", "960"),
            ],
        )?,
        element(
            plumbing,
            "capsfilter",
            &[(
                "caps",
                "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved",
            )],
        )?,
        element(
            plumbing,
            "opusenc",
            &[("bitrate", "64000"), ("frame-size", "20")],
        )?,
    ];
    plumbing.on_pad(&plumbing.chain(&tone)?);
    Ok(())
}

/// An H.264 encoder for live pictures: no B-frames (F7), a key frame at most every `interval` frames.
pub(super) fn encoder(plumbing: &Plumbing, interval: u32) -> Result<Vec<gst::Element>, Fault> {
    let encoder = element(
        plumbing,
        "x264enc",
        &[
            ("tune", "zerolatency"),
            ("speed-preset", "ultrafast"),
            ("bitrate", "2000"),
            ("bframes", "0"),
            ("threads", "1"),
        ],
    )?;
    encoder.set_property("key-int-max", interval.max(1));
    let profile = element(
        plumbing,
        "capsfilter",
        &[("caps", "video/x-h264,profile=constrained-baseline")],
    )?;
    Ok(vec![encoder, profile])
}

/// A VP8 encoder for live pictures.
fn vp8(plumbing: &Plumbing, interval: u32) -> Result<Vec<gst::Element>, Fault> {
    let encoder = element(
        plumbing,
        "vp8enc",
        &[
            ("deadline", "1"),
            ("cpu-used", "8"),
            ("threads", "1"),
            ("end-usage", "cbr"),
            ("target-bitrate", "2000000"),
            ("lag-in-frames", "0"),
            ("error-resilient", "default"),
        ],
    )?;
    encoder.set_property(
        "keyframe-max-dist",
        i32::try_from(interval.max(1)).unwrap_or(i32::MAX),
    );
    Ok(vec![encoder])
}

/// Makes an element with properties from a table.
pub(super) fn element(
    plumbing: &Plumbing,
    factory: &str,
    properties: &[(&str, &str)],
) -> Result<gst::Element, Fault> {
    let element = plumbing.add(factory)?;
    for (name, value) in properties {
        set(&element, name, value);
    }
    Ok(element)
}
