//! Names that were checked: holding one proves it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A route's name: 1 to 64 of `a-z 0-9 - _`. Holding one proves it was checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(String);

/// Why a text is not a route's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{shown}\" is not a path name: use 1 to 64 of a-z, 0-9, - and _")]
pub struct RouteIdError {
    shown: String,
}

impl RouteId {
    /// Gives the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RouteId {
    type Error = RouteIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if fits {
            Ok(Self(text))
        } else {
            // The text may come from a URL: show little of it, and nothing that a terminal would obey.
            let shown = text
                .chars()
                .take(32)
                .map(|c| if c.is_control() { '?' } else { c })
                .collect();
            Err(RouteIdError { shown })
        }
    }
}

impl TryFrom<&str> for RouteId {
    type Error = RouteIdError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::try_from(text.to_owned())
    }
}

impl FromStr for RouteId {
    type Err = RouteIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text)
    }
}

impl AsRef<str> for RouteId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A viewer's session: 128 random bits as 22 characters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(String);

/// The text is not a session's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session id: it has 22 characters of base64url")]
pub struct SessionIdError;

impl SessionId {
    /// Makes the id from 128 bits, which the caller takes from the system's random source.
    pub fn from_random(bits: [u8; 16]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bits))
    }

    /// Gives the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Decoding, not only counting: two spellings of the same bits must not be two sessions.
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(bits) if bits.len() == 16 => Ok(Self(text.to_owned())),
            Ok(_) | Err(_) => Err(SessionIdError),
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_name_is_short_and_plain() {
        for (text, fits) in [
            ("door", true),
            ("cam-1_b", true),
            (&"x".repeat(64), true),
            ("", false),
            (&"x".repeat(65), false),
            ("Door", false),
            ("a/b", false),
            ("..", false),
            ("a b", false),
            ("tür", false),
            ("a\n", false),
            ("<script>", false),
        ] {
            assert_eq!(RouteId::try_from(text).is_ok(), fits, "{text:?}");
        }
    }

    #[test]
    fn a_refused_route_name_is_shown_short_and_without_control_characters() {
        let error = RouteId::try_from(format!("\n\x1b[2J{}", "A".repeat(4096))).unwrap_err();
        let text = error.to_string();
        assert!(text.len() < 120, "{text}");
        assert!(!text.contains(['\n', '\x1b']), "{text}");
        assert!(text.contains("a-z, 0-9"), "{text}");
    }

    #[test]
    fn a_session_id_has_22_characters_and_reads_back() {
        for bits in [[0u8; 16], [255; 16], *b"0123456789abcdef"] {
            let id = SessionId::from_random(bits);
            assert_eq!(id.as_str().len(), 22);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn other_texts_are_no_session_id() {
        for text in [
            "",
            "short",
            &"A".repeat(23),
            "AAAAAAAAAAAAAAAAAAAA+/",
            "AAAAAAAAAAAAAAAAAAAAA/",
            "../../../../etc/passwd",
        ] {
            assert_eq!(SessionId::from_str(text), Err(SessionIdError), "{text:?}");
        }
    }
}
