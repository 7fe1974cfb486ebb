//! Whether an RTP payload is as long as it says: GStreamer's depayloaders believe it, and `rtph264depay` 1.22
//! copies 4 GiB out of an FU-A of one byte.

use crate::track::Codec;

/// Says whether a payload can be given to a depayloader.
///
/// Empty ones can: they are padding, which senders probe the network with, and dropping them would look like a
/// loss.
pub fn is_whole(codec: Codec, payload: &[u8]) -> bool {
    if payload.is_empty() {
        return true;
    }
    match codec {
        Codec::H264 => h264(payload),
        Codec::H265 => h265(payload),
        Codec::Vp8 => vp8_descriptor(payload).is_some_and(|length| length < payload.len()),
        Codec::Vp9
        | Codec::Av1
        | Codec::Opus
        | Codec::Mjpeg
        | Codec::Mpeg2
        | Codec::Mpeg4
        | Codec::Aac
        | Codec::Pcmu
        | Codec::Pcma
        | Codec::G722
        | Codec::Mp2
        | Codec::Mp3
        | Codec::L16 => true,
    }
}

/// As [`is_whole`], but lets everything through that depayloaders cope with, since cameras are sloppy: only what has
/// not even its headers is refused.
pub fn is_safe(codec: Codec, payload: &[u8]) -> bool {
    let fragments =
        |header: usize, kind: u8, kinds: &[u8]| payload.len() > header || !kinds.contains(&kind);
    match (codec, payload) {
        (_, []) => true,
        // FU-A, FU-B with its decoding order number, STAP and MTAP without a unit (RFC 6184, 5.2).
        (Codec::H264, [first, ..]) => match first & 0x1f {
            28 => fragments(2, 28, &[28]),
            29 => fragments(4, 29, &[29]),
            kind => fragments(1, kind, &[24, 25, 26, 27]),
        },
        (Codec::H265, [first, ..]) => {
            let kind = (first >> 1) & 0x3f;
            fragments(2, kind, &[kind]) && fragments(3, kind, &[49])
        }
        (Codec::Vp8, _) => is_whole(codec, payload),
        _ => true,
    }
}

/// RFC 6184, 5.2: of packetisation modes 0 and 1, the only ones that are answered.
fn h264(payload: &[u8]) -> bool {
    let [header, rest @ ..] = payload else {
        return false;
    };
    match header & 0x1f {
        1..=23 => true,
        24 => aggregates(rest, 1),
        // An indicator, a header, and at least one byte.
        28 => rest.len() >= 2,
        _ => false,
    }
}

/// RFC 7798, 4.4.
fn h265(payload: &[u8]) -> bool {
    let [first, _, rest @ ..] = payload else {
        return false;
    };
    match (first >> 1) & 0x3f {
        0..=47 => !rest.is_empty(),
        48 => aggregates(rest, 2),
        49 => rest.len() >= 2,
        _ => false,
    }
}

/// Walks over units, each behind its length, none shorter than `least`.
fn aggregates(mut rest: &[u8], least: usize) -> bool {
    while let [high, low, unit @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((_, next)) = unit.split_at_checked(length).filter(|_| length >= least) else {
            return false;
        };
        if next.is_empty() {
            return true;
        }
        rest = next;
    }
    false
}

/// Gives the length of the descriptor in front of VP8 (RFC 7741, 4.2).
fn vp8_descriptor(payload: &[u8]) -> Option<usize> {
    if payload.first()? & 0x80 == 0 {
        return Some(1);
    }
    let extension = *payload.get(1)?;
    let mut length = 2;
    if extension & 0x80 != 0 {
        length += if payload.get(length)? & 0x80 == 0 {
            1
        } else {
            2
        };
    }
    length += usize::from(extension & 0x40 != 0);
    length += usize::from(extension & 0x30 != 0);
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h264_that_is_shorter_than_it_says_is_refused() {
        for (payload, whole) in [
            (&[][..], true),
            (&[0x67, 1], true),
            (&[0x0b], true),
            (&[0x7c, 0x85, 1], true),
            (&[0x7c], false),
            (&[0x7c, 0x85], false),
            (&[0x18, 0, 1, 0x67, 0, 2, 0x68, 1], true),
            (&[0x18, 0, 1, 0x67, 0, 3, 0x68, 1], false),
            (&[0x18, 0, 0, 0, 1, 0x67], false),
            (&[0x18, 0, 1, 0x67, 0], false),
            (&[0x18], false),
            (&[0x19, 0, 0, 0, 1, 1], false),
            (&[0x7d, 0x85, 0, 0, 1], false),
            (&[0x1f, 1, 2], false),
            (&[0x00, 1, 2], false),
        ] {
            assert_eq!(is_whole(Codec::H264, payload), whole, "{payload:02x?}");
        }
    }

    #[test]
    fn only_what_lacks_its_headers_is_not_safe() {
        for (payload, safe) in [
            (&[][..], true),
            (&[0x67], true),
            (&[0x7c], false),
            (&[0x7c, 0x85], false),
            (&[0x7c, 0x85, 1], true),
            (&[0x7d, 0x85, 0, 0], false),
            (&[0x18], false),
            // A length that goes beyond the end: depayloaders stop there.
            (&[0x18, 0, 1, 0x67, 0, 3, 0x68, 1], true),
        ] {
            assert_eq!(is_safe(Codec::H264, payload), safe, "{payload:02x?}");
        }
        assert!(!is_safe(Codec::H265, &[0x62, 1, 0x93]));
        assert!(is_safe(Codec::H265, &[0x62, 1, 0x93, 1]));
        assert!(!is_safe(Codec::Vp8, &[0x90, 0x80]));
        assert!(is_safe(Codec::Aac, &[1]));
    }

    #[test]
    fn h265_that_is_shorter_than_it_says_is_refused() {
        for (payload, whole) in [
            (&[0x40, 1, 2][..], true),
            (&[0x40, 1], false),
            (&[0x40], false),
            (&[0x60, 1, 0, 2, 0x40, 1], true),
            (&[0x60, 1, 0, 1, 0x40], false),
            (&[0x60, 1, 0xff, 0xff, 1], false),
            (&[0x62, 1, 0x93, 1], true),
            (&[0x62, 1, 0x93], false),
            (&[0x64, 1, 0, 0, 0], false),
        ] {
            assert_eq!(is_whole(Codec::H265, payload), whole, "{payload:02x?}");
        }
    }

    #[test]
    fn a_vp8_descriptor_leaves_something_behind_it() {
        for (payload, whole) in [
            (&[0x10, 0][..], true),
            (&[0x10], false),
            (&[0x80], false),
            (&[0x80, 0, 9], true),
            (&[0x90, 0x80, 0x81, 0x23, 9], true),
            (&[0x90, 0x80, 0x81, 0x23], false),
            (&[0x90, 0x80, 0x01, 9], true),
            (&[0x90, 0xf0, 0x01, 2, 3], false),
            (&[0x90, 0xf0, 0x01, 2, 3, 9], true),
        ] {
            assert_eq!(is_whole(Codec::Vp8, payload), whole, "{payload:02x?}");
        }
    }
}
