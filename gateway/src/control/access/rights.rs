//! What the client at the other end of a socket may do, asked anew for each of its sessions.

use std::net::IpAddr;
use std::sync::Arc;

use sluice_core::access::{Action, Ask};
use sluice_core::problem::Problem;

use super::facts::Facts;
use super::{Gate, Refused};

/// Who opened a socket. The guard leaves it in the extensions of the request.
#[derive(Debug, Clone)]
pub(in crate::control) struct Rights {
    gate: Arc<Gate>,
    facts: Arc<Facts>,
}

impl Rights {
    pub(super) const fn new(gate: Arc<Gate>, facts: Arc<Facts>) -> Self {
        Self { gate, facts }
    }

    /// Gives the client's address.
    pub(in crate::control) fn address(&self) -> IpAddr {
        self.facts.client.address
    }

    /// Says whether the client may do this. A token that has expired since may not.
    ///
    /// # Errors
    ///
    /// 401 or 403, with the sentence; 429 after too many wrong tries; 503 when whoever decides is away.
    pub(in crate::control) async fn may(&self, action: Action, path: &str) -> Result<(), Problem> {
        self.decide(action, path).await.map(drop)
    }

    /// The same before something is built for the client: it counts as a request that changes something.
    ///
    /// # Errors
    ///
    /// As [`Rights::may`], and 429 for too many requests.
    pub(in crate::control) async fn begin(
        &self,
        action: Action,
        path: &str,
    ) -> Result<(), Problem> {
        let within = self.gate.within_rate(self.facts.client.address);
        within.map_err(problem)?;
        let caller = self.decide(action, path).await?;
        self.gate.within_rate_of(&caller).map_err(problem)
    }

    async fn decide(&self, action: Action, path: &str) -> Result<super::Caller, Problem> {
        let ask = Ask {
            action,
            path: Some(path.to_owned()),
        };
        self.gate.decide(&ask, &self.facts).await.map_err(problem)
    }
}

fn problem(refused: Refused) -> Problem {
    match refused {
        Refused::For(problem) => problem,
        Refused::SignIn { .. } => Problem::new(
            401,
            "This needs a token: open the socket with `Authorization: Bearer TOKEN`, or with ?token=TOKEN.",
        ),
    }
}
