//! Who has a session: a viewer or a publisher.

use sluice_core::sdp::Role;
use sluice_core::{Problem, SessionId};

use crate::publishers::Publishers;
use crate::viewers::{Patched, Viewers};

/// Which of the two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// WHEP.
    View,
    /// WHIP.
    Publish,
}

impl Side {
    /// Gives whose offers come here.
    pub(super) const fn role(self) -> Role {
        match self {
            Self::View => Role::Viewer,
            Self::Publish => Role::Publisher,
        }
    }

    /// Gives the last part of the endpoint's path.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::View => "whep",
            Self::Publish => "whip",
        }
    }
}

/// The sessions that one belongs to.
#[derive(Debug, Clone)]
pub(super) enum Peers {
    /// Those of a path's viewers.
    Viewers(Viewers),
    /// Those of its publishers.
    Publishers(Publishers),
}

impl Peers {
    /// Says which protocol they speak.
    pub(super) const fn side(&self) -> Side {
        match self {
            Self::Viewers(_) => Side::View,
            Self::Publishers(_) => Side::Publish,
        }
    }

    /// Says whether a session exists.
    pub(super) fn has(&self, id: &SessionId) -> bool {
        match self {
            Self::Viewers(viewers) => viewers.has(id),
            Self::Publishers(publishers) => publishers.has(id),
        }
    }

    /// Closes a session; `false` if there is none of that id.
    pub(super) async fn leave(&self, id: &SessionId) -> bool {
        match self {
            Self::Viewers(viewers) => viewers.leave(id).await,
            Self::Publishers(publishers) => publishers.leave(id).await,
        }
    }

    /// Takes a PATCH of a session.
    pub(super) async fn patch(
        &self,
        id: &SessionId,
        content_type: Option<&str>,
        if_match: Option<&str>,
        body: &str,
    ) -> Result<Patched, Problem> {
        match self {
            Self::Viewers(viewers) => viewers.patch(id, content_type, if_match, body).await,
            Self::Publishers(publishers) => publishers.patch(id, content_type, if_match, body),
        }
    }
}
