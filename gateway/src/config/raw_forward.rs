//! `forward` as it is written: an address, or keys.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::error::Place;
use super::raw::{Entry, Text};

/// One target, or several.
#[derive(Debug, Clone)]
pub(super) struct RawForwards(pub(super) Vec<Entry<RawForward>>);

/// A target.
#[derive(Debug, Clone)]
pub(super) enum RawForward {
    Url(String),
    Keys(Box<RawForwardKeys>),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawForwardKeys {
    pub(super) url: Text,
    pub(super) token: Text,
    pub(super) token_file: Text,
    pub(super) ca_file: Text,
}

impl RawForward {
    /// Gives its keys, made of its address if it is written as one.
    pub(super) fn keys(&self, place: &Place) -> RawForwardKeys {
        match self {
            Self::Url(url) => RawForwardKeys {
                url: Some(Entry {
                    value: url.clone(),
                    place: place.clone(),
                }),
                ..RawForwardKeys::default()
            },
            Self::Keys(keys) => (**keys).clone(),
        }
    }
}

impl<'de> Deserialize<'de> for RawForward {
    // By hand, because an untagged enum forgets the lines.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ForwardVisitor)
    }
}

struct ForwardVisitor;

impl<'de> Visitor<'de> for ForwardVisitor {
    type Value = RawForward;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as whip://HOST:PORT/PATH, or {url: …, token_file: …}")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(RawForward::Url(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        RawForwardKeys::deserialize(MapAccessDeserializer::new(map))
            .map(|keys| RawForward::Keys(Box::new(keys)))
    }
}

impl<'de> Deserialize<'de> for RawForwards {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Spanned::<OneOrMany>::deserialize(deserializer)?;
        let place = Place::Line(all.referenced.line());
        Ok(Self(match all.value {
            OneOrMany::One(value) => vec![Entry { value, place }],
            OneOrMany::Many(values) => values,
        }))
    }
}

enum OneOrMany {
    One(RawForward),
    Many(Vec<Entry<RawForward>>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of addresses such as whip://HOST:PORT/PATH")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        ForwardVisitor.visit_str(value).map(OneOrMany::One)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        ForwardVisitor.visit_map(map).map(OneOrMany::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(OneOrMany::Many(values))
    }
}
