//! An RTSP client (RFC 2326) whose media travel inside the connection: what it says, what it understands, and which
//! time a packet gets. Sockets, credentials and SDP are the caller's.

pub mod reception;
pub mod rest;
pub mod session;
pub mod split;
pub mod timing;

pub use reception::{Reception, Sent, reports};
pub use rest::Rest;
pub use session::{Login, Refusal, Reply, Session, Stream, Wanted};
pub use split::{Found, Splitter};
pub use timing::Timing;
