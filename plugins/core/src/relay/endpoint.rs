//! An HTTP address that is asked for a session, with its secret apart.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::redact::{MASK, redact};

/// Schemes that name the protocol, and the ones that carry it.
const SCHEMES: &[(&str, &str)] = &[
    ("whip", "http"),
    ("whips", "https"),
    ("whep", "http"),
    ("wheps", "https"),
    ("http", "http"),
    ("https", "https"),
];

#[derive(Clone, PartialEq, Eq)]
enum Secret {
    Bearer(String),
    Basic { user: String, password: String },
}

/// An HTTP address with what is shown to it. `Display` and `Debug` hide the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    secret: Option<Secret>,
}

impl Endpoint {
    /// Reads `whip://`, `whep://` and `http://` (plain HTTP), `whips://`, `wheps://` and `https://` (TLS).
    ///
    /// What stands before `@` is shown to the server: `:TOKEN@` as a bearer token, `USER:PASSWORD@` by HTTP Basic.
    ///
    /// # Errors
    ///
    /// The rest of a sentence that begins with what was given: what is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "write whip://HOST:PORT/PATH, or whips:// for TLS";
        let text = text.trim();
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| format!("has no scheme; {SHAPE}"))?;
        let scheme = scheme.to_ascii_lowercase();
        let (_, carrier) = SCHEMES
            .iter()
            .find(|(known, _)| *known == scheme)
            .ok_or_else(|| format!("has the unknown scheme \"{scheme}\"; {SHAPE}"))?;
        if text.chars().any(char::is_control) {
            return Err("has a control character in it".to_owned());
        }
        let mut url = Url::parse(&format!("{carrier}://{rest}")).map_err(|error| {
            format!("is no address ({error}); {SHAPE}, and in a token write @ as %40, : as %3A, / as %2F")
        })?;
        let user = decoded(url.username())?;
        let password = decoded(url.password().unwrap_or_default())?;
        let stripped = url.set_username("").and_then(|()| url.set_password(None));
        stripped.map_err(|()| "has a user that cannot be read".to_owned())?;
        url.set_fragment(None);
        let endpoint = Self { url, secret: None };
        match (user.as_str(), password.as_str()) {
            ("", "") => Ok(endpoint),
            ("", token) => endpoint.with_token(token),
            (_, "") => Err(
                "has a user without a password; write :TOKEN@ for a bearer token, or USER:PASSWORD@".to_owned(),
            ),
            _ => Ok(Self {
                secret: Some(Secret::Basic { user, password }),
                ..endpoint
            }),
        }
    }

    /// Sets the bearer token.
    ///
    /// # Errors
    ///
    /// The token has a character that RFC 6750 does not allow; the sentence does not show it.
    pub fn with_token(mut self, token: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        if token.is_empty() || !token.chars().all(fits) {
            return Err(
                "has a token that is no bearer token; letters, digits and -._~+/= may stand in one"
                    .to_owned(),
            );
        }
        self.secret = Some(Secret::Bearer(token.to_owned()));
        Ok(self)
    }

    /// Says whether something secret is shown to the server.
    pub const fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// Gives the address, without the secret: `http` or `https`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Gives the value of `Authorization`; never to be logged. `None`: the header is not sent at all.
    pub fn authorization(&self) -> Option<String> {
        self.secret.as_ref().map(|secret| match secret {
            Secret::Bearer(token) => format!("Bearer {token}"),
            Secret::Basic { user, password } => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
            }
        })
    }

    /// Gives the address as the elements of Sluice take it, with the secret put back. Never log it.
    pub fn location_with_secrets(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (user, password) = match &self.secret {
            None => return self.url.to_string(),
            Some(Secret::Bearer(token)) => (String::new(), encoded(token)),
            Some(Secret::Basic { user, password }) => (encoded(user), encoded(password)),
        };
        match self.url.as_str().split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{user}:{password}@{rest}"),
            None => self.url.to_string(),
        }
    }

    /// Follows a `Location`: of a redirect, or of the session that was made. The secret stays with its origin
    /// (RFC 9725, 4.5 leaves it open; a foreign server is no business of it).
    ///
    /// # Errors
    ///
    /// The rest of a sentence about the server.
    pub fn at(&self, location: &str) -> Result<Self, String> {
        let url = self
            .url
            .join(location.trim())
            .ok()
            .filter(|url| url.host_str().is_some_and(|host| !host.is_empty()))
            .ok_or("leads to what is no address")?;
        match (self.url.scheme(), url.scheme()) {
            ("https", "http") => Err("leads from TLS to plain HTTP".to_owned()),
            (_, "http" | "https") => Ok(Self {
                secret: self
                    .secret
                    .clone()
                    .filter(|_| url.origin() == self.url.origin()),
                url,
            }),
            _ => Err("leads to what is not HTTP".to_owned()),
        }
    }
}

fn decoded(text: &str) -> Result<String, String> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| "has a user or token that is not UTF-8 after percent-decoding".to_owned())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = redact(self.url.as_str());
        match (&self.secret, url.split_once("://")) {
            (Some(_), Some((scheme, rest))) => write!(f, "{scheme}://{MASK}@{rest}"),
            (Some(_) | None, _) => f.write_str(&url),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}
