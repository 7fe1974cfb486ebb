//! GStreamer's signalling protocol (`gst-plugin-webrtc-signalling-protocol`) as one socket of `/ws` speaks it: who
//! may say what, and when.
//!
//! The paths of the gateway are the producers, by their names. A peer watches them, or is called by the gateway
//! after it has said that it produces for one of them.

mod health;
mod message;
mod peer;
mod session;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use gst_plugin_webrtc_signalling_protocol::OutgoingMessage;

use health::Health;
pub use message::{LARGEST, write};
pub use peer::{Names, Peer};
pub use session::Description;

/// Sessions that one socket may have at a time: a wall of cameras, and no flood.
pub const MOST_SESSIONS: usize = 64;

/// Who has said nothing for this long is asked for a sign of life.
pub const PING: Duration = Duration::from_secs(10);

/// Who has said nothing for this long is gone.
pub const DEAD: Duration = Duration::from_secs(25);

/// What the owner of a socket has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// Send this message.
    Say(OutgoingMessage),
    /// Send a ping.
    Ping,
    /// Find the paths that this peer may watch, and tell them to [`Peer::on_list`].
    List,
    /// Find the paths that this peer may watch, from time to time, and tell them to [`Peer::on_paths`].
    Observe,
    /// Make a viewer's session; then [`Peer::on_description`] or [`Peer::on_refused`].
    Watch {
        /// The session's name.
        session: String,
        /// What is to be watched; there may be no path of this name.
        path: String,
        /// The viewer's offer; without one, the gateway offers.
        offer: Option<String>,
    },
    /// Find out whether the peer may publish to this path; then [`Peer::on_admitted`] or
    /// [`Peer::on_not_admitted`].
    Admit {
        /// What it wants to publish to; there may be no path of this name.
        path: String,
    },
    /// Make a publisher's session out of its offer; then [`Peer::on_description`] or [`Peer::on_refused`].
    Publish {
        /// The session's name.
        session: String,
        /// Where it publishes to.
        path: String,
        /// Its offer.
        offer: String,
    },
    /// Give a viewer's session its answer; [`Peer::on_refused`] if it cannot be taken.
    Accept {
        /// The session's name.
        session: String,
        /// The viewer's answer.
        answer: String,
    },
    /// Give a session a candidate of its peer.
    Candidate {
        /// The session's name.
        session: String,
        /// Which section it is for.
        mline: u32,
        /// As it came.
        candidate: String,
    },
    /// End a session, if there is anything of it yet.
    End {
        /// The session's name.
        session: String,
    },
    /// Close the socket.
    Close {
        /// The status of the close frame (RFC 6455, 7.4.1).
        code: u16,
        /// For its reason.
        why: &'static str,
    },
}
