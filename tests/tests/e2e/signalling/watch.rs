//! Consumers: lists, offers both ways, several sessions on one socket.

use serde_json::json;
use sluice_tests::camera::Camera;
use sluice_tests::gateway::GatewayOptions;
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::signalling::Socket;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{ViewerOptions, Viewers};

use super::{end, gateway, sdp, wait_empty, watch, ws};
use crate::secs;

#[test]
fn a_peer_is_greeted_and_finds_the_paths() {
    let gateway = gateway();
    let (mut one, two) = (Socket::open(&ws(&gateway)), Socket::open(&ws(&gateway)));
    assert_eq!((one.id.len(), two.id.len()), (22, 22));
    assert_ne!(one.id, two.id);
    assert_eq!(one.list(), ["cam", "yard"]);
}

#[test]
fn who_listens_hears_of_publishers_that_come_and_go() {
    let gateway = GatewayOptions::new()
        .path("studio", "publisher")
        .path("cam", super::SMALL)
        .start();
    gateway.wait_state("studio", "waiting", secs(10));
    let mut socket = Socket::open(&ws(&gateway));
    assert_eq!(socket.list(), ["cam"]);
    socket.send(&json!({"type": "setPeerStatus", "roles": ["listener"], "meta": null}));
    let own = socket.wait("peerStatusChanged");
    assert_eq!(own["peerId"], socket.id, "{own}");

    let publisher = Publisher::start(&gateway.whip("studio"), &PublisherOptions::default());
    let come = socket.wait("peerStatusChanged");
    assert_eq!(come["peerId"], "studio", "{come}");
    assert_eq!(come["roles"], json!(["producer"]), "{come}");
    assert_eq!(publisher.delete().status, 200);
    let gone = socket.wait("peerStatusChanged");
    assert_eq!(
        (&gone["peerId"], &gone["roles"]),
        (&json!("studio"), &json!([]))
    );
}

#[test]
fn a_viewer_that_is_offered_gets_pictures_and_sound_from_the_cached_group() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let mut socket = Socket::open(&ws(&gateway));
    let watching = watch(&mut socket, &viewers, "cam", ViewerOptions::default());
    watching.viewer.wait_key_frame(secs(15));
    watching.viewer.wait_frames(50, secs(15));
    watching.viewer.wait_audio(50, secs(15));
    let counts = watching.viewer.counts();
    assert_eq!(counts.codec.as_deref(), Some("H264"), "{counts:?}");
    assert_eq!(counts.video.lost, 0, "{counts:?}");

    let listed = gateway.viewers("cam");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["state"], "playing", "{listed:?}");
    assert_eq!(listed[0]["codec_video"], "H.264", "{listed:?}");
    assert!(
        listed[0]["lists_around_fec"].as_u64() > Some(10),
        "{listed:?}"
    );

    socket.send(&end(&watching.session));
    wait_empty(&gateway, "cam");
    // Its socket lives on.
    assert_eq!(socket.list(), ["cam", "yard"]);
}

#[test]
fn a_viewer_that_is_offered_gets_what_webrtc_does_not_carry_made_into_h264() {
    let camera = Camera::with("--codec h265 --size 640x360 --rate 15");
    let gateway = crate::serving(&camera);
    let viewers = Viewers::new();
    let mut socket = Socket::open(&ws(&gateway));
    let watching = watch(&mut socket, &viewers, "cam", ViewerOptions::default());
    watching.viewer.wait_frames(30, secs(20));
    assert_eq!(watching.viewer.counts().codec.as_deref(), Some("H264"));
    let path = gateway.path("cam");
    assert_eq!(path["renditions"][0]["viewers"], 1, "{path:#}");
    socket.send(&end(&watching.session));
    wait_empty(&gateway, "cam");
    assert_eq!(gateway.path("cam")["renditions"][0]["viewers"], 0);
}

#[test]
fn a_viewer_that_offers_is_answered_and_gets_pictures() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let mut socket = Socket::open(&ws(&gateway));
    let viewer = viewers.offer(ViewerOptions::default());
    socket.send(&json!({"type": "startSession", "peerId": "cam", "offer": viewer.offer}));
    let started = socket.wait("sessionStarted");
    let answer = socket.wait_for("answer", |message| message["sdp"]["type"] == "answer");
    assert_eq!(answer["sessionId"], started["sessionId"]);
    let answer = answer["sdp"]["sdp"].as_str().unwrap_or_default();
    assert!(
        !answer.contains("a=candidate"),
        "candidates trickle: {answer}"
    );
    viewers.on_answer(&viewer, answer);
    let watching = super::Watching {
        session: started["sessionId"].clone(),
        viewer,
    };
    super::take_candidate(&mut socket, &watching);
    watching.viewer.wait_key_frame(secs(15));
    watching.viewer.wait_frames(25, secs(15));
}

#[test]
fn one_socket_has_several_sessions_and_ends_one_of_them() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let mut socket = Socket::open(&ws(&gateway));
    let mut watch = |path| watch(&mut socket, &viewers, path, ViewerOptions::default());
    let (one, two, three) = (watch("cam"), watch("yard"), watch("cam"));
    for watching in [&one, &two, &three] {
        watching.viewer.wait_key_frame(secs(20));
    }
    assert_eq!(gateway.viewers("cam").len(), 2);
    socket.send(&end(&one.session));
    gateway.wait_viewers("cam", 1, secs(10));
    two.viewer.wait_frames(25, secs(15));
    three.viewer.wait_frames(25, secs(15));

    // The socket vanishes, and its sessions with it.
    drop(socket);
    wait_empty(&gateway, "cam");
    wait_empty(&gateway, "yard");
}

#[test]
fn an_answer_that_does_not_take_the_picture_is_told_why() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let mut socket = Socket::open(&ws(&gateway));
    socket.start("cam");
    let session = socket.wait("sessionStarted")["sessionId"].clone();
    let offer = socket.wait_for("offer", |message| message["sdp"]["type"] == "offer");
    let offer = offer["sdp"]["sdp"].as_str().unwrap_or_default();
    let options = ViewerOptions {
        codecs: vec![Payload::Vp8],
        ..ViewerOptions::default()
    };
    let viewer = viewers.answer(offer, std::time::Instant::now(), options);
    socket.send(&sdp(&session, "answer", &viewer.offer));
    let error = socket.wait("error");
    let details = error["details"].as_str().unwrap_or_default();
    assert!(details.contains("H.264"), "{error}");
    assert_eq!(socket.wait("endSession")["sessionId"], session);
    wait_empty(&gateway, "cam");
}

#[test]
fn a_false_certificate_gets_no_picture_and_ends_the_session() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let mut socket = Socket::open(&ws(&gateway));
    let options = ViewerOptions {
        false_fingerprint: true,
        ..ViewerOptions::default()
    };
    let watching = watch(&mut socket, &viewers, "cam", options);
    assert_eq!(socket.wait("endSession")["sessionId"], watching.session);
    let counts = watching.viewer.counts();
    assert_eq!(counts.media_packets, 0, "{counts:?}");
    // The log is read as it comes.
    let said = || gateway.log().contains("does not fit").then_some(());
    sluice_tests::wait::until(secs(5), "the reason in the log", said);
}

#[test]
fn a_path_that_there_is_not_or_that_has_no_publisher_is_a_sentence() {
    let gateway = GatewayOptions::new().path("studio", "publisher").start();
    gateway.wait_state("studio", "waiting", secs(10));
    let mut socket = Socket::open(&ws(&gateway));
    for (path, words) in [
        ("nowhere", "no path \"nowhere\""),
        ("../etc", "no path"),
        ("studio", "publisher"),
    ] {
        socket.start(path);
        let error = socket.wait("error");
        let details = error["details"].as_str().unwrap_or_default();
        assert!(details.contains(words), "{path}: {error}");
    }
}

#[test]
fn when_the_gateway_stops_sessions_end_and_the_socket_is_closed() {
    let mut gateway = gateway();
    let viewers = Viewers::new();
    let mut socket = Socket::open(&ws(&gateway));
    let watching = watch(&mut socket, &viewers, "cam", ViewerOptions::default());
    watching.viewer.wait_key_frame(secs(15));
    let status = gateway.terminate(secs(10)).expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(socket.wait("endSession")["sessionId"], watching.session);
    assert_eq!(socket.wait_closed(secs(5)), 1001);
}
