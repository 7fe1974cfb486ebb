//! A gateway with a config, and one request after the other.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use sluice::config::Config;
use sluice::control::{self, Gate, Peer};
use sluice::supervisor::Supervisor;
use tower::ServiceExt as _;

/// The password of every user of these tests, hashed with little work (8 KiB, one pass).
pub(crate) const PASSWORD: &str = "correct horse";
/// The one token of these tests.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub(crate) struct Gateway {
    router: Router,
    _supervisor: Supervisor,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }
}

impl Gateway {
    /// Starts one with the paths `door` and `hall`, and `top` at the top of its config.
    pub(crate) fn new(top: &str) -> Self {
        sluice_pipelines::init().unwrap();
        let text =
            format!("{top}\npaths:\n  door: {{source: 'test:'}}\n  hall: {{source: 'test:'}}\n");
        let config = Config::parse("test.yaml", &text, &[]).unwrap();
        let supervisor = Supervisor::start(&config);
        let gate: Arc<Gate> = Gate::new(config.access.clone()).unwrap();
        let patience = Duration::from_secs(10);
        let router = control::router(
            &supervisor.paths(),
            gate,
            &config.ice_servers,
            patience,
            &control::Sockets::new(),
            control::Recordings::default(),
        );
        Self {
            router,
            _supervisor: supervisor,
        }
    }

    /// Sends `METHOD /address` from an address, with these headers.
    pub(crate) async fn ask(&self, peer: &str, line: &str, headers: &[(&str, &str)]) -> Reply {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "192.0.2.1:8889");
        }
        let peer = std::net::SocketAddr::new(peer.parse().unwrap(), 4711);
        let request = request.extension(Peer(peer)).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub(crate) async fn status(&self, peer: &str, line: &str, headers: &[(&str, &str)]) -> u16 {
        self.ask(peer, line, headers).await.status.as_u16()
    }
}

/// A config with the user `alice`, the token `obs`, and these rules.
pub(crate) fn with_rules(rules: &str) -> String {
    let hash = cheap_hash();
    format!(
        "auth:\n  users: {{alice: {{password: '{hash}'}}}}\n  tokens: {{obs: {{token: {TOKEN}}}}}\n  allow: [{rules}]"
    )
}

/// Tests run with many passwords; hashing them must not be what they wait for.
fn cheap_hash() -> String {
    use argon2::password_hash::PasswordHasher as _;
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let cheap = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    cheap
        .hash_password(PASSWORD.as_bytes())
        .unwrap()
        .to_string()
}

/// `Authorization` with a user and a password.
pub(crate) fn basic(user: &str, password: &str) -> String {
    sluice_core::access::Credentials::basic(user, password)
}

/// `Authorization` with a token.
pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// WHEP's sessions have ids of this form; none of these exists.
pub(crate) const SESSION: &str = "AAAAAAAAAAAAAAAAAAAAAA";
