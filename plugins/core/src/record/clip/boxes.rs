//! The head of a file that is not in fragments (ISO/IEC 14496-12).

use std::time::Duration;

use super::{Frame, Lane, Piece};
use crate::record::contents::mp4::Track;
use crate::record::fragments::SINCE_1904;

/// Units per second of what is said of the whole file.
const SCALE: u32 = 90_000;

/// Makes `ftyp`, `moov` and the head of `mdat`.
pub(super) fn head(lanes: &[Lane], pieces: &[Piece], start: Duration, lasts: Duration) -> Vec<u8> {
    let brands = [b"isom".as_slice(), &[0, 0, 2, 0], b"isomiso2mp41"].concat();
    let first = one(b"ftyp", &[&brands]);
    let data: u64 = pieces.iter().map(|piece| piece.bytes).sum();
    // Where the frames stand depends on the length of what says it, which does not depend on where they stand.
    let length = first.len() + movie(lanes, pieces, start, lasts, 0).len() + 16;
    let moov = movie(lanes, pieces, start, lasts, length as u64);
    let data = data.saturating_add(16).to_be_bytes();
    let mdat = [&[0, 0, 0, 1][..], b"mdat", &data].concat();
    [first, moov, mdat].concat()
}

fn one(kind: &[u8; 4], inside: &[&[u8]]) -> Vec<u8> {
    let length: usize = inside.iter().map(|part| part.len()).sum();
    let size = u32::try_from(length + 8).unwrap_or(u32::MAX);
    let mut made = Vec::with_capacity(length + 8);
    made.extend(size.to_be_bytes());
    made.extend(kind);
    for part in inside {
        made.extend(*part);
    }
    made
}

/// A box that begins with a version and flags.
fn full(kind: &[u8; 4], version: u8, flags: u8, inside: &[&[u8]]) -> Vec<u8> {
    let head = [version, 0, 0, flags];
    let parts: Vec<&[u8]> = std::iter::once(head.as_slice())
        .chain(inside.iter().copied())
        .collect();
    one(kind, &parts)
}

fn whole(time: Duration) -> u64 {
    Track {
        timescale: SCALE,
        ..Track::default()
    }
    .units(time)
}

fn movie(lanes: &[Lane], pieces: &[Piece], start: Duration, lasts: Duration, data: u64) -> Vec<u8> {
    let taken = start.as_secs().saturating_add(SINCE_1904);
    let count = u32::try_from(lanes.len()).unwrap_or_default();
    let header = full(
        b"mvhd",
        1,
        0,
        &[
            &times(taken),
            &SCALE.to_be_bytes(),
            &whole(lasts).to_be_bytes(),
            // At its own speed and volume.
            &[0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &MATRIX,
            &[0; 24],
            &(count + 1).to_be_bytes(),
        ],
    );
    let places = places(pieces, data);
    let tracks: Vec<_> = (1..)
        .zip(lanes)
        .map(|(id, lane)| track(id, lane, &places, taken))
        .collect();
    one(b"moov", &[&header, &tracks.concat()])
}

/// Made and changed then.
fn times(taken: u64) -> [u8; 16] {
    let mut both = [0; 16];
    let (made, changed) = both.split_at_mut(8);
    made.copy_from_slice(&taken.to_be_bytes());
    changed.copy_from_slice(&taken.to_be_bytes());
    both
}

/// Neither turned nor stretched.
const MATRIX: [u8; 36] = [
    0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    64, 0, 0, 0,
];

/// Where each piece begins in the file.
fn places(pieces: &[Piece], data: u64) -> Vec<u64> {
    let mut at = data;
    let mut places = Vec::with_capacity(pieces.len());
    for piece in pieces {
        places.push(at);
        at = at.saturating_add(piece.bytes);
    }
    places
}

fn track(id: u32, lane: &Lane, places: &[u64], taken: u64) -> Vec<u8> {
    let like = &lane.like;
    let begin = lane.frames.first().map_or(0, |frame| frame.at);
    let end = lane.frames.last().map_or(0, |frame| {
        frame.at.saturating_add(frame.sample.duration.into())
    });
    let shown = whole(like.time(end));
    let volume: [u8; 2] = if like.is_video() { [0, 0] } else { [1, 0] };
    // Width and height stand in the description of pictures, as whole numbers.
    let size = like.description.get(40..44).filter(|_| like.is_video());
    let [a, b, c, d] = size
        .and_then(|size| size.first_chunk::<4>())
        .copied()
        .unwrap_or_default();
    let header = full(
        b"tkhd",
        1,
        3,
        &[
            &times(taken),
            &id.to_be_bytes(),
            &[0; 4],
            &shown.to_be_bytes(),
            &[0; 12],
            &volume,
            &[0; 2],
            &MATRIX,
            &[a, b, 0, 0, c, d, 0, 0],
        ],
    );
    let edits = edits(whole(like.time(begin)), shown, like.begins);
    let media = media(lane, places, taken, end.saturating_sub(begin));
    one(b"trak", &[&header, &edits, &media])
}

/// A track that begins later than the file waits for that long; and it begins when its first frame is shown.
fn edits(wait: u64, shown: u64, begins: u32) -> Vec<u8> {
    if wait == 0 && begins == 0 {
        return Vec::new();
    }
    let edit = |lasts: u64, begins: i64| {
        let speed: &[u8] = &[0, 1, 0, 0];
        [&lasts.to_be_bytes(), &begins.to_be_bytes(), speed].concat()
    };
    let waits = (wait > 0).then(|| edit(wait, -1));
    let count = 1 + u32::from(waits.is_some());
    let lasts = shown.saturating_sub(wait);
    let list = full(
        b"elst",
        1,
        0,
        &[
            &count.to_be_bytes(),
            &waits.unwrap_or_default(),
            &edit(lasts, begins.into()),
        ],
    );
    one(b"edts", &[&list])
}

fn media(lane: &Lane, places: &[u64], taken: u64, lasts: u64) -> Vec<u8> {
    let like = &lane.like;
    let header = full(
        b"mdhd",
        1,
        0,
        &[
            &times(taken),
            &like.timescale.to_be_bytes(),
            &lasts.to_be_bytes(),
            // No language.
            &[0x55, 0xC4, 0, 0],
        ],
    );
    let (kind, name, extra): (&[u8; 4], &[u8], Vec<u8>) = if like.is_video() {
        (b"vide", b"pictures\0", full(b"vmhd", 0, 1, &[&[0; 8]]))
    } else {
        (b"soun", b"sound\0", full(b"smhd", 0, 0, &[&[0; 4]]))
    };
    let handler = full(b"hdlr", 0, 0, &[&[0; 4], kind, &[0; 12], name]);
    let here = full(b"url ", 0, 1, &[]);
    let data = one(
        b"dinf",
        &[&full(b"dref", 0, 0, &[&1u32.to_be_bytes(), &here])],
    );
    let inside = one(b"minf", &[&extra, &data, &table(lane, places)]);
    one(b"mdia", &[&header, &handler, &inside])
}

fn table(lane: &Lane, places: &[u64]) -> Vec<u8> {
    let frames = &lane.frames;
    let description = one(b"stsd", &[&lane.like.description]);
    let sizes: Vec<u8> = frames
        .iter()
        .flat_map(|frame| frame.sample.size.to_be_bytes())
        .collect();
    let offsets: Vec<u8> = lane
        .chunks
        .iter()
        .flat_map(|(place, _)| {
            places
                .get(*place)
                .copied()
                .unwrap_or_default()
                .to_be_bytes()
        })
        .collect();
    let later = frames.iter().any(|frame| frame.sample.later != 0);
    let later = later.then(|| {
        let pairs = runs(
            frames
                .iter()
                .map(|frame| frame.sample.later.cast_unsigned()),
        );
        full(b"ctts", 1, 0, &[&counted(&pairs)])
    });
    let keys = lane.like.is_video().then(|| keys(frames));
    one(
        b"stbl",
        &[
            &description,
            &full(b"stts", 0, 0, &[&counted(&runs(durations(frames)))]),
            &later.unwrap_or_default(),
            &keys.unwrap_or_default(),
            &full(b"stsc", 0, 0, &[&per_chunk(&lane.chunks)]),
            &full(b"stsz", 0, 0, &[&[0; 4], &number(frames.len()), &sizes]),
            &full(b"co64", 0, 0, &[&number(lane.chunks.len()), &offsets]),
        ],
    )
}

fn number(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes()
}

/// From each frame to the next; a gap is a frame that lasts.
fn durations(frames: &[Frame]) -> impl Iterator<Item = u32> {
    let last = frames.last().map(|frame| frame.sample.duration);
    let between = frames.windows(2).filter_map(|two| {
        let [one, next] = two else { return None };
        let units = next.at.saturating_sub(one.at);
        Some(u32::try_from(units).unwrap_or(u32::MAX))
    });
    between.chain(last)
}

/// How often each value comes in a row.
fn runs(values: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match pairs.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            Some(_) | None => pairs.push((1, value)),
        }
    }
    pairs
}

fn counted(pairs: &[(u32, u32)]) -> Vec<u8> {
    let mut made = number(pairs.len()).to_vec();
    for (count, value) in pairs {
        made.extend(count.to_be_bytes());
        made.extend(value.to_be_bytes());
    }
    made
}

fn keys(frames: &[Frame]) -> Vec<u8> {
    let keys: Vec<u32> = (1..)
        .zip(frames)
        .filter(|(_, frame)| frame.sample.is_key())
        .map(|(place, _)| place)
        .collect();
    let places: Vec<u8> = keys.iter().flat_map(|place| place.to_be_bytes()).collect();
    full(b"stss", 0, 0, &[&number(keys.len()), &places])
}

/// How many frames the chunks have: said where it changes.
fn per_chunk(chunks: &[(usize, u32)]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut last = None;
    for (place, (_, count)) in (1u32..).zip(chunks) {
        if last != Some(count) {
            entries.push([place, *count, 1]);
            last = Some(count);
        }
    }
    let mut made = number(entries.len()).to_vec();
    for entry in entries {
        made.extend(entry.iter().flat_map(|value| value.to_be_bytes()));
    }
    made
}
