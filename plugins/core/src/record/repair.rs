//! What of a file that was not finished can be kept.

use super::container::Container;

/// What to do with a file that was not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// Its first so many bytes are a playable file.
    Keep(u64),
    /// Nothing in it can be played as it is.
    Broken,
}

/// Finds what of a file is whole. `read` gives up to 16 bytes at an offset; fewer only at the end of the file.
///
/// # Errors
///
/// Those of `read`.
pub fn repair<E>(
    container: Container,
    len: u64,
    read: impl FnMut(u64) -> Result<Vec<u8>, E>,
) -> Result<Repair, E> {
    match container {
        Container::FragmentedMp4 | Container::Mp4 => boxes(len, read),
        Container::Matroska => elements(len, read),
        Container::MpegTs => packets(len, read),
    }
}

const TS_PACKET: u64 = 188;

fn packets<E>(len: u64, mut read: impl FnMut(u64) -> Result<Vec<u8>, E>) -> Result<Repair, E> {
    let whole = len - len % TS_PACKET;
    if whole == 0 || read(0)?.first() != Some(&0x47) {
        return Ok(Repair::Broken);
    }
    // What begins last may be cut off: a frame is written as packets in a row, the first of them marked.
    let mut last = whole - TS_PACKET;
    while last > 0 {
        let head = read(last)?;
        if head.get(1).is_some_and(|flags| flags & 0x40 != 0) {
            break;
        }
        last -= TS_PACKET;
    }
    Ok(if last > 0 {
        Repair::Keep(last)
    } else {
        Repair::Broken
    })
}

/// MP4: `ftyp` and `moov`, then pairs of `moof` and `mdat` (ISO/IEC 14496-12).
fn boxes<E>(len: u64, mut read: impl FnMut(u64) -> Result<Vec<u8>, E>) -> Result<Repair, E> {
    let mut at = 0;
    let (mut header, mut fragment, mut data) = (false, false, false);
    let mut whole = 0;
    while at < len {
        let head = read(at)?;
        let Some((kind, size)) = box_head(&head) else {
            break;
        };
        let Some(end) = at.checked_add(size).filter(|end| *end <= len) else {
            break;
        };
        match &kind {
            b"moov" => header = true,
            b"moof" => fragment = true,
            b"mdat" => data = true,
            _ => {}
        }
        // An index of all samples needs its data, in whatever order; a fragment ends with its data.
        let ends_here = !fragment || kind == *b"mdat" || kind == *b"mfra";
        if header && data && ends_here {
            whole = end;
        }
        at = end;
    }
    Ok(if whole > 0 {
        Repair::Keep(whole)
    } else {
        Repair::Broken
    })
}

pub(super) fn box_head(head: &[u8]) -> Option<([u8; 4], u64)> {
    let (short, rest) = head.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let size = match u32::from_be_bytes(*short) {
        1 => u64::from_be_bytes(*rest.first_chunk::<8>()?),
        size => u64::from(size),
    };
    (size >= 8).then_some((*kind, size))
}

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1F43_B675;
/// What a cluster's frames are in.
const BLOCKS: [u32; 2] = [0xA3, 0xA0];

/// Matroska (RFC 9559): headers, then clusters of blocks. The masters that are open at the end have no size.
fn elements<E>(len: u64, mut read: impl FnMut(u64) -> Result<Vec<u8>, E>) -> Result<Repair, E> {
    let mut at = 0;
    let mut whole = 0;
    let mut blocks = false;
    while at < len {
        let head = read(at)?;
        let Some((id, id_len)) = element_id(&head) else {
            break;
        };
        let Some((size, size_len)) = head.get(id_len..).and_then(element_size) else {
            break;
        };
        if at == 0 && id != EBML {
            return Ok(Repair::Broken);
        }
        let Some(inside) = at.checked_add((id_len + size_len) as u64) else {
            break;
        };
        // These two are entered: what is in them counts one by one.
        if id == SEGMENT || id == CLUSTER {
            at = inside;
            continue;
        }
        let end = size.and_then(|size| inside.checked_add(size));
        let Some(end) = end.filter(|end| *end <= len) else {
            break;
        };
        blocks |= BLOCKS.contains(&id);
        whole = end;
        at = end;
    }
    Ok(if blocks {
        Repair::Keep(whole)
    } else {
        Repair::Broken
    })
}

pub(super) fn element_id(head: &[u8]) -> Option<(u32, usize)> {
    let first = *head.first()?;
    let length = first.leading_zeros() as usize + 1;
    let bytes = head.get(..length).filter(|_| length <= 4)?;
    let id = bytes
        .iter()
        .fold(0u32, |id, byte| id << 8 | u32::from(*byte));
    Some((id, length))
}

/// The size, or none for "unknown", and how many bytes say so.
pub(super) fn element_size(head: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *head.first()?;
    let length = first.leading_zeros() as usize + 1;
    let bytes = head.get(..length).filter(|_| length <= 8)?;
    let all = bytes
        .iter()
        .fold(0u64, |size, byte| size << 8 | u64::from(*byte));
    let mask = (1u64 << (7 * length)) - 1;
    let size = all & mask;
    Some(((size != mask).then_some(size), length))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn run(container: Container, file: &[u8]) -> Repair {
        let read = |at: u64| {
            let at = usize::try_from(at).unwrap();
            Ok::<_, Infallible>(file[at..file.len().min(at + 16)].to_vec())
        };
        match repair(container, file.len() as u64, read) {
            Ok(repair) => repair,
            Err(never) => match never {},
        }
    }

    fn mp4(kinds: &[&str]) -> Vec<u8> {
        let one = |kind: &&str| {
            let mut bytes = 24u32.to_be_bytes().to_vec();
            bytes.extend(kind.as_bytes());
            bytes.extend([0; 16]);
            bytes
        };
        kinds.iter().flat_map(one).collect()
    }

    #[test]
    fn a_fragmented_file_ends_behind_its_last_whole_fragment() {
        for (kinds, want) in [
            (vec!["ftyp", "moov", "moof", "mdat"], Repair::Keep(96)),
            (
                vec!["ftyp", "moov", "moof", "mdat", "moof"],
                Repair::Keep(96),
            ),
            (
                vec!["ftyp", "moov", "moof", "mdat", "moof", "mdat", "mfra"],
                Repair::Keep(168),
            ),
            (vec!["ftyp", "moov", "moof"], Repair::Broken),
            (vec!["ftyp", "moov"], Repair::Broken),
            (vec!["ftyp", "mdat"], Repair::Broken),
            (vec!["ftyp", "mdat", "moov"], Repair::Keep(72)),
            (vec![], Repair::Broken),
        ] {
            assert_eq!(
                run(Container::FragmentedMp4, &mp4(&kinds)),
                want,
                "{kinds:?}"
            );
        }
    }

    #[test]
    fn a_fragment_that_is_cut_anywhere_is_left_out() {
        let file = mp4(&["ftyp", "moov", "moof", "mdat", "moof", "mdat"]);
        for cut in 96..144 {
            assert_eq!(
                run(Container::FragmentedMp4, &file[..cut]),
                Repair::Keep(96),
                "{cut}"
            );
        }
    }

    #[test]
    fn a_box_that_lies_about_its_size_ends_the_file() {
        for size in [0u32, 7, u32::MAX] {
            let mut file = mp4(&["ftyp", "moov", "moof", "mdat"]);
            file.extend(size.to_be_bytes());
            file.extend(b"moof");
            assert_eq!(run(Container::FragmentedMp4, &file), Repair::Keep(96));
        }
        let mut file = mp4(&["ftyp", "moov", "moof", "mdat"]);
        file.extend([0, 0, 0, 1]);
        file.extend(b"moof");
        file.extend(u64::MAX.to_be_bytes());
        assert_eq!(run(Container::FragmentedMp4, &file), Repair::Keep(96));
    }

    #[test]
    fn a_matroska_file_ends_behind_its_last_whole_block() {
        let mut file = vec![0x1A, 0x45, 0xDF, 0xA3, 0x82, 0, 0];
        file.extend([
            0x18, 0x53, 0x80, 0x67, 0x01, 255, 255, 255, 255, 255, 255, 255,
        ]);
        file.extend([0x1F, 0x43, 0xB6, 0x75, 0xFF, 0xE7, 0x81, 0]);
        assert_eq!(run(Container::Matroska, &file), Repair::Broken);
        file.extend([0xA3, 0x85, 0x81, 0, 0, 0x80, 9]);
        let whole = file.len() as u64;
        assert_eq!(run(Container::Matroska, &file), Repair::Keep(whole));
        let block = [0xA3, 0x85, 0x81, 0, 0, 0x80, 9];
        for cut in 1..block.len() {
            let mut file = file.clone();
            file.extend(&block[..cut]);
            assert_eq!(
                run(Container::Matroska, &file),
                Repair::Keep(whole),
                "{cut}"
            );
        }
        assert_eq!(run(Container::Matroska, &[0; 40]), Repair::Broken);
    }

    #[test]
    fn a_transport_stream_ends_where_its_last_frame_begins() {
        let packet = |begins: bool| {
            let mut packet = vec![0; 188];
            packet[0] = 0x47;
            packet[1] = if begins { 0x41 } else { 0x01 };
            packet
        };
        let packets = [true, true, false, true, false, false];
        let mut file: Vec<u8> = packets.into_iter().flat_map(packet).collect();
        assert_eq!(run(Container::MpegTs, &file), Repair::Keep(188 * 3));
        file.truncate(188 * 3 + 5);
        assert_eq!(run(Container::MpegTs, &file), Repair::Keep(188));
        assert_eq!(run(Container::MpegTs, &file[..188]), Repair::Broken);
        assert_eq!(run(Container::MpegTs, &file[..100]), Repair::Broken);
        file[0] = 0;
        assert_eq!(run(Container::MpegTs, &file), Repair::Broken);
    }
}
