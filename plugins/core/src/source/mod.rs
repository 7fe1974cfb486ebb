//! Where a source is: a URI that was checked, with its secrets apart.

mod options;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::redact::{MASK, redact};

pub use options::{SrtMode, SrtOptions, TestOptions};

/// What a source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the URI schemes")]
pub enum Scheme {
    Rtsp,
    Rtsps,
    Srt,
    Udp,
    Http,
    Https,
    Whep,
    Wheps,
    File,
    V4l2,
    Test,
}

const SCHEMES: &[(&str, Scheme)] = &[
    ("rtsp", Scheme::Rtsp),
    ("rtsps", Scheme::Rtsps),
    ("srt", Scheme::Srt),
    ("udp", Scheme::Udp),
    ("http", Scheme::Http),
    ("https", Scheme::Https),
    ("whep", Scheme::Whep),
    ("wheps", Scheme::Wheps),
    ("file", Scheme::File),
    ("v4l2", Scheme::V4l2),
    ("test", Scheme::Test),
];

impl Scheme {
    /// Gives the scheme as it stands in a URI.
    pub fn as_str(self) -> &'static str {
        SCHEMES
            .iter()
            .find(|(_, scheme)| *scheme == self)
            .map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not a source, in one sentence without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceUriError {
    /// The scheme is not one of ours.
    #[error(
        "the source \"{shown}\" has the unknown scheme \"{scheme}\"; use rtsp, rtsps, srt, udp, http, https, whep, wheps, file, v4l2 or test"
    )]
    UnknownScheme {
        /// What was given, redacted.
        shown: String,
        /// Its scheme.
        scheme: String,
    },
    /// There is no scheme, and it is no absolute path.
    #[error(
        "the source \"{shown}\" has no scheme; give a URI such as rtsp://host/path, or an absolute path of a file"
    )]
    NoScheme {
        /// What was given, redacted.
        shown: String,
    },
    /// The scheme is known, but the rest does not fit it.
    #[error("the source \"{shown}\" is not right: {why}")]
    Malformed {
        /// What was given, redacted.
        shown: String,
        /// What is wrong, and what would be right.
        why: String,
    },
}

/// Where a source is. Holding one proves that it was checked; `Display` and `Debug` hide its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceUri {
    scheme: Scheme,
    place: Place,
    credentials: Option<(String, String)>,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// RTSP, HTTP and WHEP; the URL has no credentials.
    Url(Url),
    Srt {
        host: Option<String>,
        port: u16,
        options: SrtOptions,
    },
    Udp {
        host: Option<String>,
        port: u16,
    },
    Path(PathBuf),
    Test(TestOptions),
}

impl SourceUri {
    /// Reads a URI, or an absolute path of a file.
    ///
    /// # Errors
    ///
    /// One sentence that names what is wrong and what would be right, without secrets.
    pub fn parse(text: &str) -> Result<Self, SourceUriError> {
        let text = text.trim();
        let wrong = |why: String| SourceUriError::Malformed {
            shown: shown(text),
            why,
        };
        if text.starts_with('/') {
            return read::file(text).map_err(wrong);
        }
        let Some((scheme, rest)) = read::split_scheme(text) else {
            return Err(SourceUriError::NoScheme { shown: shown(text) });
        };
        let lower = scheme.to_ascii_lowercase();
        let Some((_, scheme)) = SCHEMES.iter().find(|(name, _)| *name == lower) else {
            return Err(SourceUriError::UnknownScheme {
                shown: shown(text),
                scheme: lower.chars().take(40).collect(),
            });
        };
        if text.chars().any(char::is_control) {
            return Err(wrong("it has a control character in it".to_owned()));
        }
        match scheme {
            Scheme::Rtsp | Scheme::Rtsps | Scheme::Http | Scheme::Https => read::web(*scheme, text),
            Scheme::Whep | Scheme::Wheps => read::whep(*scheme, text),
            Scheme::Srt => read::srt(rest),
            Scheme::Udp => read::udp(rest),
            Scheme::File => read::file_uri(rest),
            Scheme::V4l2 => read::v4l2(rest),
            Scheme::Test => {
                TestOptions::parse(rest).map(|options| Self::at(Scheme::Test, Place::Test(options)))
            }
        }
        .map_err(wrong)
    }

    /// Gives what it speaks.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Gives the user and the password, percent-decoded; a bearer token (WHEP) is a password without a user.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials
            .as_ref()
            .map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// Gives the URI for the element that opens it: without credentials and without passphrase.
    pub fn location(&self) -> String {
        let scheme = self.scheme;
        match &self.place {
            Place::Url(url) => url.to_string(),
            Place::Srt {
                host,
                port,
                options,
            } => {
                let host = host.as_deref().unwrap_or_default();
                format!("srt://{}:{port}?{}", read::bracketed(host), options.query())
            }
            Place::Udp { host, port } => {
                format!(
                    "udp://{}:{port}",
                    read::bracketed(host.as_deref().unwrap_or("0.0.0.0"))
                )
            }
            Place::Path(path) => Url::from_file_path(path).map_or_else(
                |()| format!("{scheme}://{}", path.display()),
                |url| format!("{scheme}://{}", url.path()),
            ),
            Place::Test(options) => options.to_string(),
        }
    }

    /// Gives the URI as the elements of Sluice take it, with its secrets put back. Never log it.
    pub fn location_with_secrets(&self) -> String {
        let location = self.location();
        if let (Some((user, password)), Some((scheme, rest))) =
            (self.credentials(), location.split_once("://"))
        {
            return format!("{scheme}://{}:{}@{rest}", encoded(user), encoded(password));
        }
        match self.srt().and_then(|options| options.passphrase.as_deref()) {
            Some(passphrase) => {
                let joint = if location.contains('?') { '&' } else { '?' };
                format!("{location}{joint}passphrase={}", encoded(passphrase))
            }
            None => location,
        }
    }

    /// Gives the host, without the brackets of an IPv6 address; `None` means any or no host.
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Url(url) => url.host_str().map(|host| {
                host.strip_prefix('[')
                    .and_then(|h| h.strip_suffix(']'))
                    .unwrap_or(host)
            }),
            Place::Srt { host, .. } | Place::Udp { host, .. } => host.as_deref(),
            Place::Path(_) | Place::Test(_) => None,
        }
    }

    /// Gives the port, or the scheme's usual one.
    pub fn port(&self) -> Option<u16> {
        match &self.place {
            Place::Url(url) => url.port_or_known_default().or(match self.scheme {
                Scheme::Rtsp => Some(554),
                Scheme::Rtsps => Some(322),
                Scheme::Whep => Some(80),
                Scheme::Wheps => Some(443),
                Scheme::Srt
                | Scheme::Udp
                | Scheme::Http
                | Scheme::Https
                | Scheme::File
                | Scheme::V4l2
                | Scheme::Test => None,
            }),
            Place::Srt { port, .. } | Place::Udp { port, .. } => Some(*port),
            Place::Path(_) | Place::Test(_) => None,
        }
    }

    /// Gives the path of a file or of a v4l2 device.
    pub fn path(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Path(path) => Some(path.clone()),
            Place::Url(_) | Place::Srt { .. } | Place::Udp { .. } | Place::Test(_) => None,
        }
    }

    /// Gives what an SRT source asks for.
    pub const fn srt(&self) -> Option<&SrtOptions> {
        match &self.place {
            Place::Srt { options, .. } => Some(options),
            Place::Url(_) | Place::Udp { .. } | Place::Path(_) | Place::Test(_) => None,
        }
    }

    /// Gives what the known picture shall look like.
    pub const fn test(&self) -> Option<&TestOptions> {
        match &self.place {
            Place::Test(options) => Some(options),
            Place::Url(_) | Place::Srt { .. } | Place::Udp { .. } | Place::Path(_) => None,
        }
    }

    const fn at(scheme: Scheme, place: Place) -> Self {
        Self {
            scheme,
            place,
            credentials: None,
        }
    }
}

impl fmt::Display for SourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.location();
        let location = redact(&location);
        match (&self.credentials, location.split_once("://")) {
            (Some(_), Some((scheme, rest))) => write!(f, "{scheme}://{MASK}@{rest}"),
            (Some(_) | None, _) => f.write_str(&location),
        }
    }
}

impl fmt::Debug for SourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceUri({self})")
    }
}

impl std::str::FromStr for SourceUri {
    type Err = SourceUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

fn encoded(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

/// Makes a refused text fit to be shown: short, redacted, without control characters.
fn shown(text: &str) -> String {
    let redacted = redact(text);
    // What follows a passphrase may be more of it, with an & in it that should be %26.
    let masked = format!("passphrase={MASK}");
    let known = redacted
        .to_ascii_lowercase()
        .find(&masked)
        .map(|at| at + masked.len());
    let mut shown: String = known
        .and_then(|end| redacted.get(..end))
        .unwrap_or(&redacted)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(120)
        .collect();
    if text.chars().count() > 120 {
        shown.push('…');
    }
    shown
}
