//! MPEG transport streams (ISO/IEC 13818-1): the first map of the program.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Contents, number};
use crate::track::Codec;

const PACKET: usize = 188;
/// The tables come each tenth of a second: they stand among so many packets.
const LOOKED_AT: usize = 400;
/// The last frames of all tracks stand among so many packets.
const LAST: usize = 1600;
/// The clock of 90 kHz begins anew after 26 hours.
const CLOCK: u64 = 0x1_FFFF_FFFF;

pub(super) fn contents<E>(
    len: u64,
    mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Contents, E> {
    let begin = read(0, PACKET * LOOKED_AT)?;
    let whole = len - len % PACKET as u64;
    let end = whole.saturating_sub((PACKET * LAST) as u64);
    let end = read(end, PACKET * LAST)?;
    let ticks =
        first(&begin).and_then(|first| Some(last(&end, first)?.wrapping_sub(first) & CLOCK));
    Ok(Contents {
        tracks: tracks(&begin).unwrap_or_default(),
        duration: ticks.map(|ticks| Duration::from_micros(ticks * 100 / 9)),
    })
}

/// When the first frame of these packets is shown, of whichever track.
fn first(packets: &[u8]) -> Option<u64> {
    let times = || packets.chunks_exact(PACKET).filter_map(shown);
    let (_, any) = times().next()?;
    // Around one of them, however the clock stands: the middle of what can be said of times before and after it.
    let half = CLOCK / 2;
    let around = |time: u64| time.wrapping_sub(any).wrapping_add(half) & CLOCK;
    let first = times().map(|(_, time)| around(time)).min()?;
    Some(first.wrapping_add(any).wrapping_sub(half) & CLOCK)
}

/// When the last frame of these packets ends, of whichever track: it lasts as long as the one before it.
fn last(packets: &[u8], first: u64) -> Option<u64> {
    let mut tracks: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (track, time) in packets.chunks_exact(PACKET).filter_map(shown) {
        let since = time.wrapping_sub(first) & CLOCK;
        tracks.entry(track).or_default().push(since);
    }
    let ends = tracks.values_mut().filter_map(|times| {
        times.sort_unstable();
        let last = *times.last()?;
        let before = times.iter().rev().nth(1).copied();
        Some(last + before.map_or(0, |before| last - before))
    });
    Some(ends.max()?.wrapping_add(first) & CLOCK)
}

/// The track of a frame that begins in a packet, and when it is shown, on the clock of 90 kHz.
fn shown(packet: &[u8]) -> Option<(u64, u64)> {
    let begins = packet.get(1)? & 0x40 != 0;
    let adapted = packet.get(3)? & 0x20 != 0;
    let begin = if adapted {
        5 + usize::from(*packet.get(4)?)
    } else {
        4
    };
    let frame = packet.get(begin..)?;
    let has_time = frame.get(..3)? == [0, 0, 1] && frame.get(7)? & 0x80 != 0;
    if !begins || !has_time {
        return None;
    }
    let bits = number(frame, 9, 5)?;
    let time = (bits >> 33 & 0x7) << 30 | (bits >> 17 & 0x7FFF) << 15 | (bits >> 1 & 0x7FFF);
    Some((number(packet, 1, 2)? & 0x1FFF, time))
}

fn tracks(data: &[u8]) -> Option<Vec<Codec>> {
    let programs = section(data, 0)?;
    // After the section's 8 bytes: the program's number, and where its map is.
    let map = number(programs, 10, 2)? & 0x1FFF;
    let map = section(data, map)?;
    let end = usize::try_from(number(map, 1, 2)? & 0xFFF).ok()? + 3;
    let streams = map.get(..end.checked_sub(4)?)?;
    let mut at = 12 + usize::try_from(number(streams, 10, 2)? & 0xFFF).ok()?;
    let mut tracks = Vec::new();
    while let Some(kind) = streams.get(at) {
        let length = usize::try_from(number(streams, at + 3, 2)? & 0xFFF).ok()?;
        let described = streams.get(at + 5..at + 5 + length)?;
        tracks.extend(codec(*kind, described));
        at += 5 + length;
    }
    Some(tracks)
}

fn codec(kind: u8, described: &[u8]) -> Option<Codec> {
    match kind {
        0x1B => Some(Codec::H264),
        0x24 => Some(Codec::H265),
        0x0F | 0x11 => Some(Codec::Aac),
        0x03 | 0x04 => Some(Codec::Mp3),
        0x06 if described.windows(4).any(|name| name == b"Opus") => Some(Codec::Opus),
        _ => None,
    }
}

/// Finds the first section of a kind that fits into one packet.
fn section(data: &[u8], pid: u64) -> Option<&[u8]> {
    let packets = data.chunks_exact(PACKET);
    let mut mine = packets.filter(|packet| {
        let begins = packet.get(1).is_some_and(|flags| flags & 0x40 != 0);
        packet.first() == Some(&0x47)
            && begins
            && number(packet, 1, 2).map(|id| id & 0x1FFF) == Some(pid)
    });
    let packet = mine.next()?;
    let adapted = packet.get(3)? & 0x20 != 0;
    let begin = if adapted {
        5 + usize::from(*packet.get(4)?)
    } else {
        4
    };
    let pointer = usize::from(*packet.get(begin)?);
    packet.get(begin + 1 + pointer..)
}
