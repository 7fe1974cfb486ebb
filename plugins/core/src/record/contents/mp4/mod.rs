//! MP4 (ISO/IEC 14496-12): the tracks, and the frames of each fragment.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Contents, number, word};
use crate::record::fragments::find;
use crate::record::repair::box_head;
use crate::track::{Codec, Kind};

mod moof;

pub use moof::{Run, Sample, runs};

/// No header is longer: one with an index of a day's frames is some 50 MB.
const HEADER: u64 = 128 * 1024 * 1024;

/// The last fragments of all tracks are among so many.
const LAST: usize = 8;

/// What the header (`moov`) says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// Its tracks, in the file's order.
    pub tracks: Vec<Track>,
    /// The frames are in fragments.
    pub fragmented: bool,
    /// How long it says that it is; zero in fragmented files.
    pub duration: Duration,
}

/// A track as the header describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Track {
    /// Its number.
    pub id: u32,
    /// Units of time per second.
    pub timescale: u32,
    /// Its codec, if it is one of ours.
    pub codec: Option<Codec>,
    /// Where its description (`stsd`, without the box's head) stands in the header.
    pub description: Vec<u8>,
    /// When it begins, in its units from where its first frame is decoded: when that is shown, in our own files.
    pub begins: u32,
    /// What a frame is that says nothing of itself.
    pub(in crate::record) defaults: Sample,
}

impl Track {
    /// Says whether it carries pictures.
    pub fn is_video(&self) -> bool {
        self.codec.map(Codec::kind) == Some(Kind::Video)
    }

    /// Says whether frames of the other track can be decoded as this one's: all of the description is the same but how many bits
    /// a second there were, which muxers measure.
    pub fn is_like(&self, other: &Self) -> bool {
        without_bitrates(&self.description) == without_bitrates(&other.description)
    }

    /// Gives a time in this track's units.
    pub fn units(&self, time: Duration) -> u64 {
        let units = time.as_nanos() * u128::from(self.timescale) / 1_000_000_000;
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// Gives the time of a number of this track's units.
    pub fn time(&self, units: u64) -> Duration {
        let scale = u128::from(self.timescale.max(1));
        let nanos = u128::from(units) * 1_000_000_000 / scale;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

pub(super) fn contents<E>(
    len: u64,
    mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Contents, E> {
    let Some((header, end)) = header(len, &mut read)? else {
        return Ok(Contents::default());
    };
    let tracks = header.tracks.iter().filter_map(|track| track.codec);
    let tracks = tracks.collect();
    if !header.fragmented {
        return Ok(Contents {
            tracks,
            duration: Some(header.duration),
        });
    }
    let from = indexed(len, &mut read)?.unwrap_or(end);
    // Each track has fragments of its own, and any of them may end last.
    let mut last = VecDeque::new();
    for_each_fragment(from, len, &mut read, |at, size, _| {
        last.push_back((at, size));
        if last.len() > LAST {
            last.pop_front();
        }
    })?;
    let mut ends = Duration::ZERO;
    for (at, size) in last {
        let moof = read(at, size)?;
        for run in runs(&moof, at, &header) {
            let track = header.tracks.get(run.track);
            ends = ends.max(track.map_or(ends, |track| track.time(run.end())));
        }
    }
    Ok(Contents {
        tracks,
        duration: Some(ends),
    })
}

/// Finds the header, and where it ends; none if there is none that can be read.
///
/// # Errors
///
/// Those of `read`.
pub fn header<E>(
    len: u64,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Option<(Header, u64)>, E> {
    let mut at = 0;
    while at < len {
        let Some((kind, size)) = box_head(&read(at, 16)?) else {
            break;
        };
        let Some(end) = at.checked_add(size).filter(|end| *end <= len) else {
            break;
        };
        if kind == *b"moov" {
            let bytes = usize::try_from(size.min(HEADER)).unwrap_or_default();
            return Ok(parse(&read(at, bytes)?).map(|header| (header, end)));
        }
        at = end;
    }
    Ok(None)
}

/// Calls `each` with place and size of the heads (`moof`) of all fragments from `from` on that are whole, and where those end.
///
/// # Errors
///
/// Those of `read`.
pub fn for_each_fragment<E>(
    from: u64,
    len: u64,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
    mut each: impl FnMut(u64, usize, u64),
) -> Result<(), E> {
    let mut at = from;
    let mut open = None;
    while at < len {
        let Some((kind, size)) = box_head(&read(at, 16)?) else {
            break;
        };
        let Some(end) = at.checked_add(size).filter(|end| *end <= len) else {
            break;
        };
        match &kind {
            b"moof" => open = usize::try_from(size).ok().map(|size| (at, size)),
            b"mdat" => {
                if let Some((at, size)) = open.take() {
                    each(at, size, end);
                }
            }
            _ => {}
        }
        at = end;
    }
    Ok(())
}

/// Finds from where on the last fragments of all tracks are, by the index at the end (`mfra`).
fn indexed<E>(
    len: u64,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Option<u64>, E> {
    let Some(tail) = len.checked_sub(16) else {
        return Ok(None);
    };
    let tail = read(tail, 16)?;
    let is_index = tail.get(4..8) == Some(b"mfro");
    let size = word(&tail, 12).filter(|_| is_index).map(u64::from);
    let Some((at, size)) = size.and_then(|size| Some((len.checked_sub(size)?, size))) else {
        return Ok(None);
    };
    let index = read(at, usize::try_from(size).unwrap_or_default())?;
    let mut last = None;
    for inside in find(&index, 0..index.len(), b"mfra") {
        for table in find(&index, inside.clone(), b"tfra") {
            let of_track = index.get(table).and_then(last_entry);
            last = last.into_iter().chain(of_track).min();
        }
    }
    Ok(last.filter(|at| *at < len))
}

fn last_entry(table: &[u8]) -> Option<u64> {
    let wide = *table.first()? == 1;
    let sizes = word(table, 8)?;
    let numbers: u32 = [sizes >> 4, sizes >> 2, sizes]
        .map(|two| two & 3)
        .iter()
        .sum();
    let place = if wide { 8 } else { 4 };
    let entry = 2 * place + usize::try_from(numbers).ok()? + 3;
    let count = usize::try_from(word(table, 12)?).ok()?;
    let last = count.checked_sub(1)?.checked_mul(entry)?;
    number(table, last.checked_add(16 + place)?, place)
}

fn without_bitrates(description: &[u8]) -> Vec<u8> {
    let mut made = description.to_vec();
    let find = |name: &[u8]| {
        let mut windows = description.windows(name.len());
        windows.position(|window| window == name)
    };
    // Buffer size, largest and mean rate: of sound 2 + 13 bytes into the decoder's configuration (ISO/IEC 14496-1, 7.2.6.6).
    let of_sound = find(b"esds").and_then(|esds| {
        let rest = description.get(esds..)?;
        let stream = rest.windows(2).position(|two| two == [0x40, 0x15]);
        Some((esds + stream? + 2, 11))
    });
    let of_pictures = find(b"btrt").map(|btrt| (btrt + 4, 12));
    for (at, bytes) in [of_sound, of_pictures].into_iter().flatten() {
        if let Some(rates) = made.get_mut(at..at + bytes) {
            rates.fill(0);
        }
    }
    made
}

/// Reads a header from the box `moov`.
pub fn parse(moov: &[u8]) -> Option<Header> {
    let inside = find(moov, 0..moov.len(), b"moov").into_iter().next()?;
    let within = |range: &std::ops::Range<usize>, kind| {
        let first = find(moov, range.clone(), kind).into_iter().next();
        first.and_then(|range| moov.get(range))
    };
    let mut tracks: Vec<_> = find(moov, inside.clone(), b"trak")
        .into_iter()
        .map(|range| track(moov, range).unwrap_or_default())
        .collect();
    let extends = find(moov, inside.clone(), b"mvex").into_iter().next();
    for range in extends
        .iter()
        .flat_map(|range| find(moov, range.clone(), b"trex"))
    {
        let trex = moov.get(range)?;
        let id = word(trex, 4)?;
        let defaults = Sample {
            duration: word(trex, 12)?,
            size: word(trex, 16)?,
            flags: word(trex, 20)?,
            later: 0,
        };
        if let Some(track) = tracks.iter_mut().find(|track| track.id == id) {
            track.defaults = defaults;
        }
    }
    let (scale, units) = timed(within(&inside, b"mvhd")?)?;
    let whole = Track {
        timescale: scale,
        ..Track::default()
    };
    Some(Header {
        tracks,
        fragmented: extends.is_some(),
        duration: whole.time(units),
    })
}

/// Units per second, and how many of them, of a header of a movie or of a track's media.
fn timed(body: &[u8]) -> Option<(u32, u64)> {
    let (scale, length, bytes) = if *body.first()? == 1 {
        (20, 24, 8)
    } else {
        (12, 16, 4)
    };
    Some((word(body, scale)?, number(body, length, bytes)?))
}

fn track(moov: &[u8], range: std::ops::Range<usize>) -> Option<Track> {
    let inner = |range: std::ops::Range<usize>, kind| find(moov, range, kind).into_iter().next();
    let head = moov.get(inner(range.clone(), b"tkhd")?)?;
    let id = word(head, if *head.first()? == 1 { 20 } else { 12 })?;
    let edits = inner(range.clone(), b"edts").and_then(|edits| inner(edits, b"elst"));
    let media = inner(range, b"mdia")?;
    let (timescale, _) = timed(moov.get(inner(media.clone(), b"mdhd")?)?)?;
    let begins = edits.and_then(|list| begins(moov.get(list)?));
    let table = inner(inner(media, b"minf")?, b"stbl")?;
    let description = moov.get(inner(table, b"stsd")?)?;
    Some(Track {
        id,
        timescale,
        codec: codec(description),
        description: description.to_vec(),
        begins: begins.unwrap_or_default(),
        defaults: Sample::default(),
    })
}

/// Where a list of one edit begins (`elst`, in 32 bits).
fn begins(list: &[u8]) -> Option<u32> {
    let is_one = *list.first()? == 0 && word(list, 4)? == 1;
    word(list, 12).filter(|begin| is_one && i32::try_from(*begin).is_ok())
}

fn codec(description: &[u8]) -> Option<Codec> {
    match description.get(12..16)? {
        b"avc1" | b"avc3" => Some(Codec::H264),
        b"hvc1" | b"hev1" => Some(Codec::H265),
        b"vp09" => Some(Codec::Vp9),
        b"av01" => Some(Codec::Av1),
        b"Opus" => Some(Codec::Opus),
        b".mp3" => Some(Codec::Mp3),
        // Its descriptor says which: 0x69 and 0x6B are MPEG audio.
        b"mp4a" => {
            let esds = description.windows(4).position(|name| name == b"esds")?;
            let config = description.get(esds..)?.windows(2);
            let mp3 = config
                .into_iter()
                .any(|two| matches!(two, [0x69 | 0x6B, 0x15]));
            Some(if mp3 { Codec::Mp3 } else { Codec::Aac })
        }
        _ => None,
    }
}
