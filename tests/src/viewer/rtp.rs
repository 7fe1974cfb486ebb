//! RTP as a viewer counts it: headers, gaps in the sequence, key frames.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What a payload type of the session carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
    /// Any audio codec.
    Audio,
    /// Retransmissions and forward error correction.
    Repair,
    /// Not named in the session.
    Unknown,
}

impl Payload {
    /// By its encoding name in SDP.
    pub fn from_encoding_name(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "h264" => Self::H264,
            "h265" => Self::H265,
            "vp8" => Self::Vp8,
            "vp9" => Self::Vp9,
            "av1" => Self::Av1,
            "rtx" | "red" | "ulpfec" | "flexfec-03" => Self::Repair,
            _ => Self::Unknown,
        }
    }

    /// Whether it is video.
    pub const fn is_video(self) -> bool {
        matches!(
            self,
            Self::H264 | Self::H265 | Self::Vp8 | Self::Vp9 | Self::Av1
        )
    }

    /// Whether this packet's payload starts or carries a key frame.
    pub fn is_key_frame(self, payload: &[u8]) -> bool {
        let first = payload.first().copied().unwrap_or(0);
        match self {
            Self::H264 => h264_key(payload),
            Self::H265 => h265_key(payload),
            Self::Vp8 => vp8_key(payload),
            // P (0x40) is 0 for a frame not predicted from others, B (0x08) is its start.
            Self::Vp9 => first & 0x40 == 0 && first & 0x08 != 0,
            // N is set on the first packet of a coded video sequence.
            Self::Av1 => first & 0x08 != 0,
            Self::Audio | Self::Repair | Self::Unknown => false,
        }
    }
}

fn h264_key(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else {
        return false;
    };
    match first & 0x1f {
        5 => true,
        24 => aggregated(payload.get(1..).unwrap_or_default(), |nal| nal & 0x1f == 5),
        28 | 29 => payload
            .get(1)
            .is_some_and(|b| b & 0x80 != 0 && b & 0x1f == 5),
        _ => false,
    }
}

fn h265_key(payload: &[u8]) -> bool {
    let irap = |kind: u8| (16..=21).contains(&kind);
    let Some(&first) = payload.first() else {
        return false;
    };
    match (first >> 1) & 0x3f {
        48 => aggregated(payload.get(2..).unwrap_or_default(), |nal| {
            irap((nal >> 1) & 0x3f)
        }),
        49 => payload
            .get(2)
            .is_some_and(|b| b & 0x80 != 0 && irap(b & 0x3f)),
        kind => irap(kind),
    }
}

/// Looks at the first byte of each unit in an aggregation packet.
fn aggregated(mut rest: &[u8], wanted: impl Fn(u8) -> bool) -> bool {
    while let [high, low, nal, ..] = *rest {
        if wanted(nal) {
            return true;
        }
        let size = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(2 + size..).unwrap_or_default();
    }
    false
}

fn vp8_key(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else {
        return false;
    };
    if first & 0x10 == 0 || first & 0x07 != 0 {
        return false;
    }
    let byte = |at: usize| payload.get(at).copied().unwrap_or(0);
    let mut at = 1;
    if first & 0x80 != 0 {
        let extension = byte(1);
        at = 2;
        if extension & 0x80 != 0 {
            at += if byte(at) & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(extension & 0x40 != 0) + usize::from(extension & 0x30 != 0);
    }
    payload.get(at).is_some_and(|b| b & 1 == 0)
}

/// The fixed part of an RTP header.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Payload type.
    pub pt: u8,
    /// Marker: the last packet of a video frame.
    pub marker: bool,
    /// Sequence number.
    pub seq: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Head {
    /// Reads it from a datagram; `None` for RTCP, STUN and DTLS.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let [b0, b1, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = *datagram else {
            return None;
        };
        if b0 >> 6 != 2 || is_rtcp(datagram) {
            return None;
        }
        Some(Self {
            pt: b1 & 0x7f,
            marker: b1 & 0x80 != 0,
            seq: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

/// What one stream has brought.
#[derive(Debug)]
pub struct Stream {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Whether it is video.
    pub video: bool,
    base: u64,
    max: u64,
    missing: BTreeSet<u64>,
    totals: Totals,
    last_timestamp: Option<u32>,
    last_frame_at: Option<Instant>,
    /// The longest time without a new frame.
    pub longest_gap: Duration,
    /// The longest step from a video frame's timestamp to the next one's.
    pub longest_step: Duration,
}

/// Sums over streams; differences of two of them describe a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets that came, each once.
    pub received: u64,
    /// Packets that should have come by the sequence numbers.
    pub expected: u64,
    /// Still missing.
    pub lost: u64,
    /// Came late: reordered or sent again.
    pub late: u64,
    /// Came twice.
    pub duplicate: u64,
    /// Frames that began.
    pub frames: u64,
    /// Frames of which the last packet came.
    pub ended: u64,
}

impl Totals {
    /// What came since `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            received: self.received.saturating_sub(before.received),
            expected: self.expected.saturating_sub(before.expected),
            lost: self.lost.saturating_sub(before.lost),
            late: self.late.saturating_sub(before.late),
            duplicate: self.duplicate.saturating_sub(before.duplicate),
            frames: self.frames.saturating_sub(before.frames),
            ended: self.ended.saturating_sub(before.ended),
        }
    }

    /// The sum of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            expected: self.expected + other.expected,
            lost: self.lost + other.lost,
            late: self.late + other.late,
            duplicate: self.duplicate + other.duplicate,
            frames: self.frames + other.frames,
            ended: self.ended + other.ended,
        }
    }
}

impl Stream {
    /// A stream of which nothing came yet.
    pub fn new(ssrc: u32, video: bool) -> Self {
        Self {
            ssrc,
            video,
            base: 0,
            max: 0,
            missing: BTreeSet::new(),
            totals: Totals::default(),
            last_timestamp: None,
            last_frame_at: None,
            longest_gap: Duration::ZERO,
            longest_step: Duration::ZERO,
        }
    }

    /// Counts a packet; true when it is the first of a frame.
    pub fn on_packet(&mut self, head: Head, now: Instant) -> bool {
        if !self.place(head.seq) {
            return false;
        }
        self.totals.ended += u64::from(head.marker);
        if self.last_timestamp == Some(head.timestamp) {
            return false;
        }
        if let Some(last) = self.last_timestamp.replace(head.timestamp) {
            self.longest_step = self.longest_step.max(step(last, head.timestamp));
        }
        self.totals.frames += 1;
        if let Some(last) = self.last_frame_at.replace(now) {
            self.longest_gap = self.longest_gap.max(now - last);
        }
        true
    }

    /// Extends the sequence; false for a duplicate.
    fn place(&mut self, seq: u16) -> bool {
        if self.totals.received == 0 {
            // One turn up, so that packets from before the first do not underflow.
            self.base = 65_536 + u64::from(seq);
            self.max = self.base;
            self.totals.received = 1;
            return true;
        }
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap")]
        #[expect(clippy::cast_possible_wrap, reason = "half the circle is behind us")]
        let ahead = seq.wrapping_sub(self.max as u16) as i16;
        let extended = self.max.wrapping_add_signed(i64::from(ahead));
        if ahead > 0 {
            self.missing.extend((self.max + 1..extended).take(1000));
            self.max = extended;
        } else if self.missing.remove(&extended) {
            self.totals.late += 1;
        } else {
            self.totals.duplicate += 1;
            return false;
        }
        self.totals.received += 1;
        true
    }

    /// A receiver report (RFC 3550, 6.4.2) that says so much came, of a receiver who has lost nothing lately.
    pub fn report(&self) -> Vec<u8> {
        let highest = self.max.saturating_sub(65_536);
        let highest = u32::try_from(highest & u64::from(u32::MAX)).unwrap_or_default();
        let mut packet = vec![0x81, 201, 0, 7];
        packet.extend(1_u32.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(highest.to_be_bytes());
        packet.extend([0; 12]);
        packet
    }

    /// The counters as they stand.
    pub fn totals(&self) -> Totals {
        let received = self.totals.received;
        let expected = if received == 0 {
            0
        } else {
            self.max - self.base + 1
        };
        Totals {
            expected,
            lost: self.missing.len() as u64,
            ..self.totals
        }
    }
}

/// The time between two timestamps of a video stream (90 kHz, RFC 3551 section 5); none for one that is older.
fn step(from: u32, to: u32) -> Duration {
    let ticks = Some(to.wrapping_sub(from)).filter(|ticks| *ticks < u32::MAX / 2);
    Duration::from_secs(1) * ticks.unwrap_or_default() / 90_000
}

/// RFC 5761, 4: by the packet type, behind what tells media from all else on the port (RFC 7983).
pub(super) fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, 192..=223, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: u16) -> Head {
        Head {
            pt: 96,
            marker: false,
            seq,
            timestamp: 0,
            ssrc: 1,
        }
    }

    #[test]
    fn gaps_and_late_packets_are_counted_over_the_wrap() {
        let mut stream = Stream::new(1, true);
        for seq in [65_533, 65_534, 1, 2, 65_535, 2] {
            stream.on_packet(head(seq), Instant::now());
        }

        let t = stream.totals();

        assert_eq!(
            (t.received, t.expected, t.lost, t.late, t.duplicate),
            (5, 6, 1, 1, 1)
        );
    }

    #[test]
    fn key_frames_are_seen_whole_fragmented_and_aggregated() {
        let h264 = |p: &[u8]| Payload::H264.is_key_frame(p);
        assert!(h264(&[0x65, 0]) && !h264(&[0x41, 0]));
        assert!(h264(&[0x7c, 0x85, 0]) && !h264(&[0x7c, 0x05, 0]));
        assert!(h264(&[24, 0, 2, 0x67, 0, 0, 2, 0x65, 0]));
        assert!(!h264(&[24, 0, 2, 0x67, 0, 0, 2, 0x68, 0]));
        let vp8 = |p: &[u8]| Payload::Vp8.is_key_frame(p);
        assert!(vp8(&[0x10, 0x00]) && !vp8(&[0x10, 0x01]));
        assert!(vp8(&[0x90, 0x80, 0x81, 0x23, 0x10]));
    }
}
