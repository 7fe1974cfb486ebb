//! `transcode` as it is written: `auto`, `never`, `always`, or keys.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_saphyr::Spanned;

use super::error::Place;
use super::raw::{Entry, RawList, Text};
use super::raw_word::{Keys, WordOrKeys};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTranscodeKeys {
    pub(super) when: Text,
    pub(super) codecs: Option<RawList>,
    pub(super) size: Text,
    pub(super) framerate: Text,
    pub(super) bitrate: Text,
    pub(super) key_interval: Text,
}

impl Keys for RawTranscodeKeys {
    const EXPECTED: &'static str = "auto, never, always, or keys such as {size: 1280x720}";
}

/// How a path's pictures are transcoded; a word alone is `when`.
#[derive(Debug, Clone, Default)]
pub(super) struct RawTranscode {
    pub(super) keys: RawTranscodeKeys,
}

impl<'de> Deserialize<'de> for RawTranscode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<WordOrKeys<RawTranscodeKeys>>::deserialize(deserializer)?;
        let place = Place::Line(spanned.referenced.line());
        let keys = match spanned.value {
            WordOrKeys::Word(value) => RawTranscodeKeys {
                when: Some(Entry { value, place }),
                ..RawTranscodeKeys::default()
            },
            WordOrKeys::Keys(keys) => *keys,
        };
        Ok(Self { keys })
    }
}
