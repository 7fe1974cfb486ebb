//! Clips of what `sluicerecordsink` wrote, as ffprobe and ffmpeg see them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(dead_code, reason = "the kit is shared")]

mod kit;

use std::time::Duration;

use kit::{Take, probe, reading};
use sluice_core::record::clip::{Source, clip};
use sluice_core::record::contents::mp4;

const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! video/x-h264,stream-format=byte-stream,alignment=au";
const H264_B: &str = "x264enc speed-preset=ultrafast bframes=2 b-adapt=false key-int-max=25 ! video/x-h264,profile=main,stream-format=byte-stream,alignment=au";
const VP9: &str = "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=25 ! vp9parse";
const AAC: &str = "voaacenc ! aacparse";
const OPUS: &str = "opusenc";

fn source(data: &[u8], start: Duration) -> Source {
    let mut read = reading(data);
    let len = data.len() as u64;
    let (header, end) = mp4::header(len, &mut read).unwrap().unwrap();
    let mut heads = vec![];
    mp4::for_each_fragment(end, len, &mut read, |at, size, _| heads.push((at, size))).unwrap();
    let mut runs = vec![];
    for (at, size) in heads {
        runs.extend(mp4::runs(&read(at, size).unwrap(), at, &header));
    }
    Source {
        start,
        header,
        runs,
    }
}

/// Records 6 s in segments of 2 s, and cuts 3 s out of the middle of them.
fn cut(video: &str, audio: &str, from: Duration) -> String {
    let take = Take::new("fmp4");
    let sources = kit::both(video, audio, 48_000, 2, 6);
    let files = take.record(&sources, "segment-duration=2000");
    assert!(files.len() >= 3, "{files:?}");
    let data: Vec<_> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    let begin = Duration::from_secs(1_000_000);
    let sources: Vec<_> = data
        .iter()
        .zip(0..)
        .map(|(data, number)| source(data, begin + Duration::from_secs(2) * number))
        .collect();
    let clip = clip(&sources, begin + from, Duration::from_secs(3)).unwrap();
    assert_eq!(clip.start, begin + Duration::from_secs(1));
    let mut made = clip.head;
    for piece in clip.pieces {
        let at = usize::try_from(piece.at).unwrap();
        let bytes = usize::try_from(piece.bytes).unwrap();
        made.extend(&data[piece.source][at..at + bytes]);
    }
    let file = std::env::temp_dir().join(format!("clip-{}-{}.mp4", std::process::id(), made.len()));
    std::fs::write(&file, made).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_clip_across_files_is_one_that_everybody_plays() {
    for (video, audio) in [(H264, AAC), (H264_B, AAC), (H264, OPUS), (VP9, OPUS)] {
        // The key frame before is at 1 s.
        let file = cut(video, audio, Duration::from_millis(1500));
        kit::decodes(&file);
        let seen = probe(&file);
        assert_eq!(seen.video.frames, 88, "{video} {seen:?}");
        assert!(seen.video.key, "{video} {seen:?}");
        assert!((seen.video.span() - 3.5).abs() < 0.05, "{video} {seen:?}");
        assert!((seen.audio.span() - 3.5).abs() < 0.09, "{video} {seen:?}");
        assert!(
            (seen.video.first - seen.audio.first).abs() <= 0.04 + 0.08,
            "{video} {seen:?}"
        );
        std::fs::remove_file(file).unwrap();
    }
}
