//! What core reads from files that `sluicerecordsink` wrote.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(dead_code, reason = "the kit is shared")]

mod kit;

use std::time::Duration;

use kit::{Take, reading};
use sluice_core::Codec;
use sluice_core::record::contents::mp4;
use sluice_core::record::{Container, Contents, contents};

const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! video/x-h264,stream-format=byte-stream,alignment=au";
const VP8: &str = "vp8enc deadline=1 cpu-used=16 keyframe-max-dist=25";
const AAC: &str = "voaacenc ! aacparse";
const OPUS: &str = "opusenc";

fn read(name: &str, data: &[u8]) -> Contents {
    let (_, ending) = name.rsplit_once('.').unwrap();
    let container = Container::from_extension(ending).unwrap();
    contents(container, data.len() as u64, reading(data)).unwrap()
}

#[test]
fn tracks_and_length_of_every_container_are_read() {
    for (format, video, audio, codecs) in [
        ("fmp4", H264, AAC, [Codec::H264, Codec::Aac]),
        ("fmp4", H264, OPUS, [Codec::H264, Codec::Opus]),
        ("mp4", H264, AAC, [Codec::H264, Codec::Aac]),
        ("mkv", H264, "alawenc", [Codec::H264, Codec::Pcma]),
        ("mkv", VP8, OPUS, [Codec::Vp8, Codec::Opus]),
        ("mpegts", H264, AAC, [Codec::H264, Codec::Aac]),
        ("mpegts", H264, OPUS, [Codec::H264, Codec::Opus]),
    ] {
        let take = Take::new(format);
        let (rate, channels) = if audio == "alawenc" {
            (8000, 1)
        } else {
            (48_000, 2)
        };
        let files = take.record(&kit::both(video, audio, rate, channels, 3), "");
        let data = std::fs::read(&files[0]).unwrap();
        let seen = read(&files[0], &data);
        assert_eq!(seen.tracks, codecs, "{format}");
        let length = seen.duration.unwrap().as_secs_f64();
        assert!((length - 3.0).abs() < 0.1, "{format}: {length}");
    }
}

#[test]
fn a_file_that_is_being_written_is_as_long_as_what_is_whole_of_it() {
    for format in ["fmp4", "mkv", "mpegts"] {
        let take = Take::new(format);
        let files = take.record(&kit::both(H264, AAC, 48_000, 2, 6), "");
        let data = std::fs::read(&files[0]).unwrap();
        let whole = read(&files[0], &data).duration.unwrap();
        let mut before = Duration::ZERO;
        for part in [40, 60, 80, 99] {
            let cut = &data[..data.len() * part / 100];
            // Matroska says how long it is in its head, once it is whole.
            let lasts = read(&files[0], cut).duration.unwrap();
            assert!(lasts >= before && lasts <= whole, "{format} {part}");
            before = lasts;
        }
        assert!(before >= whole - Duration::from_secs(2), "{format}");
        assert_eq!(read(&files[0], b"").duration, None, "{format}");
        assert_eq!(read(&files[0], &[0; 100]).tracks, [], "{format}");
    }
}

#[test]
fn every_frame_of_a_fragmented_file_is_found_where_it_is() {
    let take = Take::new("fmp4");
    let files = take.record(&kit::both(H264, AAC, 48_000, 2, 3), "");
    let data = std::fs::read(&files[0]).unwrap();
    let mut read = reading(&data);
    let len = data.len() as u64;
    let (header, end) = mp4::header(len, &mut read).unwrap().unwrap();
    let mut fragments = vec![];
    mp4::for_each_fragment(end, len, &mut read, |at, size, _| {
        fragments.push((at, size))
    })
    .unwrap();
    let runs: Vec<_> = fragments
        .iter()
        .flat_map(|(at, size)| {
            let at_index = usize::try_from(*at).unwrap();
            mp4::runs(&data[at_index..at_index + size], *at, &header)
        })
        .collect();
    let mut pictures = 0;
    let mut next = vec![None; header.tracks.len()];
    for run in &runs {
        // One run begins where the one before of its track ended.
        let due = next[run.track].replace(run.end());
        assert!(due.is_none_or(|due| due == run.begin), "{run:?}");
        if !header.tracks[run.track].is_video() {
            continue;
        }
        let mut at = usize::try_from(run.at).unwrap();
        for sample in &run.samples {
            // H.264 in MP4: the length of the first unit, then its head, which says whether it is a key frame's.
            let kinds = units(&data[at..at + sample.size as usize]);
            assert_eq!(kinds.contains(&5), sample.is_key(), "{kinds:?}");
            pictures += 1;
            at += sample.size as usize;
        }
    }
    assert_eq!(pictures, 75);
}

/// The kinds of the units of one picture.
fn units(mut frame: &[u8]) -> Vec<u8> {
    let mut kinds = vec![];
    while let Some((length, rest)) = frame.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        kinds.push(rest[0] & 0x1F);
        frame = &rest[length..];
    }
    kinds
}
