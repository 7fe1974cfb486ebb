//! WHIP and WHEP as the specifications have them: a test for each item of `docs/conformance.md`, named by its
//! number. Items that tests elsewhere show are named there, too.

mod authorization;
mod feedback;
mod http;
mod media;
mod sdp;
mod sessions;
mod transport;
mod trickle;
mod whep;

use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::http::{Client, Reply};

use crate::secs;

/// A viewer's offer, as str0m makes it: VP8, H.264 and Opus.
pub(crate) const VIEWERS: &str =
    include_str!("../../../../plugins/core/testdata/offer-str0m-0.25.sdp");

/// Small pictures: these tests are about what is said, not about what is shown.
pub(crate) const SMALL: &str = "test:?size=320x180&fps=15&key-interval=2";

/// The same as a publisher's.
pub(crate) fn publishers() -> String {
    VIEWERS.replace("a=recvonly", "a=sendonly")
}

/// Paths `cam` and `other` to watch, `studio` to publish to.
pub(crate) fn options() -> GatewayOptions {
    GatewayOptions::new()
        .path("cam", SMALL)
        .path("other", SMALL)
        .path_with("studio", &[("source", "publisher")])
}

/// The same with our own ICE agent, whatever all are started with.
pub(crate) fn one_port() -> GatewayOptions {
    options().webrtc("transport: one-port")
}

/// The same, started, and open to everybody.
pub(crate) fn gateway() -> Gateway {
    started(&options())
}

/// Started, and with `studio` ready.
pub(crate) fn started(options: &GatewayOptions) -> Gateway {
    let gateway = options.start();
    // An offer that comes before the path plays is told to come again.
    sluice_tests::wait::until(secs(20), "the path for publishers", || {
        gateway.log().contains("no publisher").then_some(())
    });
    gateway
}

/// Both endpoints, each with an offer for it.
pub(crate) fn both(gateway: &Gateway) -> [(String, String); 2] {
    [
        (gateway.whep("cam"), VIEWERS.to_owned()),
        (gateway.whip("studio"), publishers()),
    ]
}

/// Sends a request without a body.
pub(crate) fn ask(method: &str, url: &str) -> Reply {
    Client::default().request(method, url, &[], "")
}

/// Posts an offer.
pub(crate) fn post(url: &str, offer: &str) -> Reply {
    Client::default().post_sdp(url, offer)
}

/// Posts an offer that must be taken, and gives the answer and the address of the session.
pub(crate) fn session(url: &str, offer: &str) -> (Reply, String) {
    let reply = post(url, offer);
    assert_eq!(reply.status, 201, "{url}: {}", reply.body);
    let location = reply.location.clone().expect("a 201 has a Location");
    (reply, location)
}

/// Sends a PATCH with a fragment.
pub(crate) fn patch(session: &str, if_match: Option<&str>, fragment: &str) -> Reply {
    let kind = ("content-type", "application/trickle-ice-sdpfrag");
    let headers: Vec<_> = [kind]
        .into_iter()
        .chain(if_match.map(|tag| ("if-match", tag)))
        .collect();
    Client::default().request("PATCH", session, &headers, fragment)
}

/// Asserts a refusal: this status, problem JSON (RFC 9457), and a sentence with these words.
pub(crate) fn refused(reply: &Reply, status: u16, words: &[&str]) {
    assert_eq!(reply.status, status, "{}", reply.body);
    let kind = reply.header("content-type");
    assert_eq!(kind, Some("application/problem+json"), "{}", reply.body);
    let json = reply.json();
    assert_eq!(json["status"], status, "{json}");
    let detail = json["detail"].as_str().unwrap_or_default();
    assert!(detail.len() > 15, "no sentence: {json}");
    for word in words {
        assert!(detail.contains(word), "no \"{word}\" in: {detail}");
    }
}
