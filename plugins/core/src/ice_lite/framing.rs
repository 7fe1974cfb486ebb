//! Packets on a TCP connection, each with its length before it (RFC 4571, section 2).

/// A stream that cannot be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No packet of ICE, DTLS or media is as long.
    #[error("a packet of {0} bytes, which nothing here is")]
    TooLong(usize),
}

/// The longest packet: more than any network's.
const LONGEST: usize = 4096;

/// Puts a stream's bytes together to packets. Keeps less than one packet.
#[derive(Debug, Default)]
pub struct Deframer {
    kept: Vec<u8>,
}

impl Deframer {
    /// Takes bytes as they come, and calls `each` with every packet that is whole.
    ///
    /// # Errors
    ///
    /// The connection is to be closed: its peer speaks something else.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), FrameError> {
        self.kept.extend_from_slice(bytes);
        let mut rest = self.kept.as_slice();
        while let Some((head, body)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*head));
            if length > LONGEST {
                return Err(FrameError::TooLong(length));
            }
            let Some((packet, next)) = body.split_at_checked(length) else {
                break;
            };
            if !packet.is_empty() {
                each(packet);
            }
            rest = next;
        }
        let done = self.kept.len() - rest.len();
        self.kept.drain(..done);
        Ok(())
    }
}

/// Puts a packet behind its length; nothing for one that is longer than a length can say.
pub fn frame(packet: &[u8], out: &mut Vec<u8>) {
    if let Ok(length) = u16::try_from(packet.len()) {
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(packet);
    }
}
