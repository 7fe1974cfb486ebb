//! Section 6: ICE, consent, RTP.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use sluice_tests::gateway::Gateway;
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::stun::{self, IceSession};
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers, outward_address};

use super::{VIEWERS, both, gateway, one_port, patch, post, refused, session, started};
use sluice_tests::wait::within;

use crate::secs;

/// A socket, and an offer whose only candidate it is.
fn bare(offer: &str) -> (UdpSocket, String) {
    let socket = UdpSocket::bind((outward_address(), 0)).expect("a socket");
    let address = socket.local_addr().expect("bound");
    let place = format!("{} {}", address.ip(), address.port());
    (socket, offer.replace("127.0.0.1 40123", &place))
}

/// The first bytes of all datagrams that come within `limit`.
fn heard(socket: &UdpSocket, limit: Duration) -> Vec<u8> {
    let end = Instant::now() + limit;
    let mut first = Vec::new();
    let mut buffer = [0; 2048];
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        let timeout = left.max(Duration::from_millis(1));
        socket.set_read_timeout(Some(timeout)).expect("a timeout");
        if let Ok((length, _)) = socket.recv_from(&mut buffer) {
            first.extend(buffer[..length].first());
        }
    }
    first
}

/// Small pictures in VP8, with sound.
pub(super) fn small() -> PublisherOptions {
    PublisherOptions {
        video: Some(Payload::Vp8),
        size: (320, 180),
        ..PublisherOptions::default()
    }
}

/// Publishes to `studio`, and somebody watches. The group must live as long as its viewer.
pub(super) fn watched(
    gateway: &Gateway,
    options: &PublisherOptions,
) -> (Publisher, Viewers, Viewer) {
    let publisher = Publisher::start(&gateway.whip("studio"), options);
    gateway.wait_state("studio", "running", secs(15));
    let viewers = Viewers::new();
    let codec = ViewerOptions {
        codecs: options.video.into_iter().collect(),
        ..ViewerOptions::default()
    };
    let viewer = viewers.watch(&gateway.whep("studio"), codec);
    (publisher, viewers, viewer)
}

#[test]
fn c65_nothing_but_stun_is_sent_before_a_pair_is_valid() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let (socket, offer) = bare(&offer);
        let (reply, location) = session(&url, &offer);
        let server = stun::server_of(&reply.body, outward_address());
        // A ClientHello and a packet of RTP from somebody who has shown nothing.
        for bytes in [
            &[0x16, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1][..],
            &[0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1],
        ] {
            socket.send_to(bytes, server).expect("sent");
        }
        let heard = heard(&socket, secs(2));
        // STUN begins with 0 to 3 (RFC 7983).
        assert!(heard.iter().all(|first| *first < 4), "{heard:?}");
        assert_eq!(
            super::ask("GET", &location).status,
            204,
            "stray packets end no session"
        );
    }
}

#[test]
fn c64_who_answers_no_stun_is_asked_every_five_seconds_and_sent_nothing_after_thirty() {
    let gateway = started(&one_port());
    let viewers = Viewers::new();
    let patient = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let silent = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    silent.wait_frames(15, secs(10));
    within(secs(20), || {
        (silent.counts().checks.len() >= 3).then_some(())
    });
    let checks = silent.counts().checks;
    for pair in checks.windows(2) {
        let wait = pair[1].saturating_duration_since(pair[0]);
        // 4 to 6 s, each of them looked for four times a second.
        let right = Duration::from_millis(3700)..Duration::from_millis(6600);
        assert!(right.contains(&wait), "{wait:?} between two checks");
    }

    // Its reports and its own checks go on.
    silent.withdraw_consent();
    let withdrawn = Instant::now();

    gateway.wait_viewers("cam", 1, secs(36));
    let waited = withdrawn.elapsed();
    assert!(
        waited > secs(23),
        "consent lasts for 30 s, and ended after {waited:?}"
    );
    let at_the_end = silent.counts().media_packets;
    patient.wait_frames(30, secs(5));
    assert_eq!(silent.counts().media_packets, at_the_end);
    // The same credentials never work again.
    let ice = silent.ice();
    let socket = UdpSocket::bind((outward_address(), 0)).expect("a socket");
    socket
        .send_to(&ice.request(true), ice.server)
        .expect("sent");
    assert_eq!(stun::reply(&socket, Duration::from_millis(500)), None);
}

#[test]
fn c66_stun_with_wrong_credentials_is_not_answered_with_success_and_changes_nothing() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let ice = viewer.ice();
    let stranger = UdpSocket::bind((outward_address(), 0)).expect("a socket");
    let wrong_user = format!("x{}", ice.username);
    for request in [
        stun::request(&ice.username, Some("0123456789012345678901"), true),
        stun::request(&ice.username, None, true),
        stun::request(&wrong_user, Some(&ice.password), true),
        stun::request("", Some(&ice.password), true),
    ] {
        stranger.send_to(&request, ice.server).expect("sent");
        let reply = stun::reply(&stranger, Duration::from_millis(500));
        assert_ne!(reply, Some(0));
    }
    let seen = heard(&stranger, Duration::from_millis(300));
    assert!(
        seen.iter().all(|first| *first < 4),
        "media for a stranger: {seen:?}"
    );
    viewer.wait_frames(15, secs(5));
}

#[test]
fn c67_a_role_conflict_is_settled_and_credentials_have_their_lengths() {
    let gateway = gateway();
    let (socket, offer) = bare(VIEWERS);
    let (reply, _) = session(&gateway.whep("cam"), &offer);
    let ice = IceSession::of(&offer, &reply.body, outward_address());
    // Both say that they are controlled: one has to give in (RFC 8445, 7.3.1.1).
    for controlling in [true, false] {
        socket
            .send_to(&ice.request(controlling), ice.server)
            .expect("sent");
        let reply = stun::reply(&socket, secs(3));
        assert!(
            matches!(reply, Some(0 | 487)),
            "controlling {controlling}: {reply:?}"
        );
    }
    let (ufrag, pwd) = ("gBs2VmA8Zt1x5kQe", "xQ2mL8vR4tYp0aWn3cHb7sKd");
    for (url, offer) in both(&gateway) {
        for (old, new, status) in [
            (ufrag, "abc".to_owned(), 400),
            (ufrag, "abcd".to_owned(), 201),
            (ufrag, "a".repeat(256), 201),
            (ufrag, "a".repeat(257), 400),
            (ufrag, "with space".to_owned(), 400),
            (pwd, "a".repeat(21), 400),
            (pwd, "a".repeat(22), 201),
            (pwd, "a".repeat(256), 201),
            (pwd, "a".repeat(257), 400),
        ] {
            let reply = post(&url, &offer.replace(old, &new));
            assert_eq!(reply.status, status, "{new}: {}", reply.body);
            if let Some(location) = reply.location {
                super::ask("DELETE", &location);
            }
        }
    }
}

#[test]
fn c69_pli_and_fir_bring_a_key_frame_but_not_more_than_one_a_second() {
    // The key frames of the cache are none: what comes was asked for.
    let gateway = gateway();
    let (publisher, _viewers, viewer) = watched(&gateway, &small());
    // FIR first: GStreamer would pass it over until the viewer's first report, seconds after this.
    for by_fir in [true, false] {
        let before = viewer.counts().key_frames;
        viewer.wait_frames(45, secs(10));
        viewer.ask_for_key_frame(by_fir);
        let more = || (viewer.counts().key_frames > before).then_some(());
        sluice_tests::wait::until(secs(5), "the key frame that was asked for", more);
    }
    let (asked, begin) = (publisher.published().key_frames_asked, Instant::now());
    while begin.elapsed() < secs(3) {
        viewer.ask_for_key_frame(false);
        sluice_tests::wait::pass(Duration::from_millis(5));
    }
    let seconds = begin.elapsed().as_secs();
    let asked = publisher.published().key_frames_asked - asked;
    assert!((1..=seconds + 1).contains(&asked), "{asked} in {seconds} s");
}

#[test]
fn c70_each_session_has_a_cname_of_its_own_and_one_for_all_its_tracks() {
    let gateway = gateway();
    let cnames = || {
        let (reply, _) = session(&gateway.whep("cam"), VIEWERS);
        let lines = reply
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("a=ssrc:"));
        let mut names: Vec<_> = lines
            .filter_map(|line| line.split_once(" cname:"))
            .map(|(_, name)| name.trim().to_owned())
            .collect();
        assert!(names.len() >= 2, "{}", reply.body);
        names.dedup();
        assert_eq!(names.len(), 1, "{names:?}");
        names.remove(0)
    };
    assert_ne!(cnames(), cnames());
}

#[test]
fn c71_sequence_numbers_and_timestamps_may_wrap() {
    let gateway = gateway();
    let options = PublisherOptions {
        // A second of pictures until the timestamp wraps, less until the sequence number does.
        first: (65_500, u32::MAX - 90_000),
        ..small()
    };
    let (publisher, _viewers, viewer) = watched(&gateway, &options);
    viewer.wait_frames(120, secs(15));
    viewer.wait_audio(200, secs(15));
    let counts = viewer.counts();
    assert!(
        publisher.published().packets > 300,
        "{:?}",
        publisher.published()
    );
    assert!(counts.longest_gap < secs(1), "{counts:?}");
    let path = gateway.path("studio");
    assert_eq!(path["publisher"]["packets_refused"], 0, "{path:#}");
}

#[test]
fn c71_extension_ids_that_are_reserved_are_refused_or_passed_over() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let zero = offer.replace("a=extmap:3 ", "a=extmap:0 ");
        refused(&post(&url, &zero), 400, &["extmap"]);
        for reserved in ["15", "16", "255"] {
            let other = offer.replace("a=extmap:4 ", &format!("a=extmap:{reserved} "));
            let reply = post(&url, &other);
            assert_eq!(reply.status, 201, "{reserved}: {}", reply.body);
            let taken = format!("a=extmap:{reserved}");
            assert!(!reply.body.contains(&taken), "{}", reply.body);
            super::ask("DELETE", &reply.location.expect("a Location"));
        }
    }
}

#[test]
fn c72_srtp_packets_that_were_changed_or_sent_again_are_dropped() {
    let gateway = gateway();
    let (publisher, _viewers, viewer) = watched(&gateway, &small());
    viewer.wait_frames(15, secs(5));
    for n in 0..300_u16 {
        let mut packet = publisher.last_packet();
        publisher.send_raw(&packet);
        // Another sequence number under the same tag, and a tag that is none.
        let last = packet.len() - 1;
        packet[last] ^= 0x55;
        publisher.send_raw(&packet);
        packet[2..4].copy_from_slice(&(n.wrapping_mul(97)).to_be_bytes());
        publisher.send_raw(&packet);
    }
    viewer.wait_frames(60, secs(10));
    let counts = viewer.counts();
    assert!(!counts.closed && counts.longest_gap < secs(1), "{counts:?}");
    assert!(!publisher.published().closed, "{:?}", publisher.published());
    assert_eq!(
        patch(&publisher.location(), None, "").status,
        428,
        "the session is still there"
    );
}
