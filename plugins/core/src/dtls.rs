//! What DTLS datagrams say of themselves before they are encrypted (RFC 6347 section 4.1, RFC 9147 section 4).

/// A record that says that something is wrong, or over.
const ALERT: u8 = 21;
/// The types of a record whose header says all: change of cipher, alert, handshake, data, heartbeat, and the
/// acknowledgement of DTLS 1.3.
const TYPES: std::ops::RangeInclusive<u8> = 20..=26;
/// The first byte of an encrypted record of DTLS 1.3, which hides its type.
const UNIFIED_HEADER: std::ops::RangeInclusive<u8> = 0x20..=0x3f;
/// Type, version (2 bytes), epoch (2), sequence number (6), length (2).
const HEADER: usize = 13;

/// Says whether a datagram, whose first bytes these are, may be an alert: DTLS 1.3 does not show it.
pub fn may_be_alert(datagram: &[u8]) -> bool {
    let first = datagram.first();
    first.is_some_and(|first| *first == ALERT || UNIFIED_HEADER.contains(first))
}

/// Says whether a datagram has an encrypted record. The first one that a side sends is its `Finished`, or is
/// sent with it, for keys are used from there on.
pub fn is_encrypted(mut datagram: &[u8]) -> bool {
    while let Some((header, rest)) = datagram.split_first_chunk::<HEADER>() {
        let [kind, _, _, e0, e1, .., l0, l1] = *header;
        if UNIFIED_HEADER.contains(&kind) {
            return true;
        }
        if !TYPES.contains(&kind) {
            return false;
        }
        if (e0, e1) != (0, 0) {
            return true;
        }
        let Some(next) = rest.get(usize::from(u16::from_be_bytes([l0, l1]))..) else {
            return false;
        };
        datagram = next;
    }
    datagram
        .first()
        .is_some_and(|first| UNIFIED_HEADER.contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u16, length: u8) -> Vec<u8> {
        let mut record = vec![kind, 254, 253];
        record.extend(epoch.to_be_bytes());
        record.extend([0; 6]);
        record.extend([0, length]);
        record.extend(vec![7; length.into()]);
        record
    }

    #[test]
    fn the_last_flight_of_a_handshake_is_told_from_those_before() {
        let hello = record(22, 0, 100);
        let change = record(20, 0, 1);
        let finished = record(22, 1, 40);
        assert!(!is_encrypted(&hello));
        assert!(!is_encrypted(&[&*hello, &*change].concat()));
        assert!(is_encrypted(&finished));
        assert!(is_encrypted(&[&*hello, &*change, &*finished].concat()));
        // DTLS 1.3, alone and after a record in the clear; the shortest has five bytes.
        assert!(is_encrypted(&[0x2e, 0, 0, 0, 0]));
        assert!(is_encrypted(&[&*hello, &[0x2e, 0, 0, 0, 0][..]].concat()));
    }

    #[test]
    fn what_is_no_dtls_is_not_encrypted_by_it() {
        // RTP, STUN, and records that end too soon.
        let rtp = [&[0x80, 96][..], &[1; 40]].concat();
        let stun = [&[0, 1][..], &[0; 18]].concat();
        let short = record(22, 0, 100);
        for datagram in [&rtp, &stun, &short[..50], &short[..5], &[]] {
            assert!(!is_encrypted(datagram), "{datagram:?}");
        }
    }

    #[test]
    fn an_alert_is_seen_where_it_shows() {
        assert!(may_be_alert(&record(21, 1, 2)));
        assert!(may_be_alert(&[0x2c, 1, 2]));
        assert!(!may_be_alert(&record(22, 1, 2)));
        assert!(!may_be_alert(&[]));
    }
}
