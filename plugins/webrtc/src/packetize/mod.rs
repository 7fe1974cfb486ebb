//! Access units in, frames of RTP packets out: once per track, whatever the number of viewers.

mod caps;
mod frame;
mod payloader;

pub(crate) use caps::track_from_caps;
pub(crate) use frame::{Frame, Gatherer, Packet};
pub(crate) use payloader::{Payloader, register_av1};
