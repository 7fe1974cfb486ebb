//! What is cut, and from where.

use super::*;
use crate::track::Codec;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A track of 1000 units a second.
fn track(codec: Codec) -> Track {
    Track {
        timescale: 1000,
        codec: Some(codec),
        description: codec.label().as_bytes().to_vec(),
        ..Track::default()
    }
}

/// A file that begins at `start`: pictures each 40 ms with a key frame each second, and sound each 20 ms, in fragments of a
/// second. Each picture is 10 bytes, each sound 1.
fn source(start: u64, seconds: u64) -> Source {
    let mut runs = vec![];
    for second in 0..seconds {
        let at = second * 1000;
        let picture = |index| Sample {
            duration: 40,
            size: 10,
            flags: if index == 0 { 0 } else { 0x0001_0000 },
            later: 0,
        };
        let sound = Sample {
            duration: 20,
            size: 1,
            ..Sample::default()
        };
        runs.push(Run {
            track: 0,
            begin: at,
            at,
            samples: (0..25).map(picture).collect(),
        });
        runs.push(Run {
            track: 1,
            begin: at,
            at: at + 250,
            samples: vec![sound; 50],
        });
    }
    Source {
        start: MS(start),
        header: Header {
            tracks: vec![track(Codec::H264), track(Codec::Aac)],
            fragmented: true,
            duration: Duration::ZERO,
        },
        runs,
    }
}

/// Start, duration and bytes of a clip, in milliseconds.
fn cut(sources: &[Source], from: u64, duration: u64) -> Result<(u64, u64, u64), ClipError> {
    let clip = clip(sources, MS(from), MS(duration))?;
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    let bytes = clip.pieces.iter().map(|piece| piece.bytes).sum();
    Ok((ms(clip.start), ms(clip.duration), bytes))
}

#[test]
fn a_clip_begins_with_a_key_frame_and_ends_where_it_is_told() {
    let sources = [source(10_000, 5)];
    for (from, duration, want) in [
        (10_000, 5000, Ok((10_000, 5000, 1500))),
        // The key frame before.
        (11_500, 1000, Ok((11_000, 1520, 300 + 13 * 10 + 25))),
        // Nothing before the begin, and nothing behind the end.
        (9000, 2000, Ok((10_000, 1000, 300))),
        (14_000, 9000, Ok((14_000, 1000, 300))),
        (15_000, 1000, Err(ClipError::Nothing)),
        (8000, 2000, Err(ClipError::Nothing)),
    ] {
        assert_eq!(cut(&sources, from, duration), want, "{from}");
    }
    assert_eq!(cut(&[], 0, 1000), Err(ClipError::Nothing));
}

#[test]
fn files_that_follow_each_other_are_one_and_gaps_stay() {
    // 30 ms late, then three seconds without anything.
    let sources = [source(10_000, 2), source(12_030, 2), source(17_000, 2)];
    assert_eq!(cut(&sources, 10_000, 60_000), Ok((10_000, 9000, 1800)));
    assert_eq!(cut(&sources, 11_000, 2000), Ok((11_000, 2000, 600)));
    // In the gap: what comes next.
    assert_eq!(cut(&sources, 15_000, 3000), Ok((17_000, 1000, 300)));
    // A clock that was set back by a little.
    let sources = [source(10_000, 2), source(11_990, 2)];
    assert_eq!(cut(&sources, 10_000, 60_000), Ok((10_000, 4000, 1200)));
}

#[test]
fn pieces_are_the_bytes_of_the_frames_in_their_order() {
    let clip = clip(&[source(0, 1), source(1000, 1)], MS(0), MS(1100)).unwrap();
    let piece = |source, at, bytes| Piece { source, at, bytes };
    assert_eq!(
        clip.pieces,
        [
            piece(0, 0, 250),
            piece(0, 250, 50),
            piece(1, 0, 30),
            piece(1, 250, 5)
        ]
    );
}

#[test]
fn another_format_is_said_with_its_time() {
    let mut other = source(2000, 2);
    other.header.tracks[1].description = b"other".to_vec();
    let sources = [source(0, 2), other];
    assert_eq!(
        cut(&sources, 0, 9000),
        Err(ClipError::Changes {
            kind: "sound",
            at: MS(2000)
        })
    );
    assert_eq!(cut(&sources, 0, 2000), Ok((0, 2000, 600)));
    assert_eq!(cut(&sources, 2000, 2000), Ok((2000, 2000, 600)));
}

#[test]
fn sound_alone_is_cut_at_its_own_frames() {
    let mut sound = source(0, 2);
    sound.header.tracks.remove(0);
    sound.runs.retain(|run| run.track == 1);
    for run in &mut sound.runs {
        run.track = 0;
    }
    assert_eq!(cut(&[sound], 510, 490), Ok((500, 500, 25)));
}
