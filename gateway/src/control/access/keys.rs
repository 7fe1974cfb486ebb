//! Keys that JWTs are checked with.

use std::path::Path;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use crate::config::JwtKeys;

const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// One key, and what it may be used for.
#[derive(Clone)]
pub(super) struct Key {
    /// Its name in a set.
    pub(super) id: Option<String>,
    /// All of one family: a token cannot choose to have a public key taken for a shared secret.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?}, {:?})", self.id, self.algorithms)
    }
}

impl Key {
    fn new(algorithms: &[Algorithm], key: DecodingKey) -> Self {
        Self {
            id: None,
            algorithms: algorithms.to_vec(),
            key,
        }
    }

    pub(super) fn shared(secret: &str) -> Self {
        Self::new(HMAC, DecodingKey::from_secret(secret.as_bytes()))
    }
}

/// Says whether the keys of a file can be used.
///
/// # Errors
/// A sentence's part: what is wrong with them.
pub(crate) fn check_keys(keys: &JwtKeys) -> Result<(), String> {
    match keys {
        JwtKeys::Pem(path) => from_file(path, pem).map(drop),
        JwtKeys::File(path) => from_file(path, |text| set(text, true)).map(drop),
        JwtKeys::Secret(_) | JwtKeys::Url(_) => Ok(()),
    }
}

fn from_file(
    path: &Path,
    read: impl Fn(&str) -> Result<Vec<Key>, String>,
) -> Result<Vec<Key>, String> {
    let text = std::fs::read_to_string(path).map_err(|cause| {
        format!("cannot be read ({cause}); name a file that the user of this process may read")
    })?;
    read(&text)
}

/// Reads one public key.
pub(super) fn pem(text: &str) -> Result<Vec<Key>, String> {
    let bytes = text.as_bytes();
    let curve = |algorithm| DecodingKey::from_ec_pem(bytes).map(|key| Key::new(&[algorithm], key));
    // The key's own length tells the curve: 65 bytes of P-256's point, 97 of P-384's.
    let ec = curve(Algorithm::ES256).and_then(|key| match key.key.try_get_as_bytes()?.len() {
        97 => curve(Algorithm::ES384),
        _ => Ok(key),
    });
    DecodingKey::from_rsa_pem(bytes)
        .map(|key| Key::new(RSA, key))
        .or(ec)
        .or_else(|_| DecodingKey::from_ed_pem(bytes).map(|key| Key::new(&[Algorithm::EdDSA], key)))
        .map(|key| vec![key])
        .map_err(|_| {
            "is no public key in PEM; write one with: openssl pkey -in KEY -pubout".to_owned()
        })
}

/// Reads a JWK set (RFC 7517). Keys for other uses are left out; shared ones are taken only from a file
/// of this machine, since who publishes a secret has none.
pub(super) fn set(text: &str, with_shared: bool) -> Result<Vec<Key>, String> {
    let wrong = || "is no JWK set; it has the form {\"keys\": [...]}".to_owned();
    let value: Value = serde_json::from_str(text).map_err(|_| wrong())?;
    let items = value
        .get("keys")
        .and_then(Value::as_array)
        .ok_or_else(wrong)?;
    let keys: Vec<_> = items
        .iter()
        // One key of a kind that nobody here knows must not spoil the others.
        .filter_map(|item| serde_json::from_value::<Jwk>(item.clone()).ok())
        .filter_map(|jwk| key(&jwk, with_shared))
        .collect();
    if keys.is_empty() {
        return Err("has no key that can check a signature (RSA, EC, Ed25519)".to_owned());
    }
    Ok(keys)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the crate may learn of kinds of keys; each is refused until somebody has looked at it here"
)]
fn key(jwk: &Jwk, with_shared: bool) -> Option<Key> {
    if matches!(&jwk.common.public_key_use, Some(other) if *other != PublicKeyUse::Signature) {
        return None;
    }
    let fitting: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => RSA,
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => &[Algorithm::EdDSA],
        AlgorithmParameters::OctetKey(_) if with_shared => HMAC,
        _ => return None,
    };
    let own = jwk.common.key_algorithm.map(|own| own.to_string());
    let algorithms: Vec<_> = fitting
        .iter()
        .copied()
        .filter(|algorithm| {
            own.as_ref()
                .is_none_or(|own| *own == format!("{algorithm:?}"))
        })
        .collect();
    (!algorithms.is_empty()).then_some(Key {
        id: jwk.common.key_id.clone(),
        algorithms,
        key: DecodingKey::from_jwk(jwk).ok()?,
    })
}
