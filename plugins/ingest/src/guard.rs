//! Keeps packets from depayloaders that would read behind their end: a broken or hostile camera must not end the
//! process.

use std::ops::ControlFlow;

use gst::prelude::*;
use gst_rtp::RTPBuffer;
use sluice_core::Codec;
use sluice_core::bitstream::payload::is_safe;
use sluice_core::rtp;

/// Those that believe what packets say of their length.
const TRUSTING: &[(&str, Codec)] = &[
    ("rtph264depay", Codec::H264),
    ("rtph265depay", Codec::H265),
    ("rtpvp8depay", Codec::Vp8),
];

/// Guards an element, if it is a depayloader.
pub(crate) fn watch(depayloader: &gst::Element, factory: &str) {
    let codec = TRUSTING.iter().find(|(name, _)| *name == factory);
    let codec = codec.map(|(_, codec)| *codec);
    let (true, Some(pad)) = (factory.ends_with("depay"), depayloader.static_pad("sink")) else {
        return;
    };
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    let guard = Guard {
        codec,
        bare: extensions_are_dangerous(),
    };
    pad.add_probe(types, move |_pad, info| {
        match &mut info.data {
            // Nothing was taken out: the packet is still the probe's to drop.
            Some(gst::PadProbeData::Buffer(buffer)) => match guard.judge(buffer) {
                Safe::AsItIs => {}
                Safe::As(other) => *buffer = other,
                Safe::Never => return gst::PadProbeReturn::Drop,
            },
            Some(gst::PadProbeData::BufferList(list)) => {
                list.make_mut().foreach_mut(|buffer, _index| {
                    ControlFlow::Continue(match guard.judge(&buffer) {
                        Safe::AsItIs => Some(buffer),
                        Safe::As(other) => Some(other),
                        Safe::Never => None,
                    })
                });
            }
            Some(_) | None => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// How a packet may reach a depayloader.
enum Safe {
    AsItIs,
    /// Without its header extension.
    As(gst::Buffer),
    Never,
}

/// What one depayloader is guarded from.
struct Guard {
    /// Of one that believes what packets say of their length.
    codec: Option<Codec>,
    /// Whether it is no good for extensions.
    bare: bool,
}

impl Guard {
    fn judge(&self, buffer: &gst::Buffer) -> Safe {
        let Ok(packet) = RTPBuffer::from_buffer_readable(buffer) else {
            return Safe::Never;
        };
        let payload_is_safe = |codec| {
            let payload = packet.payload();
            payload.is_ok_and(|payload| is_safe(codec, payload))
        };
        if !self.codec.is_none_or(payload_is_safe) {
            return Safe::Never;
        }
        if !self.bare || !packet.is_extension() {
            return Safe::AsItIs;
        }
        let bare = buffer.map_readable().ok();
        let bare = bare.and_then(|map| rtp::without_extension(&map));
        let bare = bare.and_then(|bare| {
            let mut bare = gst::Buffer::from_mut_slice(bare);
            let about = gst::BufferCopyFlags::FLAGS
                | gst::BufferCopyFlags::TIMESTAMPS
                | gst::BufferCopyFlags::META;
            buffer.copy_into(bare.make_mut(), about, ..).ok()?;
            Some(bare)
        });
        bare.map_or(Safe::Never, Safe::As)
    }
}

/// Whether depayloaders of this GStreamer are no good for header extensions.
fn extensions_are_dangerous() -> bool {
    gst::version() >= (1, 24, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One packet of RTP, payload type 96.
    fn packet(seq: u8, payload: &[u8]) -> gst::Buffer {
        let header = [0x80, 96, 0, seq, 0, 0, 0, 0, 0, 0, 0, 1];
        gst::Buffer::from_slice([&header[..], payload].concat())
    }

    #[test]
    fn only_packets_with_their_headers_reach_the_depayloader() {
        gst::init().unwrap();
        let depayloader = gst::ElementFactory::make("rtph264depay").build().unwrap();
        watch(&depayloader, "rtph264depay");
        let (reached, arrivals) = std::sync::mpsc::channel();
        let pad = depayloader.static_pad("sink").unwrap();
        let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(types, move |_pad, info| {
            let sizes: Vec<usize> = match &info.data {
                Some(gst::PadProbeData::Buffer(one)) => vec![one.size()],
                Some(gst::PadProbeData::BufferList(list)) => {
                    list.iter().map(|one| one.size()).collect()
                }
                _ => Vec::new(),
            };
            reached.send(sizes).unwrap();
            gst::PadProbeReturn::Ok
        });
        let mut harness = gst_check::Harness::with_element(&depayloader, Some("sink"), Some("src"));
        harness.set_src_caps_str(
            "application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96",
        );
        // The one-byte FU-A that rtph264depay 1.22 copies 4 GiB for, alone and between two that are whole.
        assert_eq!(harness.push(packet(1, &[0x7c])), Ok(gst::FlowSuccess::Ok));
        assert_eq!(
            harness.push(packet(2, &[0x67, 1, 2])),
            Ok(gst::FlowSuccess::Ok)
        );
        let mut list = gst::BufferList::new();
        for (seq, payload) in [
            (3, &[0x68, 1][..]),
            (4, &[0x7c, 0x85]),
            (5, &[0x65, 1, 2, 3]),
        ] {
            list.make_mut().add(packet(seq, payload));
        }
        // An extension of eight bytes.
        let extended = packet(6, &[0xbe, 0xde, 0, 1, 0x10, 1, 0, 0, 0x65, 1, 2]);
        let mut bytes = extended.map_readable().unwrap().to_vec();
        bytes[0] |= 0x10;
        list.make_mut().add(gst::Buffer::from_slice(bytes));
        let src = pad.peer().unwrap();
        assert_eq!(src.push_list(list), Ok(gst::FlowSuccess::Ok));
        let last = if extensions_are_dangerous() { 15 } else { 23 };
        assert_eq!(
            arrivals.try_iter().collect::<Vec<_>>(),
            [vec![15], vec![14, 16, last]]
        );
    }
}
