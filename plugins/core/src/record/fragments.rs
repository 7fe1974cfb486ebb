//! What `mp4mux` 1.22 writes wrong: each track of a fragmented file begins at zero, pictures when they are decoded, and the file was
//! made when the muxer started.

use std::ops::Range;
use std::time::Duration;

/// Gives the units per second of each track, in the order of their numbers, if the header (`moov`) is here.
pub fn timescales(data: &[u8]) -> Option<Vec<u32>> {
    let moov = find(data, 0..data.len(), b"moov").into_iter().next()?;
    let scale = |trak: Range<usize>| {
        let mdia = find(data, trak, b"mdia").into_iter().next()?;
        let mdhd = find(data, mdia, b"mdhd").into_iter().next()?;
        let body = data.get(mdhd)?;
        let at = if *body.first()? == 1 { 20 } else { 12 };
        let bytes = body.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    };
    Some(
        find(data, moov, b"trak")
            .into_iter()
            .map(|trak| scale(trak).unwrap_or_default())
            .collect(),
    )
}

/// Lets each track of the fragments (`moof`) here begin as much later as `starts` says, by track number from 1.
pub fn shift(data: &mut [u8], timescales: &[u32], starts: &[Duration]) {
    for moof in find(data, 0..data.len(), b"moof") {
        for traf in find(data, moof.clone(), b"traf") {
            shift_track(data, traf, timescales, starts);
        }
    }
}

/// Lets the track at a place of the header (`moov`) begin when its first frame is shown, so much later than that is decoded: by a list
/// of edits in the room of what the muxer says of the track for people, which is nothing. Only of files in fragments, where it is not
/// written; `None` where there is no room for it.
pub fn begin_shown(
    data: &mut [u8],
    timescales: &[u32],
    place: usize,
    ahead: Duration,
) -> Option<()> {
    let moov = find(data, 0..data.len(), b"moov").into_iter().next()?;
    find(data, moov.clone(), b"mvex").into_iter().next()?;
    let trak = find(data, moov, b"trak").into_iter().nth(place)?;
    let room = find(data, trak, b"udta").into_iter().next()?;
    let scale = u128::from(*timescales.get(place)?);
    let ahead = i32::try_from(ahead.as_nanos() * scale / 1_000_000_000).ok()?;
    let room = data.get_mut(room.start.checked_sub(8)?..room.end)?;
    // One edit without an end, at its own speed.
    let list = [
        &[0; 7][..],
        &[1],
        &[0; 4],
        &ahead.to_be_bytes(),
        &[0, 1, 0, 0],
    ]
    .concat();
    let list = [&28u32.to_be_bytes()[..], b"elst", &list].concat();
    let edits = [&36u32.to_be_bytes()[..], b"edts", &list].concat();
    let (first, rest) = room.split_at_mut_checked(edits.len())?;
    let size = u32::try_from(rest.len()).ok().filter(|size| *size >= 8)?;
    let (head, free) = rest.split_first_chunk_mut::<8>()?;
    first.copy_from_slice(&edits);
    let (length, name) = head.split_at_mut(4);
    length.copy_from_slice(&size.to_be_bytes());
    name.copy_from_slice(b"free");
    free.fill(0);
    Some(())
}

/// From 1904-01-01, where MP4 counts from, to 1970-01-01.
pub(super) const SINCE_1904: u64 = 2_082_844_800;

/// Writes when the first frame was taken, since 1970, into the header (`moov`) if it is here.
pub fn stamp(data: &mut [u8], start: Duration) {
    let time = start.as_secs().saturating_add(SINCE_1904);
    for moov in find(data, 0..data.len(), b"moov") {
        for mvhd in find(data, moov, b"mvhd") {
            stamp_header(data.get_mut(mvhd), time);
        }
    }
}

fn stamp_header(body: Option<&mut [u8]>, time: u64) -> Option<()> {
    let body = body?;
    let is_long = *body.first()? == 1;
    let created = body.get_mut(4..)?;
    if is_long {
        *created.first_chunk_mut::<8>()? = time.to_be_bytes();
    } else {
        *created.first_chunk_mut::<4>()? = u32::try_from(time).ok()?.to_be_bytes();
    }
    Some(())
}

fn shift_track(
    data: &mut [u8],
    traf: Range<usize>,
    timescales: &[u32],
    starts: &[Duration],
) -> Option<()> {
    let tfhd = find(data, traf.clone(), b"tfhd").into_iter().next()?;
    let tfdt = find(data, traf, b"tfdt").into_iter().next()?;
    let number = u32::from_be_bytes(*data.get(tfhd)?.get(4..)?.first_chunk::<4>()?);
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let scale = u128::from(*timescales.get(index)?);
    let later = starts.get(index)?.as_nanos() * scale / 1_000_000_000;
    let later = u64::try_from(later).ok()?;
    let body = data.get_mut(tfdt)?;
    let is_long = *body.first()? == 1;
    let time = body.get_mut(4..)?;
    if is_long {
        let bytes = time.first_chunk_mut::<8>()?;
        *bytes = u64::from_be_bytes(*bytes).wrapping_add(later).to_be_bytes();
    } else {
        let bytes = time.first_chunk_mut::<4>()?;
        let later = u32::try_from(later).ok()?;
        *bytes = u32::from_be_bytes(*bytes).wrapping_add(later).to_be_bytes();
    }
    Some(())
}

/// Gives the insides of all boxes of a kind that lie next to each other in a range.
pub(super) fn find(data: &[u8], range: Range<usize>, kind: &[u8; 4]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = range.start;
    while let Some(head) = data.get(at..range.end).and_then(<[u8]>::first_chunk::<8>) {
        let [a, b, c, d, name @ ..] = *head;
        let size = u32::from_be_bytes([a, b, c, d]);
        let end = usize::try_from(size)
            .ok()
            .and_then(|size| at.checked_add(size));
        let Some(end) = end.filter(|end| *end >= at + 8 && *end <= range.end) else {
            break;
        };
        if name == *kind {
            found.push(at + 8..end);
        }
        at = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        let size = u32::try_from(inside.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, inside].concat()
    }

    fn header(scales: &[u32]) -> Vec<u8> {
        let trak = |scale: &u32| {
            let mdhd = [&[0; 12][..], &scale.to_be_bytes(), &[0; 8]].concat();
            one(b"trak", &one(b"mdia", &one(b"mdhd", &mdhd)))
        };
        let traks: Vec<u8> = scales.iter().flat_map(trak).collect();
        [one(b"ftyp", &[0; 8]), one(b"moov", &traks)].concat()
    }

    fn fragment(track: u32, time: u64) -> Vec<u8> {
        let tfhd = one(b"tfhd", &[&[0; 4][..], &track.to_be_bytes()].concat());
        let tfdt = one(b"tfdt", &[&[1, 0, 0, 0][..], &time.to_be_bytes()].concat());
        let moof = one(b"moof", &one(b"traf", &[tfhd, tfdt].concat()));
        [moof, one(b"mdat", &[7; 5])].concat()
    }

    #[test]
    fn each_track_begins_where_it_should() {
        let scales = timescales(&header(&[2500, 48_000])).unwrap();
        assert_eq!(scales, [2500, 48_000]);
        let starts = [Duration::ZERO, Duration::from_millis(80)];
        for (track, want) in [(1, 100), (2, 100 + 3840), (3, 100), (0, 100)] {
            let mut data = fragment(track, 100);
            shift(&mut data, &scales, &starts);
            assert_eq!(data, fragment(track, want), "{track}");
        }
    }

    #[test]
    fn a_track_begins_when_its_first_frame_is_shown() {
        let said = |inside: usize| {
            let trak = one(
                b"trak",
                &[one(b"tkhd", &[0; 4]), one(b"udta", &vec![9; inside])].concat(),
            );
            one(b"moov", &[trak.clone(), trak, one(b"mvex", &[])].concat())
        };
        let mut data = said(53);
        let before = data.clone();
        let ahead = Duration::from_millis(80);
        begin_shown(&mut data, &[1000, 3000], 1, ahead).unwrap();
        let [moov] = find(&data, 0..data.len(), b"moov").try_into().unwrap();
        let [first, second] = find(&data, moov, b"trak").try_into().unwrap();
        assert_eq!(data[first.clone()], before[first]);
        let [edts] = find(&data, second.clone(), b"edts").try_into().unwrap();
        let [elst] = find(&data, edts, b"elst").try_into().unwrap();
        assert_eq!(data[elst][8..16], [0, 0, 0, 0, 0, 0, 0, 240]);
        assert_eq!(find(&data, second, b"free").len(), 1);
        // Where there is no room, or no such track, all stays.
        for (inside, place) in [(20, 1), (53, 2)] {
            let mut data = said(inside);
            let before = data.clone();
            assert_eq!(begin_shown(&mut data, &[1000; 3], place, ahead), None);
            assert_eq!(data, before);
        }
    }

    #[test]
    fn the_header_says_when_the_first_frame_was_taken() {
        for (version, want) in [
            (0, vec![0xDA, 0xDD, 0x8F, 0x80]),
            (1, vec![0, 0, 0, 0, 0xDA, 0xDD, 0x8F, 0x80]),
        ] {
            let mut data = one(
                b"moov",
                &one(b"mvhd", &[&[version, 0, 0, 0][..], &[9; 20]].concat()),
            );
            stamp(&mut data, Duration::from_secs(0xDADD_8F80 - SINCE_1904));
            assert_eq!(data[20..20 + want.len()], want);
            assert_eq!(data[20 + want.len()..], vec![9; 20 - want.len()]);
        }
    }

    #[test]
    fn what_is_cut_off_or_lies_stays_as_it_is() {
        let whole = fragment(2, 100);
        for cut in 0..whole.len() - 13 {
            let mut data = whole[..cut].to_vec();
            shift(&mut data, &[1, 1], &[Duration::from_secs(1); 2]);
            assert_eq!(data, whole[..cut]);
            assert_eq!(timescales(&data), None);
        }
    }
}
