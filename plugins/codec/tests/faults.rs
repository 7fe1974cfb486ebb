//! Encoders and decoders that fail while they run are replaced, and viewers see a key frame soon.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use gst::prelude::*;
use gstsluicecodec::{Ranking, set_ranking};
use sluice_core::Codec;
use sluice_core::transcode::{Decoder, Memory};

mod bench;
mod fakes;

use bench::{init, launch};

struct Arrival {
    at: Instant,
    time: gst::ClockTime,
    key: bool,
}

struct Watched {
    arrivals: Vec<Arrival>,
    stats: gst::Structure,
    error: Option<String>,
}

/// Runs a live pipeline to its end and notes when what came out.
fn watch(source: &str) -> Watched {
    let line =
        format!("{source} ! sluicetranscode name=t video-codec=vp8 ! appsink name=out sync=false");
    let pipeline = launch(&line);
    let sink = pipeline.by_name("out").unwrap();
    let sink = sink.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut arrivals = vec![];
    while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(6)) {
        let buffer = sample.buffer().unwrap();
        arrivals.push(Arrival {
            at: Instant::now(),
            time: buffer.pts().unwrap(),
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
        });
    }
    let transcode = pipeline.by_name("t").unwrap();
    let stats = transcode.property::<gst::Structure>("stats");
    let error = pipeline
        .bus()
        .unwrap()
        .pop_filtered(&[gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    let error = error.and_then(|message| {
        let gst::MessageView::Error(error) = message.view() else {
            return None;
        };
        Some(error.error().to_string())
    });
    Watched {
        arrivals,
        stats,
        error,
    }
}

const LIVE: &str = "videotestsrc is-live=true num-buffers=150 pattern=ball ! video/x-raw,format=I420,width=160,height=120,framerate=50/1";

/// With the fake one first and the real one next, pictures go on within `most`, beginning with a key frame.
#[track_caller]
fn assert_replaced(watched: &Watched, most: Duration, failures: u64) {
    let stats = &watched.stats;
    assert_eq!(watched.error, None, "{stats}");
    assert_eq!(stats.get("failures"), Ok(failures), "{stats}");
    assert_eq!(stats.get("encoder"), Ok(Some("vp8enc")), "{stats}");
    let first = watched.arrivals.first().unwrap();
    assert!(first.key);
    let pairs = watched.arrivals.iter().zip(watched.arrivals.iter().skip(1));
    for (one, next) in pairs {
        assert!(one.time < next.time, "{} then {}", one.time, next.time);
        let gap = next.at - one.at;
        assert!(gap < most, "{gap:?} without a picture, {stats}");
        if gap > most / 2 {
            assert!(next.key, "no key frame after {gap:?}");
        }
    }
    let last = watched.arrivals.last().unwrap();
    assert!(
        last.time > gst::ClockTime::from_mseconds(2_700),
        "{}",
        last.time
    );
}

fn rank(fake: &'static str) {
    set_ranking(Ranking {
        encoders: Some(vec![fakes::row(fake), fakes::row("vp8enc")]),
        ..Ranking::default()
    });
}

/// What came of an encoder that must be replaced with so long a gap at most.
fn replaced(fake: fn() -> &'static str, most: Duration, failures: u64) -> Watched {
    init();
    rank(fake());
    let watched = watch(LIVE);
    assert_replaced(&watched, most, failures);
    watched
}

#[test]
fn one_that_is_missing_is_passed_over() {
    replaced(|| "nothingofthatname", Duration::from_millis(500), 0);
}

#[test]
fn one_that_fails_at_its_start_is_replaced_at_once() {
    let watched = replaced(
        fakes::fails_at_start::register,
        Duration::from_millis(500),
        1,
    );
    let first = watched.arrivals.first().unwrap().time;
    assert!(first < gst::ClockTime::from_seconds(1), "{first}");
}

#[test]
fn one_that_fails_after_100_pictures_is_replaced_within_a_second() {
    let watched = replaced(fakes::fails::register, Duration::from_secs(1), 1);
    assert!(watched.arrivals.iter().filter(|one| one.key).count() >= 2);
}

#[test]
fn one_that_hangs_is_replaced_within_two_seconds() {
    replaced(fakes::hangs::register, Duration::from_secs(2), 1);
}

#[test]
fn one_that_makes_garbage_is_replaced_before_anyone_sees_it() {
    replaced(fakes::garbage::register, Duration::from_millis(500), 1);
}

#[test]
fn one_that_swallows_pictures_is_replaced() {
    let watched = replaced(fakes::swallows::register, Duration::from_millis(500), 1);
    let first = watched.arrivals.first().unwrap().time;
    assert!(first < gst::ClockTime::from_seconds(2), "{first}");
}

#[test]
fn with_nothing_left_one_sentence_says_so() {
    init();
    set_ranking(Ranking {
        encoders: Some(vec![fakes::row(fakes::fails::register())]),
        ..Ranking::default()
    });
    let watched = watch(LIVE);
    assert_eq!(
        watched.error.as_deref(),
        Some("no encoder for VP8 works on this machine: session limit")
    );
}

fn with_decoder(factory: &'static str) -> Watched {
    let decoder = Decoder {
        factory,
        memory: Memory::System,
        live: &[],
    };
    set_ranking(Ranking {
        decoders: vec![(Codec::Vp8, decoder)],
        ..Ranking::default()
    });
    // One key frame in all: only the group itself lets another decoder go on.
    watch(&format!(
        "{LIVE} ! vp8enc deadline=1 keyframe-max-dist=1000"
    ))
}

#[test]
fn a_decoder_that_fails_is_replaced_in_the_middle_of_a_group() {
    init();
    let watched = with_decoder(fakes::decoder_fails::register());
    assert_replaced(&watched, Duration::from_secs(1), 1);
}

#[test]
fn a_decoder_that_hangs_is_replaced_in_the_middle_of_a_group() {
    init();
    let watched = with_decoder(fakes::decoder_hangs::register());
    assert_replaced(&watched, Duration::from_secs(2), 1);
}

#[test]
fn an_encoder_that_is_too_slow_does_not_hold_up_the_source() {
    init();
    set_ranking(Ranking {
        encoders: Some(vec![fakes::row(fakes::slow::register())]),
        ..Ranking::default()
    });
    let mut harness = gst_check::Harness::new("sluicetranscode");
    harness
        .element()
        .unwrap()
        .set_property_from_str("video-codec", "vp8");
    harness.set_src_caps_str("video/x-raw,format=I420,width=160,height=120,framerate=25/1");
    let started = Instant::now();
    for nth in 0..100 {
        let mut buffer = gst::Buffer::with_size(160 * 120 * 3 / 2).unwrap();
        buffer
            .get_mut()
            .unwrap()
            .set_pts(gst::ClockTime::from_mseconds(nth * 40));
        harness.push(buffer).unwrap();
    }
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    let first = harness.pull().unwrap();
    assert!(!first.flags().contains(gst::BufferFlags::DELTA_UNIT));
    let stats = harness
        .element()
        .unwrap()
        .property::<gst::Structure>("stats");
    assert_eq!(stats.get("frames-in"), Ok(100_u64));
    assert!(stats.get::<u64>("dropped").unwrap() > 80, "{stats}");
}
