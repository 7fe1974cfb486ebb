//! Matroska (RFC 9559): the head of the segment, up to its first cluster.

use std::ops::Range;
use std::time::Duration;

use super::{Contents, number};
use crate::record::repair::{element_id, element_size};
use crate::track::Codec;

/// What stands before the first cluster is shorter than this: a few hundred bytes for each track.
const HEAD: usize = 256 * 1024;

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1F43_B675;
const INFO: u32 = 0x1549_A966;
const SCALE: u32 = 0x002A_D7B1;
const DURATION: u32 = 0x4489;
const TIMESTAMP: u32 = 0xE7;
const TRACKS: u32 = 0x1654_AE6B;
const ENTRY: u32 = 0xAE;
const CODEC: u32 = 0x86;
const PRIVATE: u32 = 0x63A2;

/// Codecs by what Matroska calls them; longer names that begin so are of the same codec.
const CODECS: &[(&str, Codec)] = &[
    ("V_MPEG4/ISO/AVC", Codec::H264),
    ("V_MPEGH/ISO/HEVC", Codec::H265),
    ("V_VP8", Codec::Vp8),
    ("V_VP9", Codec::Vp9),
    ("V_AV1", Codec::Av1),
    ("V_MJPEG", Codec::Mjpeg),
    ("A_AAC", Codec::Aac),
    ("A_OPUS", Codec::Opus),
    ("A_MPEG/L3", Codec::Mp3),
];

pub(super) fn contents<E>(
    len: u64,
    mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Contents, E> {
    let data = read(0, HEAD)?;
    let top = children(&data, 0..data.len());
    let inside = top.iter().find(|(id, _)| *id == SEGMENT);
    let inside = inside.map_or_else(Vec::new, |(_, range)| children(&data, range.clone()));
    let find = |wanted: u32| {
        let found = inside.iter().find(|(id, _)| *id == wanted);
        found.map_or_else(Vec::new, |(_, range)| children(&data, range.clone()))
    };
    let (info, tracks) = (find(INFO), find(TRACKS));
    let tracks = tracks
        .iter()
        .filter(|(id, _)| *id == ENTRY)
        .filter_map(|(_, range)| codec(&data, range.clone()))
        .collect();
    let scale = value(&data, &info, SCALE).map_or(1_000_000, |(scale, _)| scale);
    let said = duration(&data, &info, scale);
    Ok(Contents {
        tracks,
        duration: match said {
            Some(said) => Some(said),
            // It was not finished: up to the begin of its last cluster, it is there.
            None => last_cluster(len, &mut read)?
                .map(|units| Duration::from_nanos(units.saturating_mul(scale))),
        },
    })
}

/// Gives the time of the last cluster, in the file's units.
fn last_cluster<E>(
    len: u64,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Option<u64>, E> {
    let mut at = 0;
    let mut last = None;
    while at < len {
        let head = read(at, 32)?;
        let Some((id, id_len)) = element_id(&head) else {
            break;
        };
        let Some((size, size_len)) = head.get(id_len..).and_then(element_size) else {
            break;
        };
        let begin = id_len + size_len;
        let inside = at.saturating_add(begin as u64);
        if id == SEGMENT {
            at = inside;
            continue;
        }
        if id == CLUSTER {
            let time = children(&head, begin..head.len());
            let time = time.iter().find(|(id, _)| *id == TIMESTAMP);
            last = time
                .and_then(|(_, range)| number(&head, range.start, range.len()))
                .or(last);
        }
        let Some(end) = size.and_then(|size| inside.checked_add(size)) else {
            break;
        };
        at = end;
    }
    Ok(last)
}

/// Gives the number in the first element of a kind, and how many bytes it has.
fn value(data: &[u8], elements: &[(u32, Range<usize>)], wanted: u32) -> Option<(u64, usize)> {
    let (_, range) = elements.iter().find(|(id, _)| *id == wanted)?;
    Some((number(data, range.start, range.len())?, range.len()))
}

/// Gives the elements in a range, up to the first cluster; one that is longer than the range ends with it.
fn children(data: &[u8], range: Range<usize>) -> Vec<(u32, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = range.start;
    while let Some(head) = data.get(at..range.end).filter(|head| !head.is_empty()) {
        let Some((id, id_len)) = element_id(head).filter(|(id, _)| *id != CLUSTER) else {
            break;
        };
        let Some((size, size_len)) = head.get(id_len..).and_then(element_size) else {
            break;
        };
        let begin = at + id_len + size_len;
        let end = size
            .and_then(|size| usize::try_from(size).ok())
            .and_then(|size| begin.checked_add(size))
            .map_or(range.end, |end| end.min(range.end));
        found.push((id, begin..end));
        at = end;
    }
    found
}

fn codec(data: &[u8], entry: Range<usize>) -> Option<Codec> {
    let inside = children(data, entry);
    let find = |wanted: u32| {
        let found = inside.iter().find(|(id, _)| *id == wanted);
        found.and_then(|(_, range)| data.get(range.clone()))
    };
    // Some writers end it as C does.
    let name = std::str::from_utf8(find(CODEC)?).ok()?;
    let name = name.trim_end_matches('\0');
    if name == "A_MS/ACM" {
        // The tag of WAVEFORMATEX, little-endian.
        return match find(PRIVATE)? {
            [6, 0, ..] => Some(Codec::Pcma),
            [7, 0, ..] => Some(Codec::Pcmu),
            _ => None,
        };
    }
    let known = CODECS.iter().find(|(known, _)| name.starts_with(known));
    known.map(|(_, codec)| *codec)
}

fn duration(data: &[u8], info: &[(u32, Range<usize>)], scale: u64) -> Option<Duration> {
    let units = match value(data, info, DURATION)? {
        (bits, 8) => f64::from_bits(bits),
        (bits, 4) => f64::from(f32::from_bits(u32::try_from(bits).ok()?)),
        _ => return None,
    };
    let scale = f64::from(u32::try_from(scale).ok()?);
    let duration = Duration::try_from_secs_f64(units * scale / 1e9).ok()?;
    (!duration.is_zero()).then_some(duration)
}
