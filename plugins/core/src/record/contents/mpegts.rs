//! MPEG transport streams (ISO/IEC 13818-1): the first map of the program.

use std::time::Duration;

use super::{Contents, number};
use crate::track::Codec;

const PACKET: usize = 188;
/// The tables come each tenth of a second: they stand among so many packets.
const LOOKED_AT: usize = 400;

pub(super) fn contents<E>(
    len: u64,
    mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Contents, E> {
    let begin = read(0, PACKET * LOOKED_AT)?;
    let whole = len - len % PACKET as u64;
    let end = whole.saturating_sub((PACKET * LOOKED_AT) as u64);
    let end = read(end, PACKET * LOOKED_AT)?;
    let first = begin.chunks_exact(PACKET).find_map(shown);
    let last = end.chunks_exact(PACKET).rev().find_map(shown);
    let lasts = first.zip(last).map(|(first, last)| {
        // The clock of 90 kHz begins anew after 26 hours.
        let ticks = last.wrapping_sub(first) & 0x1_FFFF_FFFF;
        Duration::from_micros(ticks * 100 / 9)
    });
    Ok(Contents {
        tracks: tracks(&begin).unwrap_or_default(),
        duration: lasts,
    })
}

/// When the frame is shown that begins in a packet, on the clock of 90 kHz.
fn shown(packet: &[u8]) -> Option<u64> {
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
    Some((bits >> 33 & 0x7) << 30 | (bits >> 17 & 0x7FFF) << 15 | (bits >> 1 & 0x7FFF))
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
