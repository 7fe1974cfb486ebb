//! WHIP: what is taken of a publisher's offer, and which publisher a path has.

mod choice;
mod layers;
mod reduce;
mod single;
mod stage;
mod steady;
mod streams;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::whep::Deadlines;

pub use choice::{Accepted, MID, RID, TWCC, accept};
pub use layers::{Layer, Layers, Step};
pub use reduce::{reduced, with_layers};
pub use single::Single;
pub use stage::{Entry, Policy, Stage};
pub use steady::Steady;
pub use streams::{Streams, extension};

/// A publisher that vanishes without a word must be noticed within ten seconds. Chromium that sends neither
/// picture nor sound still sends RTCP, every 5 s at the latest with its half as much of jitter (RFC 3550, 6.3).
pub const DEADLINES: Deadlines = Deadlines {
    connect: Duration::from_secs(15),
    silence: Duration::from_secs(8),
};
