//! What the user sets.

use std::net::SocketAddr;

use sluice_core::RouteId;
use sluice_core::whip::Policy;

use super::PublisherPolicy;
use crate::publish;
use crate::transport::configured;

/// Properties, parsed.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) listen: Option<SocketAddr>,
    pub(super) path: RouteId,
    pub(super) udp_port_min: u16,
    pub(super) udp_port_max: u16,
    pub(super) stun_server: Option<String>,
    pub(super) latency_ms: u32,
    pub(super) policy: PublisherPolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: None,
            path: "live".parse().expect("a valid name"),
            udp_port_min: 0,
            udp_port_max: u16::MAX,
            stun_server: None,
            latency_ms: 200,
            policy: PublisherPolicy::default(),
        }
    }
}

impl Settings {
    /// Gives what the publishers' sessions need of them.
    pub(super) fn of_publishers(&self) -> publish::Settings {
        let ports = self.udp_port_min..=self.udp_port_max;
        publish::Settings {
            transport: configured().with(ports, self.stun_server.as_deref()),
            policy: match self.policy {
                PublisherPolicy::Replace => Policy::Replace,
                PublisherPolicy::Refuse => Policy::Refuse,
            },
            latency_ms: self.latency_ms,
        }
    }
}
