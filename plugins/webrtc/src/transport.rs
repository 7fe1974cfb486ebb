//! Which ports and servers the sessions use.

use std::ops::RangeInclusive;

/// How sessions reach their viewers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// UDP ports that sessions take theirs from; one per session.
    pub udp_ports: RangeInclusive<u16>,
    /// A STUN server as `stun://host:port`, to learn this machine's outer address.
    pub stun_server: Option<String>,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            udp_ports: 0..=65535,
            stun_server: None,
        }
    }
}
