//! The header of an RTP packet (RFC 3550, section 5.1).

/// Gives a packet as it is without its header extension; `None` if it has none, or ends before that.
///
/// Depayloaders do not need extensions, and must not see them: from 1.24 on GStreamer's base class of all of them keeps the
/// extensions of a frame, and ends the process by an assertion when `rtph264depay` drops a fragment of a picture that the next
/// packet interrupts (seen with 1.26.2; one lost or nonsensical packet of a publisher is enough).
pub fn without_extension(packet: &[u8]) -> Option<Vec<u8>> {
    let first = *packet.first()?;
    if first & 0x10 == 0 {
        return None;
    }
    let (header, rest) = packet.split_at_checked(12 + 4 * usize::from(first & 0x0f))?;
    let words = rest.get(2..4)?.try_into().map(u16::from_be_bytes).ok()?;
    let payload = rest.get(4 + 4 * usize::from(words)..)?;
    let mut bare = [header, payload].concat();
    *bare.first_mut()? = first & !0x10;
    Some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_precedes_the_extension_stays() {
        let mut packet = vec![0xb2, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend([1, 1, 1, 1, 2, 2, 2, 2]);
        let header = packet.clone();
        packet.extend([0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0, 7, 7]);
        let bare = without_extension(&packet).unwrap();
        assert_eq!(bare[0], 0xa2);
        assert_eq!(bare[1..], [&header[1..], &[7, 7]].concat());
        for short in 0..packet.len() - 2 {
            assert_eq!(without_extension(&packet[..short]), None, "{short}");
        }
        packet[0] = 0xa2;
        assert_eq!(without_extension(&packet), None);
    }
}
