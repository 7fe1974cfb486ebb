//! Why a server does not play.

/// What a server refused, or what of its answers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It wants credentials: there are none, or not these.
    #[error("refused the user name or the password")]
    Unauthorized,
    /// It knows who asks, and does not want to.
    #[error("forbids access")]
    Forbidden,
    /// It has nothing at that path.
    #[error("has no such stream")]
    NotFound,
    /// It does not send inside the connection.
    #[error("does not offer the wanted transport; set rtsp-transport to auto")]
    Transport,
    /// It answered something else that is no success.
    #[error("answered {method} with \"{status} {reason}\"")]
    Status {
        /// What was asked.
        method: &'static str,
        /// The number of the answer.
        status: u16,
        /// What the server says to it, shortened.
        reason: String,
    },
    /// It named a place that is no RTSP URL.
    #[error("names a place in its answer to {method} that is no URL")]
    Place {
        /// What was asked.
        method: &'static str,
    },
    /// It ended the session.
    #[error("ended the stream")]
    Ended,
}

impl Refusal {
    /// Makes one of an answer that is no success.
    pub(super) fn of(method: &'static str, status: u16, reason: &str) -> Self {
        match status {
            401 | 407 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            461 => Self::Transport,
            _ => Self::Status {
                method,
                status,
                reason: reason.chars().take(60).collect(),
            },
        }
    }
}
