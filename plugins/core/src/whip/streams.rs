//! Which streams of a section are taken: one, or the layers of simulcast that were offered.

use std::time::{Duration, Instant};

use super::Single;

/// How long a layer's stream must be silent until another one may take its place.
const SILENT: Duration = Duration::from_secs(1);

/// Streams of one section in its lifetime: more than a publisher has reason for.
const MOST: usize = 16;

/// Knows the streams of one section by their SSRC.
///
/// Only the first packets of a layer carry its name (RFC 8852): what was named once is known. Streams that are
/// neither are refused: their sequence numbers and sizes have nothing to do with the others'.
#[derive(Debug, Clone, Default)]
pub struct Streams {
    /// Names of the layers; empty without simulcast.
    rids: Vec<String>,
    single: Single,
    layers: Vec<Stream>,
    /// So many SSRCs were taken.
    taken: usize,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    rid: usize,
    ssrc: u32,
    last: Instant,
}

impl Streams {
    /// Knows the layers by their names; none of them for a section with one stream.
    pub fn new(rids: &[String]) -> Self {
        Self {
            rids: rids.to_vec(),
            ..Self::default()
        }
    }

    /// Says whether packets must be asked for the name of their layer.
    pub fn has_layers(&self) -> bool {
        !self.rids.is_empty()
    }

    /// Takes a packet's SSRC and the name of its layer, if it carries one; `true` if it is of a stream that is taken.
    pub fn on_packet(&mut self, ssrc: u32, rid: Option<&[u8]>, now: Instant) -> bool {
        if let Some(known) = self.layers.iter_mut().find(|stream| stream.ssrc == ssrc) {
            known.last = now;
            return true;
        }
        let named = |name: &[u8]| self.rids.iter().position(|rid| rid.as_bytes() == name);
        match rid.map(named) {
            Some(Some(rid)) => self.begin(rid, ssrc, now),
            // A layer that was not offered.
            Some(None) => false,
            // A publisher that offers layers and sends one stream without a name.
            None if self.layers.is_empty() => self.single.on_packet(ssrc, now),
            None => false,
        }
    }

    fn begin(&mut self, rid: usize, ssrc: u32, now: Instant) -> bool {
        let before = self.layers.iter().position(|stream| stream.rid == rid);
        let speaks = before
            .and_then(|index| self.layers.get(index))
            .is_some_and(|stream| now < stream.last + SILENT);
        if speaks || self.taken >= MOST {
            return false;
        }
        if let Some(index) = before {
            self.layers.swap_remove(index);
        }
        self.layers.push(Stream {
            rid,
            ssrc,
            last: now,
        });
        self.taken += 1;
        true
    }
}

/// Finds a header extension of a whole RTP packet by its id, in the one-byte and the two-byte form (RFC 8285).
pub fn extension(packet: &[u8], id: u8) -> Option<&[u8]> {
    let (first, _) = packet.split_first()?;
    let sources = usize::from(first & 0x0f);
    let rest = packet
        .get(12 + 4 * sources..)
        .filter(|_| first & 0x10 != 0)?;
    let [p0, p1, l0, l1, rest @ ..] = rest else {
        return None;
    };
    let length = 4 * usize::from(u16::from_be_bytes([*l0, *l1]));
    let mut rest = rest.get(..length)?;
    let long = match u16::from_be_bytes([*p0, *p1]) {
        0xbede => false,
        profile if profile >> 4 == 0x100 => true,
        _ => return None,
    };
    while let [head, after @ ..] = rest {
        let (found, length, after) = match (long, head, after) {
            (_, 0, _) => {
                rest = after;
                continue;
            }
            // Reserved: whoever reads it stops here.
            (false, 0xf0.., _) => return None,
            (false, head, after) => (head >> 4, usize::from(head & 0x0f) + 1, after),
            (true, found, [length, after @ ..]) => (*found, usize::from(*length), after),
            (true, _, []) => return None,
        };
        let (value, next) = after.split_at_checked(length)?;
        if found == id {
            return Some(value);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, origin};

    #[test]
    fn layers_are_known_by_the_names_of_their_first_packets() {
        let start = origin();
        let mut streams = Streams::new(&["h".to_owned(), "l".to_owned()]);
        assert!(streams.has_layers());
        for (what, ssrc, rid, at, taken) in [
            ("a first packet", 1, Some("h"), 0, true),
            ("another without its name", 1, None, 10, true),
            ("the second layer", 2, Some("l"), 10, true),
            ("a layer that was not offered", 3, Some("x"), 20, false),
            ("a stream without a name", 4, None, 30, false),
            (
                "a second stream of a layer that speaks",
                5,
                Some("h"),
                40,
                false,
            ),
            ("the same after a second", 5, Some("h"), 1100, true),
            ("what it took the place of", 1, None, 1200, false),
        ] {
            let rid = rid.map(str::as_bytes);
            assert_eq!(
                streams.on_packet(ssrc, rid, start + ms(at)),
                taken,
                "{what}"
            );
        }
    }

    #[test]
    fn a_publisher_that_names_no_layer_sends_one_stream() {
        let start = origin();
        let mut streams = Streams::new(&["h".to_owned()]);
        assert!(streams.on_packet(7, None, start));
        assert!(!streams.on_packet(8, None, start));
        // It begins to name them.
        assert!(streams.on_packet(9, Some(b"h"), start));
        assert!(!streams.on_packet(7, None, start));
    }

    #[test]
    fn streams_that_come_and_go_do_not_pile_up() {
        let start = origin();
        let mut streams = Streams::new(&["h".to_owned()]);
        let taken = (0..100)
            .filter(|n| streams.on_packet(*n, Some(b"h"), start + ms(u64::from(*n) * 2000)));
        assert_eq!(taken.count(), MOST);
    }

    #[test]
    fn extensions_are_found_in_both_forms_and_what_is_cut_is_none() {
        let head = |first: u8, profile: u16, words: u8| {
            let mut packet = vec![first, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
            packet.extend(vec![0; 4 * usize::from(first & 0x0f)]);
            packet.extend(profile.to_be_bytes());
            packet.extend([0, words]);
            packet
        };
        let short = [
            head(0x91, 0xbede, 2),
            vec![0x32, 1, 2, 3, 0, 0xa0, b'h', 0],
            vec![9],
        ]
        .concat();
        assert_eq!(extension(&short, 10), Some(&b"h"[..]));
        assert_eq!(extension(&short, 3), Some(&[1, 2, 3][..]));
        assert_eq!(extension(&short, 4), None);
        let long = [
            head(0x90, 0x1000, 2),
            vec![0, 20, 3, b'm', b'i', b'd', 10, 0],
        ]
        .concat();
        assert_eq!(extension(&long, 20), Some(&b"mid"[..]));
        assert_eq!(extension(&long, 10), Some(&[][..]));
        let reserved = [head(0x90, 0xbede, 1), vec![0xf0, 1, 0xa0, b'h']].concat();
        assert_eq!(extension(&reserved, 10), None);
        for cut in 0..short.len() {
            let id = extension(&short[..cut], 10);
            assert!(id.is_none() || cut >= short.len() - 1, "{cut}");
        }
        assert_eq!(extension(&[0x80; 40], 10), None);
        assert_eq!(extension(&head(0x90, 0x1234, 0), 10), None);
    }
}
