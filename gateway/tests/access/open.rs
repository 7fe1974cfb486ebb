//! What is open without signing in.

use crate::support::{Gateway, SESSION, TOKEN, bearer, with_rules};

/// Addresses that a handler serves, and what it says to an empty request.
const GUARDED: &[(&str, u16)] = &[
    ("GET /api/v1/paths", 200),
    ("GET /door/status.json", 200),
    ("GET /door/whep", 204),
    ("POST /door/whep", 415),
    ("GET /door/thumbnail.jpg", 503),
];

#[tokio::test]
async fn a_config_without_auth_serves_its_own_machine_and_tells_others_what_to_write() {
    let gateway = Gateway::new("");
    for (line, status) in GUARDED {
        for own in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(
                gateway.status(own, line, &[]).await,
                *status,
                "{line} {own}"
            );
        }
        for other in ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8::1"] {
            let reply = gateway.ask(other, line, &[]).await;
            assert_eq!(reply.status, 403, "{line} {other}");
            assert!(reply.body.contains("auth: {allow: "), "{}", reply.body);
            assert!(!reply.headers.contains_key("www-authenticate"), "{line}");
        }
    }
    for line in ["GET /", "GET /door", "GET /hall/"] {
        let page = gateway
            .ask("192.0.2.9", line, &[("accept", "text/html,*/*")])
            .await;
        assert_eq!(page.status, 403, "{line}");
        assert!(
            page.body.contains("<h2>") && page.body.contains("auth: {allow: "),
            "{line}"
        );
    }
    assert_eq!(gateway.status("192.0.2.9", "GET /healthz", &[]).await, 200);
    assert_eq!(
        gateway
            .status("192.0.2.9", "GET /_sluice/player.js", &[])
            .await,
        200
    );
}

#[tokio::test]
async fn rules_open_actions_and_paths_to_ranges_of_addresses() {
    let gateway = Gateway::new(
        "auth: {allow: [{who: anyone, may: read, paths: [do*]}, {who: anyone, from: [10.0.0.0/8, 'fd00::/8'], may: api}]}",
    );
    for (peer, line, status) in [
        ("192.0.2.9", "GET /door/status.json", 200),
        ("192.0.2.9", "GET /hall/status.json", 403),
        ("192.0.2.9", "GET /api/v1/paths", 403),
        ("10.1.2.3", "GET /api/v1/paths", 200),
        ("fd00::7", "GET /api/v1/paths", 200),
        ("127.0.0.1", "GET /api/v1/paths", 403),
        ("192.0.2.9", "POST /door/whip", 403),
    ] {
        assert_eq!(
            gateway.status(peer, line, &[]).await,
            status,
            "{peer} {line}"
        );
    }
}

#[tokio::test]
async fn forwarded_addresses_count_from_trusted_proxies_only() {
    let rules = "allow: [{who: anyone, from: 10.0.0.0/8, may: everything}]";
    let trusting = Gateway::new(&format!("auth: {{trusted_proxies: 192.0.2.1, {rules}}}"));
    let blind = Gateway::new(&format!("auth: {{{rules}}}"));
    let line = "GET /door/status.json";
    for (gateway, peer, forwarded, status) in [
        (&trusting, "192.0.2.1", "10.0.0.7", 200),
        (&trusting, "192.0.2.1", "10.0.0.7, 203.0.113.5", 403),
        (&trusting, "192.0.2.2", "10.0.0.7", 403),
        (&blind, "192.0.2.1", "10.0.0.7", 403),
        (&blind, "10.0.0.1", "10.0.0.7", 403),
    ] {
        let headers = [("x-forwarded-for", forwarded)];
        let got = gateway.status(peer, line, &headers).await;
        assert_eq!(got, status, "{peer} {forwarded}");
    }
    assert_eq!(blind.status("10.0.0.1", line, &[]).await, 200);
    // Its other header is whatever the client wrote.
    let headers = [("forwarded", "for=10.0.0.7")];
    assert_eq!(trusting.status("192.0.2.1", line, &headers).await, 403);
}

#[tokio::test]
async fn a_proxy_on_the_same_machine_does_not_make_everybody_local() {
    let gateway = Gateway::new("");
    for header in [
        ("x-forwarded-for", "203.0.113.1"),
        ("via", "1.1 nginx"),
        ("x-real-ip", "1.2.3.4"),
    ] {
        let reply = gateway
            .ask("127.0.0.1", "GET /api/v1/paths", &[header])
            .await;
        assert_eq!(reply.status, 403, "{header:?}");
        assert!(
            reply.body.contains("auth.trusted_proxies"),
            "{}",
            reply.body
        );
    }
}

#[tokio::test]
async fn changes_come_at_a_limited_rate_per_client() {
    let gateway = Gateway::new("auth: {rate_limit: 5}");
    let line = format!("DELETE /door/whep/{SESSION}");
    let mut limited = None;
    for _ in 0..60 {
        let reply = gateway.ask("127.0.0.1", &line, &[]).await;
        if reply.status != 404 {
            limited = Some(reply);
            break;
        }
    }
    let limited = limited.expect("60 at once are too many");
    assert_eq!(limited.status, 429);
    assert_eq!(limited.headers["retry-after"], "1");
    // Another client is not limited, and looking is not changing.
    assert_eq!(gateway.status("127.0.0.2", &line, &[]).await, 404);
    assert_eq!(
        gateway.status("127.0.0.1", "GET /door/whep", &[]).await,
        204
    );
}

#[tokio::test]
async fn changes_come_at_a_limited_rate_per_token() {
    let config = with_rules("{who: obs, may: read}, {who: alice, may: read}");
    let gateway = Gateway::new(&config.replacen("auth:\n", "auth:\n  rate_limit: 1\n", 1));
    let line = format!("DELETE /door/whep/{SESSION}");
    let token = bearer(TOKEN);
    let mut statuses = std::collections::BTreeSet::new();
    // From ever new addresses, none of which asks often.
    for n in 0..60 {
        let peer = format!("192.0.2.{n}");
        statuses.insert(
            gateway
                .status(&peer, &line, &[("authorization", &token)])
                .await,
        );
    }
    assert!(
        statuses.contains(&404) && statuses.contains(&429),
        "{statuses:?}"
    );
}
