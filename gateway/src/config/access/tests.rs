//! What `auth`, `cors`, `tls` and `ice_servers` may be, and what is said when they are not.

use sluice_core::access::{Action, Network, Who};

use crate::config::{Config, ConfigErrors, JwtKeys, TlsConfig};

const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
const PATHS: &str = "\npaths: {a: {source: 'rtsp://h/1'}}\n";

fn parse(top: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Config::parse("f", &format!("{top}{PATHS}"), &environment)
}

#[test]
fn nothing_said_means_this_machine_only() {
    let config = parse("", &[]).unwrap();
    let [rule] = &config.access.policy.rules[..] else {
        panic!("one rule")
    };
    assert_eq!(rule.who, Who::Anyone);
    assert_eq!(rule.from, [Network::Loopback]);
    assert_eq!(config.tls, None);
    assert!(!config.access.origins.any());
}

#[test]
fn all_of_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "0123456789abcdef0123\n").unwrap();
    let file = file.display();
    let config = parse(
        &format!(
            "tls: self-signed\ncors: [https://a.example, 'http://localhost:3000']\n\
             auth:\n  users: {{alice: {{password: '{HASH}'}}}}\n  tokens: {{obs: {{token_file: {file}}}}}\n  \
             jwt: {{jwks_url: 'https://id.example/keys', issuer: x, audience: [y, z], algorithms: [RS256, EdDSA], leeway: 5s}}\n  \
             hook: {{url: 'http://127.0.0.1:9/auth', timeout: 500ms}}\n  trusted_proxies: [127.0.0.1, 10.0.0.0/8]\n  \
             proxy_header: Forwarded\n  host_names: [m.example]\n  rate_limit: off\n  allow:\n    \
             - {{who: [alice, obs], may: [read, publish], paths: ['cam-*']}}\n    - {{who: signed-in, from: private, may: everything}}\n\
             webrtc:\n  ice_servers: [{{url: 'stun:s'}}, {{url: 'turn:t', username: u, credential: c}}, {{url: 'turns:t', secret: s}}]"
        ),
        &[],
    )
    .unwrap();
    let access = &config.access;
    assert_eq!(config.tls, Some(TlsConfig::SelfSigned));
    assert_eq!(access.policy.rules.len(), 2);
    assert_eq!(
        access.policy.rules[0]
            .grant
            .may
            .iter()
            .copied()
            .collect::<Vec<_>>(),
        [Action::Publish, Action::Read]
    );
    assert!(access.tokens["obs"].matches("0123456789abcdef0123"));
    assert!(access.policy.ways.basic && access.policy.ways.bearer);
    let summary = access.summary();
    for part in [
        "alice, obs from everywhere: publish, read on cam-*; ",
        "; with a JWT: ",
        "; otherwise the hook at 127.0.0.1 decides",
    ] {
        assert!(summary.contains(part), "{summary}");
    }
    assert_eq!(access.rate_limit, None);
    assert_eq!(config.ice_servers.len(), 3);
    let jwt = access.jwt.as_ref().unwrap();
    assert!(matches!(&jwt.keys, JwtKeys::Url(url) if url.as_str() == "https://id.example/keys"));
    assert_eq!(jwt.claim, "sluice_permissions");
}

/// What is written at the top, and words that the one line about it must have.
const REFUSALS: &[(&str, &[&str])] = &[
    ("tls: acme", &["f:1:", "`tls: acme`", "self-signed"]),
    (
        "tls: {cert: /nowhere.pem, key: /dev/null}",
        &["`tls.cert: /nowhere.pem`", "cannot be read"],
    ),
    ("tls: {cert: /nowhere.pem}", &["needs two files"]),
    ("tls: {crt: a}", &["`crt`", "did you mean `cert`"]),
    (
        "cors: app.example.org",
        &["`cors: app.example.org`", "https://"],
    ),
    ("auth: {usres: {}}", &["`usres`", "did you mean `users`"]),
    (
        "auth: {users: {bob: {password: hunter2}}, allow: [{who: bob, may: read}]}",
        &["auth.users.bob.password", "sluice hash-password"],
    ),
    (
        "auth: {users: {bob: {}}, allow: [{who: bob, may: read}]}",
        &["auth.users.bob", "has no secret", "password_file"],
    ),
    (
        "auth: {users: {'b b': {password: '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA'}}, allow: [{who: signed-in, may: read}]}",
        &["cannot be a name"],
    ),
    (
        "auth: {tokens: {obs: {token: hunter2}}, allow: [{who: obs, may: read}]}",
        &["at least 16", "openssl rand"],
    ),
    (
        "auth: {tokens: {obs: {token: 0123456789abcdef}}}",
        &["`auth.tokens.obs` may do nothing", "auth.allow"],
    ),
    (
        "auth: {allow: [{who: bob, may: read}]}",
        &["f:1:", "`auth.allow.who: bob`", "auth.users"],
    ),
    (
        "auth: {allow: [{who: anyone, may: watch}]}",
        &["`auth.allow.may: watch`", "publish, read"],
    ),
    ("auth: {allow: [{may: read}]}", &["without `who`"]),
    ("auth: {allow: [{who: anyone}]}", &["without `may`"]),
    ("auth: {allow: [{who: [], may: read}]}", &["without `who`"]),
    (
        "auth: {allow: [{who: anyone, may: read, from: 10.0.0.0/99}]}",
        &["`auth.allow.from: 10.0.0.0/99`", "192.0.2.0/24"],
    ),
    (
        "auth: {allow: [{who: anyone, may: read, from: []}]}",
        &["`auth.allow.from` is an empty list"],
    ),
    (
        "auth: {allow: [{who: anyone, may: read, paths: ['~^cam']}]}",
        &["`auth.allow.paths: ~^cam`", "a-z"],
    ),
    (
        "auth: {trusted_proxies: nginx}",
        &["`auth.trusted_proxies: nginx`"],
    ),
    (
        "auth: {proxy_header: x-real-ip}",
        &["x-forwarded-for or forwarded"],
    ),
    (
        "auth: {rate_limit: many}",
        &["`auth.rate_limit: many`", "off"],
    ),
    (
        "auth: {hook: {timeout: 3s}}",
        &["`auth.hook` has no address"],
    ),
    (
        "auth: {hook: {url: 'ftp://h'}}",
        &["`auth.hook.url: ftp://h`"],
    ),
    (
        "auth: {hook: {url: 'http://h', timeout: 1h}}",
        &["100ms to 30s"],
    ),
    (
        "auth: {jwt: {}}",
        &["`auth.jwt` needs its keys from one place", "jwks_url"],
    ),
    (
        "auth: {jwt: {secret: hunter2}}",
        &["`auth.jwt.secret` is shorter than 32", "openssl rand"],
    ),
    (
        "auth: {jwt: {key_file: /nowhere.pem}}",
        &["`auth.jwt.key_file: /nowhere.pem`", "cannot be read"],
    ),
    (
        "auth: {jwt: {jwks_url: 'https://k', algorithms: none}}",
        &["`auth.jwt.algorithms: none`", "RS256"],
    ),
    ("webrtc: {ice_servers: [{username: u}]}", &["without `url`"]),
    (
        "webrtc: {ice_servers: [{url: 'http://s'}]}",
        &["`webrtc.ice_servers: http://s`", "stun:host"],
    ),
    (
        "webrtc: {ice_servers: [{url: 'turn:t'}]}",
        &["a TURN server needs"],
    ),
    (
        "webrtc: {ice_servers: [{url: 'turn:t', username: u, secret: s}]}",
        &["do not go together"],
    ),
    (
        "webrtc: {ice_servers: [{url: 'turn:t', secret: s, ttl: 1s}]}",
        &["at least 10s"],
    ),
    (
        "webrtc: {ice_servers: [{url: 'turn:t', username: u, credential: \"hunter2\\r\\nX: y\"}]}",
        &["visible ASCII"],
    ),
];

#[test]
fn every_refusal_says_what_would_be_right() {
    for (top, parts) in REFUSALS {
        let refusal = parse(top, &[]).unwrap_err().to_string();
        for part in *parts {
            assert!(
                refusal.contains(part),
                "{top:?} gave {refusal:?}, without {part:?}"
            );
        }
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}

#[test]
fn secrets_come_from_the_environment_too() {
    let top = "auth: {users: {a.l: {password_file: /nowhere}}, jwt: {}, allow: [{who: signed-in, may: read}]}\nwebrtc: {ice_servers: [{url: 'turn:t'}]}";
    let token = "0123456789abcdef0123";
    let config = parse(
        top,
        &[
            ("SLUICE_AUTH_USERS_A_L", HASH),
            ("SLUICE_AUTH_TOKENS_OBS", token),
            ("SLUICE_AUTH_JWT_SECRET", "0123456789abcdef0123456789abcdef"),
            ("SLUICE_AUTH_RATE_LIMIT", "7"),
            ("SLUICE_WEBRTC_ICE_SERVERS_1_SECRET", "north"),
            ("SLUICE_TLS", "self-signed"),
            ("SLUICE_CORS", "*"),
        ],
    )
    .unwrap();
    assert!(config.access.users["a.l"].matches(HASH));
    assert!(config.access.tokens["obs"].matches(token));
    assert_eq!(config.access.rate_limit.unwrap().get(), 7);
    assert_eq!(config.tls, Some(TlsConfig::SelfSigned));
    assert!(config.access.origins.any());

    for name in [
        "SLUICE_AUTH_COLOUR",
        "SLUICE_WEBRTC_ICE_SERVERS_2_SECRET",
        "SLUICE_TLS_CRT",
    ] {
        let refusal = parse(top, &[(name, "hunter2")]).unwrap_err().to_string();
        assert!(
            refusal.contains(name) && !refusal.contains("hunter2"),
            "{refusal}"
        );
    }
}

#[test]
fn no_debug_and_no_display_shows_a_secret() {
    let config = parse(
        &format!(
            "auth:\n  users: {{alice: {{password: '{HASH}'}}}}\n  tokens: {{obs: {{token: hunter2hunter2hunter2}}}}\n  \
             jwt: {{secret: hunter2hunter2hunter2hunter2hunter2}}\n  allow: [{{who: signed-in, may: read}}]\n\
             webrtc: {{ice_servers: [{{url: 'turn:t', username: u, credential: hunter2}}, {{url: 'turn:t', secret: hunter2}}]}}"
        ),
        &[],
    )
    .unwrap();
    let servers = "auth: {hook: {url: 'https://bob:hunter2@h/?x=hunter2'}, jwt: {jwks_url: 'https://h/?y=hunter2'}}";
    let servers = parse(servers, &[]).unwrap();
    let summary = servers.access.summary();
    let shown = format!("{config:?} {config:#?} {servers:?} {summary}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("aGFzaGhhc2"),
        "{shown}"
    );
}
