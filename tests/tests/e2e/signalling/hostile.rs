//! What nobody should send, and sockets that say nothing.

use std::time::Instant;

use serde_json::json;
use sluice_tests::signalling::Socket;
use sluice_tests::viewer::{ViewerOptions, Viewers};
use tungstenite::Message;

use super::{gateway, wait_empty, watch, ws};
use crate::secs;

#[test]
fn malformed_unknown_and_oversized_messages_are_answered_and_others_play_on() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let mut honest = Socket::open(&ws(&gateway));
    let watching = watch(&mut honest, &viewers, "cam", ViewerOptions::default());
    watching.viewer.wait_key_frame(secs(15));

    let mut socket = Socket::open(&ws(&gateway));
    let long = format!("{{\"type\":\"list\",\"x\":\"{}\"}}", "x".repeat(70_000));
    let deep = "[".repeat(60_000);
    for text in [
        "",
        "hello",
        "[]",
        "{\"type\":\"newPeer\"}",
        "{\"type\":\"shutdown\"}",
        "{\"type\":\"startSession\"}",
        "{\"type\":\"peer\",\"sessionId\":\"x\",\"ice\":{\"candidate\":\"c\",\"sdpMLineIndex\":-1}}",
        "{\"type\":\"peer\",\"sessionId\":\"x\",\"sdp\":{\"type\":\"answer\",\"sdp\":\"v=0\"}}",
        "{\"type\":\"endSession\",\"sessionId\":\"\\u0000<script>\"}",
        &long,
        &deep,
    ] {
        socket.send_text(text);
        let error = socket.wait("error");
        assert!(
            error["details"]
                .as_str()
                .is_some_and(|words| words.len() < 300)
        );
    }
    socket.send_frame(Message::binary(vec![0, 1, 2]));
    socket.wait("error");
    // An offer and candidates that are none.
    socket.send(&json!({"type": "startSession", "peerId": "cam", "offer": "v=0\r\nm=video"}));
    socket.wait("error");
    let attacked = {
        socket.start("cam");
        socket.wait("sessionStarted")["sessionId"].clone()
    };
    for candidate in ["", "x", "candidate:1 1 udp 1 224.0.0.1 5353 typ host"] {
        let ice = json!({"candidate": candidate, "sdpMLineIndex": 4_000_000_000_u32});
        socket.send(&json!({"type": "peer", "sessionId": attacked, "ice": ice}));
    }
    assert_eq!(socket.list(), ["cam", "yard"]);
    assert_eq!(socket.closed, None);

    watching.viewer.wait_frames(25, secs(15));
    let counts = watching.viewer.counts();
    assert_eq!(counts.video.lost, 0, "{counts:?}");
}

#[test]
fn a_message_of_megabytes_ends_its_socket_only() {
    let gateway = gateway();
    let mut socket = Socket::open(&ws(&gateway));
    socket.send_text(&"x".repeat(2 << 20));
    let code = socket.wait_closed(secs(10));
    // The close frame may be lost behind what was not read.
    assert!(matches!(code, 1009 | 0), "{code}");
    assert_eq!(Socket::open(&ws(&gateway)).list().len(), 2);
}

#[test]
fn a_flood_is_cut_off_and_others_are_answered_meanwhile() {
    let gateway = gateway();
    let mut flooding = Socket::open(&ws(&gateway));
    let mut honest = Socket::open(&ws(&gateway));
    for round in 0..4 {
        for _ in 0..1000 {
            flooding.send_text("{\"type\":\"list\"}");
        }
        let begin = Instant::now();
        assert_eq!(honest.list().len(), 2);
        assert!(begin.elapsed() < secs(3), "{round}: {:?}", begin.elapsed());
    }
    let code = flooding.wait_closed(secs(15));
    assert!(matches!(code, 1008 | 0), "{code}");
}

#[test]
fn too_many_sockets_of_one_client_are_refused() {
    let gateway = gateway();
    let mut open = Vec::new();
    let status = loop {
        match Socket::try_open(&ws(&gateway), &[]) {
            Ok(socket) => open.push(socket),
            Err(status) => break status,
        }
        assert!(open.len() < 200, "never refused");
    };
    assert_eq!((open.len(), status), (64, 503));
    open.pop();
    let opened = sluice_tests::wait::within(secs(10), || Socket::try_open(&ws(&gateway), &[]).ok());
    assert!(opened.is_some(), "there is room again");
}

#[test]
fn a_socket_that_is_silent_is_asked_and_one_that_is_dead_is_dropped_with_its_sessions() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let mut dead = Socket::open(&ws(&gateway));
    let mut alive = Socket::open(&ws(&gateway));
    let watching = watch(&mut dead, &viewers, "cam", ViewerOptions::default());
    watching.viewer.wait_key_frame(secs(15));
    // From here on nobody reads `dead`: it answers no ping, though its TCP connection stands.
    let begin = Instant::now();
    while !gateway.viewers("cam").is_empty() {
        assert!(begin.elapsed() < secs(32), "still there");
        alive.next(secs(1));
    }
    assert!(
        begin.elapsed() > secs(15),
        "too early: {:?}",
        begin.elapsed()
    );
    assert!(alive.pings >= 1, "{} pings", alive.pings);
    assert_eq!(alive.closed, None);
    assert_eq!(alive.list().len(), 2);
    wait_empty(&gateway, "cam");
}
