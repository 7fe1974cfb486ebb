//! Section 2: who may do what. Users, rules and attackers in general are in `access`.

use sluice_tests::gateway::Gateway;
use sluice_tests::http::{Client, Reply};

use super::{both, options, session, started};

const ONE: &str = "0123456789abcdef0123456789abcdef";
const TWO: &str = "fedcba9876543210fedcba9876543210";

/// `one` may watch `cam` and publish to `studio`; `two` may watch `other` only.
fn guarded() -> Gateway {
    let top = format!(
        "cors: \"*\"\nauth: {{trusted_proxies: loopback, tokens: {{one: {{token: {ONE}}}, two: {{token: {TWO}}}}}, \
         allow: [{{who: one, may: read, paths: cam}}, {{who: one, may: publish, paths: studio}}, \
         {{who: two, may: read, paths: other}}]}}"
    );
    started(&options().top(&top))
}

/// Sends a request with a bearer token; each comes from an address of its own, since who fails has to wait.
fn ask(method: &str, url: &str, token: Option<&str>, from: &str, body: &str) -> Reply {
    let kind = match method {
        "PATCH" => "application/trickle-ice-sdpfrag",
        _ => "application/sdp",
    };
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![
        ("content-type", kind),
        ("x-forwarded-for", from),
        ("if-match", "*"),
    ];
    headers.extend(bearer.iter().map(|value| ("authorization", value.as_str())));
    Client::default().request(method, url, &headers, body)
}

#[test]
fn c22_post_patch_and_delete_want_a_token_and_say_so() {
    let gateway = guarded();
    for (n, (url, offer)) in both(&gateway).into_iter().enumerate() {
        let reply = ask("POST", &url, Some(ONE), "192.0.2.1", &offer);
        assert_eq!(reply.status, 201, "{}", reply.body);
        // Relative, since the request came through a proxy; the client resolves it.
        let location = reply.location.expect("a 201 has a Location");
        for (m, (method, at)) in [("POST", &url), ("PATCH", &location), ("DELETE", &location)]
            .into_iter()
            .enumerate()
        {
            let from = format!("198.51.100.{}", 10 * n + m);
            let missing = ask(method, at, None, &from, &offer);
            assert_eq!(missing.status, 401, "{method} {at}");
            let challenges = |reply: &Reply| {
                let all = reply
                    .headers
                    .iter()
                    .filter(|(name, _)| name == "www-authenticate");
                all.map(|(_, value)| value.clone())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            assert!(challenges(&missing).contains("Bearer"), "{method} {at}");
            let wrong = ask(method, at, Some("00112233445566778899"), &from, &offer);
            assert_eq!(wrong.status, 401, "{method} {at}");
            assert!(
                challenges(&wrong).contains("invalid_token"),
                "{}",
                challenges(&wrong)
            );
            let another = ask(method, at, Some(TWO), &from, &offer);
            assert_eq!(another.status, 403, "{method} {at}");
        }
        assert_eq!(
            ask("DELETE", &location, Some(ONE), "192.0.2.1", "").status,
            200
        );
    }
}

#[test]
fn c23_a_token_of_one_stream_reaches_no_session_of_another() {
    let gateway = guarded();
    let url = gateway.whep("cam");
    let reply = ask("POST", &url, Some(ONE), "192.0.2.1", super::VIEWERS);
    assert_eq!(reply.status, 201, "{}", reply.body);
    let location = reply.location.expect("a 201 has a Location");
    let elsewhere = location.replace("/cam/", "/other/");
    let as_publisher = location.replace("/cam/whep/", "/studio/whip/");
    for method in ["PATCH", "DELETE"] {
        for (at, token, status) in [
            (&location, TWO, 403),
            // Their own right is no right to what is another's.
            (&elsewhere, TWO, 404),
            (&as_publisher, ONE, 404),
        ] {
            let reply = ask(
                method,
                at,
                Some(token),
                "192.0.2.1",
                "a=end-of-candidates\r\n",
            );
            assert_eq!(reply.status, status, "{method} {at}");
        }
    }
    assert_eq!(
        ask("DELETE", &location, Some(ONE), "192.0.2.1", "").status,
        200
    );
}

const SERVERS: &str = "webrtc:\n  ice_servers:\n    - {url: 'stun:stun.example.org'}\n    \
    - {url: 'turn:turn.example.org:3478?transport=udp', secret: north, ttl: 1h}\n";

fn links(reply: &Reply) -> Vec<&str> {
    let links = reply.headers.iter().filter(|(name, _)| name == "link");
    links.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn c10_a_preflight_brings_no_turn_credentials() {
    let gateway = guarded_with_servers();
    for url in [gateway.whep("cam"), gateway.whip("studio")] {
        let bearer = format!("Bearer {ONE}");
        let preflight = [
            ("origin", "https://player.example"),
            ("access-control-request-method", "POST"),
            ("authorization", bearer.as_str()),
        ];
        let reply = Client::default().request("OPTIONS", &url, &preflight, "");
        assert_eq!(reply.status, 204);
        assert!(links(&reply).is_empty(), "{:?}", links(&reply));
        let reply = ask("OPTIONS", &url, None, "192.0.2.1", "");
        assert!(
            links(&reply).is_empty(),
            "nor does whoever may not watch get any"
        );
    }
}

#[test]
fn c63_ice_servers_come_in_link_headers_one_each() {
    let gateway = guarded_with_servers();
    for (url, offer) in both(&gateway) {
        for (method, status) in [("POST", 201), ("OPTIONS", 204)] {
            let reply = ask(method, &url, Some(ONE), "192.0.2.1", &offer);
            assert_eq!(reply.status, status, "{}", reply.body);
            let [stun, turn] = links(&reply)[..] else {
                panic!("two servers: {:?}", links(&reply))
            };
            assert_eq!(stun, "<stun:stun.example.org>; rel=\"ice-server\"");
            for words in [
                "<turn:turn.example.org:3478?transport=udp>; rel=\"ice-server\"; username=\"",
                "\"; credential=\"",
                "credential-type=\"password\"",
            ] {
                assert!(turn.contains(words), "{turn}");
            }
            assert!(!turn.contains("north"), "{turn}");
        }
    }
    assert!(!gateway.log().contains("north"));
}

/// The kit's config has a section `webrtc` of its own: the servers are added to it.
fn guarded_with_servers() -> Gateway {
    let text = options().top(&top_of_guarded()).yaml();
    let text = text.replace("webrtc:\n", SERVERS);
    started(&options().yaml_text(&text))
}

fn top_of_guarded() -> String {
    format!(
        "cors: \"*\"\nauth: {{trusted_proxies: loopback, tokens: {{one: {{token: {ONE}}}}}, \
         allow: [{{who: one, may: [read, publish]}}]}}"
    )
}

#[test]
fn c27_changes_come_at_a_limited_rate_and_nobody_else_is_slowed() {
    let top =
        "auth: {trusted_proxies: loopback, rate_limit: 5, allow: [{who: anyone, may: everything}]}";
    let gateway = started(&options().top(top));
    let (_, location) = session(&gateway.whep("cam"), super::VIEWERS);
    let statuses: Vec<_> = (0..60)
        .map(|_| ask("PATCH", &location, None, "192.0.2.66", "nonsense").status)
        .collect();
    let passed = statuses.iter().filter(|status| **status != 429).count();
    // Four seconds' worth at once, and five a second from then on.
    assert!((20..=45).contains(&passed), "{statuses:?}");
    // All methods share it; one may just have become free.
    let limited = (0..10)
        .map(|_| {
            let url = gateway.whep("cam");
            ask("POST", &url, None, "192.0.2.66", super::VIEWERS)
        })
        .find(|reply| reply.status == 429)
        .expect("a POST over the limit");
    assert!(limited.header("retry-after").is_some());
    let other = ask("PATCH", &location, None, "192.0.2.7", "nonsense");
    assert_eq!(other.status, 400);
}
