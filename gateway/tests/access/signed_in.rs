//! Users, tokens, and those who are neither.

use crate::support::{Gateway, PASSWORD, SESSION, TOKEN, basic, bearer, with_rules};

const RULES: &str = "{who: obs, may: [publish, read], paths: door}, {who: alice, may: everything}, {who: signed-in, may: read, paths: hall}";

fn gateway() -> Gateway {
    Gateway::new(&with_rules(RULES))
}

#[tokio::test]
async fn without_credentials_it_is_401_with_both_ways_to_sign_in() {
    let gateway = gateway();
    let session = |method| format!("{method} /door/whep/{SESSION}");
    for line in [
        "GET /api/v1/paths",
        "GET /door/status.json",
        "POST /door/whep",
        "POST /door/whip",
        "GET /door/whep",
        "POST /no-such-path/whep",
        &session("PATCH"),
        &session("DELETE"),
        &session("GET"),
    ] {
        let reply = gateway.ask("127.0.0.1", line, &[]).await;
        assert_eq!(reply.status, 401, "{line}");
        let ways = reply.all("www-authenticate");
        assert!(
            ways.iter().any(|way| way.starts_with("Bearer ")),
            "{line} {ways:?}"
        );
        assert!(
            ways.iter().any(|way| way.starts_with("Basic ")),
            "{line} {ways:?}"
        );
        assert!(
            !ways.iter().any(|way| way.contains("error")),
            "{line} {ways:?}"
        );
        assert!(reply.body.contains("password"), "{}", reply.body);
    }
}

#[tokio::test]
async fn a_page_with_a_form_makes_no_browser_open_its_own_dialog() {
    let gateway = gateway();
    let headers = [("accept", "application/problem+json, */*")];
    let reply = gateway
        .ask("127.0.0.1", "GET /api/v1/paths", &headers)
        .await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.all("www-authenticate"), ["Bearer realm=\"Sluice\""]);
}

#[tokio::test]
async fn a_token_does_what_its_rules_say_and_the_rest_is_403() {
    let gateway = gateway();
    let token = bearer(TOKEN);
    let headers = [("authorization", token.as_str())];
    for (line, status) in [
        ("POST /door/whep".to_owned(), 415),
        ("GET /door/status.json".to_owned(), 200),
        ("GET /hall/status.json".to_owned(), 200),
        ("POST /hall/whip".to_owned(), 403),
        ("GET /api/v1/paths".to_owned(), 403),
        ("GET /metrics".to_owned(), 403),
        // The check covers sessions too: not this token's path, whatever the id.
        (format!("DELETE /door/whep/{SESSION}"), 404),
        (format!("DELETE /hall/whip/{SESSION}"), 403),
        (format!("PATCH /hall/whip/{SESSION}"), 403),
        (format!("DELETE /%68all/whip/{SESSION}"), 403),
    ] {
        assert_eq!(
            gateway.status("192.0.2.9", &line, &headers).await,
            status,
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_password_is_taken_as_basic_and_as_bearer() {
    let gateway = gateway();
    for right in [basic("alice", PASSWORD), format!("Bearer alice:{PASSWORD}")] {
        let headers = [("authorization", right.as_str())];
        assert_eq!(
            gateway
                .status("192.0.2.9", "GET /api/v1/paths", &headers)
                .await,
            200
        );
    }
}

#[tokio::test]
async fn wrong_credentials_are_401_and_say_so() {
    let gateway = gateway();
    for (n, wrong) in [
        basic("alice", "wrong"),
        basic("nobody", PASSWORD),
        basic("obs", TOKEN),
        bearer("0123456789abcdef0123456789abcdeX"),
        bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."),
        "Digest username=alice".to_owned(),
        format!("Bearer {}", "x".repeat(100_000)),
    ]
    .iter()
    .enumerate()
    {
        let peer = format!("192.0.2.{n}");
        let headers = [("authorization", wrong.as_str())];
        let reply = gateway.ask(&peer, "GET /api/v1/paths", &headers).await;
        assert_eq!(reply.status, 401, "{n}");
        let ways = reply.all("www-authenticate");
        assert!(
            ways.iter().any(|way| way.contains("invalid_token")),
            "{ways:?}"
        );
    }
}

#[tokio::test]
async fn a_token_in_the_address_works_and_reaches_no_answer() {
    let gateway = gateway();
    for (line, status) in [
        (format!("GET /door/status.json?token={TOKEN}"), 200),
        (format!("GET /door/status.json?x=1&jwt={TOKEN}"), 200),
        (format!("GET /api/v1/paths?token={TOKEN}"), 403),
        (
            "GET /door/status.json?token=hunter2hunter2hunter2".to_owned(),
            401,
        ),
        (format!("GET /no-such-path/status.json?token={TOKEN}"), 403),
    ] {
        let reply = gateway.ask("192.0.2.9", &line, &[]).await;
        assert_eq!(reply.status.as_u16(), status, "{line}");
        let all = format!("{:?} {}", reply.headers, reply.body);
        assert!(!all.contains(TOKEN) && !all.contains("hunter2"), "{all}");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
    }
}

#[tokio::test]
async fn who_keeps_failing_waits_and_nobody_else_does() {
    let gateway = gateway();
    let wrong = basic("alice", "wrong");
    let headers = [("authorization", wrong.as_str())];
    let mut statuses = vec![];
    for _ in 0..6 {
        statuses.push(
            gateway
                .status("192.0.2.66", "GET /api/v1/paths", &headers)
                .await,
        );
    }
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
    let reply = gateway
        .ask("192.0.2.66", "GET /api/v1/paths", &headers)
        .await;
    assert!(reply.headers.contains_key("retry-after"));

    let right = basic("alice", PASSWORD);
    let headers = [("authorization", right.as_str())];
    // The right password from a client that has to wait is not even looked at, so that guessing goes no
    // faster; from others it is.
    assert_eq!(
        gateway
            .status("192.0.2.66", "GET /api/v1/paths", &headers)
            .await,
        429
    );
    assert_eq!(
        gateway
            .status("192.0.2.67", "GET /api/v1/paths", &headers)
            .await,
        200
    );
    // Once right, it costs nothing to look at, and a neighbour's guessing locks nobody out.
    assert_eq!(
        gateway
            .status("192.0.2.66", "GET /api/v1/paths", &headers)
            .await,
        200
    );
    let token = bearer(TOKEN);
    let headers = [("authorization", token.as_str())];
    assert_eq!(
        gateway
            .status("192.0.2.66", "GET /door/status.json", &headers)
            .await,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_guesses_at_once_are_no_faster() {
    let gateway = gateway();
    let guesses = (0..100).map(|n| {
        let guess = basic("alice", &format!("guess {n}"));
        let gateway = &gateway;
        async move {
            let headers = [("authorization", guess.as_str())];
            gateway
                .status("192.0.2.66", "GET /api/v1/paths", &headers)
                .await
        }
    });
    let statuses = futures::future::join_all(guesses).await;
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(looked_at, 4, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)));
}

#[tokio::test]
async fn pages_are_shown_to_those_who_could_sign_in_on_them() {
    let gateway = gateway();
    for line in ["GET /", "GET /door"] {
        let reply = gateway
            .ask("192.0.2.9", line, &[("accept", "text/html")])
            .await;
        assert_eq!(reply.status, 200, "{line}");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
    }
}

#[tokio::test]
async fn options_needs_no_credentials() {
    let gateway = gateway();
    let session = format!("OPTIONS /door/whep/{SESSION}");
    for line in ["OPTIONS /door/whep", &session] {
        assert_eq!(gateway.status("192.0.2.9", line, &[]).await, 204, "{line}");
    }
}
