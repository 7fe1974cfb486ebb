//! What a peer's RTCP says of what it was sent: the report blocks (RFC 3550, 6.4), and what of it GStreamer must not see.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// RFC 3550, 12.1.
pub(crate) const SENDER_REPORT: u8 = 200;
pub(crate) const RECEIVER_REPORT: u8 = 201;
pub(crate) const GOODBYE: u8 = 203;
/// RFC 4585, 6.1: of the transport, and of a payload.
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
/// draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1.
const TRANSPORT_WIDE: u8 = 15;
/// RFC 4585, 6.2.1.
const NACK: u8 = 1;
/// RFC 5104, 4.3.1.
const FULL_INTRA_REQUEST: u8 = 4;
/// Feedback of the application's layer, of which REMB is one (draft-alvestrand-rmcat-remb-03, 2.2).
const APPLICATION: u8 = 15;
const REMB: [u8; 4] = *b"REMB";
/// The first four bytes of every RTCP packet.
const HEADER: usize = 4;
/// What stands before the report blocks: the sender's SSRC, and in a sender report five words more.
const RECEIVER_HEAD: usize = 4;
const SENDER_HEAD: usize = 24;
const BLOCK: usize = 24;
const SSRC: usize = 4;
/// What stands before the body of feedback: who sends it, and of which stream it is.
const FEEDBACK_HEAD: usize = 8;
/// One request for a key frame: the stream, a number, and 24 bits of nothing.
const REQUEST: usize = 8;
/// More lost packets than one datagram asks for in earnest: more than a second of a fast stream.
const MOST_LOST: usize = 2048;
/// From 1900 to 1970, in seconds.
const NTP_EPOCH: u64 = 2_208_988_800;

/// What a receiver says of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Packets lost since the beginning; duplicates make it smaller.
    pub lost: i32,
    /// The highest sequence number that came, extended by the count of wraps.
    pub highest: u32,
    /// The middle 32 bits of the NTP time in the last sender report that came; 0 if none did.
    pub last_sr: u32,
    /// Since that report came, in 1/65536 s.
    pub delay: u32,
}

impl ReportBlock {
    /// Gives the round trip, if the receiver knows a sender report of ours. `ntp` is this moment, as
    /// [`ntp_middle`] gives it, by the clock of the sender reports.
    pub fn round_trip(&self, ntp: u32) -> Option<Duration> {
        if self.last_sr == 0 {
            return None;
        }
        let trip = ntp.wrapping_sub(self.last_sr).wrapping_sub(self.delay);
        // A clock that was set back in between makes it negative: as good as unknown.
        let trip = i32::try_from(trip).ok()?;
        Some(Duration::from_secs_f64(f64::from(trip) / 65_536.0))
    }
}

/// Why RTCP cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// No version 2, or too short for a header.
    #[error("this is no RTCP")]
    NoRtcp,
    /// A packet is longer than what came.
    #[error("an RTCP packet is shorter than it says")]
    Short,
    /// More report blocks are announced than have room.
    #[error("an RTCP report has fewer blocks than it says")]
    Blocks,
    /// A goodbye of nobody, or of more than have room.
    #[error("an RTCP goodbye names no source, or fewer than it says")]
    Goodbye,
    /// Feedback without its two sources, or of half a request.
    #[error("RTCP feedback has not the length of its kind")]
    Feedback,
    /// Padding in the middle, of no length, or longer than its packet.
    #[error("the padding of an RTCP packet is not right")]
    Padding,
}

/// What a compound packet says that is of use here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// All report blocks.
    pub blocks: Vec<ReportBlock>,
    /// The streams of which key frames are asked for by FIR. Those by PLI are GStreamer's to hear.
    pub key_frames: Vec<u32>,
    /// Packets that were lost: the stream, and their sequence numbers. GStreamer hears of them as well.
    pub lost: Vec<(u32, Vec<u16>)>,
    /// What the peer's network carries, by its latest REMB, in bits per second.
    pub estimate: Option<u64>,
    /// What GStreamer may see of it; `None` is all.
    pub rest: Option<Vec<u8>>,
}

impl Said {
    /// Says whether GStreamer may see nothing of it.
    pub fn leaves_nothing(&self) -> bool {
        self.rest.as_ref().is_some_and(Vec::is_empty)
    }
}

/// Reads a compound or reduced-size packet (RFC 5506), and cuts out what GStreamer must not see of it.
///
/// That is transport-wide feedback: rtpsession believes the count of packets in it, and reads on behind its end, four
/// times as far as it is long (rtpsession.c, `rtp_session_process_twcc`, and rtptwcc.c, GStreamer 1.22 to 1.27).
/// Measured with a count of 65,535: one crash (SIGSEGV) in some thousands. And a true one may name 65,535 lost packets
/// in 24 bytes. And it is FIR, which rtpsession passes over until the peer's first report has come (measured: after
/// 3.6 s), and whose length it does not check.
///
/// # Errors
///
/// If a length or a count lies, or a goodbye names nobody, or feedback is too short. Nothing of such a packet counts.
pub fn read(mut bytes: &[u8]) -> Result<Said, RtcpError> {
    let mut said = Said::default();
    let (mut kept, mut is_cut) = (Vec::new(), false);
    loop {
        let (packet, rest) = split(bytes)?;
        match packet.kind {
            SENDER_REPORT => said.blocks.extend(blocks(&packet, SENDER_HEAD)?),
            RECEIVER_REPORT => said.blocks.extend(blocks(&packet, RECEIVER_HEAD)?),
            GOODBYE => {
                let named = usize::from(packet.count) * SSRC;
                if named == 0 || named > packet.body.len() {
                    return Err(RtcpError::Goodbye);
                }
            }
            TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK if packet.body.len() < FEEDBACK_HEAD => {
                return Err(RtcpError::Feedback);
            }
            _ => {}
        }
        match (packet.kind, packet.count) {
            (TRANSPORT_FEEDBACK, TRANSPORT_WIDE) => is_cut = true,
            (PAYLOAD_FEEDBACK, FULL_INTRA_REQUEST) => {
                is_cut = true;
                said.key_frames.extend(requests(&packet)?);
            }
            (kind, count) => {
                if (kind, count) == (TRANSPORT_FEEDBACK, NACK) {
                    said.lost.extend(lost(&packet));
                }
                if (kind, count) == (PAYLOAD_FEEDBACK, APPLICATION) {
                    said.estimate = estimate(&packet).or(said.estimate);
                }
                kept.extend(bytes.iter().take(bytes.len() - rest.len()));
            }
        }
        if rest.is_empty() {
            said.rest = is_cut.then_some(kept);
            return Ok(said);
        }
        if packet.padded {
            // Only the last one may be (RFC 3550, 6.4.1).
            return Err(RtcpError::Padding);
        }
        bytes = rest;
    }
}

fn blocks(packet: &Packet<'_>, head: usize) -> Result<Vec<ReportBlock>, RtcpError> {
    let wanted = usize::from(packet.count) * BLOCK;
    let body = packet.body.get(head..head + wanted);
    let body = body.ok_or(RtcpError::Blocks)?;
    Ok(body.chunks_exact(BLOCK).filter_map(block).collect())
}

/// Gives the streams of a FIR (RFC 5104, 4.3.1). Who asks again with the same number is heard again: whoever makes key
/// frames makes no more than one a second.
fn requests(packet: &Packet<'_>) -> Result<Vec<u32>, RtcpError> {
    let requests = packet.body.get(FEEDBACK_HEAD..).unwrap_or_default();
    let (requests, half) = requests.as_chunks::<REQUEST>();
    if !half.is_empty() {
        return Err(RtcpError::Feedback);
    }
    let streams = requests
        .iter()
        .map(|[a, b, c, d, ..]| u32::from_be_bytes([*a, *b, *c, *d]));
    Ok(streams.collect())
}

/// Gives the stream of a generic NACK, and the packets that are asked for (RFC 4585, 6.2.1). Half an entry is none.
fn lost(packet: &Packet<'_>) -> Option<(u32, Vec<u16>)> {
    let (head, entries) = packet.body.split_at_checked(FEEDBACK_HEAD)?;
    let [.., a, b, c, d] = *head else {
        return None;
    };
    let mut numbers = Vec::new();
    for [first, second, high, low] in entries.as_chunks::<4>().0 {
        let first = u16::from_be_bytes([*first, *second]);
        let following = u16::from_be_bytes([*high, *low]);
        numbers.push(first);
        let bits = (0..16_u16).filter(|bit| following >> bit & 1 == 1);
        numbers.extend(bits.map(|bit| first.wrapping_add(bit + 1)));
        if numbers.len() >= MOST_LOST {
            break;
        }
    }
    Some((u32::from_be_bytes([a, b, c, d]), numbers))
}

/// Gives the bitrate of a REMB; `None` if it is another message, or half of one. More than 64 bits can hold is all that
/// they can.
fn estimate(packet: &Packet<'_>) -> Option<u64> {
    let message = packet.body.get(FEEDBACK_HEAD..)?.strip_prefix(&REMB)?;
    let [_streams, a, b, c, ..] = *message else {
        return None;
    };
    // Six bits of exponent, 18 of mantissa.
    let mantissa = u128::from(u32::from_be_bytes([0, a & 0x03, b, c]));
    let bits_per_second = mantissa << (a >> 2);
    Some(u64::try_from(bits_per_second).unwrap_or(u64::MAX))
}

/// Says whether a datagram, whose first bytes these are, is a goodbye of nobody. SRTP leaves them readable.
pub fn is_empty_goodbye(datagram: &[u8]) -> bool {
    matches!(datagram, [first, GOODBYE, ..] if first >> 6 == 2 && first & 0x1f == 0)
}

/// Gives the middle 32 bits of an NTP time (RFC 3550, 4).
pub fn ntp_middle(since_1970: Duration) -> u32 {
    let seconds = since_1970.as_secs().wrapping_add(NTP_EPOCH);
    let fraction = (u64::from(since_1970.subsec_nanos()) << 16) / 1_000_000_000;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the middle is what is wanted"
    )]
    let middle = ((seconds << 16) | fraction) as u32;
    middle
}

/// One RTCP packet of a compound.
struct Packet<'a> {
    kind: u8,
    count: u8,
    padded: bool,
    /// Without header and padding.
    body: &'a [u8],
}

fn split(bytes: &[u8]) -> Result<(Packet<'_>, &[u8]), RtcpError> {
    let [first, kind, high, low, ..] = *bytes else {
        return Err(RtcpError::NoRtcp);
    };
    if first >> 6 != 2 {
        return Err(RtcpError::NoRtcp);
    }
    let length = HEADER + usize::from(u16::from_be_bytes([high, low])) * 4;
    let (packet, rest) = bytes.split_at_checked(length).ok_or(RtcpError::Short)?;
    let padded = first & 0x20 != 0;
    let padding = match packet.last() {
        Some(padding) if padded => usize::from(*padding),
        Some(_) | None => 0,
    };
    let end = length.checked_sub(padding).filter(|end| *end >= HEADER);
    if padded && (padding == 0 || end.is_none()) {
        return Err(RtcpError::Padding);
    }
    let body = packet.get(HEADER..end.unwrap_or(length));
    let packet = Packet {
        kind,
        count: first & 0x1f,
        padded,
        body: body.unwrap_or_default(),
    };
    Ok((packet, rest))
}

fn block(bytes: &[u8]) -> Option<ReportBlock> {
    let mut words = bytes.chunks_exact(4);
    let mut word = || Some(u32::from_be_bytes(words.next()?.try_into().ok()?));
    let ssrc = word()?;
    let losses = word()?;
    let highest = word()?;
    let _jitter = word()?;
    Some(ReportBlock {
        ssrc,
        // 24 bits with a sign, below the 8 bits of the fraction.
        lost: (losses << 8).cast_signed() >> 8,
        highest,
        last_sr: word()?,
        delay: word()?,
    })
}
