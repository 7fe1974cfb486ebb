//! One viewer's pipeline: appsrc → payloader → webrtcbin.

use std::error::Error;
use std::time::Duration;

use gst::prelude::*;
use gst_webrtc::{WebRTCICEGatheringState, WebRTCSDPType, WebRTCSessionDescription};
use sluice_tests::wait::within;

use super::source::Kind;

/// Frames that wait while the viewer connects.
const QUEUE: u64 = 30;

/// The certificate of all sessions.
pub(super) struct Identity {
    pub(super) pem: String,
    pub(super) print: String,
}

pub(super) struct Session {
    pipeline: gst::Pipeline,
    webrtc: gst::Element,
    video: gst_app::AppSrc,
    audio: gst_app::AppSrc,
}

impl Session {
    pub(super) fn new(offer: &str, identity: &Identity) -> Result<Self, Box<dyn Error>> {
        let pipeline = gst::Pipeline::new();
        let webrtc = gst::ElementFactory::make("webrtcbin")
            .property_from_str("bundle-policy", "max-bundle")
            .build()?;
        pipeline.add(&webrtc)?;
        quieten(&webrtc);
        certify(&webrtc, identity);
        let h264 = payload_type(offer, "H264/90000").ok_or("no H.264 in the offer")?;
        let opus = payload_type(offer, "opus/48000/2").ok_or("no Opus in the offer")?;
        let video = lane(&pipeline, &webrtc, "rtph264pay", Kind::Video, h264)?;
        let audio = lane(&pipeline, &webrtc, "rtpopuspay", Kind::Audio, opus)?;
        Ok(Self {
            pipeline,
            webrtc,
            video,
            audio,
        })
    }

    /// Negotiates, and returns the answer with all candidates.
    pub(super) fn answer(
        &self,
        offer: &str,
        identity: &Identity,
    ) -> Result<String, Box<dyn Error>> {
        self.pipeline.set_state(gst::State::Playing)?;
        let known = || {
            let pads = self.webrtc.sink_pads();
            pads.iter().all(gst::Pad::has_current_caps).then_some(())
        };
        within(Duration::from_secs(5), known).ok_or("no frames to answer for")?;
        let sdp = gst_sdp::SDPMessage::parse_buffer(offer.as_bytes())?;
        let offer = WebRTCSessionDescription::new(WebRTCSDPType::Offer, sdp);
        self.ask("set-remote-description", &offer)?;
        let (promise, done) = promise();
        self.webrtc
            .emit_by_name::<()>("create-answer", &[&None::<gst::Structure>, &promise]);
        let reply = done
            .recv_timeout(Duration::from_secs(5))?
            .ok_or("no answer")?;
        let answer: WebRTCSessionDescription = reply.get("answer")?;
        self.ask("set-local-description", &answer)?;
        let gathered = || {
            let state: WebRTCICEGatheringState = self.webrtc.property("ice-gathering-state");
            (state == WebRTCICEGatheringState::Complete).then_some(())
        };
        within(Duration::from_secs(5), gathered).ok_or("no candidates")?;
        let local: WebRTCSessionDescription = self.webrtc.property("local-description");
        Ok(with_print(&local.sdp().to_string(), &identity.print))
    }

    pub(super) fn push(&self, kind: Kind, sample: &gst::Sample) {
        let source = if kind == Kind::Video {
            &self.video
        } else {
            &self.audio
        };
        // The camera's timestamps count from the camera's start: this pipeline stamps anew.
        let Some(mut buffer) = sample.buffer_owned() else {
            return;
        };
        let fresh = buffer.make_mut();
        fresh.set_pts(None);
        fresh.set_dts(None);
        if source.caps().is_none() {
            source.set_caps(sample.caps_owned().as_ref());
        }
        // A viewer that is leaving takes no more.
        source.push_buffer(buffer).ok();
    }

    fn ask(
        &self,
        signal: &str,
        description: &WebRTCSessionDescription,
    ) -> Result<(), Box<dyn Error>> {
        let (promise, done) = promise();
        self.webrtc
            .emit_by_name::<()>(signal, &[description, &promise]);
        done.recv_timeout(Duration::from_secs(5))?;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // There is nobody left to tell.
        self.pipeline.set_state(gst::State::Null).ok();
    }
}

type Answered = std::sync::mpsc::Receiver<Option<gst::Structure>>;

fn promise() -> (gst::Promise, Answered) {
    let (tx, rx) = std::sync::mpsc::channel();
    let promise = gst::Promise::with_change_func(move |reply| {
        let reply = reply.ok().flatten().map(gst::StructureRef::to_owned);
        drop(tx.send(reply));
    });
    (promise, rx)
}

fn lane(
    pipeline: &gst::Pipeline,
    webrtc: &gst::Element,
    payloader: &str,
    kind: Kind,
    pt: u32,
) -> Result<gst_app::AppSrc, Box<dyn Error>> {
    let source = gst_app::AppSrc::builder()
        .is_live(true)
        .do_timestamp(true)
        .format(gst::Format::Time)
        .max_buffers(QUEUE)
        .leaky_type(gst_app::AppLeakyType::Downstream)
        .build();
    let payloader = gst::ElementFactory::make(payloader)
        .property("pt", pt)
        .build()?;
    let (media, name, rate) = match kind {
        Kind::Video => {
            payloader.set_property("config-interval", -1i32);
            payloader.set_property_from_str("aggregate-mode", "zero-latency");
            ("video", "H264", 90_000)
        }
        Kind::Audio => ("audio", "OPUS", 48_000),
    };
    let caps = gst::Caps::builder("application/x-rtp")
        .field("media", media)
        .field("encoding-name", name)
        .field("payload", i32::try_from(pt)?)
        .field("clock-rate", rate)
        .build();
    let filter = gst::ElementFactory::make("capsfilter")
        .property("caps", &caps)
        .build()?;
    pipeline.add_many([source.upcast_ref(), &payloader, &filter])?;
    gst::Element::link_many([source.upcast_ref(), &payloader, &filter, webrtc])?;
    Ok(source)
}

/// `UPnP` would send multicast at every session, and take half a second.
fn quieten(webrtc: &gst::Element) {
    let ice: gst::Object = webrtc.property("ice-agent");
    let agent: gst::glib::Object = ice.property("agent");
    agent.set_property("upnp", false);
}

/// str0m accepts ECDSA only, and webrtcbin's own certificate is RSA.
fn certify(webrtc: &gst::Element, identity: &Identity) {
    let pem = identity.pem.clone();
    let Some(bin) = webrtc.downcast_ref::<gst::Bin>() else {
        return;
    };
    bin.connect_deep_element_added(move |_, _, element| {
        if element.factory().is_some_and(|f| f.name() == "dtlssrtpdec") {
            element.set_property("pem", &pem);
        }
    });
}

/// webrtcbin 1.22 writes a wrong fingerprint for a certificate that it was given.
fn with_print(sdp: &str, print: &str) -> String {
    let pairs: Vec<&str> = (0..print.len())
        .step_by(2)
        .filter_map(|i| print.get(i..i + 2))
        .collect();
    let right = format!("a=fingerprint:sha-256 {}", pairs.join(":").to_uppercase());
    let line = |l: &str| {
        let text = if l.starts_with("a=fingerprint:") {
            &right
        } else {
            l
        };
        format!("{text}\r\n")
    };
    sdp.lines().map(line).collect()
}

/// The first payload type of this encoding that carries fragmented H.264.
fn payload_type(offer: &str, encoding: &str) -> Option<u32> {
    let maps = offer
        .lines()
        .filter_map(|l| l.strip_prefix("a=rtpmap:")?.split_once(' '));
    let mut pts = maps
        .filter(|(_, e)| e.eq_ignore_ascii_case(encoding))
        .map(|(pt, _)| pt);
    let whole = |pt: &&str| {
        !encoding.starts_with("H264")
            || offer.lines().any(|l| {
                l.starts_with(&format!("a=fmtp:{pt} ")) && l.contains("packetization-mode=1")
            })
    };
    pts.find(whole)?.parse().ok()
}
