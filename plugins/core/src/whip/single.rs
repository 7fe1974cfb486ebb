//! One stream for each section, though simulcast sends several.

use std::time::{Duration, Instant};

/// How long the stream that is taken must be silent until another one takes its place.
const SILENT: Duration = Duration::from_secs(1);

/// Lets the packets of one SSRC through. An answer takes one layer only, but whoever sends more in spite of it
/// must not get them mixed: their sequence numbers and sizes have nothing to do with each other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Single {
    taken: Option<(u32, Instant)>,
}

impl Single {
    /// Takes a packet's SSRC; `true` if it is of the stream that is taken.
    pub fn on_packet(&mut self, ssrc: u32, now: Instant) -> bool {
        match self.taken {
            Some((taken, last)) if taken != ssrc && now < last + SILENT => false,
            Some(_) | None => {
                self.taken = Some((ssrc, now));
                true
            }
        }
    }
}
