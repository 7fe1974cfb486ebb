//! `auth` and `cors`: who is there, and who may do what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use sluice_core::access::{Origins, Policy, Proxies, ProxyHeader, Rule, Secret, Ways, Who};
use url::Url;

use super::error::{ConfigError, Place};
use super::raw::{Entry, RawList, Text};
use super::raw_access::{RawAuth, RawHook, RawToken, RawUser};
use super::{secret, units};

mod jwt;
mod rules;
#[cfg(test)]
mod tests;

pub use jwt::{JwtConfig, JwtKeys};

/// How many changes a second one client may ask for when nothing is said.
const DEFAULT_RATE: NonZeroU32 = NonZeroU32::new(50).expect("50 is not 0");
/// How long the hook may take when nothing is said.
const HOOK_TIMEOUT: Duration = Duration::from_secs(3);
/// Shorter tokens could be guessed.
const SHORTEST_TOKEN: usize = 16;
/// What opens a gateway that was started with `sluice run`.
const REMEDY: &str = "to open it, the config of this gateway has to say who may, such as `auth: {allow: [{who: anyone, may: read}]}` (docs/access.md)";

/// Who may do what, and how they show who they are.
#[derive(Debug, Clone)]
pub struct AccessConfig {
    /// The rules.
    pub policy: Policy,
    /// Hashes of the users' passwords, as PHC strings of argon2.
    pub users: BTreeMap<String, Secret>,
    /// Bearer tokens by name.
    pub tokens: BTreeMap<String, Secret>,
    /// How JWTs are checked.
    pub jwt: Option<JwtConfig>,
    /// Who else is asked.
    pub hook: Option<HookConfig>,
    /// The proxies whose word counts.
    pub proxies: Proxies,
    /// Names under which the gateway is reached.
    pub host_names: Vec<String>,
    /// Whose pages may use it.
    pub origins: Origins,
    /// Changes a second and client; `None`: no limit.
    pub rate_limit: Option<NonZeroU32>,
}

/// A server that decides what the rules leave open. `Debug` shows its host only.
#[derive(Clone)]
pub struct HookConfig {
    /// Where it is asked.
    pub url: Url,
    /// How long it may take.
    pub timeout: Duration,
}

impl fmt::Debug for HookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "HookConfig({:?}, {:?})",
            self.url.host_str(),
            self.timeout
        )
    }
}

impl AccessConfig {
    /// The machine itself may do everything, others nothing.
    #[must_use]
    pub fn closed(remedy: &str) -> Self {
        Self {
            policy: Policy::closed(remedy),
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            jwt: None,
            hook: None,
            proxies: Proxies::default(),
            host_names: Vec::new(),
            origins: Origins::default(),
            rate_limit: Some(DEFAULT_RATE),
        }
    }

    /// Says in one line what is open to whom, for the log of the start.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut line = self.policy.summary();
        if let Some(jwt) = &self.jwt {
            line.push_str(&format!("; with a JWT: what its claim {} says", jwt.claim));
        }
        // The host only: the rest of the address may hold a secret.
        if let Some(host) = self.hook.as_ref().and_then(|hook| hook.url.host_str()) {
            line.push_str(&format!("; otherwise the hook at {host} decides"));
        }
        line
    }
}

/// Turns `auth` and `cors` into their typed form; whatever is wrong goes to `errors`.
pub(super) fn convert(
    auth: Option<&RawAuth>,
    cors: Option<&RawList>,
    errors: &mut Vec<ConfigError>,
) -> AccessConfig {
    let mut access = AccessConfig::closed(REMEDY);
    for entry in cors.iter().flat_map(|list| &list.0) {
        if let Err(wrong) = access.origins.add(&entry.value) {
            let error = ConfigError::new(&entry.place, "cors", wrong.to_string(), "");
            errors.push(error.value(&entry.value));
        }
    }
    let Some(auth) = auth else { return access };
    for (name, entry) in &auth.users {
        if let Some(hash) = user(name, entry, errors) {
            access.users.insert(name.clone(), hash);
        }
    }
    for (name, entry) in &auth.tokens {
        if auth.users.contains_key(name) {
            errors.push(ConfigError::new(
                &entry.place,
                format!("auth.tokens.{name}"),
                "is the name of a user too",
                "choose another name for one of the two",
            ));
        }
        if let Some(token) = token(name, entry, errors) {
            access.tokens.insert(name.clone(), token);
        }
    }
    access.jwt = auth.jwt.as_ref().and_then(|jwt| jwt::convert(jwt, errors));
    access.hook = auth.hook.as_ref().and_then(|entry| hook(entry, errors));
    access.proxies = proxies(auth, errors);
    if let Some(names) = &auth.host_names {
        access.host_names = names.0.iter().map(|entry| entry.value.clone()).collect();
    }
    if let Some(entry) = &auth.rate_limit {
        match rate_limit(&entry.value) {
            Some(limit) => access.rate_limit = limit,
            None => errors.push(cannot(
                entry,
                "auth.rate_limit",
                "write a number of requests per second, or off",
            )),
        }
    }
    let known: BTreeSet<_> = auth.users.keys().chain(auth.tokens.keys()).collect();
    if let Some(raw) = &auth.allow {
        access.policy.rules = rules::convert(raw, &known, errors);
    }
    everybody_may_something(auth, &access.policy.rules, errors);
    access.policy.ways = Ways {
        bearer: !access.tokens.is_empty() || access.jwt.is_some() || access.hook.is_some(),
        basic: !access.users.is_empty() || access.hook.is_some(),
    };
    access
}

/// A user whom no rule names could sign in, and yet may nothing: a mistake that would look like a wrong
/// password.
fn everybody_may_something(auth: &RawAuth, rules: &[Rule], errors: &mut Vec<ConfigError>) {
    let named = |name: &String| {
        rules.iter().any(|rule| match &rule.who {
            Who::SignedIn => true,
            Who::Names(names) => names.contains(name),
            Who::Anyone => false,
        })
    };
    let users = auth
        .users
        .iter()
        .map(|(name, entry)| ("users", name, &entry.place));
    let tokens = auth
        .tokens
        .iter()
        .map(|(name, entry)| ("tokens", name, &entry.place));
    for (kind, name, place) in users.chain(tokens).filter(|(_, name, _)| !named(name)) {
        errors.push(ConfigError::new(
            place,
            format!("auth.{kind}.{name}"),
            "may do nothing",
            format!("add a rule to `auth.allow`, such as {{who: {name}, may: read}}"),
        ));
    }
}

fn user(name: &str, entry: &Entry<RawUser>, errors: &mut Vec<ConfigError>) -> Option<Secret> {
    let key = format!("auth.users.{name}");
    name_fits(&key, name, &entry.place, errors);
    let user = &entry.value;
    let (place, hash) = one_secret(
        &key,
        &entry.place,
        ("password", &user.password),
        ("password_file", &user.password_file),
        errors,
    )?;
    // The value is not shown: it may be a password in plain text.
    if crate::password::is_hash(&hash) {
        return Some(Secret::new(hash));
    }
    errors.push(ConfigError::new(
        &place,
        format!("{key}.password"),
        "is not a hash of argon2",
        "make one with `sluice hash-password`, and put it in quotes",
    ));
    None
}

fn token(name: &str, entry: &Entry<RawToken>, errors: &mut Vec<ConfigError>) -> Option<Secret> {
    let key = format!("auth.tokens.{name}");
    name_fits(&key, name, &entry.place, errors);
    let token = &entry.value;
    let (place, token) = one_secret(
        &key,
        &entry.place,
        ("token", &token.token),
        ("token_file", &token.token_file),
        errors,
    )?;
    let fits = token.len() >= SHORTEST_TOKEN
        && token
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b':');
    if fits {
        return Some(Secret::new(token));
    }
    errors.push(ConfigError::new(
        &place,
        format!("{key}.token"),
        format!("is not a token of at least {SHORTEST_TOKEN} visible characters without a colon"),
        "make one with: openssl rand -hex 32",
    ));
    None
}

/// Reads a secret that is written either into the config or into a file of its own.
pub(super) fn one_secret(
    key: &str,
    place: &Place,
    (plain_key, plain): (&str, &Text),
    (file_key, file): (&'static str, &Text),
    errors: &mut Vec<ConfigError>,
) -> Option<(Place, String)> {
    match (plain, file) {
        (Some(entry), None) => Some((entry.place.clone(), entry.value.clone())),
        (None, Some(entry)) => {
            let full = format!("{key}.{file_key}");
            match secret::read(&entry.place, &full, Path::new(&entry.value)) {
                Ok(secret) => Some((entry.place.clone(), secret)),
                Err(error) => {
                    errors.push(error);
                    None
                }
            }
        }
        (Some(_), Some(_)) | (None, None) => {
            let problem = if plain.is_some() {
                "has two secrets"
            } else {
                "has no secret"
            };
            let remedy = format!("write one of `{plain_key}` and `{file_key}`");
            errors.push(ConfigError::new(place, key, problem, remedy));
            None
        }
    }
}

fn name_fits(key: &str, name: &str, place: &Place, errors: &mut Vec<ConfigError>) {
    let fits = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@'));
    if !fits || rules::WORDS.contains(&name) {
        errors.push(ConfigError::new(
            place,
            key,
            "cannot be a name",
            "use 1 to 64 letters, digits, and . _ - @",
        ));
    }
}

fn hook(entry: &Entry<RawHook>, errors: &mut Vec<ConfigError>) -> Option<HookConfig> {
    let mut timeout = HOOK_TIMEOUT;
    if let Some(entry) = &entry.value.timeout {
        let fits =
            |time: &Duration| (Duration::from_millis(100)..=Duration::from_secs(30)).contains(time);
        match units::duration(&entry.value).filter(fits) {
            Some(value) => timeout = value,
            None => errors.push(cannot(
                entry,
                "auth.hook.timeout",
                "write 100ms to 30s, such as 3s",
            )),
        }
    }
    let Some(url) = &entry.value.url else {
        errors.push(ConfigError::new(
            &entry.place,
            "auth.hook",
            "has no address",
            "add `url: https://…`",
        ));
        return None;
    };
    let url = web_address("auth.hook.url", url, errors)?;
    Some(HookConfig { url, timeout })
}

/// Reads the URL of a server that is asked over HTTP.
pub(super) fn web_address(
    key: &str,
    entry: &Entry<String>,
    errors: &mut Vec<ConfigError>,
) -> Option<Url> {
    let url = Url::parse(&entry.value).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() {
        errors.push(cannot(
            entry,
            key,
            "write an address that begins with https:// or http://",
        ));
    }
    url
}

fn proxies(auth: &RawAuth, errors: &mut Vec<ConfigError>) -> Proxies {
    let mut proxies = Proxies::default();
    for entry in auth.trusted_proxies.iter().flat_map(|list| &list.0) {
        match entry.value.parse() {
            Ok(network) => proxies.trusted.push(network),
            Err(wrong) => errors.push(cannot(entry, "auth.trusted_proxies", &wrong.to_string())),
        }
    }
    if let Some(entry) = &auth.proxy_header {
        let known = [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded];
        match known
            .into_iter()
            .find(|header| header.name().eq_ignore_ascii_case(&entry.value))
        {
            Some(header) => proxies.header = header,
            None => errors.push(cannot(
                entry,
                "auth.proxy_header",
                "write x-forwarded-for or forwarded",
            )),
        }
    }
    proxies
}

#[expect(
    clippy::option_option,
    reason = "the outer one is the parser's, the inner one the setting's"
)]
fn rate_limit(text: &str) -> Option<Option<NonZeroU32>> {
    match text {
        "off" => Some(None),
        _ => text.parse().ok().map(Some),
    }
}

/// The value does not fit; it is shown.
pub(super) fn cannot(entry: &Entry<String>, key: &str, remedy: &str) -> ConfigError {
    ConfigError::new(&entry.place, key, "cannot be used", remedy).value(&entry.value)
}
