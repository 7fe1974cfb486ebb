//! Who may open a socket, and what for.

use serde_json::json;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::signalling::Socket;

use super::{SMALL, ws};
use crate::secs;

const READER: &str = "0123456789abcdef0123456789abcdef";
const WRITER: &str = "fedcba9876543210fedcba9876543210";

/// The reader may watch `cam`; the writer may publish to `studio`.
fn guarded() -> Gateway {
    let auth = format!(
        "auth: {{tokens: {{reader: {{token: {READER}}}, writer: {{token: {WRITER}}}}}, allow: [{{who: reader, may: read, paths: cam}}, {{who: writer, may: publish, paths: studio}}]}}"
    );
    GatewayOptions::new()
        .path("cam", SMALL)
        .path("yard", SMALL)
        .path("studio", "publisher")
        .top(&auth)
        .start()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn details(socket: &mut Socket) -> String {
    let error = socket.wait("error");
    error["details"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_socket_needs_a_token_and_shows_what_it_may_read() {
    let gateway = guarded();
    let refused = |headers: &[(&str, &str)]| Socket::try_open(&ws(&gateway), headers).err();
    assert_eq!(refused(&[]), Some(401));
    assert_eq!(refused(&[("authorization", &bearer("wrong"))]), Some(401));

    let authorization = bearer(READER);
    let mut socket = Socket::try_open(&ws(&gateway), &[("authorization", &authorization)])
        .expect("the reader may");
    assert_eq!(socket.list(), ["cam"]);
    socket.start("cam");
    socket.wait("sessionStarted");
    for path in ["yard", "studio", "nowhere"] {
        socket.start(path);
        let details = details(&mut socket);
        assert!(!details.contains("no path"), "{path}: {details}");
    }
    // And it publishes nothing.
    let status =
        json!({"type": "setPeerStatus", "roles": ["producer"], "meta": {"name": "studio"}});
    socket.send(&status);
    details(&mut socket);
    assert_eq!(
        socket.next(secs(1)).filter(|m| m["type"] == "startSession"),
        None
    );
}

#[test]
fn a_token_in_the_address_opens_a_socket_and_is_in_no_log() {
    let gateway = guarded();
    let url = format!("{}?token={READER}", ws(&gateway));
    let mut socket = Socket::open(&url);
    assert_eq!(socket.list(), ["cam"]);
    let wrong = format!("{}?token=guess-of-a-token", ws(&gateway));
    assert_eq!(Socket::try_open(&wrong, &[]).err(), Some(401));
    let log = gateway.log();
    assert!(!log.contains(READER) && !log.contains("guess-of"), "{log}");
}

#[test]
fn who_may_only_publish_opens_a_socket_and_sees_no_path() {
    let gateway = guarded();
    let authorization = bearer(WRITER);
    let mut socket = Socket::try_open(&ws(&gateway), &[("authorization", &authorization)])
        .expect("the writer may");
    assert!(socket.list().is_empty());
    socket.start("cam");
    details(&mut socket);
    let status =
        json!({"type": "setPeerStatus", "roles": ["producer"], "meta": {"name": "studio"}});
    socket.send(&status);
    assert_eq!(socket.wait("startSession")["peerId"], "studio");
}

#[test]
fn a_page_of_another_site_opens_no_socket() {
    let gateway = GatewayOptions::new()
        .path("cam", SMALL)
        .top("cors: https://app.example.org")
        .start();
    let open = |origin: &str| Socket::try_open(&ws(&gateway), &[("origin", origin)]);
    assert_eq!(open("https://evil.example").err(), Some(403));
    assert!(open("https://app.example.org").is_ok());
    assert!(open(&gateway.at("").replace("/ws", "")).is_ok());
}

#[test]
fn what_is_no_websocket_is_told_so() {
    let gateway = guarded();
    let authorization = bearer(READER);
    let headers = [("authorization", authorization.as_str())];
    let reply =
        sluice_tests::http::Client::default().request("GET", &gateway.at("ws"), &headers, "");
    assert_eq!(reply.status, 426, "{}", reply.body);
    assert_eq!(reply.header("sec-websocket-version"), Some("13"));
}
