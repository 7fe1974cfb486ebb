//! What the query of a source URI may ask for.

use std::fmt;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::read::quoted;
use crate::track::Codec;

/// Leaves what RFC 3986 allows in a query's value; `streamid` often is `#!::r=live/door`.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':');

/// Who calls whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtMode {
    /// We call.
    Caller,
    /// We are called.
    Listener,
    /// Both call at once.
    Rendezvous,
}

impl SrtMode {
    /// Gives the word that SRT tools use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Listener => "listener",
            Self::Rendezvous => "rendezvous",
        }
    }
}

/// What an SRT URI asks for. `Debug` hides the passphrase.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtOptions {
    /// Who calls whom.
    pub mode: SrtMode,
    /// Encrypts the stream; 10 to 79 characters.
    pub passphrase: Option<String>,
    /// The key's length in bytes: 0 (let the other side choose), 16, 24 or 32.
    pub pbkeylen: Option<u8>,
    /// What the caller asks the listener for.
    pub streamid: Option<String>,
    /// How long a lost packet may be asked for again.
    pub latency: Option<Duration>,
}

impl SrtOptions {
    pub(super) fn parse(query: &str, no_host: bool) -> Result<Self, String> {
        let mut options = Self {
            mode: if no_host {
                SrtMode::Listener
            } else {
                SrtMode::Caller
            },
            passphrase: None,
            pbkeylen: None,
            streamid: None,
            latency: None,
        };
        for (key, value) in pairs(query)? {
            options.set(&key, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        match key {
            "mode" => {
                self.mode = match value.as_str() {
                    "caller" => SrtMode::Caller,
                    "listener" => SrtMode::Listener,
                    "rendezvous" => SrtMode::Rendezvous,
                    _ => {
                        return Err(format!(
                            "the mode {} is unknown; use caller, listener or rendezvous",
                            quoted(&value)
                        ));
                    }
                }
            }
            "passphrase" => {
                if !(10..=79).contains(&value.len()) {
                    return Err(format!(
                        "its passphrase has {} characters; SRT wants 10 to 79",
                        value.len()
                    ));
                }
                self.passphrase = Some(value);
            }
            "pbkeylen" => {
                self.pbkeylen = match value.as_str() {
                    "0" => Some(0),
                    "16" => Some(16),
                    "24" => Some(24),
                    "32" => Some(32),
                    _ => {
                        return Err(format!(
                            "the pbkeylen {} is unknown; use 0, 16, 24 or 32",
                            quoted(&value)
                        ));
                    }
                }
            }
            "streamid" => {
                if value.len() > 512 {
                    return Err("its streamid is longer than 512 characters".to_owned());
                }
                self.streamid = Some(value);
            }
            "latency" => {
                let ms: u16 = value.parse().map_err(|_| {
                    format!(
                        "the latency {} is not a number of milliseconds (0 to 65535)",
                        quoted(&value)
                    )
                })?;
                self.latency = Some(Duration::from_millis(ms.into()));
            }
            _ => {
                return Err(format!(
                    "the SRT option {} is unknown; use mode, passphrase, pbkeylen, streamid, latency",
                    quoted(key)
                ));
            }
        }
        Ok(())
    }

    /// Gives the query without the passphrase.
    pub(super) fn query(&self) -> String {
        let mut pairs = vec![format!("mode={}", self.mode.as_str())];
        pairs.extend(
            self.streamid
                .as_ref()
                .map(|id| format!("streamid={}", utf8_percent_encode(id, QUERY_VALUE))),
        );
        pairs.extend(
            self.latency
                .map(|latency| format!("latency={}", latency.as_millis())),
        );
        pairs.extend(self.pbkeylen.map(|length| format!("pbkeylen={length}")));
        pairs.join("&")
    }
}

impl fmt::Debug for SrtOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtOptions({}", self.query())?;
        f.write_str(if self.passphrase.is_some() {
            ", passphrase ***)"
        } else {
            ")"
        })
    }
}

/// What the known picture of `test:` shall look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestOptions {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Frames per second.
    pub framerate: u32,
    /// From one key frame to the next.
    pub key_interval: Duration,
    /// H.264 or VP8.
    pub codec: Codec,
}

impl Default for TestOptions {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            framerate: 30,
            key_interval: Duration::from_secs(2),
            codec: Codec::H264,
        }
    }
}

impl TestOptions {
    pub(super) fn parse(rest: &str) -> Result<Self, String> {
        const SHAPE: &str =
            "write test: or test:?size=640x360&fps=15&key-interval=10&codec=vp8 (or h264)";
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (head, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !matches!(head, "" | "/") {
            return Err(SHAPE.to_owned());
        }
        let mut options = Self::default();
        for (key, value) in pairs(query)? {
            options
                .set(&key, &value)
                .ok_or_else(|| format!("the option {} is not right; {SHAPE}", quoted(&key)))?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        let within = |text: &str, from: u32, to: u32| {
            text.parse::<u32>().ok().filter(|n| (from..=to).contains(n))
        };
        match key {
            "size" => {
                let (width, height) = value.split_once('x')?;
                // Encoders want even sizes for 4:2:0.
                self.width = within(width, 64, 4096).filter(|n| n.is_multiple_of(2))?;
                self.height = within(height, 64, 2304).filter(|n| n.is_multiple_of(2))?;
            }
            "fps" => self.framerate = within(value, 1, 120)?,
            "key-interval" => self.key_interval = Duration::from_secs(within(value, 1, 60)?.into()),
            "codec" => {
                self.codec = match value {
                    "h264" => Codec::H264,
                    "vp8" => Codec::Vp8,
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(())
    }
}

impl fmt::Display for TestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("test:");
        }
        write!(
            f,
            "test:?size={}x{}&fps={}&key-interval={}",
            self.width,
            self.height,
            self.framerate,
            self.key_interval.as_secs()
        )?;
        f.write_str(if self.codec == Codec::Vp8 {
            "&codec=vp8"
        } else {
            ""
        })
    }
}

/// Splits a query into percent-decoded pairs. A `+` stays a `+`: SRT tools do not read it as a space.
fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            // It is not told: it may be what follows an & in a passphrase.
            let (key, value) = pair
                .split_once('=')
                .ok_or("an option has no value; write name=value, and & in a value as %26")?;
            let value = percent_decode_str(value).decode_utf8().map_err(|_| {
                format!(
                    "the value of {} is not UTF-8 after percent-decoding",
                    quoted(key)
                )
            })?;
            if value.chars().any(char::is_control) {
                return Err(format!(
                    "the value of {} has a control character in it",
                    quoted(key)
                ));
            }
            Ok((key.to_owned(), value.into_owned()))
        })
        .collect()
}
