//! Pipelines with a `sluicetranscode` in them, for the tests beside this folder.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "tests; each file uses some of it"
)]

use std::sync::Once;

use gst::prelude::*;

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstsluicecodec::plugin_register_static().unwrap();
    });
}

/// What came out of a pipeline.
pub struct Got {
    /// Of the last one.
    pub caps: gst::Caps,
    /// Of each.
    pub sizes: Vec<(i32, i32)>,
    /// With their running times.
    pub frames: Vec<(gst::Buffer, gst::ClockTime)>,
    pub stats: gst::Structure,
}

#[expect(
    clippy::disallowed_methods,
    reason = "test pipelines are literals of the files beside this one"
)]
pub fn launch(line: &str) -> gst::Pipeline {
    init();
    gst::parse::launch(line)
        .unwrap_or_else(|error| panic!("{line}: {error}"))
        .downcast()
        .unwrap()
}

/// Runs the line to its end.
pub fn run(source: &str, settings: &str, tail: &str) -> Got {
    let line = format!(
        "{source} ! sluicetranscode name=t {settings} ! {tail} appsink name=out sync=false"
    );
    let pipeline = launch(&line);
    pipeline.set_state(gst::State::Playing).unwrap();
    collect(&pipeline, &line)
}

/// Pushes tracks one behind the other, 40 ms a picture, through one transcoder.
pub fn feed(parts: &[&Got], settings: &str, tail: &str) -> Got {
    let line = format!(
        "appsrc name=in format=time ! sluicetranscode name=t {settings} ! {tail} appsink name=out sync=false"
    );
    let pipeline = launch(&line);
    let source = pipeline.by_name("in").unwrap();
    let source = source.downcast::<gst_app::AppSrc>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut nth = 0;
    for part in parts {
        source.set_caps(Some(&part.caps));
        for (buffer, _) in &part.frames {
            let mut buffer = buffer.clone();
            {
                let buffer = buffer.make_mut();
                buffer.set_pts(gst::ClockTime::from_mseconds(nth * 40));
                buffer.set_dts(gst::ClockTime::NONE);
            }
            source.push_buffer(buffer).unwrap();
            nth += 1;
        }
    }
    source.end_of_stream().unwrap();
    collect(&pipeline, &line)
}

fn collect(pipeline: &gst::Pipeline, line: &str) -> Got {
    let sink = pipeline.by_name("out").unwrap();
    let sink = sink.downcast::<gst_app::AppSink>().unwrap();
    let mut caps = None;
    let mut sizes = vec![];
    let mut frames = vec![];
    while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(10)) {
        caps = sample.caps_owned();
        let structure = sample.caps().unwrap().structure(0).unwrap();
        sizes.push((
            structure.get("width").unwrap_or(0),
            structure.get("height").unwrap_or(0),
        ));
        let segment = sample.segment().unwrap();
        let segment = segment.downcast_ref::<gst::ClockTime>().unwrap();
        let buffer = sample.buffer_owned().unwrap();
        let time = segment.to_running_time(buffer.pts()).unwrap();
        frames.push((buffer, time));
    }
    let ended = sink.is_eos();
    let transcode = pipeline.by_name("t").unwrap();
    let stats = transcode.property::<gst::Structure>("stats");
    let bus = pipeline.bus().unwrap();
    let error = bus.pop_filtered(&[gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    if let Some(message) = error
        && let gst::MessageView::Error(error) = message.view()
    {
        panic!("{line}: {} ({:?})", error.error(), error.debug());
    }
    let count = frames.len();
    assert!(ended, "{line}: no end after {count} frames, {stats}");
    let caps = caps.unwrap_or_else(|| panic!("{line}: nothing came out, {stats}"));
    Got {
        caps,
        sizes,
        frames,
        stats,
    }
}

/// Pure red, which wrong planes or a wrong chroma layout turn into something else.
pub const RED: &str = "videotestsrc num-buffers=12 pattern=solid-color foreground-color=0xffff0000";
pub const SMALL: &str = "video/x-raw,format=I420,width=320,height=240,framerate=25/1";
pub const RGB: &str = "decodebin ! videoconvert ! video/x-raw,format=RGB !";

/// Decodes what comes out and looks at its middle and size.
#[track_caller]
pub fn assert_red(source: &str, settings: &str, size: (i32, i32)) {
    let got = run(source, settings, RGB);
    let structure = got.caps.structure(0).unwrap();
    let seen = (
        structure.get("width").unwrap(),
        structure.get("height").unwrap(),
    );
    assert_eq!(seen, size, "{source} {settings}");
    let count = got.frames.len();
    assert!(count >= 8, "{source} {settings}: {count} frames");
    let rgb = middle(&got.frames.last().unwrap().0, size);
    let [r, g, b] = rgb;
    assert!(
        r > 200 && g < 50 && b < 50,
        "{source} {settings}: {r} {g} {b}"
    );
}

pub fn middle(frame: &gst::Buffer, size: (i32, i32)) -> [u8; 3] {
    let width = usize::try_from(size.0).unwrap();
    let height = usize::try_from(size.1).unwrap();
    let map = frame.map_readable().unwrap();
    let at = height / 2 * (width * 3).next_multiple_of(4) + width / 2 * 3;
    [map[at], map[at + 1], map[at + 2]]
}
