//! JWTs: signature, times, issuer, audience, and what they grant.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};
use sluice_core::access::{Grant, Secret, grants};
use tokio::sync::Mutex;
use ureq::Agent;

use super::keys::{self, Key};
use super::web;
use crate::config::{JwtConfig, JwtKeys};

/// Keys from a server are fetched again when they are older.
const REFRESH: Duration = Duration::from_mins(10);
/// An unknown key's name is a reason to fetch, but not more often than this.
const LEAST: Duration = Duration::from_secs(10);
/// A file is looked at again after this long.
const FILE: Duration = Duration::from_secs(2);
/// How long a server of keys may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a JWT is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum JwtError {
    /// It is wrong; the reason is for the log.
    Wrong(&'static str),
    /// There are no keys to check it with.
    NoKeys,
}

/// Checks JWTs.
#[derive(Debug)]
pub(super) struct Jwts {
    config: JwtConfig,
    agent: Agent,
    /// Held while keys are fetched: those who come meanwhile wait for the same answer.
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    keys: Arc<Vec<Key>>,
    tried: Option<Instant>,
    changed: Option<SystemTime>,
}

impl Jwts {
    pub(super) fn new(config: JwtConfig) -> Self {
        Self {
            config,
            agent: web::agent(PATIENCE),
            cache: Mutex::default(),
        }
    }

    /// Gives what the token grants. Time is the system's: `exp` and `nbf` are wall-clock times.
    pub(super) async fn verify(&self, token: &Secret) -> Result<Vec<Grant>, JwtError> {
        let header = decode_header(token.expose())
            .map_err(|_| JwtError::Wrong("it is no JWT with an algorithm that is known"))?;
        // RFC 7515, 4.1.11: whoever does not understand an extension that is critical refuses the token.
        if header.crit.is_some() {
            return Err(JwtError::Wrong("it needs an extension that is not known"));
        }
        let taken = &self.config.algorithms;
        if !taken.is_empty() && !taken.contains(&header.alg) {
            return Err(JwtError::Wrong("its algorithm is not allowed"));
        }
        let keys = self.keys(header.kid.as_deref()).await;
        if keys.is_empty() {
            return Err(JwtError::NoKeys);
        }
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.config.leeway.as_secs();
        validation.validate_nbf = true;
        if !self.config.issuers.is_empty() {
            validation.set_issuer(&self.config.issuers);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        if !self.config.audiences.is_empty() {
            validation.set_audience(&self.config.audiences);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        let mut wrong = JwtError::Wrong("no key fits it");
        for key in keys
            .iter()
            .filter(|key| fits(key, header.kid.as_deref()) && key.algorithms.contains(&header.alg))
        {
            match decode::<Map<String, Value>>(token.expose(), &key.key, &validation) {
                Ok(data) => {
                    let claim = data.claims.get(&self.config.claim);
                    return Ok(claim.map(grants).unwrap_or_default());
                }
                Err(error) => wrong = JwtError::Wrong(words(error.kind())),
            }
        }
        Err(wrong)
    }

    async fn keys(&self, id: Option<&str>) -> Arc<Vec<Key>> {
        let mut cache = self.cache.lock().await;
        let since = cache.tried.map(|tried| tried.elapsed());
        let due = |limit| since.is_none_or(|since| since >= limit);
        match &self.config.keys {
            JwtKeys::Secret(secret) if since.is_none() => {
                cache.keys = Arc::new(vec![Key::shared(secret.expose())]);
                cache.tried = Some(Instant::now());
            }
            JwtKeys::Secret(_) => {}
            JwtKeys::Pem(path) if due(FILE) => cache.read(path, keys::pem).await,
            JwtKeys::File(path) if due(FILE) => {
                cache.read(path, |text| keys::set(text, true)).await;
            }
            JwtKeys::Pem(_) | JwtKeys::File(_) => {}
            JwtKeys::Url(url) => {
                let known = id.is_none() || cache.keys.iter().any(|key| fits(key, id));
                let limit = if known && !cache.keys.is_empty() {
                    REFRESH
                } else {
                    LEAST
                };
                if due(limit) {
                    cache.fetch(&self.agent, url.as_str()).await;
                }
            }
        }
        Arc::clone(&cache.keys)
    }
}

impl Cache {
    /// Reads a file if it has changed; a broken one leaves the keys as they are.
    async fn read(&mut self, path: &Path, parse: impl Fn(&str) -> Result<Vec<Key>, String>) {
        self.tried = Some(Instant::now());
        let changed = match tokio::fs::metadata(path).await {
            Ok(metadata) => metadata.modified().ok(),
            Err(_gone) => None,
        };
        if changed.is_some() && changed == self.changed {
            return;
        }
        let read = match tokio::fs::read_to_string(path).await {
            Ok(text) => parse(&text),
            Err(cause) => Err(format!("cannot be read ({cause})")),
        };
        self.changed = changed;
        self.take(read, "the file with the keys of JWTs");
    }

    async fn fetch(&mut self, agent: &Agent, url: &str) {
        self.tried = Some(Instant::now());
        let (agent, url) = (agent.clone(), url.to_owned());
        let fetched = tokio::task::spawn_blocking(move || web::get(&agent, &url)).await;
        let fetched = match fetched {
            Ok(Ok(text)) => keys::set(&text, false),
            Ok(Err(cause)) => Err(format!("cannot be had ({cause})")),
            Err(_panicked) => Err("cannot be had".to_owned()),
        };
        self.take(fetched, "the server's set of keys for JWTs");
    }

    fn take(&mut self, keys: Result<Vec<Key>, String>, what: &str) {
        match keys {
            Ok(keys) => self.keys = Arc::new(keys),
            Err(cause) => {
                let kept = self.keys.len();
                let cause = sluice_core::redact(&cause);
                tracing::warn!(kept, "{what} {cause}; the keys known so far stay");
            }
        }
    }
}

/// A token that names a key is checked with that key; keys without a name are for all tokens.
fn fits(key: &Key, id: Option<&str>) -> bool {
    match (&key.id, id) {
        (Some(own), Some(id)) => own == id,
        (None, _) | (_, None) => true,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of 20 kinds a few are told apart"
)]
fn words(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidIssuer => "its issuer is another",
        ErrorKind::InvalidAudience => "it is made for another audience",
        ErrorKind::MissingRequiredClaim(_) => "it lacks exp, iss or aud",
        _ => "it cannot be read",
    }
}
