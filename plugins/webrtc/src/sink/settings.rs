//! What the user sets.

use std::net::SocketAddr;
use std::time::Duration;

use sluice_core::{GroupLimits, RouteId};

use crate::producer::Limits;
use crate::transport::{Transport, configured};

/// Properties, parsed.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) listen: Option<SocketAddr>,
    pub(super) path: RouteId,
    pub(super) udp_port_min: u16,
    pub(super) udp_port_max: u16,
    pub(super) stun_server: Option<String>,
    pub(super) max_viewers: u32,
    pub(super) group: GroupLimits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: None,
            path: "live".parse().expect("a valid name"),
            udp_port_min: 0,
            udp_port_max: u16::MAX,
            stun_server: None,
            max_viewers: 0,
            group: GroupLimits::default(),
        }
    }
}

impl Settings {
    /// Gives what the producer needs of them.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            transport: self.transport(),
            max_viewers: self.max_viewers,
            group: self.group,
        }
    }

    fn transport(&self) -> Transport {
        let ports = self.udp_port_min..=self.udp_port_max;
        configured().with(ports, self.stun_server.as_deref())
    }

    /// Gives the longest cached group, in milliseconds.
    pub(super) fn group_span_ms(&self) -> u32 {
        u32::try_from(self.group.span.as_millis()).unwrap_or(u32::MAX)
    }

    /// Sets the longest cached group.
    pub(super) const fn set_group_span_ms(&mut self, ms: u32) {
        self.group.span = Duration::from_millis(ms as u64);
    }

    /// Gives the largest cached group.
    pub(super) fn group_bytes(&self) -> u32 {
        u32::try_from(self.group.bytes).unwrap_or(u32::MAX)
    }

    /// Sets the largest cached group.
    pub(super) const fn set_group_bytes(&mut self, bytes: u32) {
        self.group.bytes = bytes as usize;
    }
}
