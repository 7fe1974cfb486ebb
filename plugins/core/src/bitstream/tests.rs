use super::*;

macro_rules! data {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/bitstream/", $name)).as_slice()
    };
}

/// Four frames each, as x264 and x265 of Debian 12 make them.
const HIGH_B: &[u8] = data!("high-b.h264");
const CONSTRAINED_BASELINE: &[u8] = data!("cb.h264");
const MAIN_INTERLACED: &[u8] = data!("main-i.h264");
const HIGH_422: &[u8] = data!("h422.h264");
const HIGH_10: &[u8] = data!("h10.h264");
const H265_MAIN: &[u8] = data!("main.h265");
const H265_MAIN_10: &[u8] = data!("main10.h265");

const ALL: &[&[u8]] = &[
    HIGH_B,
    CONSTRAINED_BASELINE,
    MAIN_INTERLACED,
    HIGH_422,
    HIGH_10,
    H265_MAIN,
    H265_MAIN_10,
    data!("vp8-0"),
    data!("vp8-1"),
    data!("vp9-0"),
    data!("vp9-1"),
    data!("vp9p1-0"),
    data!("av1-0"),
    data!("av1-1"),
];

/// Gives the first and the last slice of a stream, each with its start code.
fn first_and_last_slice(stream: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let slices: Vec<_> = nal::units(stream)
        .filter(|unit| matches!(unit[0] & 0x1f, 1 | 5))
        .map(|unit| [&[0, 0, 0, 1], unit].concat())
        .collect();
    (slices[0].clone(), slices[slices.len() - 1].clone())
}

#[test]
fn an_h264_parameter_set_tells_the_format() {
    for (stream, name, level, size, reorder, chroma, bit_depth, interlaced) in [
        (HIGH_B, "high", 31, (1280, 720), Some(2), "4:2:0", 8, false),
        (
            CONSTRAINED_BASELINE,
            "constrained-baseline",
            30,
            (640, 360),
            Some(0),
            "4:2:0",
            8,
            false,
        ),
        (
            MAIN_INTERLACED,
            "main",
            40,
            (1920, 1080),
            Some(0),
            "4:2:0",
            8,
            true,
        ),
        (
            HIGH_422,
            "high-4:2:2",
            13,
            (320, 240),
            Some(0),
            "4:2:2",
            8,
            false,
        ),
        (
            HIGH_10,
            "high-10",
            13,
            (322, 242),
            Some(0),
            "4:2:0",
            10,
            false,
        ),
    ] {
        let sps = h264::sps(stream).unwrap();
        assert_eq!(h264::profile(&sps), Some(name));
        assert_eq!(sps.level, level, "{name}");
        assert_eq!((sps.width, sps.height), size, "{name}");
        assert_eq!(sps.reorder, reorder, "{name}");
        assert_eq!(
            (sps.chroma, sps.bit_depth, sps.interlaced),
            (chroma, bit_depth, interlaced),
            "{name}"
        );
    }
}

#[test]
fn a_bare_parameter_set_is_read_too() {
    let bare = nal::units(CONSTRAINED_BASELINE)
        .find(|unit| unit[0] & 0x1f == 7)
        .unwrap();
    assert_eq!(h264::sps(bare), h264::sps(CONSTRAINED_BASELINE));
}

#[test]
fn an_h264_key_frame_is_told_from_the_others() {
    assert!(h264::is_key(CONSTRAINED_BASELINE));
    let (first, last) = first_and_last_slice(CONSTRAINED_BASELINE);
    assert!(h264::is_key(&first));
    assert!(!h264::is_key(&last));
}

#[test]
fn an_i_picture_with_parameter_sets_is_a_key_frame_without_idr() {
    // A slice of type 7 (all slices are I), not IDR: 1 is its place, 0001000 its type.
    let slice = [0, 0, 1, 0x41, 0b1000_1000, 0x80];
    assert!(!h264::is_key(&slice));
    let sps = nal::units(CONSTRAINED_BASELINE)
        .find(|unit| unit[0] & 0x1f == 7)
        .unwrap();
    assert!(h264::is_key(&[&[0, 0, 1], sps, &slice].concat()));
}

#[test]
fn b_slices_are_found() {
    assert!(h264::has_b_slices(HIGH_B));
    assert!(!h264::has_b_slices(CONSTRAINED_BASELINE));
    assert_eq!(h264::sps(HIGH_B).unwrap().reorders(), Some(true));
}

#[test]
fn an_h265_parameter_set_tells_the_format() {
    for (stream, name, level, size, reorders, bit_depth) in [
        (H265_MAIN, "main", 120, (1920, 1080), true, 8),
        (H265_MAIN_10, "main-10", 63, (640, 360), false, 10),
    ] {
        let sps = h265::sps(stream).unwrap();
        assert_eq!(h265::profile(&sps), Some(name));
        assert_eq!(
            (sps.level, sps.bit_depth, sps.chroma),
            (level, bit_depth, "4:2:0"),
            "{name}"
        );
        assert_eq!((sps.width, sps.height), size, "{name}");
        assert_eq!(sps.reorders(), Some(reorders), "{name}");
        assert!(h265::is_key(stream));
    }
    // A trailing picture (type 1).
    assert!(!h265::is_key(&[0, 0, 1, 0x02, 0x01, 0xd0]));
}

#[test]
fn vp8_vp9_and_av1_tell_key_frames_and_size() {
    let size = Some(Size {
        width: 640,
        height: 360,
    });
    assert!(vp8::is_key(data!("vp8-0")) && !vp8::is_key(data!("vp8-1")));
    assert_eq!(vp8::size(data!("vp8-0")), size);

    assert!(vp9::is_key(data!("vp9-0")) && !vp9::is_key(data!("vp9-1")));
    assert_eq!(
        (vp9::size(data!("vp9-0")), vp9::profile(data!("vp9-0"))),
        (size, Some(0))
    );
    assert_eq!(
        (vp9::size(data!("vp9p1-0")), vp9::profile(data!("vp9p1-0"))),
        (size, Some(1))
    );
    assert_eq!(vp9::profile(data!("vp9-1")), Some(0));

    assert!(av1::is_key(data!("av1-0")) && !av1::is_key(data!("av1-1")));
    let sequence = av1::sequence(data!("av1-0")).unwrap();
    assert_eq!((sequence.profile, Some(sequence.size)), (0, size));
    assert_eq!(av1::sequence(data!("av1-1")), None);
}

#[test]
fn units_are_split_at_both_lengths_of_start_code() {
    let stream = [9, 0, 0, 0, 1, 1, 2, 0, 0, 1, 3, 0, 0, 0, 0, 1, 0, 0, 1, 4];
    let units: Vec<_> = nal::units(&stream).collect();
    assert_eq!(units, [[1, 2].as_slice(), &[3], &[4]]);
    assert_eq!(nal::units(&[1, 2, 3]).count(), 0);
    assert_eq!(
        nal::payload(&[7, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3], 1, 100),
        [0, 0, 1, 0, 0, 0, 0]
    );
}

#[test]
fn cut_and_flipped_streams_are_read_without_panic() {
    let read = |bytes: &[u8]| {
        let flags = [
            h264::is_key(bytes),
            h264::has_b_slices(bytes),
            h265::is_key(bytes),
            vp8::is_key(bytes),
            vp9::is_key(bytes),
            av1::is_key(bytes),
        ];
        (
            flags,
            h264::sps(bytes),
            h265::sps(bytes),
            vp9::size(bytes),
            av1::sequence(bytes),
        )
    };
    for stream in ALL {
        let head = &stream[..stream.len().min(120)];
        for cut in 0..head.len() {
            read(&head[..cut]);
            read(&head[cut..]);
            for bit in 0..8 {
                let mut flipped = head.to_vec();
                flipped[cut] ^= 1 << bit;
                read(&flipped);
            }
        }
    }
}
