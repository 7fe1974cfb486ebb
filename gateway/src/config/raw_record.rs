//! `record` as it is written: `true`, `false`, or keys.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

use super::error::Place;
use super::raw::{Entry, Text};

/// What is said of all recordings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRecordings {
    pub(super) dir: Text,
    pub(super) keep: Text,
    pub(super) keep_size: Text,
    pub(super) keep_free: Text,
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

impl<'de> Deserialize<'de> for RawRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<SwitchOrKeys>::deserialize(deserializer)?;
        let place = Place::Line(spanned.referenced.line());
        let (value, keys) = match spanned.value {
            SwitchOrKeys::Switch(value) => (value, RawRecordKeys::default()),
            SwitchOrKeys::Keys(keys) => ("true".to_owned(), *keys),
        };
        let on = Some(Entry { value, place });
        Ok(Self { on, keys })
    }
}

enum SwitchOrKeys {
    Switch(String),
    Keys(Box<RawRecordKeys>),
}

impl<'de> Deserialize<'de> for SwitchOrKeys {
    // By hand, because an untagged enum forgets the lines.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SwitchOrKeysVisitor)
    }
}

struct SwitchOrKeysVisitor;

impl<'de> Visitor<'de> for SwitchOrKeysVisitor {
    type Value = SwitchOrKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or keys such as {segment: 10m}")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(SwitchOrKeys::Switch(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(SwitchOrKeys::Switch(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        RawRecordKeys::deserialize(MapAccessDeserializer::new(map))
            .map(|keys| SwitchOrKeys::Keys(Box::new(keys)))
    }
}
