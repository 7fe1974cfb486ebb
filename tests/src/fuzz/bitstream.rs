//! RTP packets, payloads and encoded frames.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sluice_core::bitstream::Size;
use sluice_core::bitstream::payload::{is_safe, is_whole};
use sluice_core::bitstream::tidy::{Parts, without_late_headers};
use sluice_core::whip::{Layers, Streams, extension};
use sluice_core::{Codec, av1, h264, h265, vp8, vp9};

/// The input is a byte for the codec, and bytes that are read as a packet, as a payload, as a frame, and as lists of
/// what comes one after the other: parts of frames, packets of streams, frames of layers.
pub(super) fn run(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else {
        return;
    };
    let codec = Codec::ALL[usize::from(*first) % Codec::ALL.len()];
    payload(codec, bytes);
    frame(codec, bytes);
    parts(bytes);
    assert!(extension(bytes, first & 0x0f).is_none_or(|value| value.len() <= 255));
    streams(bytes);
    layers(bytes);
}

fn payload(codec: Codec, bytes: &[u8]) {
    let (whole, safe) = (is_whole(codec, bytes), is_safe(codec, bytes));
    assert!(safe || !whole, "{codec}: whole, and not safe");
    if bytes.is_empty() {
        return assert!(whole && safe);
    }
    // What depayloaders read without looking at the end: their headers, and a byte behind them.
    let needs = match (codec, bytes[0]) {
        (Codec::H264, head) => match head & 0x1f {
            28 => 3,
            29 => 5,
            24..=27 => 2,
            _ => 1,
        },
        (Codec::H265, head) if (head >> 1) & 0x3f == 49 => 4,
        (Codec::H265, _) => 3,
        _ => 1,
    };
    assert!(!safe || bytes.len() >= needs, "{codec}: {bytes:02x?}");
    let aggregated = match (codec, bytes[0]) {
        (Codec::H264, head) if head & 0x1f == 24 => Some((1, 1)),
        (Codec::H265, head) if (head >> 1) & 0x3f == 48 => Some((2, 2)),
        _ => None,
    };
    if let Some((header, least)) = aggregated.filter(|_| whole) {
        check_units(bytes, header, least);
    }
}

/// The units of an aggregation packet end where it ends.
fn check_units(bytes: &[u8], header: usize, least: usize) {
    let mut at = header;
    while at < bytes.len() {
        let length = usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1]);
        assert!(length >= least);
        at += 2 + length;
    }
    assert_eq!(at, bytes.len());
}

fn frame(codec: Codec, bytes: &[u8]) {
    match codec {
        Codec::H264 => {
            h264::is_key(bytes);
            h264::has_b_slices(bytes);
            if let Some(sps) = h264::sps(bytes) {
                assert!((8..=14).contains(&sps.bit_depth));
                assert!(h264::profile(&sps).is_none_or(|profile| !profile.is_empty()));
            }
        }
        Codec::H265 => {
            h265::is_key(bytes);
            if let Some(sps) = h265::sps(bytes) {
                assert!((8..=16).contains(&sps.bit_depth));
                h265::profile(&sps);
            }
        }
        Codec::Vp8 => assert_eq!(vp8::is_key(bytes), vp8::size(bytes).is_some()),
        Codec::Vp9 => {
            assert!(vp9::profile(bytes).is_none_or(|profile| profile <= 3));
            assert!(vp9::size(bytes).is_none() || vp9::is_key(bytes));
        }
        Codec::Av1 => {
            let sequence = av1::sequence(bytes);
            assert!(sequence.is_none_or(|one| one.profile <= 7 && one.size.width <= 1 << 16));
            av1::is_key(bytes);
        }
        Codec::Mjpeg
        | Codec::Mpeg2
        | Codec::Mpeg4
        | Codec::Aac
        | Codec::Opus
        | Codec::Pcmu
        | Codec::Pcma
        | Codec::G722
        | Codec::Mp2
        | Codec::Mp3
        | Codec::L16 => assert_eq!(without_late_headers(codec, bytes), None),
    }
    if let Some(tidy) = without_late_headers(codec, bytes) {
        assert!(tidy.len() < bytes.len());
        assert_eq!(without_late_headers(codec, &tidy), None);
    }
}

/// Each byte is a part: none is lost, none overtakes another, and few are held.
fn parts(bytes: &[u8]) {
    let mut parts = Parts::default();
    let (mut time, mut out) = (0_u64, 0);
    for (index, byte) in bytes.iter().enumerate() {
        if byte & 1 != 0 {
            time += 33;
        }
        let known = byte & 2 == 0;
        let (is_key, ends) = (byte & 4 != 0, byte & 8 != 0);
        let frames = parts.on_part(index, known.then_some(time), is_key, ends);
        for part in frames.earlier.into_iter().chain(frames.now) {
            assert_eq!(part, out);
            out += 1;
        }
        assert!(index + 1 - out <= 512, "{} parts are held", index + 1 - out);
    }
}

/// Each byte is a packet: how long after the one before, the name of its layer, its SSRC.
fn streams(bytes: &[u8]) {
    let mut streams = Streams::new(&["h".to_owned(), "l".to_owned()]);
    let mut now = Instant::now();
    let mut taken = BTreeSet::new();
    for byte in bytes {
        if byte >> 5 > 0 {
            now += Duration::from_millis(300) * u32::from(byte >> 5);
            taken.clear();
        }
        let rids: [Option<&[u8]>; 4] = [None, Some(b"h"), Some(b"l"), Some(b"x")];
        let (rid, ssrc) = (rids[usize::from(byte >> 3 & 3)], u32::from(byte & 7));
        if streams.on_packet(ssrc, rid, now) {
            taken.insert(ssrc);
        }
        // Two layers, and the one stream that there was before their first names came.
        assert!(taken.len() <= 3, "{taken:?}");
    }
}

/// Each byte is a frame: how long after the one before, its size, whether it is a key frame, its layer.
fn layers(bytes: &[u8]) {
    let mut now = Instant::now();
    let mut layers = Layers::default();
    let mut asked = [None; 3];
    for _ in asked {
        layers.add(now);
    }
    for byte in bytes {
        now += Duration::from_millis(150) * u32::from(byte >> 5);
        let is_key = byte & 4 != 0;
        let (layer, size) = (usize::from(byte & 3), 90 * u32::from(byte >> 3 & 3));
        let size = Size {
            width: size,
            height: size,
        };
        let before = layers.taken();
        let step = layers.on_frame(layer, is_key.then_some(size), is_key, now);
        assert!(!step.goes_out || layers.taken() == Some(layer));
        assert!(!step.changes || (is_key && step.goes_out));
        assert_eq!(step.changes, layers.taken() != before, "{step:?}");
        if let Some(to) = step.ask {
            let last: Option<Instant> = asked[to].replace(now);
            let pause = last.map(|last| now - last);
            assert!(pause.is_none_or(|pause| pause >= Duration::from_secs(1)));
        }
    }
}
