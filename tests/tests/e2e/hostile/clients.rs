//! Who has no right: other people's sessions, guessed ids and passwords, pages of other sites.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sluice_tests::gateway::Gateway;
use sluice_tests::http::Client;
use sluice_tests::raw::RawHttp;
use sluice_tests::viewer::Viewers;

use super::{Bystanders, is_sane};
use crate::conformance::{VIEWERS, ask, gateway, options, session, started};
use crate::secs;

const ONE: &str = "0123456789abcdef0123456789abcdef";
const TWO: &str = "fedcba9876543210fedcba9876543210";

fn guarded() -> Gateway {
    let top = format!(
        "auth: {{trusted_proxies: loopback, tokens: {{one: {{token: {ONE}}}, two: {{token: {TWO}}}}}, \
         allow: [{{who: one, may: read, paths: cam}}, {{who: two, may: read, paths: other}}]}}"
    );
    started(&options().top(&top))
}

fn watching(gateway: &Gateway) -> Bystanders {
    let url = format!("{}?token={ONE}", gateway.whep("cam"));
    Bystanders::of(&url, Viewers::new())
}

#[test]
fn h06_nobody_else_ends_or_changes_a_session_whose_id_is_known() {
    let gateway = guarded();
    let bystanders = watching(&gateway);
    let location = bystanders.victim().location();
    let elsewhere = location.replace("/cam/", "/other/");
    for method in ["PATCH", "DELETE"] {
        for (at, token, status) in [
            (&location, None, 401),
            (&location, Some("00112233445566778899"), 401),
            (&location, Some(TWO), 403),
            (&elsewhere, Some(TWO), 404),
        ] {
            let bearer = token.map(|token| format!("Bearer {token}"));
            let mut headers = vec![
                ("content-type", "application/trickle-ice-sdpfrag"),
                ("if-match", "*"),
                (
                    "x-forwarded-for",
                    if method == "PATCH" {
                        "192.0.2.1"
                    } else {
                        "192.0.2.2"
                    },
                ),
            ];
            headers.extend(bearer.iter().map(|value| ("authorization", value.as_str())));
            let fragment = "a=ice-ufrag:evil\r\na=ice-pwd:0123456789012345678901\r\n";
            let reply = Client::default().request(method, at, &headers, fragment);
            assert_eq!(reply.status, status, "{method} {at} {token:?}");
        }
    }
    bystanders.unharmed();
}

#[test]
fn h07_session_ids_show_no_pattern_and_guesses_take_equally_long() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let mut ids = BTreeSet::new();
    // Sessions that are there cost a port each: these are made and ended.
    for _ in 0..120 {
        let (_, location) = session(&gateway.whep("cam"), VIEWERS);
        let id = location.rsplit('/').next().expect("an id").to_owned();
        assert_eq!(ask("DELETE", &location).status, 200);
        ids.insert(id);
    }
    assert_eq!(ids.len(), 120, "an id came twice");
    // 22 letters of 6 bits: at each place but the last (2 bits) nearly all letters are different ones.
    for place in 0..21 {
        let letters: BTreeSet<_> = ids
            .iter()
            .filter_map(|id| id.as_bytes().get(place))
            .collect();
        assert!(
            letters.len() > 35,
            "{} letters at place {place}",
            letters.len()
        );
    }
    let near = bystanders.victim().location();
    let end = if near.ends_with("AA") { "BA" } else { "AA" };
    let near = format!("{}{end}", near.get(..near.len() - 2).expect("ASCII"));
    let far = gateway.at("cam/whep/AAAAAAAAAAAAAAAAAAAAAA");
    let median = |url: &str| {
        let mut times: Vec<_> = (0..100)
            .map(|_| {
                let begin = Instant::now();
                assert_eq!(ask("GET", url).status, 404);
                begin.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[50]
    };
    let (near, far) = (median(&near), median(&far));
    let apart = near.max(far) - near.min(far);
    assert!(
        apart < Duration::from_millis(2).max(far / 2),
        "{near:?} and {far:?}"
    );
    bystanders.unharmed();
}

#[test]
fn h10_pages_of_other_sites_and_names_that_were_pointed_here_are_refused() {
    let gateway = started(&options().top(""));
    let bystanders = Bystanders::watch(&gateway);
    let location = bystanders.victim().location();
    let url = gateway.whep("cam");
    for (method, at) in [("POST", &url), ("PATCH", &location), ("DELETE", &location)] {
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let headers = [header, ("content-type", "application/sdp")];
            let reply = Client::default().request(method, at, &headers, VIEWERS);
            assert_eq!(reply.status, 403, "{method} {header:?}");
            assert_eq!(reply.header("access-control-allow-origin"), None);
        }
    }
    for (method, path) in [
        ("GET", "/api/v1/paths"),
        ("POST", "/cam/whep"),
        ("GET", "/cam/thumbnail.jpg"),
    ] {
        let mut raw = RawHttp::connect(gateway.port());
        raw.send(format!(
            "{method} {path} HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 0\r\n\r\n"
        ));
        let (status, _, body) = raw.answer(secs(5)).expect("an answer");
        assert_eq!(status, 403, "{method} {path}: {body}");
    }
    bystanders.unharmed();
}

#[test]
fn h11_guessing_waits_is_logged_and_delays_nobody_and_a_token_of_1_mib_is_refused() {
    let gateway = guarded();
    let bystanders = watching(&gateway);
    let guess = |token: &str, from: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-forwarded-for", from),
        ];
        Client::default()
            .request("GET", &gateway.whep("cam"), &headers, "")
            .status
    };
    let statuses: Vec<_> = (0..12)
        .map(|n| guess(&format!("{n:0>24}"), "192.0.2.66"))
        .collect();
    assert_eq!(statuses[..4], [401; 4], "{statuses:?}");
    assert!(
        statuses[4..].iter().all(|status| *status == 429),
        "{statuses:?}"
    );
    let begin = Instant::now();
    assert_eq!(guess(ONE, "192.0.2.7"), 204);
    assert!(
        begin.elapsed() < secs(1),
        "another client waited {:?}",
        begin.elapsed()
    );
    let log = gateway.log();
    assert!(
        log.contains("192.0.2.66") && log.contains("has to wait"),
        "{log}"
    );

    let mut raw = RawHttp::connect(gateway.port());
    raw.send("GET /cam/whep HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ");
    let long = vec![b'a'; 64 * 1024];
    (0..16).all(|_| raw.try_send(&long));
    raw.send("\r\n\r\n");
    let status = raw.status(secs(5));
    assert!(
        status.is_none_or(|status| (400..500).contains(&status)),
        "{status:?}"
    );
    bystanders.unharmed();
    is_sane(&gateway);
}
