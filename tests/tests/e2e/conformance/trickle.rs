//! Section 3: PATCH with trickle fragments.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sluice_tests::gateway::Gateway;
use sluice_tests::http::{Client, Reply};
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::viewer::{ViewerOptions, Viewers};

use super::{ask, both, gateway, patch, refused, session};
use crate::secs;

/// A session of each side: its address and its entity tag.
fn sessions(gateway: &Gateway) -> [(String, String); 2] {
    both(gateway).map(|(url, offer)| {
        let (reply, location) = session(&url, &offer);
        (location, tag(&reply))
    })
}

fn tag(reply: &Reply) -> String {
    reply.header("etag").expect("a 201 has an ETag").to_owned()
}

const CANDIDATE: &str = "a=candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host\r\n";

/// Candidates of the first section, as browsers send them.
fn of_video(candidates: &str) -> String {
    format!("m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:vid\r\n{candidates}")
}

#[test]
fn c28_another_media_type_is_415_a_malformed_fragment_400_and_the_session_stays() {
    let gateway = gateway();
    for (location, tag) in sessions(&gateway) {
        for kind in ["application/sdp", "application/json", "text/plain"] {
            let headers = [("content-type", kind), ("if-match", tag.as_str())];
            let reply = Client::default().request("PATCH", &location, &headers, "v=0\r\n");
            refused(&reply, 415, &["application/trickle-ice-sdpfrag"]);
        }
        for bad in [
            "",
            "nonsense",
            "a=mid:0\r\n",
            "a=ice-ufrag:only\r\n",
            "a=candidate:1 1 udp\r\n",
        ] {
            refused(&patch(&location, Some(&tag), bad), 400, &["fragment"]);
        }
        assert_eq!(
            ask("GET", &location).status,
            204,
            "the session is still there"
        );
        let reply = patch(&location, Some(&tag), &of_video(CANDIDATE));
        assert_eq!(reply.status, 204, "{}", reply.body);
    }
}

#[test]
fn c29_candidates_alone_are_204_without_body_and_etag() {
    let gateway = gateway();
    for (location, tag) in sessions(&gateway) {
        let reply = patch(&location, Some(&tag), &of_video(CANDIDATE));
        assert_eq!((reply.status, reply.body.as_str()), (204, ""));
        assert_eq!(reply.header("etag"), None);
    }
}

#[test]
fn c30_the_etag_is_strong_and_no_two_sessions_have_the_same() {
    let gateway = gateway();
    let tags: Vec<_> = (0..2)
        .flat_map(|_| sessions(&gateway))
        .map(|(_, tag)| tag)
        .collect();
    for tag in &tags {
        let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        assert!(
            inner.is_some_and(|tag| tag.len() >= 8 && !tag.contains('"')),
            "{tag}"
        );
    }
    assert_eq!(tags.iter().collect::<BTreeSet<_>>().len(), tags.len());
}

#[test]
fn c31_a_patch_without_if_match_is_428_and_with_another_tag_412() {
    let gateway = gateway();
    let [(viewer, of_viewer), (publisher, of_publisher)] = sessions(&gateway);
    for (location, tag, other) in [
        (&viewer, &of_viewer, &of_publisher),
        (&publisher, &of_publisher, &of_viewer),
    ] {
        let fragment = of_video(CANDIDATE);
        refused(&patch(location, None, &fragment), 428, &["If-Match"]);
        for wrong in [other.as_str(), "\"x\"", &format!("W/{tag}"), "nonsense"] {
            refused(&patch(location, Some(wrong), &fragment), 412, &["If-Match"]);
        }
        let listed = format!("\"x\", {tag}");
        for right in [tag.as_str(), &listed, "*"] {
            assert_eq!(
                patch(location, Some(right), &fragment).status,
                204,
                "{right}"
            );
        }
    }
}

#[test]
fn c34_a_restart_that_cannot_be_done_leaves_the_session_as_it_was() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let location = viewer.location();
    for credentials in [
        "a=ice-ufrag:abc\r\na=ice-pwd:0123456789012345678901\r\n",
        "a=ice-ufrag:abcd\r\na=ice-pwd:012345678901234567890\r\n",
        "a=ice-ufrag:abcd\r\n",
        "a=ice-ufrag:ab<>\r\na=ice-pwd:0123456789012345678901\r\n",
    ] {
        refused(&patch(&location, Some("*"), credentials), 400, &["ice-"]);
    }
    viewer.wait_frames(15, secs(5));
    let tag = tag(&viewer.reply);
    assert_eq!(
        patch(&location, Some(&tag), &of_video(CANDIDATE)).status,
        204
    );
}

#[test]
fn c37_fragments_may_be_written_in_every_way_that_the_grammar_allows() {
    let gateway = gateway();
    let offer = super::VIEWERS;
    let value = |name: &str| {
        let line = offer.lines().find_map(|line| line.strip_prefix(name));
        line.expect("the offer has it").to_owned()
    };
    let (ufrag, pwd) = (value("a=ice-ufrag:"), value("a=ice-pwd:"));
    let own = format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n");
    for (location, tag) in sessions(&gateway) {
        for fragment in [
            // Credentials for all, or in the section.
            format!("{own}{}", of_video(CANDIDATE)),
            of_video(&format!("{own}{CANDIDATE}")),
            format!("a=group:BUNDLE vid aud\r\n{}", of_video(CANDIDATE)),
            // The end, for all or for a section.
            "a=end-of-candidates\r\n".to_owned(),
            of_video("a=end-of-candidates\r\n"),
            // Names in any case; what is unknown says nothing.
            format!("A=x\r\n{}", of_video(CANDIDATE)).replace("A=x", "a=X-Unknown:1"),
            of_video(CANDIDATE)
                .replace("a=mid", "a=MID")
                .replace("a=candidate", "a=Candidate"),
            // Lines of whole descriptions, other line ends, no section at all.
            format!("v=0\r\ns=-\r\n{}", of_video(CANDIDATE)),
            of_video(CANDIDATE).replace("\r\n", "\n"),
            CANDIDATE.to_owned(),
        ] {
            let reply = patch(&location, Some(&tag), &fragment);
            assert_eq!(reply.status, 204, "{fragment}: {}", reply.body);
        }
    }
}

/// Sends this and then the viewer's real candidate; gives whether pictures come.
fn plays_after(before: &str) {
    let gateway = gateway();
    let viewers = Viewers::new();
    let mut candidate = String::new();
    let viewer = viewers.join_as(&gateway.whep("cam"), ViewerOptions::default(), |offer| {
        let line = offer.lines().find(|line| line.starts_with("a=candidate:"));
        candidate = format!("{}\r\n", line.expect("str0m's candidate").trim());
        let kept = offer
            .lines()
            .filter(|line| !line.starts_with("a=candidate:"));
        kept.map(|line| format!("{line}\r\n")).collect()
    });
    assert_eq!(viewer.reply.status, 201, "{}", viewer.reply.body);
    let mid = viewer
        .offer
        .lines()
        .find_map(|line| line.strip_prefix("a=mid:"));
    let fragment = format!(
        "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{}\r\n{before}{candidate}a=end-of-candidates\r\n",
        mid.expect("a mid").trim()
    );
    for _ in 0..2 {
        let reply = patch(&viewer.location(), Some(&tag(&viewer.reply)), &fragment);
        assert_eq!(reply.status, 204, "{}", reply.body);
    }
    viewer.wait_key_frame(secs(15));
}

#[test]
fn c38_candidates_that_are_repeated_do_no_harm() {
    plays_after(&CANDIDATE.repeat(3));
}

#[test]
fn c39_candidates_that_cannot_be_used_are_dropped_and_the_rest_is_taken() {
    plays_after(
        "a=candidate:1 1 tcp 1 192.0.2.7 9 typ host tcptype active\r\n\
         a=candidate:2 1 udp 1 1f3e-77aa.local 50000 typ host\r\n\
         a=candidate:3 1 udp 1 no-such-name.invalid 50000 typ host\r\n\
         a=candidate:4 1 dccp 1 192.0.2.7 50000 typ host\r\n\
         a=candidate:5 2 udp 1 192.0.2.7 50000 typ host\r\n",
    );
}

#[test]
fn c42_the_answer_has_all_candidates_and_does_not_wait_for_a_dead_server() {
    // The servers are for clients; that they are dead must not be noticed here.
    let servers = "webrtc:\n  ice_servers: [{url: 'stun:192.0.2.1:9'}, {url: 'turn:192.0.2.1:9', secret: north}]\n";
    let text = super::options().yaml().replace("webrtc:\n", servers);
    let gateway = super::started(&super::options().yaml_text(&text));
    for (url, offer) in both(&gateway) {
        // The source has to start first.
        session(&url, &offer);
        let begin = Instant::now();
        let (reply, _) = session(&url, &offer);
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );
        let answer = &reply.body;
        assert!(answer.contains("a=candidate:"), "{answer}");
        assert!(answer.contains("a=end-of-candidates"), "{answer}");
    }
}

#[test]
fn c43_an_offer_without_candidates_plays() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let without = |offer: &str| {
        let kept = offer
            .lines()
            .filter(|line| !line.starts_with("a=candidate:"));
        kept.map(|line| format!("{line}\r\n")).collect()
    };
    let viewer = viewers.join_as(&gateway.whep("cam"), ViewerOptions::default(), without);
    assert_eq!(viewer.reply.status, 201, "{}", viewer.reply.body);
    assert!(!viewer.offer.contains("a=candidate:"));
    viewer.wait_key_frame(secs(15));

    let options = PublisherOptions {
        no_candidates: true,
        ..PublisherOptions::default()
    };
    let _publisher = Publisher::start(&gateway.whip("studio"), &options);
    gateway.wait_state("studio", "running", secs(15));
}
