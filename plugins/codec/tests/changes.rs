//! What changes while a transcoder runs: the source's size and codec, the bitrate, key frames on request,
//! and a stream with holes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Instant;

use gst::prelude::*;

mod bench;

use bench::{Got, RGB, feed, init, launch, middle, run};

/// Ten pictures of one colour and size, encoded.
fn track(colour: &str, size: (i32, i32), encoder: &str) -> Got {
    let (width, height) = size;
    let source = format!(
        "videotestsrc num-buffers=10 pattern=solid-color foreground-color={colour} ! video/x-raw,format=I420,width={width},height={height},framerate=25/1 ! {encoder}"
    );
    run(&source, "", "")
}

const H264: &str =
    "x264enc tune=zerolatency ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au";
const H265: &str =
    "x265enc tune=zerolatency ! h265parse ! video/x-h265,stream-format=byte-stream,alignment=au";
const RED: &str = "0xffff0000";
const BLUE: &str = "0xff0000ff";

fn is_key(got: &Got, nth: usize) -> bool {
    !got.frames[nth]
        .0
        .flags()
        .contains(gst::BufferFlags::DELTA_UNIT)
}

/// All pictures come out at their times, the second part begins with a key frame.
#[track_caller]
fn assert_goes_on(got: &Got, sizes: [(i32, i32); 2]) {
    let times: Vec<_> = got.frames.iter().map(|(_, time)| time.mseconds()).collect();
    let expected: Vec<_> = (0..20).map(|nth| nth * 40).collect();
    assert_eq!(times, expected, "{}", got.stats);
    assert_eq!((got.sizes[9], got.sizes[10]), (sizes[0], sizes[1]));
    assert!(is_key(got, 0) && is_key(got, 10), "{}", got.stats);
    assert_eq!(got.stats.get("failures"), Ok(0_u64), "{}", got.stats);
}

#[test]
fn a_source_that_changes_its_size_goes_on_in_the_new_size() {
    for codec in ["h264", "vp8", "vp9", "av1"] {
        let (small, large) = (track(RED, (320, 240), H264), track(BLUE, (640, 360), H264));
        let settings = format!("video-codec={codec}");
        let got = feed(&[&small, &large], &settings, "");
        assert_goes_on(&got, [(320, 240), (640, 360)]);
    }
}

#[test]
fn a_source_that_changes_from_h264_to_h265_goes_on() {
    let (old, new) = (track(RED, (320, 240), H264), track(BLUE, (320, 240), H265));
    let got = feed(&[&old, &new], "video-codec=vp8", "");
    assert_eq!(got.frames.len(), 20, "{}", got.stats);
    assert_eq!(got.stats.get("failures"), Ok(0_u64), "{}", got.stats);
    assert!(is_key(&got, 10), "{}", got.stats);
    let shown = feed(&[&old, &new], "video-codec=vp8", RGB);
    let colour = |nth: usize| middle(&shown.frames[nth].0, (320, 240));
    let ([red, ..], [.., blue]) = (colour(0), colour(19));
    assert!(red > 200 && blue > 200, "{red} {blue}");
}

#[test]
fn a_torn_stream_makes_no_error_and_goes_on() {
    let mut parts = vec![];
    for _ in 0..3 {
        let mut part = track(RED, (320, 240), H264);
        // Lost, cut short, and overwritten pictures.
        part.frames.remove(3);
        let torn = part.frames[4]
            .0
            .copy_region(gst::BufferCopyFlags::MEMORY, ..40)
            .unwrap();
        part.frames[4].0 = torn;
        let noise = gst::Buffer::from_slice([0x5a_u8; 500]);
        part.frames[6].0 = noise;
        parts.push(part);
    }
    let got = feed(&parts.iter().collect::<Vec<_>>(), "video-codec=vp8", "");
    assert!(got.frames.len() > 15, "{}", got.frames.len());
    assert_eq!(got.stats.get("failures"), Ok(0_u64), "{}", got.stats);
}

fn live(codec: &str, seconds: u32, pattern: &str) -> gst::Pipeline {
    let frames = seconds * 50;
    let pipeline = launch(&format!(
        "videotestsrc is-live=true num-buffers={frames} pattern={pattern} ! video/x-raw,format=I420,width=160,height=120,framerate=50/1 ! sluicetranscode name=t video-codec={codec} key-interval=60000 bitrate=1000 ! appsink name=out sync=false"
    ));
    pipeline.set_state(gst::State::Playing).unwrap();
    pipeline
}

#[expect(clippy::unwrap_in_result, reason = "tests")]
fn pull(pipeline: &gst::Pipeline) -> Option<(gst::ClockTime, bool, usize)> {
    let sink = pipeline.by_name("out").unwrap();
    let sink = sink.downcast::<gst_app::AppSink>().unwrap();
    let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(5))?;
    let buffer = sample.buffer().unwrap();
    let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
    Some((buffer.pts().unwrap(), key, buffer.size()))
}

#[test]
fn the_source_is_asked_for_a_key_frame_when_it_begins_without_one() {
    let track = track(RED, (320, 240), H264);
    let mut harness = gst_check::Harness::new("sluicetranscode");
    let transcode = harness.element().unwrap();
    transcode.set_property_from_str("video-codec", "vp8");
    harness.set_src_caps(track.caps.clone());
    for (buffer, time) in &track.frames[1..] {
        let mut buffer = buffer.clone();
        buffer.make_mut().set_pts(*time);
        harness.push(buffer).unwrap();
    }
    let mut asked = 0;
    while let Some(event) = harness.try_pull_upstream_event() {
        asked += u32::from(gst_video::ForceKeyUnitEvent::is(&event));
    }
    assert_eq!(asked, 1);
}

/// Runs one for each codec, all at the same time.
fn with_each(codecs: &[&str], check: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| {
        for codec in codecs {
            scope.spawn(|| check(codec));
        }
    });
}

#[test]
fn a_key_frame_comes_when_asked_for_and_at_most_every_500_ms() {
    with_each(&["h264", "vp8", "vp9"], |codec| {
        let pipeline = live(codec, 2, "ball");
        let pad = pipeline.by_name("t").unwrap().static_pad("src").unwrap();
        let mut keys = vec![];
        while let Some((time, key, _)) = pull(&pipeline) {
            if key {
                keys.push(time.mseconds());
            }
            // With every picture, as impatient viewers do.
            let event = gst_video::UpstreamForceKeyUnitEvent::builder()
                .all_headers(true)
                .build();
            pad.send_event(event);
        }
        pipeline.set_state(gst::State::Null).unwrap();
        assert!((3..=5).contains(&keys.len()), "{codec}: {keys:?}");
    });
}

#[test]
fn a_new_bitrate_is_taken_while_it_runs() {
    with_each(&["h264", "vp8"], |codec| {
        let pipeline = live(codec, 3, "snow");
        let (mut before, mut after, mut is_set) = (0, 0, false);
        while let Some((time, _, bytes)) = pull(&pipeline) {
            if time.mseconds() >= 1_000 && !std::mem::replace(&mut is_set, true) {
                let transcode = pipeline.by_name("t").unwrap();
                transcode.set_property("bitrate", 8_000_u32);
            }
            match time.seconds() {
                0 => before += bytes,
                2 => after += bytes,
                _ => {}
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
        let seen = format!("{before} then {after} bytes a second");
        assert!(after > before * 2, "{codec}: {seen}");
    });
}

#[expect(clippy::print_stdout, reason = "figures for whoever asks for them")]
fn print(line: &str) {
    println!("{line}");
}

#[test]
fn no_picture_is_held_back_for_a_later_one() {
    init();
    for (input, codec) in [
        (H264, "vp8"),
        (H265, "vp8"),
        ("vp8enc deadline=1", "h264"),
        ("vp9enc deadline=1 lag-in-frames=0", "h264"),
        ("jpegenc", "vp9"),
        ("identity", "av1"),
    ] {
        let source = format!(
            "videotestsrc num-buffers=50 pattern=ball ! video/x-raw,format=I420,width=640,height=360,framerate=25/1 ! {input}"
        );
        let track = run(&source, "", "");
        let mut harness = gst_check::Harness::new("sluicetranscode");
        let transcode = harness.element().unwrap();
        transcode.set_property_from_str("video-codec", codec);
        harness.set_src_caps(track.caps.clone());
        let mut spans = vec![];
        for (buffer, time) in &track.frames {
            let mut buffer = buffer.clone();
            buffer.make_mut().set_pts(*time);
            buffer.make_mut().set_dts(*time);
            let started = Instant::now();
            harness.push(buffer).unwrap();
            // Waits for ever if a later one were needed.
            harness.pull().unwrap();
            spans.push(started.elapsed());
        }
        // The first one waits for decoder and encoder to start.
        let first = spans.remove(0);
        spans.sort_unstable();
        let (middle, worst) = (spans[spans.len() / 2], spans[spans.len() * 99 / 100]);
        let line = format!("{input} to {codec}: p50 {middle:?}, p99 {worst:?}, first {first:?}");
        print(&line);
    }
}
