//! Keeps packets from depayloaders that would read behind their end: a broken or hostile camera must not end the
//! process.

use std::ops::ControlFlow;

use gst::prelude::*;
use gst_rtp::RTPBuffer;
use sluice_core::Codec;
use sluice_core::bitstream::payload::is_safe;

/// Those that believe what packets say of their length.
const TRUSTING: &[(&str, Codec)] = &[
    ("rtph264depay", Codec::H264),
    ("rtph265depay", Codec::H265),
    ("rtpvp8depay", Codec::Vp8),
];

/// Guards a depayloader, if it needs it.
pub(crate) fn watch(depayloader: &gst::Element, factory: &str) {
    let codec = TRUSTING.iter().find(|(name, _)| *name == factory);
    let (Some((_, codec)), Some(pad)) = (codec, depayloader.static_pad("sink")) else {
        return;
    };
    let is_safe = |buffer: &gst::Buffer| {
        RTPBuffer::from_buffer_readable(buffer)
            .and_then(|packet| packet.payload().map(|payload| is_safe(*codec, payload)))
            .unwrap_or(false)
    };
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(types, move |_pad, info| {
        match &mut info.data {
            // Nothing was taken out: the packet is still the probe's to drop.
            Some(gst::PadProbeData::Buffer(buffer)) if !is_safe(buffer) => {
                return gst::PadProbeReturn::Drop;
            }
            Some(gst::PadProbeData::BufferList(list))
                if !list.iter_owned().all(|one| is_safe(&one)) =>
            {
                list.make_mut().foreach_mut(|buffer, _index| {
                    let kept = is_safe(&buffer).then_some(buffer);
                    ControlFlow::Continue(kept)
                });
            }
            Some(_) | None => {}
        }
        gst::PadProbeReturn::Ok
    });
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
        let src = pad.peer().unwrap();
        assert_eq!(src.push_list(list), Ok(gst::FlowSuccess::Ok));
        assert_eq!(
            arrivals.try_iter().collect::<Vec<_>>(),
            [vec![15], vec![14, 16]]
        );
    }
}
