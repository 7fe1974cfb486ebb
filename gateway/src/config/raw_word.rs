//! A key that is one word, or keys of its own.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// Keys that one word can stand for.
pub(super) trait Keys {
    /// What may be written, for errors.
    const EXPECTED: &'static str;
}

/// What was written.
pub(super) enum WordOrKeys<K> {
    Word(String),
    Keys(Box<K>),
}

impl<'de, K: Keys + Deserialize<'de>> Deserialize<'de> for WordOrKeys<K> {
    // By hand, because an untagged enum forgets the lines.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrKeysVisitor(PhantomData))
    }
}

struct WordOrKeysVisitor<K>(PhantomData<K>);

impl<'de, K: Keys + Deserialize<'de>> Visitor<'de> for WordOrKeysVisitor<K> {
    type Value = WordOrKeys<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::EXPECTED)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(WordOrKeys::Word(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(WordOrKeys::Word(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        K::deserialize(MapAccessDeserializer::new(map)).map(|keys| WordOrKeys::Keys(Box::new(keys)))
    }
}
