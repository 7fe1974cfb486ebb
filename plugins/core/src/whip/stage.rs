//! Which publisher a path has. One at a time is seen; whoever has not shown its certificate is none.

use std::time::Duration;

use crate::id::SessionId;
use crate::problem::Problem;

/// What happens to a second publisher.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// It takes the place of the first, which is closed.
    #[default]
    Replace,
    /// It is refused as long as the first is there.
    Refuse,
}

/// Publishers that may be on their way at a time: each holds a port and some threads for as long as it may
/// take to connect.
const CONNECTING: usize = 8;

/// When a publisher that was refused may try again.
const RETRY: Duration = Duration::from_secs(5);

/// What becomes of a publisher that has shown its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Its media go out. The one whose place it took, if any, must be closed.
    Live {
        /// Whose place it took.
        instead_of: Option<SessionId>,
    },
    /// Another one was faster; it must be closed.
    TooLate,
}

/// The publishers of one path.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    policy: Policy,
    connecting: Vec<SessionId>,
    live: Option<SessionId>,
}

impl Stage {
    /// Makes a stage without a publisher.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    /// Takes a publisher's offer. The one that is there stays until the new one has shown its certificate:
    /// an offer alone takes nobody's place.
    ///
    /// # Errors
    ///
    /// 409 if the path has a publisher and refuses a second one, 503 if too many are connecting.
    pub fn on_offer(&mut self, id: SessionId) -> Result<(), Problem> {
        if self.policy == Policy::Refuse && self.live.is_some() {
            let sentence = "this path has a publisher already; end that one first";
            return Err(Problem::new(409, sentence).retry_after(RETRY));
        }
        if self.connecting.len() >= CONNECTING {
            let sentence = "too many publishers are connecting to this path at this moment";
            return Err(Problem::new(503, sentence).retry_after(RETRY));
        }
        self.connecting.push(id);
        Ok(())
    }

    /// Takes note that a publisher is connected and is who it said.
    pub fn on_verified(&mut self, id: &SessionId) -> Entry {
        self.connecting.retain(|other| other != id);
        if self.policy == Policy::Refuse && self.live.as_ref().is_some_and(|live| live != id) {
            return Entry::TooLate;
        }
        let before = self.live.replace(id.clone());
        Entry::Live {
            instead_of: before.filter(|before| before != id),
        }
    }

    /// Takes note that a session is over; `true` if the path has no publisher because of it.
    pub fn on_closed(&mut self, id: &SessionId) -> bool {
        self.connecting.retain(|other| other != id);
        let was_live = self.live.as_ref() == Some(id);
        if was_live {
            self.live = None;
        }
        was_live
    }

    /// Gives the publisher whose media go out.
    pub const fn live(&self) -> Option<&SessionId> {
        self.live.as_ref()
    }
}
