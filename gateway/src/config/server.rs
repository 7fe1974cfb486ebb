//! `tls` and `webrtc.ice_servers`.

use std::path::PathBuf;
use std::time::Duration;

use sluice_core::access::Secret;
use sluice_core::{IceCredentials, IceSource};

use super::access::{cannot, one_secret};
use super::error::ConfigError;
use super::raw::{Entry, Text};
use super::raw_access::{RawIceServer, RawServerTls, RawTlsFiles};
use super::units;

/// How long minted credentials are valid when nothing is said.
const TTL: Duration = Duration::from_hours(6);

/// How HTTPS is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsConfig {
    /// With a certificate made at each start.
    SelfSigned,
    /// With a certificate and its key, both PEM; read again when they change.
    Files {
        /// The certificate, and those that lead to a known authority.
        cert: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

pub(super) fn tls(entry: &Entry<RawServerTls>, errors: &mut Vec<ConfigError>) -> Option<TlsConfig> {
    match &entry.value {
        RawServerTls::Word(word) if word == "self-signed" => Some(TlsConfig::SelfSigned),
        RawServerTls::Word(word) => {
            let error = ConfigError::new(
                &entry.place,
                "tls",
                "cannot be used",
                "write self-signed, or {cert: FILE, key: FILE}",
            );
            errors.push(error.value(word));
            None
        }
        RawServerTls::Files(RawTlsFiles {
            cert: Some(cert),
            key: Some(key),
        }) => {
            for (name, file) in [("tls.cert", cert), ("tls.key", key)] {
                if let Err(cause) = std::fs::File::open(&file.value) {
                    let error = ConfigError::new(
                        &file.place,
                        name,
                        format!("cannot be read ({cause})"),
                        "name a PEM file that the user of this process may read",
                    );
                    errors.push(error.value(&file.value));
                }
            }
            Some(TlsConfig::Files {
                cert: PathBuf::from(&cert.value),
                key: PathBuf::from(&key.value),
            })
        }
        RawServerTls::Files(_) => {
            errors.push(ConfigError::new(
                &entry.place,
                "tls",
                "needs two files",
                "write {cert: FILE, key: FILE}",
            ));
            None
        }
    }
}

pub(super) fn ice_servers(
    raw: &[Entry<RawIceServer>],
    errors: &mut Vec<ConfigError>,
) -> Vec<IceSource> {
    raw.iter()
        .filter_map(|entry| ice_server(entry, errors))
        .collect()
}

const KEY: &str = "webrtc.ice_servers";

fn ice_server(entry: &Entry<RawIceServer>, errors: &mut Vec<ConfigError>) -> Option<IceSource> {
    let raw = &entry.value;
    let Some(url) = &raw.url else {
        let remedy = "add `url:`, such as stun:stun.example.org or turn:turn.example.org:3478";
        errors.push(ConfigError::new(
            &entry.place,
            KEY,
            "has a server without `url`",
            remedy,
        ));
        return None;
    };
    let credentials = credentials(entry, errors)?;
    match IceSource::new(&url.value, credentials) {
        Ok(source) => Some(source),
        Err(wrong) => {
            let problem = format!("cannot be used: {wrong}");
            errors.push(ConfigError::new(&url.place, KEY, problem, "").value(&url.value));
            None
        }
    }
}

fn credentials(
    entry: &Entry<RawIceServer>,
    errors: &mut Vec<ConfigError>,
) -> Option<IceCredentials> {
    let raw = &entry.value;
    let is_some = |text: &Text| text.is_some();
    let minted = is_some(&raw.secret) || is_some(&raw.secret_file);
    let fixed = is_some(&raw.credential) || is_some(&raw.credential_file);
    match (minted, fixed, &raw.username) {
        (false, false, None) => Some(IceCredentials::None),
        (true, false, None) => {
            let (_, secret) = one_secret(
                KEY,
                &entry.place,
                ("secret", &raw.secret),
                ("secret_file", &raw.secret_file),
                errors,
            )?;
            Some(IceCredentials::Minted {
                secret: Secret::new(secret),
                ttl: ttl(raw, errors)?,
            })
        }
        (false, true, Some(username)) => {
            let (_, credential) = one_secret(
                KEY,
                &entry.place,
                ("credential", &raw.credential),
                ("credential_file", &raw.credential_file),
                errors,
            )?;
            Some(IceCredentials::Static {
                username: username.value.clone(),
                credential: Secret::new(credential),
            })
        }
        (_, _, _) => {
            errors.push(ConfigError::new(
                &entry.place,
                KEY,
                "has a server with credentials that do not go together",
                "write `secret_file` (for credentials made per client), or `username` and `credential_file`, or none for STUN",
            ));
            None
        }
    }
}

fn ttl(raw: &RawIceServer, errors: &mut Vec<ConfigError>) -> Option<Duration> {
    let Some(entry) = &raw.ttl else {
        return Some(TTL);
    };
    let fits = |time: &Duration| *time >= Duration::from_secs(10);
    let ttl = units::duration(&entry.value).filter(fits);
    if ttl.is_none() {
        errors.push(cannot(
            entry,
            "webrtc.ice_servers.ttl",
            "write at least 10s, such as 6h",
        ));
    }
    ttl
}
