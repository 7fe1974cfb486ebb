//! One key frame into a small JPEG.

use std::time::Duration;

use bytes::Bytes;
use gst::prelude::*;
use gstsluicewebrtc::KeyFrame;
use sluice_core::track::Codec;

/// The picture is at most this wide.
const WIDTH: u32 = 480;
/// A frame that takes longer than this to decode is given up.
const DEADLINE: Duration = Duration::from_secs(3);

/// Why there is no thumbnail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThumbnailError {
    /// No decoder for this codec is installed, or there is none.
    #[error("no decoder for {codec} is installed; install gstreamer1.0-libav")]
    NoDecoder {
        /// The frame's codec.
        codec: Codec,
    },
    /// The frame could not be decoded.
    #[error("the key frame could not be decoded")]
    Undecodable,
    /// A small pipeline could not be built.
    #[error("the thumbnail's pipeline could not be built ({0})")]
    Build(String),
}

/// How one codec is decoded: caps, parser if it needs one, decoders in order of preference.
struct Way {
    codec: Codec,
    caps: &'static [(&'static str, &'static str)],
    media: &'static str,
    parser: Option<&'static str>,
    decoders: &'static [&'static str],
}

const BYTE_STREAM: &[(&str, &str)] = &[("stream-format", "byte-stream"), ("alignment", "au")];

const WAYS: &[Way] = &[
    Way {
        codec: Codec::H264,
        caps: BYTE_STREAM,
        media: "video/x-h264",
        parser: Some("h264parse"),
        decoders: &["avdec_h264", "openh264dec"],
    },
    Way {
        codec: Codec::H265,
        caps: BYTE_STREAM,
        media: "video/x-h265",
        parser: Some("h265parse"),
        decoders: &["avdec_h265", "libde265dec"],
    },
    Way {
        codec: Codec::Vp8,
        caps: &[],
        media: "video/x-vp8",
        parser: None,
        decoders: &["vp8dec", "avdec_vp8"],
    },
    Way {
        codec: Codec::Vp9,
        caps: &[],
        media: "video/x-vp9",
        parser: None,
        decoders: &["vp9dec", "avdec_vp9"],
    },
    Way {
        codec: Codec::Av1,
        caps: &[("stream-format", "obu-stream"), ("alignment", "tu")],
        media: "video/x-av1",
        parser: Some("av1parse"),
        decoders: &["dav1ddec", "av1dec"],
    },
    Way {
        codec: Codec::Mjpeg,
        caps: &[],
        media: "image/jpeg",
        parser: None,
        decoders: &["jpegdec"],
    },
];

/// Decodes, scales and encodes one frame. Blocks for some 10 ms, at most 3 s: not for an async task.
///
/// # Errors
/// When there is no decoder, or the frame is damaged.
pub fn thumbnail(frame: &KeyFrame) -> Result<Bytes, ThumbnailError> {
    let pipeline = gst::Pipeline::new();
    let result = run(&pipeline, frame);
    if pipeline.set_state(gst::State::Null).is_err() {
        tracing::debug!("a thumbnail's pipeline did not stop");
    }
    result
}

fn run(pipeline: &gst::Pipeline, frame: &KeyFrame) -> Result<Bytes, ThumbnailError> {
    let way = WAYS
        .iter()
        .find(|way| way.codec == frame.codec)
        .ok_or(ThumbnailError::NoDecoder { codec: frame.codec })?;
    let decoder = way
        .decoders
        .iter()
        .find_map(|name| gst::ElementFactory::make(name).build().ok())
        .ok_or(ThumbnailError::NoDecoder { codec: frame.codec })?;
    if decoder.has_property_with_type("max-threads", i32::static_type()) {
        // One frame: threads would cost more than they bring, and they hold frames back.
        decoder.set_property("max-threads", 1i32);
    }
    let build = |error: gst::glib::BoolError| ThumbnailError::Build(error.message.to_string());
    let appsrc = source(way);
    let appsink = gst_app::AppSink::builder()
        .sync(false)
        .max_buffers(1)
        .build();
    let mut chain = vec![appsrc.clone().upcast::<gst::Element>()];
    if let Some(parser) = way.parser {
        chain.push(make(parser)?);
    }
    chain.extend([
        decoder,
        make("videoconvert")?,
        make("videoscale")?,
        size(frame)?,
        make("jpegenc")?,
        appsink.clone().upcast(),
    ]);
    pipeline.add_many(&chain).map_err(build)?;
    gst::Element::link_many(&chain).map_err(build)?;
    pipeline
        .set_state(gst::State::Playing)
        .map_err(|error| ThumbnailError::Build(error.to_string()))?;
    let mut buffer = gst::Buffer::from_slice(frame.data.clone());
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::ZERO);
    }
    let pushed = appsrc
        .push_buffer(buffer)
        .and_then(|_| appsrc.end_of_stream());
    pushed.map_err(|_| ThumbnailError::Undecodable)?;
    picture(pipeline, &appsink)
}

fn source(way: &Way) -> gst_app::AppSrc {
    let mut caps = gst::Caps::builder(way.media);
    for (field, value) in way.caps {
        caps = caps.field(*field, *value);
    }
    gst_app::AppSrc::builder()
        .caps(&caps.build())
        .format(gst::Format::Time)
        .build()
}

fn make(factory: &str) -> Result<gst::Element, ThumbnailError> {
    gst::ElementFactory::make(factory)
        .build()
        .map_err(|error| ThumbnailError::Build(error.message.to_string()))
}

/// Keeps the aspect; even numbers, for 4:2:0.
fn size(frame: &KeyFrame) -> Result<gst::Element, ThumbnailError> {
    let filter = make("capsfilter")?;
    let mut caps = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1));
    // What is not known is left to the decoder.
    if let (Some(full @ 1..), Some(height @ 1..)) = (frame.width, frame.height) {
        let width = full.clamp(2, WIDTH);
        let height = u64::from(height) * u64::from(width) / u64::from(full);
        let even = |value: u32| i32::try_from(value & !1).unwrap_or(2).max(2);
        caps = caps
            .field("width", even(width))
            .field("height", even(u32::try_from(height).unwrap_or(2)));
    }
    filter.set_property("caps", caps.build());
    Ok(filter)
}

/// Waits for the picture; an error on the bus ends the wait early.
fn picture(pipeline: &gst::Pipeline, appsink: &gst_app::AppSink) -> Result<Bytes, ThumbnailError> {
    let deadline = std::time::Instant::now() + DEADLINE;
    loop {
        if let Some(sample) = appsink.try_pull_sample(gst::ClockTime::from_mseconds(100)) {
            let buffer = sample.buffer().ok_or(ThumbnailError::Undecodable)?;
            let map = buffer
                .map_readable()
                .map_err(|_| ThumbnailError::Undecodable)?;
            return Ok(Bytes::copy_from_slice(&map));
        }
        let failed = pipeline
            .bus()
            .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Eos]));
        if failed.is_some() || std::time::Instant::now() > deadline {
            return Err(ThumbnailError::Undecodable);
        }
    }
}
