//! Section 4: DTLS, layers, what is unknown, and a second offer.

use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::viewer::{ViewerOptions, Viewers};

use super::sdp::{sections, values};
use super::{ask, both, gateway, post, refused, session};
use crate::secs;

#[test]
fn c51_the_gateway_is_passive_in_dtls_unless_the_peer_must_be() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        for (setup, answered) in [
            ("actpass", "passive"),
            ("active", "passive"),
            ("passive", "active"),
        ] {
            let offered = offer.replace("a=setup:actpass", &format!("a=setup:{setup}"));
            let (reply, location) = session(&url, &offered);
            for section in &sections(&reply.body)[1..] {
                assert_eq!(values(section, "a=setup:"), [answered], "{setup}");
            }
            ask("DELETE", &location);
        }
        let neither = offer.replace("a=setup:actpass", "a=setup:holdconn");
        refused(&post(&url, &neither), 400, &["active or passive"]);
    }
    for setup in ["active", "passive"] {
        let only = |offer: &str| offer.replace("a=setup:actpass", &format!("a=setup:{setup}"));
        let viewers = Viewers::new();
        let viewer = viewers.join_as(&gateway.whep("cam"), ViewerOptions::default(), only);
        viewer.wait_key_frame(secs(15));
        let publisher =
            Publisher::join_as(&gateway.whip("studio"), &PublisherOptions::default(), only);
        assert_eq!(publisher.reply.status, 201, "{}", publisher.reply.body);
        gateway.wait_state("studio", "running", secs(15));
        assert_eq!(publisher.delete().status, 200);
        gateway.wait_state("studio", "waiting", secs(5));
    }
}

#[test]
fn c52_media_go_over_dtls_only() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        for profile in [
            "RTP/AVP",
            "RTP/AVPF",
            "RTP/SAVP",
            "RTP/SAVPF",
            "UDP/TLS/RTP/SAVP",
        ] {
            let other = offer.replace("UDP/TLS/RTP/SAVPF", profile);
            refused(&post(&url, &other), 422, &["UDP/TLS/RTP/SAVPF"]);
        }
        let sdes = "a=rtcp-mux\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5";
        refused(
            &post(&url, &offer.replace("a=rtcp-mux", sdes)),
            422,
            &["a=crypto"],
        );
        let (reply, _) = session(&url, &offer);
        assert!(!reply.body.contains("a=crypto"), "{}", reply.body);
    }
}

#[test]
fn c53_a_strong_fingerprint_is_wanted_wherever_it_stands() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let without: String = offer
            .lines()
            .filter(|line| !line.starts_with("a=fingerprint"))
            .map(|line| format!("{line}\r\n"))
            .collect();
        refused(&post(&url, &without), 400, &["fingerprint"]);
        let weak = offer.replace("a=fingerprint:sha-256", "a=fingerprint:sha-1");
        refused(&post(&url, &weak), 400, &["fingerprint"]);
        let line = offer
            .lines()
            .find(|line| line.starts_with("a=fingerprint"))
            .expect("one");
        let of_session = without.replacen("t=0 0\r\n", &format!("t=0 0\r\n{line}\r\n"), 1);
        let of_media = without.replace("a=setup:", &format!("{line}\r\na=setup:"));
        for offer in [of_session, of_media] {
            let (_, location) = session(&url, &offer);
            ask("DELETE", &location);
        }
    }
}

#[test]
fn c55_all_layers_of_simulcast_are_answered_and_without_their_names_one_stream() {
    let gateway = gateway();
    let layers = "a=rid:hi send\r\na=rid:lo send\r\na=simulcast:send hi;lo\r\na=rtcp-mux";
    let named = format!("a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n{layers}");
    let url = gateway.whip("studio");
    let offer = super::publishers().replacen("a=rtcp-mux", &named, 1);
    let (reply, location) = session(&url, &offer);
    let section = sections(&reply.body)[1].to_owned();
    assert_eq!(values(&section, "a=rid:"), ["hi recv", "lo recv"]);
    assert_eq!(values(&section, "a=simulcast:"), ["recv hi;lo"]);
    assert!(section.contains("a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"));
    ask("DELETE", &location);

    // Without the extension that names layers in packets they could not be told apart.
    let unnamed = |offer: &str| {
        let offer = offer.replace("sdes:rtp-stream-id", "sdes:other");
        offer.replacen("a=rtcp-mux", layers, 1)
    };
    let publisher = Publisher::join_as(&url, &PublisherOptions::default(), unnamed);
    let answer = &publisher.reply.body;
    assert_eq!(publisher.reply.status, 201, "{answer}");
    assert!(
        !answer.contains("simulcast") && !answer.contains("a=rid"),
        "{answer}"
    );
    gateway.wait_state("studio", "running", secs(15));
}

#[test]
fn c56_what_is_unknown_is_passed_over_or_refused_in_words() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let unknown = offer
            .replace(
                "a=rtcp-mux",
                "a=x-vendor:1 2 3\r\na=y\r\nb=AS:99999\r\na=rtcp-mux",
            )
            .replace(
                "t=0 0",
                "i=a name\r\nt=0 0\r\na=extmap-allow-mixed\r\na=x-session:%00",
            );
        let (_, location) = session(&url, &unknown);
        ask("DELETE", &location);
        for (section, word) in [
            (
                "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
                "data channel",
            ),
            ("m=text 9 UDP/TLS/RTP/SAVPF 99", "neither audio nor video"),
        ] {
            let more = format!("{offer}{section}\r\nc=IN IP4 0.0.0.0\r\na=mid:more\r\n");
            let more = more.replace("BUNDLE vid aud", "BUNDLE vid aud more");
            refused(&post(&url, &more), 422, &[word]);
        }
    }
}

#[test]
fn c57_a_second_post_is_a_second_session_and_nothing_is_renegotiated() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let (first, location) = session(&url, &offer);
        let (_, another) = session(&url, &offer);
        assert_ne!(location, another);
        let tag = first.header("etag").expect("an ETag");
        let headers = [("content-type", "application/sdp"), ("if-match", tag)];
        let client = sluice_tests::http::Client::default();
        let reply = client.request("PATCH", &location, &headers, &offer);
        refused(&reply, 415, &["POST an offer for a new session"]);
        for location in [location, another] {
            assert_eq!(ask("GET", &location).status, 204);
        }
    }
}
