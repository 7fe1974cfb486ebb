//! ICE servers in `Link` headers.

use crate::support::{Gateway, TOKEN, bearer, with_rules};

fn gateway() -> Gateway {
    let servers = "webrtc:\n  ice_servers:\n    - {url: 'stun:stun.example.org'}\n    - {url: 'turn:turn.example.org:3478?transport=udp', secret: north, ttl: 1h}\n";
    let rules = with_rules("{who: obs, may: read, paths: door}, {who: alice, may: api}");
    Gateway::new(&format!("{servers}{rules}"))
}

#[tokio::test]
async fn whoever_may_watch_gets_credentials_of_their_own() {
    let gateway = gateway();
    let token = bearer(TOKEN);
    let headers = [("authorization", token.as_str())];
    let reply = gateway
        .ask("192.0.2.9", "OPTIONS /door/whep", &headers)
        .await;
    let links = reply.all("link");
    let [stun, turn] = links[..] else {
        panic!("two servers: {links:?}")
    };
    assert_eq!(stun, "<stun:stun.example.org>; rel=\"ice-server\"");
    let words = [
        "<turn:turn.example.org:3478?transport=udp>; rel=\"ice-server\"; username=\"",
        ":obs\"; credential=\"",
        "credential-type=\"password\"",
    ];
    assert!(words.iter().all(|word| turn.contains(word)), "{turn}");
    assert!(!turn.contains("north"), "{turn}");
    let expiry = turn
        .split("username=\"")
        .nth(1)
        .unwrap()
        .split(':')
        .next()
        .unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    let left = expiry.parse::<u64>().unwrap() - now;
    assert!((3590..=3600).contains(&left), "{left} s");
}

#[tokio::test]
async fn nobody_else_does() {
    let gateway = gateway();
    let token = bearer(TOKEN);
    let with_token = ("authorization", token.as_str());
    for (line, headers) in [
        ("OPTIONS /door/whep", &[][..]),
        ("OPTIONS /hall/whep", &[with_token]),
        (
            "OPTIONS /door/whep",
            &[("authorization", "Bearer 0123456789abcdef0000")],
        ),
        // A preflight, even one that a careless client signs.
        (
            "OPTIONS /door/whep",
            &[
                with_token,
                ("access-control-request-method", "POST"),
                ("origin", "http://192.0.2.1:8889"),
            ],
        ),
        ("GET /door/whep", &[with_token]),
        ("POST /door/whep", &[with_token]),
    ] {
        let reply = gateway.ask("192.0.2.9", line, headers).await;
        assert!(reply.all("link").is_empty(), "{line} {headers:?}");
    }
}
