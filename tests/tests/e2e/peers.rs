//! Other people's WebRTC stacks view and publish: aiortc, libdatachannel, werift.

use sluice_tests::children::{self, Media};
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::peers::{Decoder, PacketSource, Peer};
use sluice_tests::picture;
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
