//! RTP and RTCP from the wrong place, sent again, or made of nonsense.

use std::net::UdpSocket;
use std::time::Duration;

use sluice_tests::gateway::Gateway;
use sluice_tests::publisher::{Publisher, PublisherOptions, Spoil};
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers, outward_address};

use super::{Bystanders, has_counted, is_sane};
use crate::conformance::gateway;
use crate::secs;

pub(super) fn small(video: Payload) -> PublisherOptions {
    PublisherOptions {
        video: Some(video),
        size: (320, 180),
        ..PublisherOptions::default()
    }
}

pub(super) fn publishing(gateway: &Gateway, options: &PublisherOptions) -> Publisher {
    let publisher = Publisher::start(&gateway.whip("studio"), options);
    // The path may still show the codec of the one before.
    let label = match options.video {
        Some(Payload::H264) => "H.264",
        Some(Payload::Vp9) => "VP9",
        Some(_) | None => "VP8",
    };
    let shown = |path: &serde_json::Value| {
        path["state"] == "running" && path["tracks"][0]["codec"] == label
    };
    gateway.wait_path("studio", secs(15), shown);
    publisher
}

pub(super) fn watch(viewers: &Viewers, gateway: &Gateway, codec: Payload) -> Viewer {
    let options = ViewerOptions {
        codecs: vec![codec],
        ..ViewerOptions::default()
    };
    viewers.watch(&gateway.whep("studio"), options)
}

#[test]
fn h19_rtp_from_another_address_or_sent_again_reaches_no_viewer() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let publisher = publishing(&gateway, &small(Payload::Vp8));
    let viewers = Viewers::new();
    let viewer = watch(&viewers, &gateway, Payload::Vp8);
    let server = publisher.ice().server;
    let stranger = UdpSocket::bind((outward_address(), 0)).expect("a socket");
    let before = gateway.path("studio")["publisher"]["packets_received"].as_u64();
    let counted = gateway.media();
    for _ in 0..500 {
        let packet = publisher.last_packet();
        stranger.send_to(&packet, server).expect("sent");
        let mut changed = packet.clone();
        changed[3] = changed[3].wrapping_add(7);
        // One bit of the payload.
        let mut flipped = packet.clone();
        flipped[20] ^= 1;
        stranger.send_to(&changed, server).expect("sent");
        publisher.send_raw(&packet);
        publisher.send_raw(&changed);
        publisher.send_raw(&flipped);
    }
    viewer.wait_frames(45, secs(10));
    let counts = viewer.counts();
    assert!(!counts.closed && counts.longest_gap < secs(1), "{counts:?}");
    let after = gateway.path("studio")["publisher"]["packets_received"].as_u64();
    let taken = after.unwrap_or(0) - before.unwrap_or(0);
    let sent = publisher.published().packets;
    assert!(
        taken <= sent,
        "{taken} packets were taken, {sent} were sent"
    );
    bystanders.unharmed();
    has_counted(&gateway, &counted, "packets_of_strangers", 600);
    let shown = gateway.path("studio")["publisher"].clone();
    // Each packet a second time, and each with another number than its tag is for.
    let inauthentic = shown["packets_inauthentic"].as_u64();
    assert!(inauthentic >= Some(600), "{shown:#}");
    is_sane(&gateway);
}

/// H.264 payloads that lie: pieces without an end or a beginning, aggregates whose lengths run over, nothing.
fn bad_h264(number: u64, payload: Vec<u8>) -> Vec<u8> {
    if number < 60 || !number.is_multiple_of(5) {
        return payload;
    }
    let bad: [&[u8]; 10] = [
        &[0x7c],
        &[0x7c, 0x85],
        &[0x7c, 0x05, 1, 2, 3],
        &[0x7c, 0xc5, 1],
        &[0x18, 0xff, 0xff, 1],
        &[0x18, 0x00, 0x00, 0x00, 0x01],
        &[0x18, 0x00],
        &[0x67],
        &[0x1f, 0xff, 0xff],
        &[0x00],
    ];
    let index = usize::try_from(number / 5).unwrap_or(0) % bad.len();
    bad[index].to_vec()
}

/// VP8 payloads whose descriptor runs over, whose partition begins nowhere, or that are empty.
fn bad_vp8(number: u64, payload: Vec<u8>) -> Vec<u8> {
    if number < 60 || !number.is_multiple_of(5) {
        return payload;
    }
    let bad: [&[u8]; 8] = [
        &[],
        &[0x80],
        &[0x90, 0xf0],
        &[0x90, 0x80, 0x80],
        &[0x90, 0xff, 0xff],
        &[0x17, 0x00],
        &[0x10],
        &[0xff; 6],
    ];
    let index = usize::try_from(number / 5).unwrap_or(0) % bad.len();
    bad[index].to_vec()
}

/// VP9 payloads whose descriptor promises more than there is.
fn bad_vp9(number: u64, payload: Vec<u8>) -> Vec<u8> {
    if number < 60 || !number.is_multiple_of(5) {
        return payload;
    }
    let bad: [&[u8]; 8] = [
        &[],
        &[0x80],
        &[0x80, 0x80],
        &[0xf0, 0xff, 0xff, 1, 1],
        &[0x02, 0xff],
        &[0x0a, 0xf8, 1, 2, 3],
        &[0x2a, 0x10, 0x1f],
        &[0xff; 7],
    ];
    let index = usize::try_from(number / 5).unwrap_or(0) % bad.len();
    bad[index].to_vec()
}

#[test]
fn h20_nonsense_after_decryption_harms_nobody() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let spoilers: [(Payload, Spoil); 3] = [
        (Payload::H264, bad_h264),
        (Payload::Vp8, bad_vp8),
        (Payload::Vp9, bad_vp9),
    ];
    for (codec, spoil) in spoilers {
        let options = PublisherOptions {
            spoil: Some(spoil),
            ..small(codec)
        };
        let publisher = publishing(&gateway, &options);
        let viewers = Viewers::new();
        let viewer = watch(&viewers, &gateway, codec);
        sluice_tests::wait::until(secs(20), "the spoilt packets", || {
            (publisher.published().packets > 600).then_some(())
        });
        assert!(!viewer.counts().closed, "{:?}", viewer.counts());
        // A publisher that behaves takes its place, and is shown.
        let honest = publishing(&gateway, &small(codec));
        let again = watch(&viewers, &gateway, codec);
        again.wait_frames(30, secs(10));
        assert_eq!(honest.delete().status, 200);
        drop(publisher);
        gateway.wait_state("studio", "waiting", secs(15));
    }
    bystanders.unharmed();
    is_sane(&gateway);
}

#[test]
fn h21_storms_of_nack_and_pli_and_absurd_remb_slow_nobody() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let publisher = publishing(&gateway, &small(Payload::Vp8));
    let viewers = Viewers::new();
    // Six of ten packets are lost on arrival: each asks again and again.
    let options = ViewerOptions {
        codecs: vec![Payload::Vp8],
        drop_percent: 60.0,
        ..ViewerOptions::default()
    };
    let storms = viewers.join(&gateway.whep("studio"), options);
    let honest = watch(&viewers, &gateway, Payload::Vp8);
    let asked = publisher.published().key_frames_asked;
    let begin = std::time::Instant::now();
    let mut n = 0_u64;
    while begin.elapsed() < secs(4) {
        storms.ask_for_key_frame(n.is_multiple_of(2));
        honest.ask_for_key_frame(!n.is_multiple_of(2));
        storms.say_remb(
            [0, 1, 4_000_000_000, u64::from(u32::MAX)][usize::try_from(n % 4).unwrap_or(0)],
        );
        honest.say_remb([0, 4_000_000_000][usize::try_from(n % 2).unwrap_or(0)]);
        n += 1;
        sluice_tests::wait::pass(Duration::from_millis(4));
    }
    let asked = publisher.published().key_frames_asked - asked;
    assert!(asked <= 6, "the publisher was asked {asked} times in 4 s");
    assert!(
        storms.counts().nacks > 20,
        "no storm: {:?}",
        storms.counts()
    );
    honest.wait_frames(30, secs(5));
    bystanders.unharmed();
    is_sane(&gateway);
}
