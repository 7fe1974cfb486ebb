//! A server's end of a push, made of a webrtcbin that loses packets.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use gst::prelude::*;
use gst_webrtc::{WebRTCICEGatheringState, WebRTCRTPTransceiver, WebRTCRTPTransceiverDirection};
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use parking_lot::Mutex;

use super::{PATIENCE, call, init};

/// Takes one VP8 picture (payload type 96, retransmissions as 97), and loses every tenth of its packets.
pub(crate) struct Target {
    pipeline: gst::Pipeline,
    webrtcbin: gst::Element,
    /// Numbers of packets that were lost, and came again.
    pub(crate) again: Receiver<u16>,
}

impl Target {
    pub(crate) fn new() -> Self {
        init();
        let pipeline = gst::Pipeline::new();
        let webrtcbin = gst::ElementFactory::make("webrtcbin").build().unwrap();
        webrtcbin.set_property_from_str("bundle-policy", "max-bundle");
        let agent = webrtcbin.property::<gst::glib::Object>("ice-agent");
        let nice = agent.property::<gst::glib::Object>("agent");
        nice.set_property("upnp", false);
        pipeline.add(&webrtcbin).unwrap();
        let (tell, again) = channel();
        let bin = webrtcbin.downcast_ref::<gst::Bin>().unwrap();
        bin.connect_deep_element_added(move |_, _, element| {
            if element
                .factory()
                .is_some_and(|one| one.name() == "dtlssrtpdec")
            {
                lose(element, tell.clone());
            }
        });
        let into = pipeline.downgrade();
        webrtcbin.connect_pad_added(move |_, pad| {
            let Some(pipeline) = into.upgrade() else {
                return;
            };
            let sink = gst::ElementFactory::make("fakesink")
                .property("sync", false)
                .property("async", false)
                .build()
                .unwrap();
            pipeline.add(&sink).unwrap();
            sink.sync_state_with_parent().unwrap();
            pad.link(&sink.static_pad("sink").unwrap()).unwrap();
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            pipeline,
            webrtcbin,
            again,
        }
    }

    /// Gives what answers offers on another thread.
    pub(crate) fn answers(&self) -> impl Fn(&str) -> String + Send + 'static {
        let webrtcbin = self.webrtcbin.clone();
        move |offer| answer(&webrtcbin, offer)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

fn answer(webrtcbin: &gst::Element, offer: &str) -> String {
    let (done, gathered) = channel();
    webrtcbin.connect_notify(Some("ice-gathering-state"), move |webrtcbin, _| {
        let state = webrtcbin.property::<WebRTCICEGatheringState>("ice-gathering-state");
        if state == WebRTCICEGatheringState::Complete {
            let _sent = done.send(());
        }
    });
    let caps = gst::Caps::builder("application/x-rtp")
        .field("media", "video")
        .field("encoding-name", "VP8")
        .field("payload", 96)
        .field("clock-rate", 90_000)
        .build();
    let transceiver = webrtcbin.emit_by_name::<WebRTCRTPTransceiver>(
        "add-transceiver",
        &[&WebRTCRTPTransceiverDirection::Recvonly, &caps],
    );
    transceiver.set_property("do-nack", true);
    let sdp = gst_sdp::SDPMessage::parse_buffer(offer.as_bytes()).unwrap();
    let offer = WebRTCSessionDescription::new(WebRTCSDPType::Offer, sdp);
    call(webrtcbin, "set-remote-description", &offer);
    let reply = call(webrtcbin, "create-answer", &None::<gst::Structure>);
    let reply = reply.get_reply().unwrap();
    let answer = reply.get::<WebRTCSessionDescription>("answer").unwrap();
    call(webrtcbin, "set-local-description", &answer);
    gathered.recv_timeout(PATIENCE).unwrap();
    let answer = webrtcbin.property::<WebRTCSessionDescription>("local-description");
    answer.sdp().as_text().unwrap()
}

/// Drops packets behind SRTP, where their content can be read.
fn lose(dtlssrtpdec: &gst::Element, tell: Sender<u16>) {
    let lost = Arc::new(Mutex::new((0_u32, BTreeSet::new())));
    let pad = dtlssrtpdec.static_pad("rtp_src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let packet = info.buffer().unwrap();
        let (count, lost) = &mut *lost.lock();
        let mut kind = [0; 2];
        packet.copy_to_slice(0, &mut kind).unwrap();
        let [first, second] = kind;
        match second & 0x7f {
            96 => {
                *count += 1;
                if count.is_multiple_of(10) {
                    lost.insert(number(packet, 2));
                    return gst::PadProbeReturn::Drop;
                }
            }
            97 => {
                // RFC 4588, 4: the number that it had first is what the payload begins with.
                let sources = usize::from(first & 0x0f);
                let mut payload = 12 + 4 * sources;
                if first & 0x10 != 0 {
                    payload += 4 + 4 * usize::from(number(packet, payload + 2));
                }
                let had_first = number(packet, payload);
                if lost.remove(&had_first) {
                    let _sent = tell.send(had_first);
                }
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

fn number(packet: &gst::Buffer, at: usize) -> u16 {
    let mut bytes = [0; 2];
    packet.copy_to_slice(at, &mut bytes).unwrap();
    u16::from_be_bytes(bytes)
}
