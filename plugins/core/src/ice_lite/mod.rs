//! Our side of ICE where the peer offers: ICE-lite (RFC 8445, 2.5) with consent (RFC 7675).
//!
//! The peer, which is a full agent, finds the way; we answer its checks, take the pair that it nominates, and ask
//! from then on every few seconds whether it still wants our packets. Sockets and threads are elsewhere.

mod agent;
mod candidates;
mod consent;
mod framing;
mod interfaces;
mod message;
mod outer;
#[cfg(test)]
mod tests;

pub use agent::{Agent, Credentials, Event, Outcome, Place, Protocol, Timeout};
pub use candidates::{candidates, first_addresses, reflexive};
pub use framing::{Deframer, FrameError, frame};
pub use interfaces::{Interfaces, InterfacesError};
pub use message::{Datagram, Message, Request, Response, Verdict, classify};
pub use outer::{Opening, OuterAddress};
