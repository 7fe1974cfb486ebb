//! RTP headers per class of viewers: fresh header memory in front of shared payload memory.

use std::time::Duration;

use crate::packetize::{Frame, Packet};

/// What makes two viewers' packets differ. Viewers of one class share their buffer lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    /// The payload type that the viewer's offer gave the codec.
    pub(crate) payload_type: u8,
    /// The id of the MID header extension and the section's mid, if offered (RFC 8843, 15.1).
    pub(crate) mid: Option<(u8, String)>,
}

impl Class {
    /// Builds the header extension block, empty if there is nothing to say (RFC 8285, one-byte form).
    fn extension(&self) -> Vec<u8> {
        let mut elements = Vec::with_capacity(16);
        if let Some((id @ 1..=14, mid)) = &self.mid
            && let Ok(length @ 1..=16) = u8::try_from(mid.len())
        {
            elements.push(id << 4 | (length - 1));
            elements.extend(mid.as_bytes());
        }
        if elements.is_empty() {
            return elements;
        }
        elements.resize(elements.len().next_multiple_of(4), 0);
        let words = u16::try_from(elements.len() / 4).unwrap_or(0);
        let mut block = vec![0xbe, 0xde];
        block.extend(words.to_be_bytes());
        block.append(&mut elements);
        block
    }
}

/// When a frame is sent, what clock rate its timestamps have, and how its packets are numbered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The running time that the buffers carry.
    pub(crate) at: Duration,
    /// Of the RTP timestamps, in Hz.
    pub(crate) clock_rate: u32,
    /// So many packets before this frame were left out.
    pub(crate) left_out: u16,
}

/// Builds the packets of `frame` for `class`, as one buffer list.
///
/// If the moment's time differs from the frame's own, the RTP timestamps move by as much.
pub(crate) fn packets_for(frame: &Frame, class: &Class, moment: Moment) -> gst::BufferList {
    let extension = class.extension();
    let shift = ticks(moment.at.saturating_sub(frame.at), moment.clock_rate);
    let pts = gst::ClockTime::try_from(moment.at).ok();
    let mut list = gst::BufferList::new_sized(frame.packets.len());
    if let Some(list) = list.get_mut() {
        for packet in &frame.packets {
            let header = header(
                packet,
                class.payload_type,
                shift,
                moment.left_out,
                &extension,
            );
            let mut buffer = buffer(header, packet);
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(pts);
                if packet.marker {
                    buffer.set_flags(gst::BufferFlags::MARKER);
                }
                if !frame.key {
                    buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
                }
            }
            list.add(buffer);
        }
    }
    list
}

/// How the packets of a stream look that are sent again (RFC 4588).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) payload_type: u8,
    pub(crate) ssrc: u32,
}

/// Builds the packet of `frame` at `index` again, numbered `sequence` among all that this viewer was sent again. `None`
/// if the frame has no such packet.
pub(super) fn packet_again(
    frame: &Frame,
    index: usize,
    class: &Class,
    again: Again,
    sequence: u16,
    moment: Moment,
) -> Option<gst::Buffer> {
    let packet = frame.packets.get(index)?;
    let shift = ticks(moment.at.saturating_sub(frame.at), moment.clock_rate);
    let repeat = Packet {
        sequence,
        ssrc: again.ssrc,
        ..packet.clone()
    };
    let mut header = header(&repeat, again.payload_type, shift, 0, &class.extension());
    // The number that it had, in front of the payload (RFC 4588, 4).
    header.extend(packet.sequence.wrapping_sub(moment.left_out).to_be_bytes());
    // Without a time, so that nothing waits with it.
    Some(buffer(header, packet))
}

fn buffer(header: Vec<u8>, packet: &Packet) -> gst::Buffer {
    let mut buffer = gst::Buffer::new();
    if let Some(buffer) = buffer.get_mut() {
        buffer.append_memory(gst::Memory::from_slice(header));
        for memory in packet.payload.iter_memories_owned() {
            buffer.append_memory(memory);
        }
    }
    buffer
}

fn header(
    packet: &Packet,
    payload_type: u8,
    shift: u32,
    left_out: u16,
    extension: &[u8],
) -> Vec<u8> {
    let sequence = packet.sequence.wrapping_sub(left_out);
    let mut header = Vec::with_capacity(14 + extension.len());
    header.push(0x80 | if extension.is_empty() { 0 } else { 0x10 });
    header.push(payload_type & 0x7f | u8::from(packet.marker) << 7);
    header.extend(sequence.to_be_bytes());
    header.extend(packet.timestamp.wrapping_add(shift).to_be_bytes());
    header.extend(packet.ssrc.to_be_bytes());
    header.extend(extension);
    header
}

fn ticks(time: Duration, clock_rate: u32) -> u32 {
    let ticks = time.as_nanos() * u128::from(clock_rate) / 1_000_000_000;
    // RTP timestamps wrap.
    u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let packet = |sequence, marker| Packet {
            marker,
            sequence,
            timestamp: u32::MAX,
            ssrc: 0x0102_0304,
            payload: gst::Buffer::from_slice(b"payload".to_vec()),
        };
        Frame {
            track: 0,
            packets: vec![packet(0xffff, false), packet(0, true)],
            at: Duration::from_secs(5),
            video: true,
            key: true,
            gap: false,
            bytes: 14,
        }
    }

    fn class(mid: Option<(u8, &str)>) -> Class {
        Class {
            payload_type: 102,
            mid: mid.map(|(id, mid)| (id, mid.to_owned())),
        }
    }

    fn bytes(list: &gst::BufferListRef, index: usize) -> Vec<u8> {
        let buffer = list.get(index).unwrap();
        buffer.map_readable().unwrap().to_vec()
    }

    #[test]
    fn a_plain_class_gets_a_plain_header() {
        gst::init().unwrap();
        let moment = Moment {
            at: Duration::from_secs(5),
            clock_rate: 90_000,
            left_out: 0,
        };
        let list = packets_for(&frame(), &class(None), moment);
        let first = b"\x80\x66\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04payload";
        let second = b"\x80\xe6\x00\x00\xff\xff\xff\xff\x01\x02\x03\x04payload";
        assert_eq!(bytes(&list, 0), first);
        assert_eq!(bytes(&list, 1), second);
        let pts = list.get(0).unwrap().pts();
        assert_eq!(pts, Some(gst::ClockTime::from_seconds(5)));
    }

    #[test]
    fn the_mid_is_written() {
        gst::init().unwrap();
        let moment = Moment {
            at: Duration::from_secs(5),
            clock_rate: 90_000,
            left_out: 0,
        };
        let list = packets_for(&frame(), &class(Some((4, "v1"))), moment);
        let extension = b"\xbe\xde\x00\x01\x41v1\x00";
        assert_eq!(&bytes(&list, 0)[..2], b"\x90\x66");
        assert_eq!(&bytes(&list, 0)[12..20], extension);
        assert_eq!(&bytes(&list, 0)[20..], b"payload");
    }

    #[test]
    fn an_extension_id_that_the_one_byte_form_has_not_is_left_out() {
        assert!(class(Some((15, "v"))).extension().is_empty());
    }

    #[test]
    fn a_moved_frame_has_moved_timestamps_that_wrap() {
        gst::init().unwrap();
        let moment = Moment {
            at: Duration::from_secs(6),
            clock_rate: 90_000,
            left_out: 0,
        };
        let list = packets_for(&frame(), &class(None), moment);
        assert_eq!(bytes(&list, 0)[4..8], 89_999u32.to_be_bytes());
        let pts = list.get(0).unwrap().pts();
        assert_eq!(pts, Some(gst::ClockTime::from_seconds(6)));
    }

    #[test]
    fn what_was_left_out_leaves_no_gap_in_the_sequence_numbers() {
        gst::init().unwrap();
        let moment = Moment {
            at: Duration::from_secs(5),
            clock_rate: 90_000,
            left_out: 0xfffe,
        };
        let list = packets_for(&frame(), &class(None), moment);
        assert_eq!(bytes(&list, 0)[2..4], 1u16.to_be_bytes());
        assert_eq!(bytes(&list, 1)[2..4], 2u16.to_be_bytes());
    }

    #[test]
    fn a_packet_that_is_sent_again_names_the_one_that_it_was() {
        gst::init().unwrap();
        let moment = Moment {
            at: Duration::from_secs(6),
            clock_rate: 90_000,
            left_out: 2,
        };
        let again = Again {
            payload_type: 103,
            ssrc: 0x0102_0305,
        };
        let again = |index| packet_again(&frame(), index, &class(None), again, 9, moment);
        let buffer = again(1).unwrap();
        let bytes = buffer.map_readable().unwrap().to_vec();
        let mut expected = b"\x80\xe7\x00\x09\x00\x01\x5f\x8f\x01\x02\x03\x05".to_vec();
        // It was 0, less the two that were left out.
        expected.extend(b"\xff\xfepayload");
        assert_eq!(bytes, expected);
        assert_eq!(buffer.pts(), None);
        assert!(again(2).is_none());
    }

    #[test]
    fn payload_memory_is_shared_not_copied() {
        gst::init().unwrap();
        let frame = frame();
        let moment = Moment {
            at: frame.at,
            clock_rate: 90_000,
            left_out: 0,
        };
        let list = packets_for(&frame, &class(None), moment);
        let ours = frame.packets[0].payload.peek_memory(0);
        let theirs = list.get(0).unwrap().peek_memory(1);
        let (ours, theirs) = (
            ours.map_readable().unwrap().as_ptr(),
            theirs.map_readable().unwrap().as_ptr(),
        );
        assert_eq!(ours, theirs);
    }
}
