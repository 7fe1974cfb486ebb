//! Packets of one access unit, held together.

use std::time::Duration;

/// The RTP header that payloaders write: fixed part only, no CSRC, no extension.
const HEADER: usize = 12;

/// One RTP packet without its header, whose parts differ from viewer to viewer.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// Whether it ends the frame.
    pub(crate) marker: bool,
    /// The payloader's sequence number; it stays, so that cached packets are contiguous with live ones.
    pub(crate) sequence: u16,
    /// The payloader's timestamp.
    pub(crate) timestamp: u32,
    /// The payloader's SSRC.
    pub(crate) ssrc: u32,
    /// All behind the header; its memory is shared by every viewer.
    pub(crate) payload: gst::Buffer,
}

impl Packet {
    /// Takes a payloader's packet apart; `None` if it is no RTP packet with a plain header.
    fn parse(buffer: &gst::BufferRef) -> Option<Self> {
        if buffer.size() < HEADER {
            return None;
        }
        let mut header = [0; HEADER];
        buffer.copy_to_slice(0, &mut header).ok()?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = header;
        if flags & 0b1101_1111 != 0b1000_0000 {
            return None;
        }
        Some(Self {
            marker: kind & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            payload: buffer
                .copy_region(gst::BufferCopyFlags::MEMORY, HEADER..)
                .ok()?,
        })
    }
}

/// All packets of one access unit of one track.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The track it belongs to.
    pub(crate) track: usize,
    /// In the order of their sequence numbers; never empty.
    pub(crate) packets: Vec<Packet>,
    /// Running time, on the clock of the sink's pipeline.
    pub(crate) at: Duration,
    /// Whether it is a picture; audio is never cached.
    pub(crate) video: bool,
    /// Whether decoding can begin here; true of every audio frame.
    pub(crate) key: bool,
    /// Whether frames before this one are missing.
    pub(crate) gap: bool,
    /// Of the payloads together.
    pub(crate) bytes: usize,
}

/// What the streaming thread knows of the access unit that it is pushing.
#[derive(Debug, Clone, Copy, Default)]
struct Unit {
    key: bool,
    gap: bool,
}

/// Holds packets until the frame is whole.
#[derive(Debug)]
pub(crate) struct Gatherer {
    track: usize,
    /// Whether the marker bit ends a frame (video); an audio packet is a frame by itself.
    by_marker: bool,
    unit: Unit,
    packets: Vec<Packet>,
    at: Option<Duration>,
}

impl Gatherer {
    /// Makes an empty one.
    pub(crate) fn new(track: usize, by_marker: bool) -> Self {
        Self {
            track,
            by_marker,
            unit: Unit::default(),
            packets: Vec::new(),
            at: None,
        }
    }

    /// Takes note of an access unit that goes into the payloader; whatever of an earlier one has not been
    /// ended by a marker comes back as a frame.
    pub(crate) fn on_unit(&mut self, key: bool, gap: bool) -> Option<Frame> {
        let last = self.take();
        self.unit = Unit {
            key,
            gap: gap || (self.unit.gap && self.packets.is_empty() && last.is_none()),
        };
        last
    }

    /// Takes a packet out of the payloader, with its running time; gives the frame that it completes.
    pub(crate) fn on_packet(&mut self, buffer: &gst::BufferRef, at: Duration) -> Option<Frame> {
        let packet = Packet::parse(buffer)?;
        let ends = !self.by_marker || packet.marker;
        self.at.get_or_insert(at);
        self.packets.push(packet);
        if ends { self.take() } else { None }
    }

    /// Forgets what it holds.
    pub(crate) fn clear(&mut self) {
        self.packets.clear();
        self.at = None;
        self.unit = Unit::default();
    }

    fn take(&mut self) -> Option<Frame> {
        if self.packets.is_empty() {
            return None;
        }
        let packets = std::mem::take(&mut self.packets);
        self.packets.reserve(packets.len());
        let unit = std::mem::take(&mut self.unit);
        Some(Frame {
            track: self.track,
            bytes: packets.iter().map(|packet| packet.payload.size()).sum(),
            packets,
            at: self.at.take().unwrap_or_default(),
            video: self.by_marker,
            key: unit.key || !self.by_marker,
            gap: unit.gap,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtp(sequence: u16, marker: bool, payload: &[u8]) -> gst::Buffer {
        let [s0, s1] = sequence.to_be_bytes();
        let mut bytes = vec![0x80, 96 | u8::from(marker) << 7, s0, s1];
        bytes.extend([0, 0, 0x10, 0, 0xde, 0xad, 0xbe, 0xef]);
        bytes.extend(payload);
        gst::Buffer::from_slice(bytes)
    }

    #[test]
    fn a_frame_ends_with_the_marker_and_is_key_as_its_access_unit_was() {
        gst::init().unwrap();
        let mut gatherer = Gatherer::new(3, true);
        assert!(gatherer.on_unit(true, false).is_none());
        let at = Duration::from_millis(40);
        assert!(gatherer.on_packet(&rtp(7, false, b"abc"), at).is_none());
        let frame = gatherer.on_packet(&rtp(8, true, b"de"), at).unwrap();
        assert_eq!((frame.track, frame.at, frame.key), (3, at, true));
        assert_eq!(frame.bytes, 5);
        let [first, second] = &frame.packets[..] else {
            panic!("two packets")
        };
        assert_eq!((first.sequence, first.marker), (7, false));
        assert_eq!((second.sequence, second.marker), (8, true));
        assert_eq!(second.ssrc, 0xdead_beef);
        assert_eq!(second.payload.map_readable().unwrap().as_slice(), b"de");

        assert!(gatherer.on_unit(false, true).is_none());
        let frame = gatherer.on_packet(&rtp(9, true, b"f"), at).unwrap();
        assert_eq!((frame.key, frame.gap), (false, true));
    }

    #[test]
    fn a_unit_without_a_marker_ends_where_the_next_begins() {
        gst::init().unwrap();
        let mut gatherer = Gatherer::new(0, true);
        gatherer.on_unit(true, false);
        let at = Duration::ZERO;
        assert!(gatherer.on_packet(&rtp(1, false, b"a"), at).is_none());
        let frame = gatherer.on_unit(false, false).unwrap();
        assert!(frame.key);
        assert_eq!(frame.packets.len(), 1);
    }

    #[test]
    fn what_is_no_plain_rtp_packet_is_dropped() {
        gst::init().unwrap();
        let mut gatherer = Gatherer::new(0, false);
        for bytes in [&b""[..], &[0x80; 11], &[0x90; 40], &[0x00; 40]] {
            let buffer = gst::Buffer::from_slice(bytes.to_vec());
            assert!(gatherer.on_packet(&buffer, Duration::ZERO).is_none());
        }
    }
}
