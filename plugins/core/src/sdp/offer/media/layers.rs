//! Layers of simulcast in an offer (RFC 8851, RFC 8853).

use crate::sdp::lines::Section;

/// More than any browser sends. What is offered beyond is not taken.
const MOST: usize = 8;

/// One layer that the offerer would send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedLayer {
    /// Its name.
    pub rid: String,
    /// The payload types that it may have; empty for any.
    pub pts: Vec<u8>,
}

impl OfferedLayer {
    /// Says whether it may be sent as this payload type.
    pub fn allows(&self, pt: u8) -> bool {
        self.pts.is_empty() || self.pts.contains(&pt)
    }
}

/// Reads `a=simulcast:send`, in its order: of alternatives the first, and paused ones too. What is written wrongly is
/// left out, as if it were not offered (RFC 8853, 5.1).
pub(super) fn layers(section: &Section<'_>) -> Vec<OfferedLayer> {
    let Some(streams) = section.attribute("simulcast").and_then(sent) else {
        return Vec::new();
    };
    let mut layers: Vec<OfferedLayer> = Vec::new();
    for alternatives in streams.split(';') {
        let rid = alternatives.split(',').next().unwrap_or_default();
        let rid = rid.strip_prefix('~').unwrap_or(rid);
        let known = layers.iter().any(|layer| layer.rid == rid);
        let layer = Some(rid).filter(|_| !known && layers.len() < MOST);
        layers.extend(layer.and_then(|rid| described(section, rid)));
    }
    layers
}

/// Gives what follows `send`; `a=simulcast` may have both directions, in any order.
fn sent(value: &str) -> Option<&str> {
    let mut words = value.split_ascii_whitespace();
    words.by_ref().find(|word| *word == "send")?;
    words.next()
}

/// Finds `a=rid:NAME send …`.
fn described(section: &Section<'_>, rid: &str) -> Option<OfferedLayer> {
    let is_name = (1..=255).contains(&rid.len())
        && rid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let mut lines = section.attributes("rid").filter_map(|value| {
        let mut words = value.split_ascii_whitespace();
        (words.next() == Some(rid) && words.next() == Some("send"))
            .then(|| words.next().unwrap_or_default())
    });
    let restrictions = lines.next().filter(|_| is_name)?;
    let pts = restrictions
        .split(';')
        .find_map(|one| one.strip_prefix("pt="));
    Some(OfferedLayer {
        rid: rid.to_owned(),
        pts: pts.map_or_else(Vec::new, |pts| {
            pts.split(',').filter_map(|pt| pt.parse().ok()).collect()
        }),
    })
}
