//! Pages of other sites, and names that are not ours.

use crate::support::{Gateway, SESSION, TOKEN, bearer, with_rules};

const APP: &str = "https://app.example.org";

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let gateway = Gateway::new("cors: https://app.example.org");
    let session = format!("DELETE /door/whep/{SESSION}");
    for (line, right) in [("POST /door/whep", 415), (session.as_str(), 404)] {
        for (origin, status) in [
            ("https://evil.example", 403),
            ("null", 403),
            ("http://192.0.2.1:8890", 403),
            ("http://192.0.2.1:8889", right),
            (APP, right),
        ] {
            let got = gateway
                .status("127.0.0.1", line, &[("origin", origin)])
                .await;
            assert_eq!(got, status, "{line} {origin}");
        }
    }
    let socket = [("origin", "https://evil.example"), ("upgrade", "websocket")];
    assert_eq!(gateway.status("127.0.0.1", "GET /ws", &socket).await, 403);
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_read_answers() {
    let gateway = Gateway::new("cors: [https://app.example.org]");
    let anyone = Gateway::new("cors: '*'");
    for (gateway, origin, shared) in [
        (&gateway, APP, Some(APP)),
        (&gateway, "https://evil.example", None),
        (&anyone, "https://evil.example", Some("*")),
    ] {
        for line in ["GET /door/whep", "GET /api/v1/paths", "GET /nothing/at/all"] {
            let reply = gateway.ask("127.0.0.1", line, &[("origin", origin)]).await;
            let allowed = reply.headers.get("access-control-allow-origin");
            let allowed = allowed.map(|value| value.to_str().unwrap());
            assert_eq!(allowed, shared, "{line} {origin}");
            assert!(reply.all("vary").contains(&"Origin"), "{line}");
            let exposed = reply.all("access-control-expose-headers").join(",");
            assert_eq!(
                exposed.contains("WWW-Authenticate"),
                shared.is_some(),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn a_preflight_needs_no_credentials_and_allows_allowed_origins_only() {
    let gateway = Gateway::new(&format!(
        "cors: {APP}\n{}",
        with_rules("{who: [alice, obs], may: everything}")
    ));
    let session = format!("OPTIONS /door/whep/{SESSION}");
    for line in ["OPTIONS /door/whep", &session, "OPTIONS /api/v1/paths"] {
        for (origin, shared) in [(APP, true), ("https://evil.example", false)] {
            let headers = [
                ("origin", origin),
                ("access-control-request-method", "DELETE"),
            ];
            let reply = gateway.ask("192.0.2.9", line, &headers).await;
            assert_eq!(reply.status, 204, "{line}");
            let allows = reply.headers.contains_key("access-control-allow-origin");
            assert_eq!(allows, shared, "{line} {origin}");
            let methods = reply.all("access-control-allow-methods").join(",");
            assert_eq!(!methods.is_empty(), shared, "{line} {origin}");
        }
    }
}

#[tokio::test]
async fn a_name_that_was_pointed_here_opens_nothing() {
    let gateway = Gateway::new("auth: {host_names: media.example.org}");
    for (host, status) in [
        ("evil.example:8889", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost:8889", 200),
        ("127.0.0.1:8889", 200),
        ("media.example.org", 200),
    ] {
        for line in ["GET /api/v1/paths", "GET /door/status.json"] {
            let got = gateway.status("127.0.0.1", line, &[("host", host)]).await;
            assert_eq!(got, status, "{line} {host}");
        }
    }
}

#[tokio::test]
async fn a_token_proves_that_the_name_is_meant() {
    let gateway = Gateway::new(&with_rules("{who: [alice, obs], may: everything}"));
    let token = bearer(TOKEN);
    let headers = [
        ("host", "media.example.org"),
        ("authorization", token.as_str()),
    ];
    assert_eq!(
        gateway
            .status("192.0.2.9", "GET /api/v1/paths", &headers)
            .await,
        200
    );
}
