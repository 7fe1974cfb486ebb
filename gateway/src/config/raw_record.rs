//! `record` as it is written: `true`, `false`, or keys.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_saphyr::Spanned;

use super::error::Place;
use super::raw::{Entry, Text};
use super::raw_word::{Keys, WordOrKeys};

/// What is said of all recordings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRecordings {
    pub(super) dir: Text,
    pub(super) keep: Text,
    pub(super) keep_size: Text,
    pub(super) keep_free: Text,
    pub(super) upload: Option<Entry<RawUpload>>,
}

/// Where finished files go to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawUpload {
    pub(super) to: Text,
    pub(super) endpoint: Text,
    pub(super) region: Text,
    pub(super) key: Text,
    pub(super) secret: Text,
    pub(super) secret_file: Text,
    pub(super) delete_local: Text,
    pub(super) delete_waiting: Text,
}

/// Whether a path is recorded, and how.
#[derive(Debug, Clone, Default)]
pub(super) struct RawRecord {
    /// A switch; who writes keys wants it on.
    pub(super) on: Text,
    pub(super) keys: RawRecordKeys,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRecordKeys {
    pub(super) when: Text,
    pub(super) pre_roll: Text,
    pub(super) location: Text,
    pub(super) format: Text,
    pub(super) segment: Text,
    pub(super) segment_size: Text,
    pub(super) keep: Text,
    pub(super) keep_size: Text,
    pub(super) keep_free: Text,
}

impl Keys for RawRecordKeys {
    const EXPECTED: &'static str = "true, false, or keys such as {segment: 10m}";
}

impl<'de> Deserialize<'de> for RawRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<WordOrKeys<RawRecordKeys>>::deserialize(deserializer)?;
        let place = Place::Line(spanned.referenced.line());
        let (value, keys) = match spanned.value {
            WordOrKeys::Word(value) => (value, RawRecordKeys::default()),
            WordOrKeys::Keys(keys) => ("true".to_owned(), *keys),
        };
        let on = Some(Entry { value, place });
        Ok(Self { on, keys })
    }
}
