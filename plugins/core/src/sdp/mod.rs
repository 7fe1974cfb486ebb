//! What we read out of a peer's SDP, and what we correct in webrtcbin's.

pub mod answer;
pub mod candidate;
pub mod fingerprint;
pub mod fragment;
pub(crate) mod lines;
pub mod offer;
mod restart;
#[cfg(test)]
mod tests;

pub use answer::{AnswerEdit, finish};
pub use candidate::Candidate;
pub use fingerprint::Fingerprint;
pub use fragment::{FragmentMedia, TrickleFragment};
pub use offer::{Direction, Offer, OfferError, OfferedCodec, OfferedMedia, Role, Setup};
pub use restart::renewed;
