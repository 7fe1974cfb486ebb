//! Sluice's ICE agent in a webrtcbin of one's own: it answers on one UDP port, however many of them there are.
//!
//! Here both sides are in one process, so that it shows something by itself: a webrtcbin with libnice offers a tone, and one
//! with the agent answers. `cargo run --package gst-plugin-sluicewebrtc --example ice-agent`.

#![expect(clippy::print_stdout, reason = "it shows what it does")]

use std::error::Error;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use gst::prelude::*;
use gst_webrtc::{WebRTCBundlePolicy, WebRTCSessionDescription as Description};
use gstsluicewebrtc::{IceAgent, Transport, ports};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Packets of the tone that are enough.
const ENOUGH: usize = 50;

fn main() -> Outcome<()> {
    gst::init()?;
    play_a_tone(|_agent, _webrtcbin| println!("{:?}", ports()))?;
    println!("{ENOUGH} packets came");
    Ok(())
}

/// Plays until enough packets have come. `look` is called at the end, while it still plays.
pub(crate) fn play_a_tone(look: impl FnOnce(&IceAgent, &gst::Element)) -> Outcome<()> {
    // The port is opened once in a process; `udp_ports: 8189..=8189` names it.
    let agent = IceAgent::new(&Transport::default())?;
    // Not by `Element::set_property`: webrtcbin takes its agent when it is made.
    let answers = agent.webrtcbin(bundled(gst::ElementFactory::make("webrtcbin")))?;
    let offers = bundled(gst::ElementFactory::make("webrtcbin")).build()?;

    let pipeline = gst::Pipeline::new();
    pipeline.add_many([&offers, &answers])?;
    send_tone(&pipeline, &offers)?;
    let enough = count_packets(&pipeline, &answers);
    exchange_candidates(&offers, &answers);
    exchange_candidates(&answers, &offers);
    pipeline.set_state(gst::State::Playing)?;
    negotiate(&offers, &answers)?;

    let came = enough.recv_timeout(Duration::from_secs(60));
    look(&agent, &answers);
    // webrtcbin's handlers of what the agent tells take no reference: it is silenced before they go.
    agent.hush();
    pipeline.set_state(gst::State::Null)?;
    came?;
    Ok(())
}

/// The agent has one transport: all media go through it.
fn bundled(
    webrtcbin: gst::element_factory::ElementBuilder<'_>,
) -> gst::element_factory::ElementBuilder<'_> {
    webrtcbin.property("bundle-policy", WebRTCBundlePolicy::MaxBundle)
}

fn send_tone(pipeline: &gst::Pipeline, webrtcbin: &gst::Element) -> Outcome<()> {
    let caps = gst::Caps::builder("application/x-rtp")
        .field("media", "audio")
        .field("encoding-name", "PCMU")
        .field("clock-rate", 8000)
        .field("payload", 0)
        .build();
    let elements = [
        gst::ElementFactory::make("audiotestsrc")
            .property("is-live", true)
            .build()?,
        gst::ElementFactory::make("mulawenc").build()?,
        gst::ElementFactory::make("rtppcmupay").build()?,
        gst::ElementFactory::make("capsfilter")
            .property("caps", caps)
            .build()?,
    ];
    pipeline.add_many(&elements)?;
    gst::Element::link_many(&elements)?;
    let [.., last] = &elements;
    last.link(webrtcbin)?;
    Ok(())
}

fn count_packets(pipeline: &gst::Pipeline, webrtcbin: &gst::Element) -> Receiver<()> {
    let (done, enough) = channel();
    let weak = pipeline.downgrade();
    webrtcbin.connect_pad_added(move |_webrtcbin, pad| {
        let sink = gst::ElementFactory::make("fakesink")
            .property("async", false)
            .build();
        let (Some(pipeline), Ok(sink)) = (weak.upgrade(), sink) else {
            return;
        };
        let linked = pipeline.add(&sink).is_ok()
            && sink
                .static_pad("sink")
                .is_some_and(|to| pad.link(&to).is_ok())
            && sink.sync_state_with_parent().is_ok();
        println!(
            "a track has come, and is {}",
            if linked { "taken" } else { "not taken" }
        );
        let (done, packets) = (done.clone(), std::sync::atomic::AtomicUsize::new(0));
        pad.add_probe(gst::PadProbeType::BUFFER, move |_pad, _info| {
            if packets.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 == ENOUGH {
                // Nobody waits any more once it is over.
                done.send(()).unwrap_or_default();
            }
            gst::PadProbeReturn::Ok
        });
    });
    enough
}

/// Tells one side of the other's candidates. The agent answers from wherever it is asked, and needs none.
fn exchange_candidates(from: &gst::Element, to: &gst::Element) {
    let to = to.downgrade();
    from.connect("on-ice-candidate", false, move |values| {
        let (line, candidate) = (values.get(1)?, values.get(2)?);
        let (line, candidate) = (line.get::<u32>().ok()?, candidate.get::<String>().ok()?);
        to.upgrade()?
            .emit_by_name::<()>("add-ice-candidate", &[&line, &candidate]);
        None
    });
}

fn negotiate(offers: &gst::Element, answers: &gst::Element) -> Outcome<()> {
    let offer = create(offers, "offer")?;
    set(offers, "set-local-description", &offer);
    set(answers, "set-remote-description", &offer);
    // Who sends it to a peer elsewhere writes `a=ice-lite` into it: we answer checks, and send none to find a way.
    let answer = create(answers, "answer")?;
    set(answers, "set-local-description", &answer);
    set(offers, "set-remote-description", &answer);
    Ok(())
}

fn create(webrtcbin: &gst::Element, what: &str) -> Outcome<Description> {
    let promise = gst::Promise::new();
    let none: Option<gst::Structure> = None;
    webrtcbin.emit_by_name::<()>(&format!("create-{what}"), &[&none, &promise]);
    promise.wait();
    let reply = promise
        .get_reply()
        .ok_or("webrtcbin does not say anything")?;
    Ok(reply.get(what)?)
}

fn set(webrtcbin: &gst::Element, action: &str, description: &Description) {
    let promise = gst::Promise::new();
    webrtcbin.emit_by_name::<()>(action, &[description, &promise]);
    promise.wait();
}
