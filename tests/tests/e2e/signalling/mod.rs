//! `/ws`: GStreamer's signalling protocol, spoken by hand and by the stock elements.

mod hostile;
mod page;
mod publish;
mod rights;
mod stock;
mod watch;

use std::time::Instant;

use serde_json::{Value, json};
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::signalling::Socket;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers};

use crate::secs;

const SMALL: &str = "test:?size=320x180&fps=25";

/// A gateway with two paths that play.
fn gateway() -> Gateway {
    GatewayOptions::new()
        .path("cam", SMALL)
        .path("yard", SMALL)
        .start()
}

/// The address of its signalling.
fn ws(gateway: &Gateway) -> String {
    gateway.at("ws").replacen("http", "ws", 1)
}

fn sdp(session: &Value, kind: &str, sdp: &str) -> Value {
    json!({"type": "peer", "sessionId": session, "sdp": {"type": kind, "sdp": sdp}})
}

fn end(session: &Value) -> Value {
    json!({"type": "endSession", "sessionId": session})
}

/// A viewer of a socket.
struct Watching {
    session: Value,
    viewer: Viewer,
}

/// Watches a path: the gateway offers. The viewer's candidates are sent by themselves, as its peer's are.
fn watch(socket: &mut Socket, viewers: &Viewers, path: &str, options: ViewerOptions) -> Watching {
    let begun = Instant::now();
    socket.start(path);
    let started = socket.wait("sessionStarted");
    assert_eq!(started["peerId"], path, "{started}");
    let session = started["sessionId"].clone();
    let offer = socket.wait_for("offer", |message| message["sdp"]["type"] == "offer");
    assert_eq!(offer["sessionId"], session, "{offer}");
    let offer = offer["sdp"]["sdp"].as_str().unwrap_or_default();
    assert!(
        !offer.contains("a=candidate"),
        "candidates trickle: {offer}"
    );
    let viewer = viewers.answer(offer, begun, options);
    answer(socket, &session, &viewer.offer);
    let watching = Watching { session, viewer };
    take_candidate(socket, &watching);
    watching
}

/// Sends an answer without its candidates, and these after it.
fn answer(socket: &mut Socket, session: &Value, text: &str) {
    let is_candidate = |line: &&str| line.starts_with("a=candidate");
    let bare: Vec<_> = text.lines().filter(|line| !is_candidate(line)).collect();
    socket.send(&sdp(session, "answer", &(bare.join("\r\n") + "\r\n")));
    for line in text.lines().filter(is_candidate) {
        let candidate = line.trim_start_matches("a=");
        let ice = json!({"candidate": candidate, "sdpMid": "video0", "sdpMLineIndex": 0});
        socket.send(&json!({"type": "peer", "sessionId": session, "ice": ice}));
    }
}

/// Gives the viewer a candidate of the gateway that it can use.
fn take_candidate(socket: &mut Socket, watching: &Watching) {
    loop {
        let message = socket.wait_for("candidate", |message| {
            message["sessionId"] == watching.session && message["ice"].is_object()
        });
        let candidate = message["ice"]["candidate"].as_str().unwrap_or_default();
        assert!(candidate.starts_with("candidate:"), "{message}");
        watching.viewer.add_candidate(candidate);
        if candidate.contains(&sluice_tests::viewer::outward_address().to_string()) {
            return;
        }
    }
}

/// Waits until no viewer and no publisher is left.
fn wait_empty(gateway: &Gateway, path: &str) {
    gateway.wait_viewers(path, 0, secs(10));
}
