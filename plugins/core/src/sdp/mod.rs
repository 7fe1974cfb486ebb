//! What we read out of a peer's SDP, and what we correct in webrtcbin's.

pub mod answer;
pub mod candidate;
pub mod fingerprint;
pub mod fragment;
pub mod invitation;
pub(crate) mod lines;
pub mod offer;
mod repair;
mod restart;
#[cfg(test)]
mod tests;
mod transport;

pub use answer::{AnswerEdit, Handshake, finish, tellable};
pub use candidate::Candidate;
pub use fingerprint::Fingerprint;
pub use fragment::{FragmentMedia, TrickleFragment};
pub use invitation::{Part, Reply};
pub use offer::{
    Direction, Offer, OfferError, OfferedCodec, OfferedLayer, OfferedMedia, Role, Setup,
};
pub use repair::{Repair, with_repairs};
pub use restart::renewed;
