//! Talking to another server as its client: pushing to it by WHIP, pulling from it by WHEP.

mod answer;
mod endpoint;
mod offer;
mod outgoing;
mod refusal;
mod servers;
#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerError, check_answer};
pub use endpoint::Endpoint;
pub use offer::finish_offer;
pub use outgoing::{Outgoing, outgoing};
pub use refusal::{Refusal, refused};
pub use servers::{as_webrtcbin_takes_it, ice_servers};

/// Which way the media go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the other server (WHIP).
    Push,
    /// From the other server (WHEP).
    Pull,
}

impl Direction {
    /// Names the other server at the beginning of a sentence.
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Push => "The target",
            Self::Pull => "The source",
        }
    }
}
