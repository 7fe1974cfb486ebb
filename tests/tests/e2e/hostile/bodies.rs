//! Descriptions and requests that are too long, lie about their length, or are written oddly.

use std::time::{Duration, Instant};

use sluice_tests::gateway::Gateway;
use sluice_tests::http::Client;
use sluice_tests::proc::usage;
use sluice_tests::raw::RawHttp;
use sluice_tests::wait::until;

use super::{Bystanders, is_sane};
use crate::conformance::{VIEWERS, ask, both, gateway, options, post, started};
use crate::secs;

fn head(path: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/sdp\r\n{more}\r\n"
    )
}

/// Posts a long body as a client does that looks for an early answer.
fn post_long(port: u16, path: &str, body: &str) -> (u16, Duration) {
    let mut raw = RawHttp::connect(port);
    raw.send(head(path, &format!("content-length: {}\r\n", body.len())));
    let begin = Instant::now();
    let early = raw.status(Duration::from_millis(200));
    let status = early.or_else(|| {
        body.as_bytes()
            .chunks(64 * 1024)
            .all(|part| raw.try_send(part));
        raw.status(secs(5))
    });
    (status.expect("an answer"), begin.elapsed())
}

#[test]
fn h01_a_bomb_of_sdp_is_refused_at_once_and_its_memory_given_back() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let pid = gateway.process().pid();
    let before = usage(pid).expect("it runs").rss_kb;
    let with = |line: &str, count: usize| format!("{VIEWERS}{}", line.repeat(count));
    let candidate = "a=candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host\r\n";
    for (what, body) in [
        ("10 MiB", with("a=x-padding:0123456789\r\n", 450_000)),
        (
            "20,000 sections",
            with("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:x\r\n", 20_000),
        ),
        (
            "a line of 1 MiB",
            with(&format!("a=x:{}\r\n", "x".repeat(1024 * 1024)), 1),
        ),
        ("50,000 candidates", with(candidate, 50_000)),
        // The most that is read at all.
        (
            "900 sections",
            with("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:x\r\n", 900),
        ),
        (
            "a line of 60 kB",
            with(&format!("m={}\r\n", "x".repeat(60_000)), 1),
        ),
        (
            "9,000 payload types",
            VIEWERS.replace("SAVPF 96", &format!("SAVPF {}96", "96 300 ".repeat(4500))),
        ),
        (
            "3,000 groups",
            VIEWERS.replace(
                "t=0 0",
                &format!("t=0 0\r\n{}", "a=group:BUNDLE a b\r\n".repeat(3000)),
            ),
        ),
    ] {
        for path in ["/cam/whep", "/studio/whip"] {
            let body = if path.ends_with("whip") {
                body.replace("recvonly", "sendonly")
            } else {
                body.clone()
            };
            let (status, took) = post_long(gateway.port(), path, &body);
            assert!(matches!(status, 400 | 413 | 422), "{what}: {status}");
            assert!(took < secs(1), "{what}: {took:?}");
        }
    }
    let back = || (usage(pid)?.rss_kb < before + 16 * 1024).then_some(());
    until(secs(20), "memory as before", back);
    bystanders.unharmed();
    is_sane(&gateway);
}

#[test]
fn h02_slow_clients_hold_up_nobody_and_are_dropped() {
    // A request may take as long as a source may, and 10 s.
    let gateway = options()
        .yaml()
        .replace("paths:", "defaults: {start_timeout: 1s}\npaths:");
    let gateway = started(&options().yaml_text(&gateway));
    let bystanders = Bystanders::watch(&gateway);
    let connect = || RawHttp::connect(gateway.port());
    let mut slow: Vec<_> = (0..200)
        .map(|n| {
            let mut raw = connect();
            match n % 2 {
                0 => raw.send("POST /cam/whep HTTP/1.1\r\nhost: loc"),
                _ => raw.send(head("/cam/whep", "content-length: 5000\r\n")),
            }
            raw
        })
        .collect();
    let _idle: Vec<_> = (0..500).map(|_| connect()).collect();

    let mut waits = Vec::new();
    for _ in 0..3 {
        for raw in &mut slow {
            // One byte a second each; those that are gone take none.
            raw.try_send(b"a");
        }
        for _ in 0..10 {
            let begin = Instant::now();
            assert_eq!(ask("GET", &gateway.whep("cam")).status, 204);
            waits.push(begin.elapsed());
        }
        sluice_tests::wait::pass(secs(1));
    }
    waits.sort_unstable();
    let median = waits[waits.len() / 2];
    assert!(median < Duration::from_millis(200), "{waits:?}");
    for (n, raw) in slow.iter_mut().enumerate() {
        assert!(
            raw.answer(secs(30)).is_some() || raw.is_closed(secs(1)),
            "slow client {n}"
        );
    }
    bystanders.unharmed();
}

#[test]
fn h03_lengths_that_lie_and_smuggled_requests_end_the_connection() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let smuggled = "GET /api/v1/paths HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let both = format!(
        "content-length: {}\r\ntransfer-encoding: chunked\r\n",
        smuggled.len() + 5
    );
    for (what, bytes, taken) in [
        (
            "negative",
            head("/cam/whep", "content-length: -1\r\n"),
            &[400][..],
        ),
        (
            "no number",
            head("/cam/whep", "content-length: 1x\r\n"),
            &[400],
        ),
        (
            "doubled",
            head("/cam/whep", "content-length: 5\r\ncontent-length: 6\r\n") + "v=0\r\n1",
            &[400],
        ),
        (
            "huge",
            head("/cam/whep", "content-length: 99999999999999\r\n"),
            &[413, 400],
        ),
        (
            "beyond 64 bits",
            head("/cam/whep", "content-length: 99999999999999999999999\r\n"),
            &[400],
        ),
        (
            "huge chunk",
            head("/cam/whep", "transfer-encoding: chunked\r\n")
                + "ffffffffffffffff\r\n"
                + &"x".repeat(70_000),
            &[413],
        ),
        (
            "no chunk",
            head("/cam/whep", "transfer-encoding: chunked\r\n") + "zz\r\nv=0",
            &[400],
        ),
        (
            "chunked is not last",
            head("/cam/whep", "transfer-encoding: chunked, identity\r\n") + smuggled,
            &[400, 501],
        ),
        (
            "length and chunks",
            head("/cam/whep", &both) + "0\r\n\r\n" + smuggled,
            &[400],
        ),
        (
            "too short",
            head("/cam/whep", "content-length: 5\r\n") + "v=0\r\n" + "nonsense\r\n\r\n",
            &[400],
        ),
    ] {
        let mut raw = RawHttp::connect(gateway.port());
        raw.send(&bytes);
        // A body that cannot be read ends the connection without a word.
        let status = raw.status(secs(5));
        let closed = status.is_none() && what.contains("chunk") && raw.is_closed(secs(1));
        assert!(
            closed || status.is_some_and(|status| taken.contains(&status)),
            "{what}: {status:?}"
        );
        let second = raw.answer(secs(1));
        let served = second
            .as_ref()
            .is_some_and(|(status, _, body)| *status == 200 || body.contains("cam"));
        assert!(!served, "{what}: a smuggled request was served: {second:?}");
    }
    promised_too_much(&gateway);
    bystanders.unharmed();
    is_sane(&gateway);
}

#[test]
fn h14_odd_characters_and_doubled_names_in_sdp_are_refused_or_harmless() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    for (url, offer) in both(&gateway) {
        let crlf: String = offer.lines().map(|line| format!("{line}\r\n")).collect();
        let ufrag = crlf
            .lines()
            .find(|line| line.starts_with("a=ice-ufrag"))
            .expect("one")
            .to_owned();
        for (what, sdp, taken) in [
            (
                "Unicode",
                crlf.replace("s=-", "s=\u{202e}Überraschung \u{1f600}"),
                &[201, 400][..],
            ),
            (
                "Unicode in a mid",
                crlf.replace("a=mid:vid", "a=mid:v\u{ef}d")
                    .replace("BUNDLE vid", "BUNDLE v\u{ef}d"),
                &[201, 400],
            ),
            ("NUL", crlf.replace("s=-", "s=a\0b"), &[400]),
            (
                "NUL in a ufrag",
                crlf.replace("a=ice-ufrag:", "a=ice-ufrag:\0"),
                &[400],
            ),
            ("CR alone", crlf.replace("\r\n", "\r"), &[400]),
            (
                "a CR inside",
                crlf.replace("a=mid:vid", "a=mid:vid\ra=x:1"),
                &[400],
            ),
            ("LF alone", crlf.replace("\r\n", "\n"), &[201]),
            (
                "two ufrags",
                crlf.replace(&ufrag, &format!("{ufrag}\r\na=ice-ufrag:another1")),
                &[201, 400],
            ),
            ("two mids", crlf.replace("a=mid:aud", "a=mid:vid"), &[400]),
            (
                "two mids in one section",
                crlf.replace("a=mid:aud", "a=mid:aud\r\na=mid:vid"),
                &[201, 400],
            ),
            (
                "two extensions of one id",
                crlf.replace("a=extmap:3 ", "a=extmap:4 "),
                &[400],
            ),
            (
                "a group of mids that are not there",
                crlf.replace("BUNDLE vid aud", "BUNDLE vid aud ghost"),
                &[400],
            ),
            (
                "a group that names one twice",
                crlf.replace("BUNDLE vid aud", "BUNDLE vid vid aud"),
                &[201, 400],
            ),
        ] {
            let reply = post(&url, &sdp);
            assert!(
                taken.contains(&reply.status),
                "{what}: {} {}",
                reply.status,
                reply.body
            );
            if let Some(location) = reply.location {
                assert_eq!(ask("DELETE", &location).status, 200, "{what}");
            }
        }
        not_even_utf8(&gateway, &url);
    }
    assert_eq!(Client::default().get(&gateway.at("healthz")).status, 200);
    bystanders.unharmed();
    is_sane(&gateway);
}

fn not_even_utf8(gateway: &Gateway, url: &str) {
    let mut raw = RawHttp::connect(gateway.port());
    let path = url::Url::parse(url).expect("a URL").path().to_owned();
    raw.send(head(&path, "content-length: 8\r\n"));
    raw.send(b"v=0\r\n\xff\xfe\r");
    assert_eq!(raw.status(secs(5)), Some(400));
}

/// Whoever promised more than it sends holds up nobody but itself.
fn promised_too_much(gateway: &Gateway) {
    let mut raw = RawHttp::connect(gateway.port());
    raw.send(head("/cam/whep", "content-length: 500\r\n") + "v=0\r\n");
    assert_eq!(raw.status(Duration::from_millis(300)), None);
}
