//! Marks of a clock inside H.264 frames: an SEI message of ours (`user_data_unregistered`) which
//! passes every parser and payloader untouched, so that a viewer can tell a frame's age.

use std::time::{SystemTime, UNIX_EPOCH};

/// Our UUID. No byte is 0, so no emulation prevention is needed.
const UUID: [u8; 16] = *b"sluice-stamp-v01";
/// Hexadecimal digits of the time, also free of zero bytes.
const DIGITS: usize = 16;
const SEI: u8 = 6;
const USER_DATA_UNREGISTERED: u8 = 5;

/// The time of the machine in microseconds: camera and viewer are on the same one.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
}

/// Returns the byte-stream access unit with a stamp before its first slice.
pub fn insert(unit: &[u8], at_us: u64) -> Vec<u8> {
    let slice = first_slice(unit).unwrap_or(unit.len());
    let (before, after) = unit.split_at(slice);
    let mut out = Vec::with_capacity(unit.len() + 64);
    out.extend_from_slice(before);
    out.extend_from_slice(&[0, 0, 0, 1, SEI, USER_DATA_UNREGISTERED]);
    out.push(u8::try_from(UUID.len() + DIGITS).unwrap_or(u8::MAX));
    out.extend_from_slice(&UUID);
    out.extend_from_slice(format!("{at_us:016x}").as_bytes());
    out.push(0x80);
    out.extend_from_slice(after);
    out
}

/// Finds the stamp in a frame or in a single packet's payload.
pub fn find(bytes: &[u8]) -> Option<u64> {
    let at = bytes.windows(UUID.len()).position(|w| w == UUID)?;
    let digits = bytes.get(at + UUID.len()..at + UUID.len() + DIGITS)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Finds the newest stamp in a file that holds frames as they are, in microseconds.
pub fn newest(file: &[u8]) -> Option<u64> {
    let places = file.windows(UUID.len()).enumerate();
    let stamps = places
        .filter(|(_, window)| *window == UUID)
        .filter_map(|(at, _)| find(file.get(at..)?));
    stamps.max()
}

/// Where the start code of the first coded slice begins.
fn first_slice(unit: &[u8]) -> Option<usize> {
    let code = |(i, w): (usize, &[u8])| match w {
        [0, 0, 1, header] if (1..=5).contains(&(header & 0x1f)) => Some(i),
        _ => None,
    };
    let at = unit.windows(4).enumerate().find_map(code)?;
    // A start code may have a fourth byte in front.
    let long = at > 0 && unit.get(at - 1) == Some(&0);
    Some(if long { at - 1 } else { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_sits_between_parameter_sets_and_the_slice() {
        let unit = [
            0, 0, 0, 1, 0x67, 9, 9, 0, 0, 1, 0x68, 8, 0, 0, 0, 1, 0x65, 7, 7,
        ];

        let stamped = insert(&unit, 0x0123_4567_89ab);

        assert_eq!(find(&stamped), Some(0x0123_4567_89ab));
        assert_eq!(stamped[..12], unit[..12]);
        assert!(stamped.ends_with(&unit[12..]));
        assert_eq!(stamped[12..17], [0, 0, 0, 1, SEI]);
    }

    #[test]
    fn the_newest_of_many_stamps_is_found() {
        let frames: Vec<u8> = [7, 9, 8]
            .iter()
            .flat_map(|at| insert(&[0, 0, 1, 0x41, 1, 2], *at))
            .collect();

        assert_eq!(newest(&frames), Some(9));
        // One that is cut off is none.
        assert_eq!(newest(&frames[..38]), None);
    }

    #[test]
    fn a_frame_without_stamp_has_none() {
        assert_eq!(find(&[0, 0, 1, 0x41, 1, 2, 3]), None);
    }
}
