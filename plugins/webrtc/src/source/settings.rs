//! What the user sets.

use sluice_core::whip::Policy;

use super::PublisherPolicy;
use crate::own_server::OwnServer;
use crate::peer::LEAST_LATENCY_MS;
use crate::publish;

/// Properties, parsed.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) server: OwnServer,
    pub(super) latency_ms: u32,
    pub(super) policy: PublisherPolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: OwnServer::default(),
            latency_ms: 200,
            policy: PublisherPolicy::default(),
        }
    }
}

impl Settings {
    /// Gives how long late packets are waited for, in milliseconds.
    pub(super) fn latency_ms(&self) -> u32 {
        self.latency_ms.max(LEAST_LATENCY_MS)
    }

    /// Gives what the publishers' sessions need of them.
    pub(super) fn of_publishers(&self) -> publish::Settings {
        publish::Settings {
            transport: self.server.transport(),
            policy: match self.policy {
                PublisherPolicy::Replace => Policy::Replace,
                PublisherPolicy::Refuse => Policy::Refuse,
            },
            latency_ms: self.latency_ms(),
        }
    }
}
