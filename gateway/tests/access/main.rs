//! Who may do what, over the real router and without a network: each refusal of CONFORMANCE 22 to 27.
#![expect(clippy::unwrap_used, reason = "tests")]

mod open;
mod recordings;
mod signed_in;
mod sites;
mod support;
mod turn;
