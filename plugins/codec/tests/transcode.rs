//! `sluicetranscode` over real encoders: what goes in, what comes out, and how it sounds.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::sync::Once;

use gst::prelude::*;

fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstsluicecodec::plugin_register_static().unwrap();
    });
}

/// Runs `source ! sluicetranscode ! tail` to its end and returns the caps and samples at the end.
#[expect(
    clippy::disallowed_methods,
    reason = "test pipelines are literals of this file"
)]
fn run(source: &str, settings: &str, tail: &str) -> (gst::Caps, Vec<gst::Buffer>) {
    init();
    let line =
        format!("{source} ! sluicetranscode {settings} ! {tail} appsink name=out sync=false");
    let pipeline = gst::parse::launch(&line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let sink = pipeline
        .by_name("out")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut caps = None;
    let mut buffers = vec![];
    while let Ok(sample) = sink.pull_sample() {
        caps = sample.caps_owned();
        buffers.push(sample.buffer_owned().unwrap());
    }
    let bus = pipeline.bus().unwrap();
    if let Some(message) = bus.pop_filtered(&[gst::MessageType::Error])
        && let gst::MessageView::Error(error) = message.view()
    {
        let error = error.error().to_string();
        pipeline.set_state(gst::State::Null).unwrap();
        panic!("{error}");
    }
    pipeline.set_state(gst::State::Null).unwrap();
    (caps.unwrap(), buffers)
}

/// The frequency of a sine in stereo S16 at 48 kHz, from its zero crossings without 200 ms at either end.
fn frequency(buffers: &[gst::Buffer]) -> f64 {
    let samples: Vec<i16> = buffers
        .iter()
        .flat_map(|buffer| {
            let map = buffer.map_readable().unwrap();
            map.chunks_exact(4)
                .map(|frame| i16::from_le_bytes([frame[0], frame[1]]))
                .collect::<Vec<_>>()
        })
        .collect();
    let samples = &samples[9_600..samples.len() - 9_600];
    let crossings = samples
        .windows(2)
        .filter(|pair| pair[0] < 0 && pair[1] >= 0)
        .count();
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let hertz = crossings as f64 / (samples.len() as f64 / 48_000.0);
    hertz
}

const TONE: &str = "audiotestsrc freq=440 num-buffers=100 samplesperbuffer=1024";

#[test]
fn every_audio_codec_becomes_opus_and_keeps_its_tone() {
    for encoder in [
        "audio/x-raw,rate=44100,channels=2 ! avenc_aac ! aacparse",
        "audio/x-raw,rate=48000,channels=6 ! avenc_aac ! aacparse",
        "audio/x-raw,rate=16000,channels=1 ! avenc_aac ! aacparse",
        "audio/x-raw,rate=96000,channels=2 ! avenc_aac ! aacparse",
        "audio/x-raw,rate=48000,channels=8,channel-mask=(bitmask)0xc3f",
        "audio/x-raw,rate=8000,channels=1 ! mulawenc",
        "audio/x-raw,rate=8000,channels=1 ! alawenc",
        "audio/x-raw,rate=16000,channels=1 ! avenc_g722",
        "audio/x-raw,rate=48000,channels=2 ! lamemp3enc ! mpegaudioparse",
        "audio/x-raw,rate=48000,channels=2 ! avenc_mp2 ! mpegaudioparse",
        "audio/x-raw,rate=44100,channels=2,format=S16BE",
    ] {
        let source = format!("{TONE} ! audioconvert ! audioresample ! {encoder}");
        let (caps, packets) = run(&source, "", "");
        assert_eq!(
            caps.structure(0).unwrap().name(),
            "audio/x-opus",
            "{encoder}"
        );
        assert_eq!(
            caps.structure(0).unwrap().get::<i32>("channels"),
            Ok(2),
            "{encoder}"
        );
        assert!(packets.len() > 50, "{encoder}: {} packets", packets.len());

        let (_, sound) = run(
            &source,
            "",
            "opusdec ! audio/x-raw,format=S16LE,rate=48000,channels=2 !",
        );
        let hertz = frequency(&sound);
        assert!((435.0..445.0).contains(&hertz), "{encoder}: {hertz} Hz");
    }
}

#[test]
fn opus_passes_as_the_same_bytes() {
    let encoder = format!("{TONE} ! audioconvert ! audioresample ! opusenc ! tee name=t t.");
    let (caps, passed) = run(&encoder, "", "");
    assert_eq!(caps.structure(0).unwrap().name(), "audio/x-opus");
    assert!(!passed.is_empty());
    assert!(passed.iter().all(|packet| packet.size() < 1_000));
}

#[test]
fn g711_passes_only_when_asked_to() {
    let source = format!("{TONE} ! audioconvert ! audioresample ! alawenc");
    let (kept, _) = run(&source, "keep-g711=true", "");
    assert_eq!(kept.structure(0).unwrap().name(), "audio/x-alaw");
    let (turned, _) = run(&source, "", "");
    assert_eq!(turned.structure(0).unwrap().name(), "audio/x-opus");
}

#[test]
fn video_passes_untouched() {
    let (caps, frames) = run("videotestsrc num-buffers=10 ! vp8enc", "", "");
    assert_eq!(caps.structure(0).unwrap().name(), "video/x-vp8");
    assert_eq!(frames.len(), 10);
}

#[test]
fn the_chain_is_rebuilt_when_the_codec_changes() {
    init();
    let mut harness = gst_check::Harness::new("sluicetranscode");
    harness.set_src_caps_str("audio/x-mulaw,rate=8000,channels=1");
    let g711 = |ms: u64| {
        let mut buffer = gst::Buffer::from_slice([0xff_u8; 160]);
        buffer
            .get_mut()
            .unwrap()
            .set_pts(gst::ClockTime::from_mseconds(ms));
        buffer
    };
    for ms in (0..200).step_by(20) {
        harness.push(g711(ms)).unwrap();
    }
    let before = harness.buffers_received();
    assert!(before > 0);
    harness.set_src_caps_str("audio/x-alaw,rate=8000,channels=1");
    for ms in (200..400).step_by(20) {
        harness.push(g711(ms)).unwrap();
    }
    assert!(harness.buffers_received() > before + 5);
}

/// The clock of a camera's microphone is never that of its pictures. The same 720 ms as by 200 ppm in an hour, in six minutes.
#[test]
fn sound_stays_with_its_times_however_far_its_clock_drifts() {
    init();
    for ppm in [2_000_i64, -2_000] {
        let mut harness = gst_check::Harness::new("sluicetranscode");
        harness.set_src_caps_str("audio/x-mulaw,rate=8000,channels=1");
        let mut heard = None;
        let mut worst = 0;
        for nth in 0..18_000_i64 {
            let micros = nth * 20_000 * (1_000_000 + ppm) / 1_000_000;
            let pts = gst::ClockTime::from_useconds(u64::try_from(micros).unwrap());
            let mut buffer = gst::Buffer::from_slice([0xff_u8; 160]);
            buffer.get_mut().unwrap().set_pts(pts);
            harness.push(buffer).unwrap();
            while harness.buffers_in_queue() > 0 {
                heard = harness.pull().unwrap().pts();
            }
            // The first packets wait in decoder and encoder.
            if nth > 10 {
                let late = pts.mseconds().abs_diff(heard.unwrap().mseconds());
                worst = worst.max(late);
            }
        }
        assert!(worst < 80, "{ppm} ppm: {worst} ms apart");
    }
}

#[test]
fn opus_is_stereo_in_packets_of_20_ms_with_fec() {
    let source = format!("{TONE} ! audioconvert ! audioresample ! alawenc");
    let (_, packets) = run(&source, "", "");
    for packet in &packets {
        // RFC 6716, 3.1: configurations that last 20 ms, one frame, two channels.
        let toc = packet.map_readable().unwrap()[0];
        let config = toc >> 3;
        assert!(
            [1, 5, 9, 13, 15, 19, 23, 27, 31].contains(&config),
            "{config}"
        );
        assert_eq!(toc & 0b111, 0b100, "stereo, one frame");
    }
}
