//! DTLS, and viewers who sleep, move or die.

use std::net::UdpSocket;
use std::time::Duration;

use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::stun;
use sluice_tests::viewer::{ViewerOptions, Viewers, outward_address};
use sluice_tests::wait::until;

use super::{Bystanders, has_counted, is_sane};
use crate::conformance::{VIEWERS, ask, gateway, session};
use crate::secs;

/// A DTLS record of the first epoch (RFC 6347, 4.1).
fn record(kind: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short");
    let mut record = vec![kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number];
    record.extend(length.to_be_bytes());
    record.extend(body);
    record
}

/// A `ClientHello` that offers no encryption (`TLS_NULL_WITH_NULL_NULL`): the race of CVE-2023-51443.
fn client_hello(number: u8) -> Vec<u8> {
    let mut hello = vec![0xfe, 0xfd];
    hello.extend([number; 32]);
    // No session, no cookie, one cipher, no compression.
    hello.extend([0, 0, 0, 2, 0, 0, 1, 0]);
    let length = u8::try_from(hello.len()).expect("short");
    let mut message = vec![1, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, length];
    message.extend(hello);
    record(22, number, &message)
}

#[test]
fn h15_a_foreign_client_hello_before_ice_does_not_take_the_session() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let viewers = Viewers::new();
    let deaf = ViewerOptions {
        deaf: true,
        ..ViewerOptions::default()
    };
    let viewer = viewers.join(&gateway.whep("cam"), deaf);
    assert_eq!(viewer.reply.status, 201, "{}", viewer.reply.body);
    let server = viewer.ice().server;
    let stranger = UdpSocket::bind((outward_address(), 0)).expect("a socket");
    let counted = gateway.media();
    let packets = [
        client_hello(1),
        record(21, 2, &[2, 40]),
        stun::request("a:b", None, true),
        vec![0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3],
        vec![0x80, 200, 0, 1, 0, 0, 0, 1],
        vec![0x55; 100],
    ];
    for n in 0..2000 {
        stranger
            .send_to(&packets[n % packets.len()], server)
            .expect("sent");
    }
    viewer.wake();
    viewer.wait_key_frame(secs(15));
    viewer.wait_frames(15, secs(5));
    bystanders.unharmed();
    // Of six, one is a check.
    has_counted(&gateway, &counted, "packets_of_strangers", 1000);
    has_counted(&gateway, &counted, "checks_refused", 200);
    is_sane(&gateway);
}

#[test]
fn h16_dtls_that_is_malformed_forged_or_never_finished_ends_nobody_else() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    // Whoever knows the credentials, and then sends pieces of a ClientHello and no more.
    let (reply, half) = session(&gateway.whep("cam"), VIEWERS);
    let ice = stun::IceSession::of(VIEWERS, &reply.body, outward_address());
    let socket = UdpSocket::bind((outward_address(), 0)).expect("a socket");
    socket
        .send_to(&ice.request(true), ice.server)
        .expect("sent");
    let hello = client_hello(1);
    for piece in [&hello[..20], &hello[..13], &hello] {
        socket.send_to(piece, ice.server).expect("sent");
    }

    let forged = [
        // Alerts in the clear: a fatal one, and a close_notify.
        record(21, 9, &[2, 40]),
        record(21, 10, &[1, 0]),
        // A new handshake, whole, in pieces, and again.
        client_hello(11),
        client_hello(11),
        client_hello(12)[..25].to_vec(),
        // Lengths that lie, application data of the wrong epoch, an unknown type, nothing.
        vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 1, 2],
        vec![22, 0xfe, 0xfd],
        record(23, 13, &[0; 64]),
        record(63, 14, &[0; 8]),
        vec![23, 0xfe, 0xfd, 0, 9, 0, 0, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4],
        vec![20],
    ];
    let victim = bystanders.victim();
    let stranger = UdpSocket::bind((outward_address(), 0)).expect("a socket");
    let counted = gateway.media();
    for _ in 0..50 {
        for datagram in &forged {
            victim.send_raw(datagram);
            stranger
                .send_to(datagram, victim.ice().server)
                .expect("sent");
        }
    }
    bystanders.unharmed();
    has_counted(&gateway, &counted, "packets_of_strangers", 400);
    assert_eq!(ask("DELETE", &half).status, 200);
    is_sane(&gateway);
}

#[test]
fn h17_a_certificate_that_was_not_named_gets_nothing_and_gives_nothing() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let viewers = Viewers::new();
    let liar = ViewerOptions {
        false_fingerprint: true,
        ..ViewerOptions::default()
    };
    let viewer = viewers.join(&gateway.whep("cam"), liar);
    let options = PublisherOptions {
        false_fingerprint: true,
        ..PublisherOptions::default()
    };
    let publisher = Publisher::join(&gateway.whip("studio"), &options);
    for (location, what) in [
        (viewer.location(), "viewer"),
        (publisher.location(), "publisher"),
    ] {
        let gone = || (ask("GET", &location).status == 404).then_some(());
        until(secs(20), &format!("the end of the lying {what}"), gone);
    }
    assert_eq!(viewer.counts().media_packets, 0, "{:?}", viewer.counts());
    let path = gateway.path("studio");
    assert_eq!(path["tracks"].as_array().map(Vec::len), Some(0), "{path:#}");
    bystanders.unharmed();
    is_sane(&gateway);
}

#[test]
fn h24_a_viewer_that_sleeps_a_little_plays_on_and_one_that_dies_harms_nobody() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let viewers = Viewers::new();
    let watch = || viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let (sleeper, dead) = (watch(), watch());
    sleeper.suspend(secs(6));
    drop(dead);
    sluice_tests::wait::pass(secs(6) + Duration::from_millis(500));
    sleeper.wait_frames(30, secs(10));
    // It comes back with a new session, as players do.
    let again = watch();
    again.wait_frames(15, secs(5));
    bystanders.unharmed();
    is_sane(&gateway);
}

#[test]
fn h24_a_viewer_whose_address_changes_plays_again_with_a_new_session() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let viewers = Viewers::new();
    let watch = || viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let moved = watch();
    moved.rebind();
    let again = watch();
    again.wait_frames(15, secs(5));
    assert_eq!(ask("DELETE", &moved.location()).status, 200);
    bystanders.unharmed();
    is_sane(&gateway);
}
