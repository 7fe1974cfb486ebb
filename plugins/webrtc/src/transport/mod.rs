//! Which ports and servers the sessions use, and who does ICE for them.

mod agent;
mod bind;
mod elements;
mod encrypt;
mod mux;
mod outer;
mod pacer;
mod receive;
mod send;
mod session;
mod stats;
mod tcp;
mod train;
mod vtable;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;

pub use agent::Agent;
pub use bind::interfaces;
pub(crate) use elements::SINK as ICE_SINK;
pub(crate) use encrypt::take_over;
use mux::Mux;
pub use pacer::pace;
pub use receive::{MOST_THREADS as MOST_RECEIVE_THREADS, receive_with};
use sluice_core::ice_lite::Interfaces;
pub use stats::PortStatus;

/// How sessions reach their viewers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// Who does ICE where we answer.
    pub ice: Ice,
    /// Which short ways packets take.
    pub fan_out: FanOut,
    /// UDP ports: all sessions share the first one that is free; with libnice each takes one of its own.
    pub udp_ports: RangeInclusive<u16>,
    /// A STUN server as `stun://host:port`, to learn this machine's outer address.
    pub stun_server: Option<String>,
    /// TURN servers as `turn://user:credential@host:port`, for sessions in which we are the client.
    pub turn_servers: Vec<TurnServer>,
    /// Further addresses that lead here (NAT, containers), announced with the same ports.
    pub hosts: Vec<IpAddr>,
    /// Whether peers may come by TCP as well, on the port of the same number (RFC 6544).
    pub tcp: bool,
    /// Which of this machine's addresses peers are told; with libnice, all.
    pub interfaces: Interfaces,
}

/// Who does ICE for sessions in which we answer. Where we offer, or need a TURN server ourselves, libnice does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ice {
    /// Our own agent, on one port for all.
    #[default]
    OnePort,
    /// webrtcbin's own one, with ports and threads for each session.
    Libnice,
}

impl Ice {
    /// Reads its name: `one-port`, `libnice`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "one-port" => Some(Self::OnePort),
            "libnice" => Some(Self::Libnice),
            _ => None,
        }
    }

    /// Gives its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::OnePort => "one-port",
            Self::Libnice => "libnice",
        }
    }
}

/// Which short ways packets take to viewers. Each of them costs less, and none of them changes a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FanOut {
    /// All: a frame goes as one list around the FEC elements, is encrypted by us and leaves in one call.
    #[default]
    Auto,
    /// As one list around the FEC elements, and through GStreamer's `srtpenc`.
    Lists,
    /// Packet by packet through all that webrtcbin has.
    Plain,
}

impl FanOut {
    /// Reads its name: `auto`, `lists`, `plain`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "lists" => Some(Self::Lists),
            "plain" => Some(Self::Plain),
            _ => None,
        }
    }

    /// Gives its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Lists => "lists",
            Self::Plain => "plain",
        }
    }
}

/// Opens the one port of these settings now, instead of with the first session, so that who starts a gateway learns of
/// a port that is taken, and asks the STUN server where it is seen. Does nothing with libnice.
///
/// # Errors
///
/// A sentence that names the port.
pub fn open(transport: &Transport) -> Result<(), String> {
    match transport.ice {
        Ice::OnePort => transport.mux().map(drop),
        Ice::Libnice => Ok(()),
    }
}

/// Says how it stands with the ports that this process has opened for media, the lowest number first; none with libnice.
pub fn ports() -> Vec<PortStatus> {
    mux::ports()
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
    /// Makes the agent of a session that answers; `None` where libnice does it. A peer that is a lite agent itself waits
    /// for our checks. Waits for a STUN server's first answer, for half a second at most.
    ///
    /// # Errors
    ///
    /// A sentence: the port is taken.
    pub(crate) fn agent(&self, peer_is_lite: bool) -> Result<Option<Agent>, String> {
        if self.ice == Ice::Libnice || peer_is_lite {
            return Ok(None);
        }
        Agent::new(self).map(Some)
    }

    /// Gives the port of these settings.
    fn mux(&self) -> Result<Arc<Mux>, String> {
        let mux = Mux::of(&self.udp_ports, self.tcp)?;
        if let Some(server) = &self.stun_server {
            mux.outer.ask(&mux, server);
        }
        Ok(mux)
    }

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
            ice: Ice::default(),
            fan_out: FanOut::default(),
            udp_ports: 0..=65535,
            stun_server: None,
            turn_servers: Vec::new(),
            hosts: Vec::new(),
            tcp: false,
            interfaces: Interfaces::default(),
        }
    }
}
