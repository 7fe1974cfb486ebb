//! `auth.jwt`: which tokens are believed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use sluice_core::access::Secret;
use url::Url;

use super::super::error::ConfigError;
use super::super::raw::{Entry, RawList, Text};
use super::super::raw_access::RawJwt;
use super::super::units;
use super::{cannot, one_secret, web_address};

/// The claim with the permissions when nothing is said.
const CLAIM: &str = "sluice_permissions";
/// How far clocks may differ when nothing is said.
const LEEWAY: Duration = Duration::from_secs(30);
/// Keys for HMAC must be as long as its output (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;

/// How JWTs are checked.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// Where the keys are.
    pub keys: JwtKeys,
    /// Which algorithms are taken; empty: those that fit the key.
    pub algorithms: Vec<Algorithm>,
    /// Whose tokens are believed; empty: anybody's who has the key.
    pub issuers: Vec<String>,
    /// For whom a token must be made; empty: for nobody in particular.
    pub audiences: Vec<String>,
    /// The name of the claim with the permissions.
    pub claim: String,
    /// How far the clocks may differ.
    pub leeway: Duration,
}

/// Where the keys of JWTs are. `Debug` shows a server's host only.
#[derive(Clone)]
pub enum JwtKeys {
    /// One that both sides know (HS256, HS384, HS512).
    Secret(Secret),
    /// A public key in PEM (RSA, EC, Ed25519).
    Pem(PathBuf),
    /// A JWK set in a file.
    File(PathBuf),
    /// A JWK set on a server.
    Url(Url),
}

impl fmt::Debug for JwtKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("Secret"),
            Self::Pem(file) | Self::File(file) => write!(f, "{}", file.display()),
            Self::Url(url) => write!(f, "{:?}", url.host_str()),
        }
    }
}

pub(super) fn convert(entry: &Entry<RawJwt>, errors: &mut Vec<ConfigError>) -> Option<JwtConfig> {
    let raw = &entry.value;
    let keys = keys(entry, errors);
    let mut algorithms = Vec::new();
    for entry in raw.algorithms.iter().flat_map(|list| &list.0) {
        // `none` is no algorithm of the crate: it cannot be written here either.
        match entry.value.parse() {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(_unknown) => errors.push(cannot(
                entry,
                "auth.jwt.algorithms",
                "write HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA",
            )),
        }
    }
    let mut leeway = LEEWAY;
    if let Some(entry) = &raw.leeway {
        match units::duration(&entry.value).filter(|time| *time <= Duration::from_mins(10)) {
            Some(value) => leeway = value,
            None => errors.push(cannot(
                entry,
                "auth.jwt.leeway",
                "write at most 10m, such as 30s",
            )),
        }
    }
    Some(JwtConfig {
        keys: keys?,
        algorithms,
        issuers: texts(raw.issuer.as_ref()),
        audiences: texts(raw.audience.as_ref()),
        claim: raw
            .claim
            .as_ref()
            .map_or_else(|| CLAIM.to_owned(), |entry| entry.value.clone()),
        leeway,
    })
}

fn keys(entry: &Entry<RawJwt>, errors: &mut Vec<ConfigError>) -> Option<JwtKeys> {
    let raw = &entry.value;
    let given = [
        &raw.secret,
        &raw.secret_file,
        &raw.key_file,
        &raw.jwks_file,
        &raw.jwks_url,
    ];
    if given.iter().filter(|key| key.is_some()).count() != 1 {
        errors.push(ConfigError::new(
            &entry.place,
            "auth.jwt",
            "needs its keys from one place",
            "write one of `jwks_url`, `jwks_file`, `key_file`, `secret_file` and `secret`",
        ));
        return None;
    }
    if let Some(url) = &raw.jwks_url {
        return web_address("auth.jwt.jwks_url", url, errors).map(JwtKeys::Url);
    }
    let read = |key: &str, make: fn(PathBuf) -> JwtKeys, text: &Text| {
        let entry = text.as_ref()?;
        let keys = make(PathBuf::from(&entry.value));
        Some(match crate::control::check_keys(&keys) {
            Ok(()) => Ok(keys),
            Err(sentence) => {
                Err(ConfigError::new(&entry.place, key, sentence, "").value(&entry.value))
            }
        })
    };
    let file = read("auth.jwt.key_file", JwtKeys::Pem, &raw.key_file)
        .or_else(|| read("auth.jwt.jwks_file", JwtKeys::File, &raw.jwks_file));
    match file {
        Some(Ok(keys)) => return Some(keys),
        Some(Err(error)) => {
            errors.push(error);
            return None;
        }
        None => {}
    }
    let (place, secret) = one_secret(
        "auth.jwt",
        &entry.place,
        ("secret", &raw.secret),
        ("secret_file", &raw.secret_file),
        errors,
    )?;
    if secret.len() < SHORTEST_SECRET {
        errors.push(ConfigError::new(
            &place,
            "auth.jwt.secret",
            format!("is shorter than {SHORTEST_SECRET} characters, and could be guessed"),
            "make one with: openssl rand -hex 32",
        ));
        return None;
    }
    Some(JwtKeys::Secret(Secret::new(secret)))
}

fn texts(list: Option<&RawList>) -> Vec<String> {
    list.iter()
        .flat_map(|list| &list.0)
        .map(|entry| entry.value.clone())
        .collect()
}
