//! What a client shows to prove who it is.

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq as _;

/// Something that nobody may see: `Debug` hides it, and it has no `Display`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Compares in a time that does not depend on where the two differ.
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }

    /// Gives it to code that must have it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Longer ones are not read at all.
const LONGEST: usize = 8 * 1024;

/// Names of URL parameters that carry a token.
const PARAMETERS: [&str; 2] = ["token", "jwt"];

/// Clients pad base64, or do not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What came with a request.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nothing.
    Nothing,
    /// A bearer token: one of the config, or a JWT.
    Token(Secret),
    /// A user and a password.
    Password {
        /// As it was sent.
        user: String,
        /// As it was sent.
        password: Secret,
    },
    /// Something that no rule of HTTP explains.
    Unreadable,
}

impl Credentials {
    /// Reads the header, and where there is none the token of the URL's query.
    ///
    /// `Bearer USER:PASSWORD` is a password: publishers such as OBS have a field for a token only.
    pub fn read(authorization: Option<&str>, query: Option<&str>) -> Self {
        match authorization {
            Some(header) if header.len() > LONGEST => Self::Unreadable,
            Some(header) => Self::from_header(header).unwrap_or(Self::Unreadable),
            None => match query.and_then(token_of) {
                Some(token) if token.len() <= LONGEST => Self::from_token(&token),
                Some(_) => Self::Unreadable,
                None => Self::Nothing,
            },
        }
    }

    fn from_header(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Some(Self::from_token(rest));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let bytes = LENIENT.decode(rest).ok()?;
        Self::from_pair(std::str::from_utf8(&bytes).ok()?)
    }

    fn from_token(token: &str) -> Self {
        Self::from_pair(token).unwrap_or_else(|| Self::Token(Secret::new(token)))
    }

    fn from_pair(pair: &str) -> Option<Self> {
        let (user, password) = pair.split_once(':')?;
        Some(Self::Password {
            user: user.to_owned(),
            password: Secret::new(password),
        })
    }

    /// Gives the header that carries a user and a password (RFC 7617).
    pub fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }
}

fn token_of(query: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, value)| PARAMETERS.contains(name) && !value.is_empty())?;
    let value = percent_decode_str(value).decode_utf8().ok()?;
    Some(value.into_owned())
}

/// Takes the tokens out of a query, so that nothing behind can log them; `None` when nothing is left.
pub fn without_tokens(query: &str) -> Option<String> {
    let kept: Vec<_> = query
        .split('&')
        .filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !PARAMETERS.contains(&name)
        })
        .collect();
    Some(kept.join("&")).filter(|query| !query.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(credentials: &Credentials) -> String {
        match credentials {
            Credentials::Nothing => "nothing".to_owned(),
            Credentials::Token(token) => format!("token {}", token.expose()),
            Credentials::Password { user, password } => format!("{user} {}", password.expose()),
            Credentials::Unreadable => "unreadable".to_owned(),
        }
    }

    #[test]
    fn header_and_query_are_read() {
        for (header, query, expected) in [
            (None, None, "nothing"),
            (Some("Bearer abc.def"), None, "token abc.def"),
            (Some("bearer   abc "), None, "token abc"),
            (Some("Bearer alice:s3:cret"), None, "alice s3:cret"),
            (Some("Basic YWxpY2U6czM6Y3JldA=="), None, "alice s3:cret"),
            (Some("basic YWxpY2U6czM6Y3JldA"), None, "alice s3:cret"),
            (Some("Basic ***"), None, "unreadable"),
            (Some("Basic bm8gY29sb24="), None, "unreadable"),
            (Some("Digest a=b"), None, "unreadable"),
            (Some("Bearer"), None, "unreadable"),
            (Some(""), Some("token=abc"), "unreadable"),
            (None, Some("token=abc"), "token abc"),
            (None, Some("x=1&jwt=a%2Eb&y"), "token a.b"),
            (None, Some("tokens=abc&token="), "nothing"),
            (Some("Bearer one"), Some("token=two"), "token one"),
        ] {
            let got = Credentials::read(header, query);
            assert_eq!(shown(&got), expected, "{header:?} {query:?}");
        }
        let long = format!("Bearer {}", "x".repeat(1 << 20));
        assert_eq!(shown(&Credentials::read(Some(&long), None)), "unreadable");
    }

    #[test]
    fn debug_shows_no_secret() {
        for header in [
            "Bearer hunter2",
            "Bearer bob:hunter2",
            "Basic Ym9iOmh1bnRlcjI=",
        ] {
            let shown = format!("{:?}", Credentials::read(Some(header), None));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn a_secret_matches_itself_only() {
        let secret = Secret::new("hunter2");
        for (other, same) in [
            ("hunter2", true),
            ("hunter", false),
            ("hunter3", false),
            ("", false),
        ] {
            assert_eq!(secret.matches(other), same, "{other}");
        }
    }

    #[test]
    fn tokens_leave_the_query() {
        for (query, left) in [
            ("token=abc", None),
            ("t=1&token=abc&u=2", Some("t=1&u=2")),
            ("jwt=a&token=b&jwt", None),
            ("t=1", Some("t=1")),
        ] {
            assert_eq!(without_tokens(query).as_deref(), left, "{query}");
        }
    }

    #[test]
    fn basic_writes_what_it_reads() {
        let header = Credentials::basic("alice", "pä:ss");
        assert_eq!(
            shown(&Credentials::read(Some(&header), None)),
            "alice pä:ss"
        );
    }
}
