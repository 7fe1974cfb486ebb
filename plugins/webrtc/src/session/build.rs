//! One viewer's pipeline: a webrtcbin, set as its defaults should be.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use gst::glib;
use gst::prelude::*;
use gst_webrtc::{WebRTCBundlePolicy, WebRTCRTPTransceiver, WebRTCRTPTransceiverDirection};

use super::around_fec;
use super::certificate::Certificate;
use crate::fanout::Class;
use crate::transport::Transport;

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
    pub(super) ssrc: u32,
    /// The format's parameters in the offer.
    pub(super) fmtp: String,
    pub(super) class: Class,
}

/// The clock that all sessions of a producer share with it, so that running times mean the same.
#[derive(Debug, Clone)]
pub(super) struct Time {
    pub(super) clock: gst::Clock,
    pub(super) base_time: gst::ClockTime,
}

/// A pipeline that is ready for an offer.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) pipeline: gst::Pipeline,
    pub(super) webrtcbin: gst::Element,
    /// In the order of the sections.
    pub(super) pads: Vec<gst::Pad>,
    /// Frames that went around the FEC elements as one list.
    pub(super) lists_around_fec: Arc<AtomicU64>,
}

/// URI of the header extension that names the section of a packet (RFC 8843, 15.1).
pub(super) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// URI of the extension that carries transport-wide sequence numbers.
pub(super) const TWCC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Builds and starts a pipeline with one sink pad per section. Blocks for a state change.
pub(super) fn build(
    time: &Time,
    transport: &Transport,
    certificate: &'static Certificate,
    sections: &[Section],
) -> Result<Built, String> {
    let pipeline = gst::Pipeline::new();
    pipeline.use_clock(Some(&time.clock));
    pipeline.set_base_time(time.base_time);
    pipeline.set_start_time(gst::ClockTime::NONE);
    let webrtcbin = gst::ElementFactory::make("webrtcbin")
        .property("bundle-policy", WebRTCBundlePolicy::MaxBundle)
        .property("latency", 0u32)
        .build()
        .map_err(|_missing| "the element webrtcbin is not installed".to_owned())?;
    set_up_ice(&webrtcbin, transport);
    let lists_around_fec = Arc::default();
    set_up_inner_elements(&webrtcbin, certificate, &lists_around_fec);
    pipeline
        .add(&webrtcbin)
        .map_err(|error| error.to_string())?;
    let built = Built {
        pads: sections
            .iter()
            .map(|section| request_pad(&webrtcbin, section))
            .collect::<Result<_, _>>()?,
        pipeline,
        webrtcbin,
        lists_around_fec,
    };
    if let Err(error) = built.pipeline.set_state(gst::State::Playing) {
        stop(&built.pipeline);
        return Err(error.to_string());
    }
    // An answer made before the pads have caps lacks a=ssrc (F6).
    for (pad, section) in built.pads.iter().zip(sections) {
        open(pad, section);
    }
    Ok(built)
}

/// Ends a pipeline for good.
pub(super) fn stop(pipeline: &gst::Pipeline) {
    if let Err(error) = pipeline.set_state(gst::State::Null) {
        tracing::warn!(%error, "a viewer's pipeline did not stop");
    }
}

fn set_up_ice(webrtcbin: &gst::Element, transport: &Transport) {
    if let Some(server) = &transport.stun_server {
        webrtcbin.set_property("stun-server", server);
    }
    // Comes as a floating reference: touched once, here (F12).
    let agent = webrtcbin.property::<glib::Object>("ice-agent");
    let ports = &transport.udp_ports;
    set(&agent, "min-rtp-port", u32::from(*ports.start()));
    set(&agent, "max-rtp-port", u32::from(*ports.end()));
    if agent.find_property("agent").is_none() {
        return;
    }
    let nice = agent.property::<glib::Object>("agent");
    // On by default: 18 multicast packets per session, and 660 ms to the answer at 50 viewers (F3, F20).
    set(&nice, "upnp", false);
    set(&nice, "ice-tcp", false);
    // Without it 1.22 never notices a viewer who is gone; newer ones have consent freshness (F2).
    if gst::version() < (1, 24, 0, 0) {
        set(&nice, "keepalive-conncheck", true);
    }
}

fn set(object: &glib::Object, name: &str, value: impl Into<glib::Value>) {
    if object.find_property(name).is_some() {
        object.set_property(name, value);
    } else {
        tracing::warn!(name, class = %object.type_(), "no such property");
    }
}

fn set_up_inner_elements(
    webrtcbin: &gst::Element,
    certificate: &'static Certificate,
    lists_around_fec: &Arc<AtomicU64>,
) {
    let lists_around_fec = lists_around_fec.clone();
    let Some(bin) = webrtcbin.downcast_ref::<gst::Bin>() else {
        return;
    };
    bin.connect_deep_element_added(move |_webrtcbin, _parent, element| {
        let factory = element.factory();
        match factory.as_ref().map(|f| f.name()).as_deref() {
            Some("dtlssrtpdec") => element.set_property("pem", &certificate.pem),
            // A buffer with a time ahead of the clock would hold up the fan-out thread; the fan-out
            // itself paces what is cached, and live buffers are never early.
            Some("clocksync") => element.set_property("sync", false),
            Some("rtpulpfecenc") => around_fec::lead(element, &lists_around_fec),
            Some(_) | None => {}
        }
    });
}

fn request_pad(webrtcbin: &gst::Element, section: &Section) -> Result<gst::Pad, String> {
    let pad = webrtcbin
        .request_pad_simple(&format!("sink_{}", section.mline))
        .ok_or("webrtcbin gave no pad")?;
    let transceiver = pad.property::<WebRTCRTPTransceiver>("transceiver");
    transceiver.set_property("direction", WebRTCRTPTransceiverDirection::Sendonly);
    // Off by default; it brings RTX with it where the offer has it (F4).
    transceiver.set_property("do-nack", true);
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
        .field("ssrc", section.ssrc);
    if let Some((id, _mid)) = &class.mid {
        caps = caps.field(format!("extmap-{id}"), MID);
    }
    if let Some(id) = class.twcc {
        // By this the rtpsession knows where to write the transport-wide sequence number.
        caps = caps.field(format!("extmap-{id}"), TWCC);
    }
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

    fn section() -> Section {
        Section {
            mline: 0,
            track: 1,
            video: true,
            encoding_name: "H264",
            clock_rate: 90_000,
            ssrc: 7,
            fmtp: "packetization-mode=1;profile-level-id=42e01f".to_owned(),
            class: Class {
                payload_type: 102,
                mid: None,
                twcc: None,
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
        let certificate = super::super::certificate::ours().unwrap();
        let built = build(&time, &transport, certificate, &[section()]).unwrap();
        let agent = built.webrtcbin.property::<glib::Object>("ice-agent");
        assert_eq!(agent.property::<u32>("min-rtp-port"), 41_000);
        assert_eq!(agent.property::<u32>("max-rtp-port"), 41_100);
        let nice = agent.property::<glib::Object>("agent");
        assert!(!nice.property::<bool>("upnp"));
        assert!(!nice.property::<bool>("ice-tcp"));
        let watches = nice.property::<bool>("keepalive-conncheck");
        assert!(watches || gst::version() >= (1, 24, 0, 0));
        let transceiver = built.pads[0].property::<WebRTCRTPTransceiver>("transceiver");
        assert!(transceiver.property::<bool>("do-nack"));
        stop(&built.pipeline);
    }
}
