//! In front of a depayloader: only packets with a payload, with all of it, and without extensions.

use gst::prelude::*;
use gst_rtp::RTPBuffer;
use parking_lot::Mutex;
use sluice_core::Codec;
use sluice_core::bitstream::payload::is_whole;
use sluice_core::rtp;

use crate::probe::{PACKETS, retain};

/// What a packet is to a depayloader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    Media,
    /// Padding alone, by which browsers probe the network, or nothing at all (RFC 6263, 4.1).
    Nothing,
    /// Shorter than it says: the depayloader would read on behind its end.
    Broken,
}

/// What passes in front of one depayloader.
#[derive(Debug)]
struct Whole {
    codec: Codec,
    /// Packets without a payload so far. Those after them move up: in a gap the depayloader would see a loss, and
    /// drop all pictures until the next key frame.
    nothings: u16,
    /// Whether it is no good for extensions.
    bare: bool,
}

/// Lets only such packets reach this depayloader.
pub(super) fn keep(depayloader: &gst::Element, codec: Codec) {
    let Some(pad) = depayloader.static_pad("sink") else {
        return;
    };
    let whole = Mutex::new(Whole {
        codec,
        nothings: 0,
        bare: gst::version() >= (1, 24, 0, 0),
    });
    pad.add_probe(PACKETS, move |_pad, info| {
        retain(info, |buffer| whole.lock().takes(buffer))
    });
}

impl Whole {
    fn takes(&mut self, buffer: &mut gst::Buffer) -> bool {
        match judge(self.codec, buffer) {
            Judged::Media => {
                let bare = !self.bare || without_extension(buffer);
                bare && (self.nothings == 0 || move_up(buffer.make_mut(), self.nothings))
            }
            Judged::Nothing => {
                self.nothings = self.nothings.wrapping_add(1);
                false
            }
            Judged::Broken => false,
        }
    }
}

fn judge(codec: Codec, buffer: &gst::BufferRef) -> Judged {
    let Ok(packet) = RTPBuffer::from_buffer_readable(buffer) else {
        return Judged::Broken;
    };
    if packet.payload_size() == 0 {
        return Judged::Nothing;
    }
    match packet.payload() {
        Ok(payload) if is_whole(codec, payload) => Judged::Media,
        Ok(_) | Err(_) => Judged::Broken,
    }
}

/// `false` if the packet cannot be read.
fn without_extension(buffer: &mut gst::Buffer) -> bool {
    let Ok(bare) = buffer
        .map_readable()
        .map(|map| rtp::without_extension(&map))
    else {
        return false;
    };
    let Some(bare) = bare else {
        return true;
    };
    // In one piece: of a header put before a region of the packet, depayloaders of 1.22 made broken pictures.
    let mut bare = gst::Buffer::from_mut_slice(bare);
    let about =
        gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META;
    if buffer.copy_into(bare.make_mut(), about, ..).is_err() {
        return false;
    }
    *buffer = bare;
    true
}

/// `false` if the packet cannot be written.
fn move_up(buffer: &mut gst::BufferRef, by: u16) -> bool {
    RTPBuffer::from_buffer_writable(buffer)
        .map(|mut packet| {
            let sequence = packet.seq().wrapping_sub(by);
            packet.set_seq(sequence);
        })
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, first: u8, payload: &[u8]) -> gst::Buffer {
        let [high, low] = sequence.to_be_bytes();
        let header = [first, 96, high, low, 0, 0, 0, 1, 0, 0, 0, 7];
        gst::Buffer::from_mut_slice([&header[..], payload].concat())
    }

    #[test]
    fn packets_without_a_payload_leave_no_gap_and_broken_ones_do() {
        gst::init().unwrap();
        let mut whole = Whole {
            codec: Codec::Vp8,
            nothings: 0,
            bare: true,
        };
        let media = [0x10, 1, 2, 3];
        let mut taken = |mut buffer: gst::Buffer| {
            whole.takes(&mut buffer).then(|| {
                let packet = RTPBuffer::from_buffer_readable(&buffer).unwrap();
                assert_eq!(packet.payload().unwrap(), media);
                assert!(!packet.is_extension());
                packet.seq()
            })
        };
        let padding = [0, 0, 0, 4];
        for (buffer, sequence) in [
            (packet(65_534, 0x80, &media), Some(65_534)),
            (packet(65_535, 0xa0, &padding), None),
            (packet(0, 0xa0, &padding), None),
            (packet(1, 0x80, &media), Some(65_535)),
            // Broken: more padding than packet, a descriptor that runs over.
            (packet(2, 0xa0, &[0, 0, 0, 99]), None),
            (packet(3, 0x80, &[0x80]), None),
            (packet(4, 0x80, &media), Some(2)),
            // A keep-alive.
            (packet(5, 0x80, &[]), None),
            (packet(6, 0x80, &media), Some(3)),
            // An extension, and one that runs over.
            (
                packet(
                    8,
                    0x90,
                    &[&[0xbe, 0xde, 0, 1, 0x10, 1, 0, 0][..], &media].concat(),
                ),
                Some(5),
            ),
            (
                packet(9, 0x90, &[&[0xbe, 0xde, 0, 9][..], &media].concat()),
                None,
            ),
            // Padding behind a payload.
            (packet(10, 0xa0, &[&media[..], &padding].concat()), Some(7)),
        ] {
            assert_eq!(taken(buffer), sequence);
        }
    }
}
