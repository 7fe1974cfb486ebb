//! `sluicetranscode` with `video-codec` over real encoders: every codec in and out, and the colours.

mod bench;

use bench::{RED, SMALL, assert_red, init, run};

#[test]
fn every_video_codec_that_comes_in_keeps_its_colours() {
    for encoder in [
        "x264enc tune=zerolatency ! h264parse",
        "x264enc bframes=2 b-adapt=false ! h264parse",
        "videoconvert ! video/x-raw,format=I422_10LE ! x264enc ! h264parse",
        "x265enc tune=zerolatency ! h265parse",
        "videoconvert ! video/x-raw,format=I420_10LE ! x265enc tune=zerolatency ! h265parse",
        "vp8enc deadline=1",
        "vp9enc deadline=1 cpu-used=8 ! vp9parse",
        "av1enc usage-profile=realtime cpu-used=8 ! av1parse",
        "jpegenc",
        "mpeg2enc format=3 ! mpegvideoparse",
        "avenc_mpeg4 ! mpeg4videoparse",
        "identity",
    ] {
        let source = format!("{RED} ! {SMALL} ! {encoder}");
        assert_red(&source, "video-codec=h264", (320, 240));
    }
}

#[test]
fn every_codec_that_goes_out_has_its_shape_and_colours() {
    for (codec, media) in [
        ("h264", "video/x-h264"),
        ("vp8", "video/x-vp8"),
        ("vp9", "video/x-vp9"),
        ("av1", "video/x-av1"),
    ] {
        let source = format!("{RED} ! {SMALL} ! jpegenc");
        let settings = format!("video-codec={codec}");
        let got = run(&source, &settings, "");
        let structure = got.caps.structure(0).unwrap();
        assert_eq!(structure.name(), media);
        let (first, time) = &got.frames[0];
        assert!(!first.flags().contains(gst::BufferFlags::DELTA_UNIT));
        assert_eq!(*time, gst::ClockTime::ZERO, "{codec}");
        assert_eq!(got.frames.len(), 12, "{codec}");
        assert_eq!(got.stats.get("dropped"), Ok(0_u64), "{codec}");
        assert_eq!(got.stats.get("frames-out"), Ok(12_u64), "{codec}");
        assert!(got.stats.get::<Option<&str>>("encoder").unwrap().is_some());
        if codec == "h264" {
            assert_eq!(structure.get("stream-format"), Ok("byte-stream"));
            assert_eq!(structure.get("alignment"), Ok("au"));
            assert_eq!(structure.get("profile"), Ok("constrained-baseline"));
        }
        if codec == "vp9" {
            // Profile 1 shows wrong colours in Chromium.
            assert_eq!(first.map_readable().unwrap()[0] & 0b0011_0000, 0);
        }
        assert_red(&source, &settings, (320, 240));
    }
}

#[test]
fn odd_sizes_become_even_and_limits_keep_the_aspect() {
    let of = |size: &str| format!("{RED} ! video/x-raw,{size},framerate=25/1 ! jpegenc");
    assert_red(&of("width=705,height=333"), "video-codec=vp8", (704, 332));
    assert_red(&of("width=705,height=333"), "video-codec=h264", (704, 332));
    let wide = of("width=1280,height=720");
    assert_red(&wide, "video-codec=vp8 max-width=640", (640, 360));
    let portrait = of("width=360,height=640");
    assert_red(&portrait, "video-codec=h264 max-height=320", (180, 320));
    let anamorphic = of("width=720,height=576,pixel-aspect-ratio=16/15");
    assert_red(&anamorphic, "video-codec=h264", (768, 576));
}

#[test]
fn interlaced_pictures_become_whole_ones() {
    let fields = "video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! interlace field-pattern=1:1 ! x264enc interlaced=true ! h264parse";
    let source = format!("videotestsrc num-buffers=20 pattern=ball ! {fields}");
    let tail = "avdec_h264 ! video/x-raw,format=I420 !";
    let got = run(&source, "video-codec=h264", tail);
    let mode = got
        .caps
        .structure(0)
        .unwrap()
        .get::<String>("interlace-mode");
    assert_eq!(mode.as_deref(), Ok("progressive"));
    assert!(got.frames.len() >= 8, "{}", got.frames.len());
}

#[test]
fn the_key_interval_and_frame_rate_are_as_asked() {
    init();
    let source = format!("videotestsrc num-buffers=100 ! {SMALL} ! jpegenc");
    for codec in ["h264", "vp8", "vp9", "av1"] {
        let settings = format!("video-codec={codec} key-interval=1000");
        let got = run(&source, &settings, "");
        let keys: Vec<_> = got
            .frames
            .iter()
            .filter(|(frame, _)| !frame.flags().contains(gst::BufferFlags::DELTA_UNIT))
            .map(|(_, time)| time.mseconds())
            .collect();
        assert_eq!(keys, [0, 1_000, 2_000, 3_000], "{codec}");
    }
    let got = run(&source, "video-codec=h264 max-framerate=5", "");
    assert!(
        (18..=22).contains(&got.frames.len()),
        "{}",
        got.frames.len()
    );
}
