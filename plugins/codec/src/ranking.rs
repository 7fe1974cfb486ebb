//! Which encoders and decoders are tried, in which order: the tables, or what a probe found.

use parking_lot::Mutex;
use sluice_core::Codec;
use sluice_core::transcode::{Decoder, Decoding, ENCODERS, Encoder};

/// What this process uses instead of the tables.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    /// All encoders that may be used, best first; `None` leaves the table.
    pub encoders: Option<Vec<Encoder>>,
    /// Decoders that are tried before the table's, for each codec.
    pub decoders: Vec<(Codec, Decoder)>,
    /// Decoders that are never used.
    pub without_decoders: Vec<String>,
}

static RANKING: Mutex<Option<Ranking>> = Mutex::new(None);

/// Sets the ranking of this process. Elements ask for it whenever they start an encoder or decoder for
/// new pictures; those that run go on.
pub fn set_ranking(ranking: Ranking) {
    *RANKING.lock() = Some(ranking);
}

fn is_installed(factory: &str) -> bool {
    gst::ElementFactory::find(factory).is_some()
}

/// Gives the installed encoders for a codec, best first.
pub(crate) fn encoders(codec: Codec) -> Vec<Encoder> {
    let ranked = RANKING.lock().as_ref().and_then(|set| set.encoders.clone());
    ranked
        .unwrap_or_else(|| ENCODERS.to_vec())
        .into_iter()
        .filter(|row| row.codec == codec && is_installed(row.factory))
        .collect()
}

/// Says whether this process has an encoder for a codec that may work.
#[must_use]
pub fn can_encode(codec: Codec) -> bool {
    !encoders(codec).is_empty()
}

/// Gives the installed decoders for a codec, best first.
pub(crate) fn decoders(decoding: &Decoding) -> Vec<Decoder> {
    let ranking = RANKING.lock().clone().unwrap_or_default();
    let first = ranking
        .decoders
        .iter()
        .filter(|(codec, _)| *codec == decoding.codec)
        .map(|(_, decoder)| *decoder);
    first
        .chain(decoding.decoders.iter().copied())
        .filter(|row| {
            !ranking
                .without_decoders
                .iter()
                .any(|name| name == row.factory)
        })
        .filter(|row| is_installed(row.factory))
        .collect()
}
