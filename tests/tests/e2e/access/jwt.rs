//! JWTs with keys from a server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sluice_tests::gateway::Gateway;
use sluice_tests::process::run;
use sluice_tests::web::WebServer;
use tempfile::TempDir;

use super::{ask, gateway};

/// A key pair, as `openssl` makes it.
struct Pair {
    id: String,
    algorithm: Algorithm,
    key: EncodingKey,
    file: PathBuf,
}

impl Pair {
    fn make(folder: &Path, id: &str, algorithm: Algorithm) -> Self {
        let file = folder.join(format!("{id}.pem"));
        let kind: &[&str] = if algorithm == Algorithm::RS256 {
            &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        } else if algorithm == Algorithm::ES256 {
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        } else {
            &["-algorithm", "ED25519"]
        };
        let mut command = Command::new("openssl");
        run(command.arg("genpkey").args(kind).arg("-out").arg(&file));
        let pem = std::fs::read(&file).expect("a key");
        let key = if algorithm == Algorithm::RS256 {
            EncodingKey::from_rsa_pem(&pem)
        } else if algorithm == Algorithm::ES256 {
            EncodingKey::from_ec_pem(&pem)
        } else {
            EncodingKey::from_ed_pem(&pem)
        };
        Self {
            id: id.to_owned(),
            algorithm,
            key: key.expect("openssl's PEM"),
            file,
        }
    }

    /// As a member of a JWK set.
    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public key");
        jwk.common.key_id = Some(self.id.clone());
        json!(jwk)
    }

    fn sign(&self, id: &str, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(id.to_owned());
        encode(&header, claims, &self.key).expect("signed")
    }
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_secs()
}

/// Claims that let one read `cam` for an hour.
fn claims() -> Value {
    json!({
        "iss": "https://id.example",
        "aud": "sluice",
        "sub": "alice",
        "exp": now() + 3600,
        "sluice_permissions": [{"action": "read", "path": "cam"}],
    })
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[key] = value.into();
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(key);
    claims
}

fn guarded(keys: &str) -> Gateway {
    gateway(&format!(
        "auth: {{jwt: {{{keys}, issuer: https://id.example, audience: sluice, leeway: 5s}}, allow: [{{who: anyone, from: 203.0.113.0/24, may: api}}]}}"
    ))
}

fn status(gateway: &Gateway, path: &str, token: &str) -> u16 {
    ask(gateway, "GET", path, &format!("Bearer {token}")).status
}

#[test]
fn tokens_signed_by_the_keys_of_a_server_do_what_their_claim_says() {
    let folder = TempDir::new().expect("a folder");
    let pairs = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
        .map(|algorithm| Pair::make(folder.path(), &format!("{algorithm:?}"), algorithm));
    let set = json!({"keys": pairs.iter().map(Pair::public).collect::<Vec<_>>()}).to_string();
    let server = WebServer::start(move |_| (200, set.clone()));
    let gateway = guarded(&format!("jwks_url: '{}'", server.at("keys")));

    for pair in &pairs {
        let token = pair.sign(&pair.id, &claims());
        for (path, right) in [
            ("cam/status.json", 200),
            ("cam/whep", 204),
            ("other/whep", 403),
            ("cam/whip", 403),
            ("api/v1/paths", 403),
        ] {
            assert_eq!(status(&gateway, path, &token), right, "{} {path}", pair.id);
        }
        let url = format!("cam/status.json?jwt={token}");
        assert_eq!(gateway.get(&url).status, 200, "{}", pair.id);
    }
    assert_eq!(server.asked().len(), 1, "the keys are kept");
    assert!(!gateway.log().contains("eyJ"), "{}", gateway.log());
}

#[test]
fn tokens_that_are_not_right_are_401() {
    let folder = TempDir::new().expect("a folder");
    let pair = Pair::make(folder.path(), "one", Algorithm::RS256);
    let stranger = Pair::make(folder.path(), "stranger", Algorithm::RS256);
    let set = json!({"keys": [pair.public()]}).to_string();
    let server = WebServer::start(move |_| (200, set.clone()));
    let gateway = guarded(&format!("jwks_url: '{}'", server.at("keys")));
    let public = run(Command::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(&pair.file));
    let mut confused = Header::new(Algorithm::HS256);
    confused.kid = Some("one".to_owned());
    // The public key, which everybody knows, taken for a shared secret.
    let confused = encode(
        &confused,
        &claims(),
        &EncodingKey::from_secret(public.as_bytes()),
    );
    let good = pair.sign("one", &claims());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };

    assert_eq!(status(&gateway, "cam/whep", &good), 204);
    for (what, token) in [
        // {"alg":"none"}
        ("alg none", format!("eyJhbGciOiJub25lIn0.{payload}.")),
        (
            "alg none, signed",
            format!("eyJhbGciOiJub25lIn0.{payload}.{signature}"),
        ),
        ("no signature", format!("{header}.{payload}.")),
        (
            "a key that is not in the set",
            stranger.sign("stranger", &claims()),
        ),
        (
            "another's key under a known name",
            stranger.sign("one", &claims()),
        ),
        (
            "a known key under another name",
            pair.sign("two", &claims()),
        ),
        ("HS256 with the public key", confused.expect("signed")),
        ("expired", pair.sign("one", &with("exp", now() - 60))),
        ("without an end", pair.sign("one", &without("exp"))),
        ("not valid yet", pair.sign("one", &with("nbf", now() + 600))),
        (
            "another issuer",
            pair.sign("one", &with("iss", "https://evil.example")),
        ),
        ("no issuer", pair.sign("one", &without("iss"))),
        ("another audience", pair.sign("one", &with("aud", "others"))),
        ("no audience", pair.sign("one", &without("aud"))),
        ("nonsense", "a.b.c".to_owned()),
    ] {
        // Waiting for the right to try again is another test's: each comes from a client of its own.
        let reply = ask(&gateway, "GET", "cam/whep", &format!("Bearer {token}"));
        assert!(
            matches!(reply.status, 401 | 429),
            "{what}: {}",
            reply.status
        );
        assert_eq!(
            status(&gateway, "cam/whep", &good),
            204,
            "a good one after: {what}"
        );
    }
    // Clocks differ a little.
    let late = pair.sign("one", &with("exp", now() - 2));
    assert_eq!(status(&gateway, "cam/whep", &late), 204);
}

#[test]
fn a_new_key_is_fetched_and_a_server_that_fails_leaves_the_old_ones() {
    let folder = TempDir::new().expect("a folder");
    let old = Pair::make(folder.path(), "old", Algorithm::ES256);
    let answer = Arc::new(Mutex::new((500, String::new())));
    let answers = Arc::clone(&answer);
    let server = WebServer::start(move |_| answers.lock().clone());
    let gateway = guarded(&format!("jwks_url: '{}'", server.at("keys")));
    let token = old.sign("old", &claims());

    let reply = ask(&gateway, "GET", "cam/whep", &format!("Bearer {token}"));
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert!(reply.header("retry-after").is_some());
    *answer.lock() = (200, json!({"keys": [old.public()]}).to_string());
    // It is not asked more often than every 10 s, whatever comes.
    let found = sluice_tests::wait::within(crate::secs(30), || {
        (status(&gateway, "cam/whep", &token) == 204).then_some(())
    });
    assert!(found.is_some(), "{}", gateway.log());
    assert_eq!(server.asked().len(), 2);

    *answer.lock() = (500, String::new());
    let stranger = Pair::make(folder.path(), "new", Algorithm::ES256);
    let unknown = stranger.sign("new", &claims());
    let asked = sluice_tests::wait::within(crate::secs(30), || {
        assert_ne!(status(&gateway, "cam/whep", &unknown), 204);
        (server.asked().len() == 3).then_some(())
    });
    assert!(asked.is_some(), "an unknown name was no reason to ask");
    assert_eq!(
        status(&gateway, "cam/whep", &token),
        204,
        "the old keys stay"
    );
}

#[test]
fn a_key_from_a_file_is_enough() {
    let folder = TempDir::new().expect("a folder");
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let pair = Pair::make(folder.path(), &format!("{algorithm:?}"), algorithm);
        let public = folder.path().join("public.pem");
        let mut command = Command::new("openssl");
        run(command
            .args(["pkey", "-pubout", "-in"])
            .arg(&pair.file)
            .arg("-out")
            .arg(&public));
        let gateway = guarded(&format!("key_file: {}", public.display()));
        let token = pair.sign("any", &claims());
        assert_eq!(status(&gateway, "cam/whep", &token), 204, "{algorithm:?}");
        assert_eq!(status(&gateway, "other/whep", &token), 403, "{algorithm:?}");
    }
}
