//! The file as it is written: every scalar still text, every value with its line.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::error::Place;
use super::raw_access::{RawAuth, RawIceServer, RawServerTls};
use super::raw_forward::RawForwards;
use super::raw_record::{RawRecord, RawRecordings};
use super::raw_transcode::RawTranscode;

/// A value and where it was written. `Debug` shows only where: the value may be a secret.
#[derive(Clone)]
pub(super) struct Entry<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T> fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({:?})", self.place)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            place: Place::Line(spanned.referenced.line()),
        })
    }
}

/// An optional scalar.
pub(super) type Text = Option<Entry<String>>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) listen: Text,
    pub(super) tls: Option<Entry<RawServerTls>>,
    pub(super) cors: Option<RawList>,
    pub(super) auth: Option<Entry<RawAuth>>,
    pub(super) webrtc: RawWebrtc,
    pub(super) record: RawRecordings,
    pub(super) transcodes: Text,
    pub(super) defaults: RawPath,
    /// A path that is written as `name:` and nothing more is `None`.
    pub(super) paths: BTreeMap<String, Entry<Option<RawPath>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWebrtc {
    pub(super) udp: Text,
    pub(super) udp_range: Text,
    pub(super) tcp: Text,
    pub(super) transport: Text,
    pub(super) fan_out: Text,
    pub(super) hosts: Option<RawList>,
    pub(super) interfaces: Option<RawList>,
    pub(super) receive_threads: Text,
    pub(super) pacing: Text,
    pub(super) max_cpu: Text,
    pub(super) max_send_delay: Text,
    pub(super) ice_servers: Vec<Entry<RawIceServer>>,
}

/// One path, or what `defaults` says for all of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPath {
    pub(super) source: Option<RawSource>,
    pub(super) password_file: Text,
    pub(super) playlist: Text,
    #[serde(rename = "loop")]
    pub(super) repeat: Text,
    pub(super) on_demand: Text,
    pub(super) idle_stop: Text,
    pub(super) start_timeout: Text,
    pub(super) stall_timeout: Text,
    pub(super) connect_timeout: Text,
    pub(super) latency: Text,
    pub(super) rtsp_transport: Text,
    pub(super) max_viewers: Text,
    pub(super) tls: RawTls,
    pub(super) group: RawGroup,
    pub(super) publisher: RawPublisher,
    pub(super) forward: Option<RawForwards>,
    pub(super) record: RawRecord,
    pub(super) transcode: RawTranscode,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTls {
    pub(super) ca_file: Text,
    pub(super) pin: Text,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGroup {
    pub(super) bytes: Text,
    pub(super) span: Text,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPublisher {
    pub(super) second: Text,
    pub(super) absent: Text,
}

/// One value, or several in order.
pub(super) type RawList = RawSource;

/// One source, or several in order.
#[derive(Debug, Clone)]
pub(super) struct RawSource(pub(super) Vec<Entry<String>>);

impl<'de> Deserialize<'de> for RawSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Spanned::<OneOrMany>::deserialize(deserializer)?;
        let place = Place::Line(list.referenced.line());
        Ok(Self(match list.value {
            OneOrMany::One(value) => vec![Entry { value, place }],
            OneOrMany::Many(values) => values,
        }))
    }
}

enum OneOrMany {
    One(String),
    Many(Vec<Entry<String>>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    // By hand, because an untagged enum forgets the lines.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one value, or a list of them")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(OneOrMany::Many(values))
    }
}
