//! Producers, spoken to by hand: who may, and what becomes of a second one.

use serde_json::{Value, json};
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::signalling::Socket;

use super::{sdp, ws};
use crate::secs;

fn studio(keys: &[(&str, &str)]) -> Gateway {
    let keys = [&[("source", "publisher")], keys].concat();
    let gateway = GatewayOptions::new().path_with("studio", &keys).start();
    gateway.wait_state("studio", "waiting", secs(10));
    gateway
}

fn produce(socket: &mut Socket, path: &str) {
    socket.send(&json!({"type": "setPeerStatus", "roles": ["producer"], "meta": {"name": path}}));
}

fn called(socket: &mut Socket) -> Value {
    let start = socket.wait("startSession");
    assert_eq!(start["peerId"], "studio", "{start}");
    start["sessionId"].clone()
}

#[test]
fn a_producer_names_a_path_that_takes_publishers() {
    let gateway = GatewayOptions::new().path("cam", super::SMALL).start();
    let mut socket = Socket::open(&ws(&gateway));
    for (path, words) in [("cam", "takes no publisher"), ("nowhere", "no path")] {
        produce(&mut socket, path);
        let error = socket.wait("error");
        let details = error["details"].as_str().unwrap_or_default();
        assert!(details.contains(words), "{path}: {error}");
    }
}

#[test]
fn a_producer_that_ends_its_session_is_called_again() {
    let gateway = studio(&[]);
    let mut socket = Socket::open(&ws(&gateway));
    produce(&mut socket, "studio");
    let first = called(&mut socket);
    socket.send(&super::end(&first));
    let second = called(&mut socket);
    assert_ne!(first, second);
    // An offer that is none: it is told, and not called again.
    socket.send(&sdp(&second, "offer", "v=0\r\n"));
    socket.wait("error");
    assert_eq!(socket.wait("endSession")["sessionId"], second);
}

#[test]
fn while_a_second_publisher_is_refused_a_producer_is_told() {
    let gateway = studio(&[("publisher", "{second: refuse}")]);
    let options = PublisherOptions::default();
    let _first = Publisher::start(&gateway.whip("studio"), &options);
    gateway.wait_state("studio", "running", secs(15));
    let mut socket = Socket::open(&ws(&gateway));
    produce(&mut socket, "studio");
    let session = called(&mut socket);
    socket.send(&sdp(
        &session,
        "offer",
        &sluice_tests::publisher::offer(&options),
    ));
    let error = socket.wait("error");
    let details = error["details"].as_str().unwrap_or_default();
    assert!(details.contains("has a publisher already"), "{error}");
}
