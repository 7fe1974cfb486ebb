//! One viewer's pipeline: a webrtcbin, set as its defaults should be.

use std::sync::Arc;

use gst::prelude::*;
use gst_webrtc::{WebRTCRTPTransceiver, WebRTCRTPTransceiverDirection};
use sluice_core::whip::MID;

use super::around_fec::ShortWays;
use crate::fanout::{Again, Class};
use crate::peer::{Certificate, Peer, Side, Time};
use crate::transport::{FanOut, Transport};

/// What one track needs in webrtcbin.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Which m-line of the offer.
    pub(super) mline: usize,
    /// The producer's track.
    pub(super) track: usize,
    pub(super) video: bool,
    pub(super) encoding_name: &'static str,
    pub(super) clock_rate: u32,
    /// Where our offer has to name them.
    pub(super) channels: Option<&'static str>,
    pub(super) ssrc: u32,
    /// Whether lost packets may be asked for again.
    pub(super) nack: bool,
    /// How they come again where we send them; otherwise webrtcbin does.
    pub(super) again: Option<Again>,
    /// The format's parameters in the offer.
    pub(super) fmtp: String,
    pub(super) class: Class,
}

/// A pipeline that is ready to answer or to offer.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) peer: Peer,
    /// In the order of the sections.
    pub(super) pads: Vec<gst::Pad>,
    pub(super) ways: Arc<ShortWays>,
}

/// Builds and starts a pipeline with one sink pad per section. Blocks for a state change.
pub(super) fn build(
    time: &Time,
    transport: &Transport,
    side: Side,
    certificate: &'static Certificate,
    sections: &[Section],
) -> Result<Built, String> {
    let peer = Peer::new(time, transport, side, certificate, 0)?;
    let ways = Arc::new(ShortWays::new(sections.iter().map(sink)));
    let (watching, webrtcbin) = (Arc::clone(&ways), peer.webrtcbin.downgrade());
    let leads = transport.fan_out != FanOut::Plain;
    peer.on_inner_element(move |element, factory| {
        if leads
            && factory == "rtpulpfecenc"
            && let Some(webrtcbin) = webrtcbin.upgrade()
        {
            watching.watch(&webrtcbin, element);
        }
    });
    let built = Built {
        pads: sections
            .iter()
            .map(|section| request_pad(&peer.webrtcbin, section))
            .collect::<Result<_, _>>()?,
        peer,
        ways,
    };
    built.peer.start()?;
    // An answer made before the pads have caps lacks a=ssrc (F6).
    for (pad, section) in built.pads.iter().zip(sections) {
        open(pad, section);
    }
    Ok(built)
}

/// The name of the pad of a section's m-line.
fn sink(section: &Section) -> String {
    format!("sink_{}", section.mline)
}

fn request_pad(webrtcbin: &gst::Element, section: &Section) -> Result<gst::Pad, String> {
    let pad = webrtcbin
        .request_pad_simple(&sink(section))
        .ok_or("webrtcbin gave no pad")?;
    let transceiver = pad.property::<WebRTCRTPTransceiver>("transceiver");
    transceiver.set_property("direction", WebRTCRTPTransceiverDirection::Sendonly);
    // Off by default; it brings RTX with it where the offer has it (F4).
    transceiver.set_property("do-nack", section.nack && section.again.is_none());
    Ok(pad)
}

/// Only these fields: on newer versions any other one makes the pad match no section (F5).
fn caps(section: &Section) -> gst::Caps {
    let class = &section.class;
    let mut caps = gst::Caps::builder("application/x-rtp")
        .field("media", if section.video { "video" } else { "audio" })
        .field("encoding-name", section.encoding_name)
        .field("payload", i32::from(class.payload_type))
        .field(
            "clock-rate",
            i32::try_from(section.clock_rate).unwrap_or(i32::MAX),
        )
        .field("ssrc", section.ssrc)
        .field_if_some("encoding-params", section.channels);
    if let Some((id, _mid)) = &class.mid {
        caps = caps.field(format!("extmap-{id}"), MID);
    }
    // None for transport-wide numbers: nobody here reads what comes back, and rtpsession keeps 32 bytes of every
    // packet until feedback tells of it (rtptwcc.c, `sent_packets`), for ever for who sends none.
    caps.build()
}

fn open(pad: &gst::Pad, section: &Section) {
    let stream = format!("sluice-{}", section.track);
    let start = gst::event::StreamStart::builder(&stream).group_id(gst::GroupId::next());
    pad.send_event(start.build());
    pad.send_event(gst::event::Caps::new(&caps(section)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    pad.send_event(gst::event::Segment::new(&segment));
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::glib;

    fn section() -> Section {
        Section {
            mline: 0,
            track: 1,
            video: true,
            encoding_name: "H264",
            clock_rate: 90_000,
            channels: None,
            ssrc: 7,
            nack: true,
            again: None,
            fmtp: "packetization-mode=1;profile-level-id=42e01f".to_owned(),
            class: Class {
                payload_type: 102,
                mid: None,
            },
        }
    }

    // F5: with profile-level-id or sprop-… the pad matches no section on 1.28, and no picture is sent.
    #[test]
    fn caps_carry_no_format_parameters() {
        gst::init().unwrap();
        let caps = caps(&section());
        let fields: Vec<_> = caps
            .structure(0)
            .unwrap()
            .fields()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            fields,
            ["media", "encoding-name", "payload", "clock-rate", "ssrc"]
        );
    }

    // F2, F3, F4.
    #[test]
    fn ice_sends_no_multicast_and_notices_who_is_gone() {
        gst::init().unwrap();
        let clock = gst::SystemClock::obtain();
        let time = Time {
            base_time: clock.time(),
            clock,
        };
        let transport = Transport {
            udp_ports: 41_000..=41_100,
            ..Transport::default()
        };
        let certificate = crate::peer::our_certificate().unwrap();
        let built = build(&time, &transport, Side::Offers, certificate, &[section()]).unwrap();
        let agent = built.peer.webrtcbin.property::<glib::Object>("ice-agent");
        assert_eq!(agent.property::<u32>("min-rtp-port"), 41_000);
        assert_eq!(agent.property::<u32>("max-rtp-port"), 41_100);
        let nice = agent.property::<glib::Object>("agent");
        assert!(!nice.property::<bool>("upnp"));
        assert!(!nice.property::<bool>("ice-tcp"));
        let watches = nice.property::<bool>("keepalive-conncheck");
        assert!(watches || gst::version() >= (1, 24, 0, 0));
        let transceiver = built.pads[0].property::<WebRTCRTPTransceiver>("transceiver");
        assert!(transceiver.property::<bool>("do-nack"));
        built.peer.stop();
    }
}
