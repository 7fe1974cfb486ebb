//! What the file says about access, TLS and ICE servers, as it is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::raw::{Entry, RawList, Text};

/// `tls: self-signed`, or files.
#[derive(Debug)]
pub(super) enum RawServerTls {
    Word(String),
    Files(RawTlsFiles),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTlsFiles {
    pub(super) cert: Text,
    pub(super) key: Text,
}

impl<'de> Deserialize<'de> for RawServerTls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ServerTlsVisitor)
    }
}

struct ServerTlsVisitor;

impl<'de> Visitor<'de> for ServerTlsVisitor {
    type Value = RawServerTls;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("self-signed, or {cert: FILE, key: FILE}")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(RawServerTls::Word(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        RawTlsFiles::deserialize(MapAccessDeserializer::new(map)).map(RawServerTls::Files)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAuth {
    pub(super) users: BTreeMap<String, Entry<RawUser>>,
    pub(super) tokens: BTreeMap<String, Entry<RawToken>>,
    pub(super) jwt: Option<Entry<RawJwt>>,
    pub(super) hook: Option<Entry<RawHook>>,
    pub(super) allow: Option<Vec<Entry<RawRule>>>,
    pub(super) trusted_proxies: Option<RawList>,
    pub(super) proxy_header: Text,
    pub(super) host_names: Option<RawList>,
    pub(super) rate_limit: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawUser {
    pub(super) password: Text,
    pub(super) password_file: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawToken {
    pub(super) token: Text,
    pub(super) token_file: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawJwt {
    pub(super) secret: Text,
    pub(super) secret_file: Text,
    pub(super) key_file: Text,
    pub(super) jwks_file: Text,
    pub(super) jwks_url: Text,
    pub(super) algorithms: Option<RawList>,
    pub(super) issuer: Option<RawList>,
    pub(super) audience: Option<RawList>,
    pub(super) claim: Text,
    pub(super) leeway: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHook {
    pub(super) url: Text,
    pub(super) timeout: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRule {
    pub(super) who: Option<RawList>,
    pub(super) from: Option<RawList>,
    pub(super) may: Option<RawList>,
    pub(super) paths: Option<RawList>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawIceServer {
    pub(super) url: Text,
    pub(super) username: Text,
    pub(super) credential: Text,
    pub(super) credential_file: Text,
    pub(super) secret: Text,
    pub(super) secret_file: Text,
    pub(super) ttl: Text,
}
