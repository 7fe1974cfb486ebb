//! Users, tokens, addresses, and those who attack them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use sluice_tests::gateway::GatewayOptions;
use sluice_tests::http::Client;
use sluice_tests::netns::Netns;
use sluice_tests::process::{Process, START, our_binary, run};
use sluice_tests::viewer::{ViewerOptions, Viewers};

use super::{TOKEN, ask, basic, gateway, hash};
use crate::secs;

#[test]
fn without_auth_only_the_machine_itself_is_served_and_the_log_says_so() {
    let netns = Netns::new();
    let (_, there) = netns.join_machine();
    let options = GatewayOptions::new().path("cam", "test:").top("");
    let mut gateway = options.within(&netns).start();
    let own = |path: &str| {
        let url = format!("http://127.0.0.1:{}/{path}", gateway.port());
        let arguments = ["-s", "-o", "/dev/null", "-w", "%{http_code}", &url];
        run(netns.command("curl").args(arguments))
    };

    assert_eq!(own("api/v1/paths"), "200");
    assert_eq!(own("cam/whep"), "204");
    gateway.reach_at(&there.to_string());
    for path in ["cam/whep", "api/v1/paths", "cam", ""] {
        let reply = gateway.get(path);
        assert_eq!(reply.status, 403, "{path}");
        let detail = reply.json()["detail"].to_string();
        assert!(
            detail.contains("auth: {allow: [{who: anyone, may: read}]}"),
            "{detail}"
        );
    }
    let log = gateway.log();
    assert!(
        log.contains("access: anyone from this machine: everything"),
        "{log}"
    );
}

#[test]
fn play_serves_this_machine_until_it_is_shared() {
    let netns = Netns::new();
    let (_, there) = netns.join_machine();
    for (share, status, words) in [(None, 403, "--share"), (Some("--share"), 204, "")] {
        let mut command = netns.command(our_binary("sluice"));
        command
            .args(["play", "--listen", ":0", "test:"])
            .args(share);
        let process = Process::spawn("sluice play", &mut command);
        let port = process.wait_line(START, |line| {
            url::Url::parse(line.strip_prefix("Sluice is ready: ")?)
                .ok()?
                .port()
        });
        let base = format!("http://{there}:{port}/");
        let reply = Client::default().get(&format!("{base}live/whep"));
        assert_eq!(reply.status, status, "{share:?}: {}", reply.body);
        assert!(reply.body.contains(words), "{}", reply.body);
        // Sharing is watching, and no more.
        let api = Client::default().get(&format!("{base}api/v1/paths"));
        assert_eq!(api.status, 403, "{}", api.body);
        let announced = process
            .log()
            .contains(&format!("from other machines: {base}"));
        assert_eq!(announced, share.is_some(), "{}", process.log());
    }
}

#[test]
fn a_token_watches_its_path_and_ends_no_session_of_another() {
    let second = "fedcba9876543210fedcba9876543210";
    let gateway = gateway(&format!(
        "auth: {{tokens: {{wall: {{token: {TOKEN}}}, other: {{token: {second}}}}}, allow: [{{who: wall, may: read, paths: cam}}, {{who: other, may: read, paths: other}}]}}"
    ));
    let viewers = Viewers::new();
    let whep = |path: &str, token: &str| format!("{}?token={token}", gateway.whep(path));

    let refused = viewers.join(&gateway.whep("cam"), ViewerOptions::default());
    assert_eq!(refused.reply.status, 401);
    assert!(refused.reply.header("www-authenticate").is_some());
    let refused = viewers.join(&whep("cam", second), ViewerOptions::default());
    assert_eq!(refused.reply.status, 403);

    let viewer = viewers.watch(&whep("cam", TOKEN), ViewerOptions::default());
    viewer.wait_frames(10, secs(20));
    let session = viewer.reply.location.clone().expect("a 201 has a Location");
    let delete = |url: &str, token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        Client::default()
            .request("DELETE", url, &headers, "")
            .status
    };
    assert_eq!(delete(&session, None), 401);
    assert_eq!(delete(&session, Some(second)), 403);
    assert_eq!(
        delete(&session.replace("/cam/", "/other/"), Some(second)),
        404
    );
    // It played on through all of that.
    viewer.wait_frames(30, secs(20));
    assert_eq!(delete(&session, Some(TOKEN)), 200);
    assert_eq!(delete(&session, Some(TOKEN)), 404);

    let log = gateway.log();
    assert!(!log.contains(TOKEN) && !log.contains(second), "{log}");
}

#[test]
fn a_user_signs_in_with_a_hash_that_sluice_made() {
    let hash = hash("tür: hunter2");
    let gateway = gateway(&format!(
        "auth: {{users: {{alice: {{password: '{hash}'}}}}, allow: [{{who: alice, may: everything}}]}}"
    ));
    assert_eq!(gateway.get("api/v1/paths").status, 401);
    assert_eq!(
        ask(&gateway, "GET", "api/v1/paths", &basic("alice", "hunter2")).status,
        401
    );
    let right = basic("alice", "tür: hunter2");
    assert_eq!(ask(&gateway, "GET", "api/v1/paths", &right).status, 200);
    assert!(!gateway.log().contains("hunter2"));
}

#[test]
fn who_guesses_passwords_waits_and_others_do_not() {
    let hash = hash("right");
    let gateway = gateway(&format!(
        "auth: {{trusted_proxies: loopback, users: {{alice: {{password: '{hash}'}}}}, allow: [{{who: alice, may: api}}]}}"
    ));
    let client = Client::default();
    let from = |address: &str, password: &str| {
        let authorization = basic("alice", password);
        let headers = [
            ("x-forwarded-for", address),
            ("authorization", &authorization),
        ];
        client.request("GET", &gateway.at("api/v1/paths"), &headers, "")
    };

    let mut statuses = Vec::new();
    let limited = loop {
        let reply = from("203.0.113.66", "guess");
        statuses.push(reply.status);
        if reply.status == 429 {
            break reply;
        }
        assert!(statuses.len() < 10, "never limited: {statuses:?}");
    };
    assert_eq!(statuses, [401, 401, 401, 401, 429]);
    assert!(limited.header("retry-after").is_some());
    let begin = Instant::now();
    assert_eq!(from("203.0.113.7", "right").status, 200);
    assert!(
        begin.elapsed() < secs(2),
        "another client waited {:?}",
        begin.elapsed()
    );
    let log = gateway.log();
    assert!(
        log.contains("203.0.113.66") && log.contains("has to wait"),
        "{log}"
    );
    assert!(!log.contains("guess"), "{log}");
}

#[test]
fn clients_that_never_end_their_headers_hold_up_nobody_and_are_dropped() {
    let gateway = gateway("");
    let mut slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", gateway.port())).expect("accepted");
            stream
                .write_all(b"GET /api/v1/paths HTTP/1.1\r\nHost: loc")
                .expect("sent");
            stream
        })
        .collect();
    slow.extend(
        (0..50).map(|_| TcpStream::connect(("127.0.0.1", gateway.port())).expect("accepted")),
    );

    let begin = Instant::now();
    assert_eq!(gateway.get("api/v1/paths").status, 200);
    assert!(
        begin.elapsed() < secs(2),
        "an honest client waited {:?}",
        begin.elapsed()
    );
    for mut stream in slow {
        stream.set_read_timeout(Some(secs(30))).expect("a timeout");
        let mut rest = Vec::new();
        // The end of the stream: the gateway has closed it, with or without a word.
        stream.read_to_end(&mut rest).expect("closed within 30 s");
    }
}

#[test]
fn a_page_of_another_site_is_refused() {
    let gateway = gateway("cors: https://app.example.org");
    let post = |origin: &str| {
        let headers = [("origin", origin), ("content-type", "application/sdp")];
        Client::default().request("POST", &gateway.whep("cam"), &headers, "v=0\r\n")
    };
    let foreign = post("https://evil.example");
    assert_eq!(foreign.status, 403);
    assert!(foreign.json()["detail"].to_string().contains("cors"));
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    let app = post("https://app.example.org");
    assert_eq!(app.status, 400, "{}", app.body);
    assert_eq!(
        app.header("access-control-allow-origin"),
        Some("https://app.example.org")
    );
}

#[test]
fn session_ids_are_128_bits_and_never_come_twice() {
    let gateway = gateway("auth: {rate_limit: off}");
    let viewers = Viewers::new();
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let viewer = viewers.join(
            &gateway.whep("cam"),
            ViewerOptions {
                deaf: true,
                ..ViewerOptions::default()
            },
        );
        assert_eq!(viewer.reply.status, 201, "{}", viewer.reply.body);
        let location = viewer.reply.location.clone().expect("a Location");
        let id = location.rsplit('/').next().unwrap_or_default().to_owned();
        assert_eq!(id.len(), 22, "{id}");
        assert!(!id.contains("cam"));
        let url = gateway.at(&format!("cam/whep/{id}"));
        Client::default().request("DELETE", &url, &[], "");
        ids.insert(id);
    }
    assert_eq!(ids.len(), 40);
}
