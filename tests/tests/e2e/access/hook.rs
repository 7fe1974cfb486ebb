//! The HTTP hook.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use sluice_tests::web::{Asked, WebServer};

use super::{ask, basic, gateway};

fn question(asked: &Asked) -> Value {
    serde_json::from_str(&asked.body).unwrap_or_default()
}

/// Lets bob, whose password is right, read `cam`.
fn bob_may_read(asked: &Asked) -> (u16, String) {
    let question = question(asked);
    let status = match (question["user"].as_str(), question["password"].as_str()) {
        (Some("bob"), Some("right"))
            if question["path"] == "cam" && question["action"] == "read" =>
        {
            204
        }
        (Some("bob"), Some("right")) => 403,
        _ => 401,
    };
    (status, String::new())
}

#[test]
fn the_hook_decides_what_the_rules_leave_open() {
    let server = WebServer::start(bob_may_read);
    let gateway = gateway(&format!(
        "auth: {{hook: {{url: '{}'}}, allow: [{{who: anyone, may: api}}]}}",
        server.at("hook")
    ));
    // The rules come first.
    assert_eq!(gateway.get("api/v1/paths").status, 200);
    assert!(server.asked().is_empty());

    assert_eq!(gateway.get("cam/whep").status, 401);
    assert_eq!(
        ask(&gateway, "GET", "cam/whep", &basic("bob", "right")).status,
        204
    );
    assert_eq!(
        ask(&gateway, "GET", "other/whep", &basic("bob", "right")).status,
        403
    );
    assert_eq!(
        ask(&gateway, "POST", "cam/whip", &basic("bob", "right")).status,
        403
    );
    assert_eq!(
        ask(&gateway, "GET", "cam/whep", &basic("bob", "wrong")).status,
        401
    );

    let asked = server.asked();
    let second = question(&asked[1]);
    assert_eq!(asked[1].line, "POST /hook");
    for (key, value) in [
        ("action", "read"),
        ("path", "cam"),
        ("ip", "127.0.0.1"),
        ("method", "GET"),
        ("user", "bob"),
        ("token", ""),
    ] {
        assert_eq!(second[key], value, "{key} in {second}");
    }
    assert!(!gateway.log().contains("right\""), "{}", gateway.log());
}

#[test]
fn a_hook_that_fails_stalls_or_redirects_lets_nobody_in() {
    let elsewhere = WebServer::start(|_| (200, String::new()));
    let to = elsewhere.at("yes");
    let server = WebServer::start(move |asked| match question(asked)["path"].as_str() {
        Some("cam") => (307, to.clone()),
        _ => (500, String::new()),
    });
    let hook = |url: &str| {
        gateway(&format!(
            "auth: {{hook: {{url: '{url}', timeout: 500ms}}, allow: [{{who: anyone, may: metrics}}]}}"
        ))
    };
    let failing = hook(&server.at("hook"));
    for path in ["cam/whep", "other/whep"] {
        let reply = ask(&failing, "GET", path, "Bearer 0123456789abcdef");
        assert_eq!(reply.status, 403, "{path}: {}", reply.body);
    }
    assert!(elsewhere.asked().is_empty(), "a redirect was followed");

    // One that takes connections and says nothing, and one that is not there.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    for url in [
        format!("http://127.0.0.1:{port}/"),
        "http://127.0.0.1:1/".to_owned(),
    ] {
        let reply = hook(&url).get("cam/whep");
        assert_eq!(reply.status, 503, "{url}: {}", reply.body);
        assert!(reply.header("retry-after").is_some());
    }
}

#[test]
fn a_hook_that_changes_its_mind_is_heard_at_the_next_request() {
    let open = Arc::new(AtomicBool::new(true));
    let mind = Arc::clone(&open);
    let server = WebServer::start(move |_| {
        let status = if mind.load(Ordering::Relaxed) {
            200
        } else {
            403
        };
        (status, String::new())
    });
    let gateway = gateway(&format!(
        "auth: {{hook: {{url: '{}'}}, allow: [{{who: anyone, may: metrics}}]}}",
        server.at("hook")
    ));
    assert_eq!(gateway.get("cam/whep").status, 204);
    open.store(false, Ordering::Relaxed);
    assert_ne!(gateway.get("cam/whep").status, 204);
}
