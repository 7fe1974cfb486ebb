//! Which ports and servers the sessions use.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use parking_lot::Mutex;

/// How sessions reach their viewers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// UDP ports that sessions take theirs from; one per session.
    pub udp_ports: RangeInclusive<u16>,
    /// A STUN server as `stun://host:port`, to learn this machine's outer address.
    pub stun_server: Option<String>,
    /// Further addresses that lead here (NAT, containers), announced with the same ports.
    pub hosts: Vec<IpAddr>,
}

static CONFIGURED: Mutex<Option<Transport>> = Mutex::new(None);

/// Sets how all sinks of this process reach their viewers, unless a sink's own properties say otherwise.
/// Sinks that play already keep what they have.
pub fn configure(transport: Transport) {
    *CONFIGURED.lock() = Some(transport);
}

/// Gives what was configured.
pub(crate) fn configured() -> Transport {
    CONFIGURED.lock().clone().unwrap_or_default()
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            udp_ports: 0..=65535,
            stun_server: None,
            hosts: Vec::new(),
        }
    }
}
