//! Other people's WebRTC stacks view and publish: aiortc, libdatachannel, werift.

use std::process::Command;

use sluice_tests::children::{self, Media};
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::peers::{Decoder, PacketSource, Peer};
use sluice_tests::picture;
use sluice_tests::process::{Process, our_plugins};
use sluice_tests::wait::within;

use crate::secs;

/// At 30 frames a second, three seconds and a little more.
const FRAMES: u64 = 100;

fn showing() -> Gateway {
    GatewayOptions::new().path("cam", "test:").start()
}

fn waiting() -> Gateway {
    GatewayOptions::new().path("cam", "publisher").start()
}

/// aiortc decodes what is there now, in its colours.
fn aiortc_sees(gateway: &Gateway, frames: u64) {
    let viewer = Peer::aiortc_views(&gateway.whep("cam"));
    let seen = viewer.until(secs(30), "decoded frames", |seen| seen.frames >= frames);
    if let Err(wrong) = picture::check(&seen.bars) {
        panic!("wrong picture: {wrong}; {seen:?}");
    }
}

/// What a peer hands on is decoded here, in its colours.
fn decodes(peer: &Peer, decoder: &Decoder) {
    let decoded = within(secs(30), || {
        let seen = decoder.seen();
        (seen.frames >= FRAMES).then_some(seen)
    });
    let decoded = decoded.unwrap_or_else(|| {
        let said = peer.until(secs(3), "report", |_| true);
        panic!("{:?}; {said:?}", decoder.seen())
    });
    if let Err(wrong) = picture::check(&decoded.bars) {
        panic!("wrong picture: {wrong}; {decoded:?}");
    }
    peer.until(secs(5), "sound", |seen| seen.audio > 50);
}

#[test]
fn aiortc_views() {
    let gateway = showing();
    let viewer = Peer::aiortc_views(&gateway.whep("cam"));
    let seen = viewer.until(secs(30), "decoded frames and sound", |seen| {
        seen.frames >= FRAMES && seen.audio > 50
    });
    if let Err(wrong) = picture::check(&seen.bars) {
        panic!("wrong picture: {wrong}; {seen:?}");
    }
}

#[test]
fn libdatachannel_views() {
    let (gateway, decoder) = (showing(), Decoder::new());
    let peer = Peer::libdatachannel_views(&gateway.whep("cam"), &decoder);
    decodes(&peer, &decoder);
}

#[test]
fn werift_views() {
    let (gateway, decoder) = (showing(), Decoder::new());
    let peer = Peer::werift_views(&gateway.whep("cam"), &decoder);
    decodes(&peer, &decoder);
}

#[test]
fn aiortc_publishes() {
    let gateway = waiting();
    let _publisher = Peer::aiortc_publishes(&gateway.whip("cam"), &children::media(Media::Mp4));
    gateway.wait_state("cam", "running", secs(20));
    // It encodes 720 lines in Python's process: what comes of 30 frames a second depends on the machine.
    aiortc_sees(&gateway, 30);
}

#[test]
fn libdatachannel_publishes() {
    let gateway = waiting();
    let (publisher, port) = Peer::libdatachannel_publishes(&gateway.whip("cam"));
    let _packets = PacketSource::start(port);
    gateway.wait_state("cam", "running", secs(20));
    publisher.until(secs(10), "packets", |seen| seen.video > 100);
    aiortc_sees(&gateway, FRAMES);
}

/// Our ICE agent, handed to a webrtcbin by another language.
#[test]
fn the_ice_agent_answers_in_a_webrtcbin_of_python() {
    let registry = tempfile::tempdir().expect("a folder");
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../plugins/webrtc/examples/ice-agent.py"
    );
    // Debian's own: PyGObject is there, and not in whatever comes first in the path.
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg(example)
        .env("GST_PLUGIN_PATH", our_plugins("sluicewebrtc"))
        .env("GST_REGISTRY", registry.path().join("registry.bin"));
    let mut python = Process::spawn("python", &mut command);
    let ended = python.wait_exit(secs(80));
    let success = ended.is_some_and(|status| status.success());
    assert!(success, "{ended:?}: {}", python.log());
    assert!(python.log().contains("50 packets came"), "{}", python.log());
}
