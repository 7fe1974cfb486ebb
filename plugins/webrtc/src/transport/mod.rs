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
    /// TURN servers as `turn://user:credential@host:port`, for sessions in which we are the client.
    pub turn_servers: Vec<TurnServer>,
    /// Further addresses that lead here (NAT, containers), announced with the same ports.
    pub hosts: Vec<IpAddr>,
    /// Whether sessions listen for TCP as well, on ports of the same numbers (RFC 6544).
    pub tcp: bool,
}

/// A TURN server with its credentials. `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnServer(pub String);

impl std::fmt::Debug for TurnServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TurnServer")
    }
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

impl Transport {
    /// Lays an element's own properties over what is configured for all; all ports mean none in particular.
    pub(crate) fn with(mut self, ports: RangeInclusive<u16>, stun_server: Option<&str>) -> Self {
        let ports = *ports.start()..=*ports.end().max(ports.start());
        if ports != (0..=u16::MAX) {
            self.udp_ports = ports;
        }
        if let Some(server) = stun_server {
            self.stun_server = Some(server.to_owned());
        }
        self
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            udp_ports: 0..=65535,
            stun_server: None,
            turn_servers: Vec::new(),
            hosts: Vec::new(),
            tcp: false,
        }
    }
}
