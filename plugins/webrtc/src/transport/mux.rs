//! One port for all sessions: a check finds its session by the user fragment in it, everything else by where it comes
//! from, which only an authentic check opens.

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use parking_lot::Mutex;
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use sluice_core::ice_lite::{Datagram, Interfaces, Message, Place, Protocol, classify};

use super::bind;
use super::outer::Outer;
use super::receive;
use super::session::Session;
use super::stats::{Counters, PortStatus, count};
use super::tcp::Connection;
use super::train::trains;

/// How long a full send buffer is waited for: a key frame of many viewers may fill it for a moment. Milliseconds.
const FULL_MS: i32 = 2;

/// A UDP socket of one family.
pub(super) struct Udp {
    /// Who reads it.
    pub(super) receiver: usize,
    pub(super) socket: UdpSocket,
    pub(super) state: UdpSocketState,
    v4: bool,
}

#[derive(Default)]
struct Sessions {
    by_ufrag: HashMap<String, Arc<Session>>,
    by_place: HashMap<(Protocol, SocketAddr), Arc<Session>>,
    connections: HashMap<u64, Arc<Connection>>,
}

/// The port. Kept until the process ends, so that whoever was told of it finds it again.
pub(crate) struct Mux {
    port: u16,
    tcp: bool,
    pub(super) udp: Vec<Udp>,
    pub(super) counters: Counters,
    pub(super) outer: Outer,
    sessions: Mutex<Sessions>,
}

/// What a port is asked for.
type Key = (RangeInclusive<u16>, bool);

static OPEN: LazyLock<Mutex<HashMap<Key, Arc<Mux>>>> = LazyLock::new(Mutex::default);

impl Mux {
    /// Gives the port for these settings; opens it the first time.
    ///
    /// # Errors
    ///
    /// A sentence: no port of the range is free, or this machine has no network or no thread.
    pub(crate) fn of(ports: &RangeInclusive<u16>, tcp: bool) -> Result<Arc<Self>, String> {
        let mut open = OPEN.lock();
        let key = (ports.clone(), tcp);
        if let Some(mux) = open.get(&key) {
            return Ok(Arc::clone(mux));
        }
        let mux = Self::open(ports, tcp).map_err(|error| refused(ports, tcp, &error))?;
        open.insert(key, Arc::clone(&mux));
        Ok(mux)
    }

    fn open(ports: &RangeInclusive<u16>, tcp: bool) -> io::Result<Arc<Self>> {
        let receivers = receive::threads();
        let sockets = bind::open(ports, tcp, receivers)?;
        let wanted = *ports.start();
        if wanted != 0 && sockets.port != wanted {
            tracing::warn!(
                wanted,
                port = sockets.port,
                "the media port is in use by another program; media go through another one, which firewalls must let in"
            );
        }
        let udp = sockets.udp.into_iter().map(IntoIterator::into_iter);
        let udp = udp.flat_map(Iterator::enumerate);
        let udp = udp.map(|(receiver, socket)| {
            Ok(Udp {
                receiver,
                state: UdpSocketState::new(UdpSockRef::from(&socket))?,
                v4: socket.local_addr()?.is_ipv4(),
                socket,
            })
        });
        let mux = Arc::new(Self {
            port: sockets.port,
            tcp,
            udp: udp.collect::<io::Result<_>>()?,
            counters: Counters::default(),
            outer: Outer::default(),
            sessions: Mutex::default(),
        });
        receive::start(&mux, sockets.tcp, receivers)?;
        tracing::debug!(port = mux.port, tcp, receivers, "media port open");
        Ok(mux)
    }

    /// Gives the number of the port.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Says whether peers may come by TCP.
    pub(super) const fn tcp(&self) -> bool {
        self.tcp
    }

    /// Says how it stands.
    fn status(&self) -> PortStatus {
        let (sessions, connections) = {
            let sessions = self.sessions.lock();
            let all = sessions.by_ufrag.values().map(Arc::as_ptr);
            // A session has two user fragments while ICE restarts.
            let different: HashSet<_> = all.collect();
            (different.len(), sessions.connections.len())
        };
        self.counters
            .status((self.port, self.tcp), sessions, connections)
    }

    /// Says whether it has a socket of IPv4, or else of IPv6.
    pub(super) fn has(&self, v4: bool) -> bool {
        self.udp.iter().any(|udp| udp.v4 == v4)
    }

    /// Gives the addresses at which it is reached at this moment, of those that peers are told.
    pub(super) fn addresses(&self, told: &Interfaces) -> Vec<IpAddr> {
        bind::addresses(self.has(true), self.has(false), told)
    }

    /// Lets checks to this user fragment reach a session.
    pub(super) fn add(&self, ufrag: &str, session: &Arc<Session>) {
        let mut sessions = self.sessions.lock();
        let known = sessions
            .by_ufrag
            .insert(ufrag.to_owned(), Arc::clone(session));
        drop(sessions);
        drop(known);
    }

    /// Lets checks reach this session by these of its user fragments alone.
    pub(super) fn keep(&self, session: &Arc<Session>, ufrags: &[String]) {
        let mut sessions = self.sessions.lock();
        sessions
            .by_ufrag
            .retain(|ufrag, known| !Arc::ptr_eq(known, session) || ufrags.contains(ufrag));
    }

    /// Lets packets from there reach a session: its peer has proved itself.
    pub(super) fn route(&self, place: Place, session: &Arc<Session>) {
        let key = (place.protocol, place.remote);
        let mut sessions = self.sessions.lock();
        let known = sessions.by_place.get(&key);
        if known.is_some_and(|known| Arc::ptr_eq(known, session)) {
            return;
        }
        let before = sessions.by_place.insert(key, Arc::clone(session));
        drop(sessions);
        drop(before);
    }

    /// Lets nothing reach this session any more.
    pub(super) fn remove(&self, session: &Arc<Session>) {
        let mut sessions = self.sessions.lock();
        let is_other = |known: &Arc<Session>| !Arc::ptr_eq(known, session);
        sessions.by_ufrag.retain(|_ufrag, known| is_other(known));
        sessions.by_place.retain(|_place, known| is_other(known));
    }

    /// Takes a connection in.
    pub(super) fn connect(&self, id: u64, connection: &Arc<Connection>) {
        let mut sessions = self.sessions.lock();
        sessions.connections.insert(id, Arc::clone(connection));
    }

    /// Takes it out.
    pub(super) fn disconnect(&self, id: u64, place: Place) {
        let session = {
            let mut sessions = self.sessions.lock();
            sessions.connections.remove(&id);
            sessions.by_place.remove(&(place.protocol, place.remote))
        };
        if let Some(session) = session {
            session.on_disconnected(place);
        }
    }

    /// Says whether the peer at the other end has proved itself.
    pub(super) fn is_known(&self, place: Place) -> bool {
        self.at(place).is_some()
    }

    fn at(&self, place: Place) -> Option<Arc<Session>> {
        let sessions = self.sessions.lock();
        sessions
            .by_place
            .get(&(place.protocol, place.remote))
            .cloned()
    }

    /// Takes one packet, on the thread that receives.
    pub(super) fn on_packet(&self, packet: &[u8], from: Place, now: Instant) {
        count(&self.counters.received);
        match classify(packet) {
            Datagram::Stun => self.on_stun(packet, from, now),
            Datagram::Dtls | Datagram::Media => match self.at(from) {
                Some(session) => session.on_packet(packet, from, now),
                None => count(&self.counters.strangers),
            },
            Datagram::Other => count(&self.counters.strangers),
        }
    }

    fn on_stun(&self, packet: &[u8], from: Place, now: Instant) {
        match Message::parse(packet) {
            Some(Message::Request(request)) => {
                let session = {
                    let sessions = self.sessions.lock();
                    sessions.by_ufrag.get(request.local_ufrag()).cloned()
                };
                let session = session.filter(|session| self.is_free(from, session, now));
                let reply = session.and_then(|session| session.on_request(&request, from, now));
                match reply {
                    Some(reply) => self.send(from, &reply),
                    // Nobody who only sends packets may learn whether there is such a session.
                    None => count(&self.counters.refused),
                }
            }
            Some(Message::Response(response)) => match self.at(from) {
                _ if self.outer.on_response(&response, from, now) => {}
                Some(session) => session.on_response(&response, from, now),
                None => count(&self.counters.strangers),
            },
            Some(Message::Indication) => {}
            None => count(&self.counters.strangers),
        }
    }

    /// Says whether a session may have packets from there: whoever has a session of their own could else write another
    /// peer's address upon a check, and its packets would go astray.
    fn is_free(&self, place: Place, session: &Arc<Session>, now: Instant) -> bool {
        let known = self.at(place);
        known.is_none_or(|known| Arc::ptr_eq(&known, session) || !known.holds(place, now))
    }

    /// Moves the sessions' time on.
    pub(super) fn on_time(self: &Arc<Self>, now: Instant) {
        self.outer.on_time(self, now);
        let sessions: Vec<_> = self.sessions.lock().by_ufrag.values().cloned().collect();
        for session in sessions {
            session.on_time(now);
        }
    }

    /// Sends one datagram from whichever of our addresses leads there. Waits for a moment at most.
    pub(super) fn send_from_anywhere(&self, remote: SocketAddr, packet: &[u8]) {
        let place = Place {
            protocol: Protocol::Udp,
            remote,
            local: None,
        };
        self.send(place, packet);
    }

    /// Sends one packet. Waits for a moment at most.
    pub(super) fn send(&self, to: Place, packet: &[u8]) {
        self.send_train(to, packet, &[packet.len()]);
    }

    /// Sends the packets that lie one behind the other in `bytes`, with as few calls as segmentation offload allows: all
    /// packets of one call have one length, only the last may be shorter. Says whether the peer's connection had room for
    /// them; where there is none, what the kernel does not take is lost as on the way.
    pub(super) fn send_train(&self, to: Place, bytes: &[u8], lengths: &[usize]) -> bool {
        match to.protocol {
            Protocol::Tcp(id) => self.send_stream(id, bytes, lengths),
            Protocol::Udp => {
                let Some(udp) = self.udp_to(to.remote) else {
                    return true;
                };
                for (start, end, segment) in trains(lengths, udp.state.max_gso_segments()) {
                    if let Some(bytes) = bytes.get(start..end) {
                        self.send_datagrams(udp, to, bytes, segment);
                    }
                }
                true
            }
        }
    }

    /// Gives the socket that sends to a peer: each has a buffer of its own, and a peer's packets keep their order.
    fn udp_to(&self, remote: SocketAddr) -> Option<&Udp> {
        let of_family = self.udp.iter().filter(|udp| udp.v4 == remote.is_ipv4());
        let count = of_family.clone().count();
        of_family
            .clone()
            .nth(usize::from(remote.port()) % count.max(1))
    }

    fn send_stream(&self, id: u64, bytes: &[u8], lengths: &[usize]) -> bool {
        let connection = self.sessions.lock().connections.get(&id).cloned();
        let mut at = 0;
        let packets = lengths.iter().filter_map(|length| {
            let packet = bytes.get(at..at + length);
            at += length;
            packet
        });
        let sent = connection.is_some_and(|connection| connection.send(packets));
        if !sent {
            self.counters
                .unsent
                .fetch_add(lengths.len() as u64, Relaxed);
        }
        sent
    }

    fn send_datagrams(&self, udp: &Udp, to: Place, bytes: &[u8], segment: usize) {
        let transmit = Transmit {
            destination: to.remote,
            ecn: None,
            contents: bytes,
            segment_size: (bytes.len() > segment).then_some(segment),
            src_ip: to.local,
        };
        let send = || {
            let socket = UdpSockRef::from(&udp.socket);
            udp.state.try_send(socket, &transmit)
        };
        let mut sent = send();
        if matches!(&sent, Err(error) if error.kind() == ErrorKind::WouldBlock) {
            wait_writable(&udp.socket);
            sent = send();
        }
        if let Err(error) = sent {
            let packets = bytes.len().div_ceil(segment.max(1)) as u64;
            self.counters.unsent.fetch_add(packets, Relaxed);
            tracing::trace!(%error, "packets are not sent");
        }
    }
}

/// Says how it stands with the ports that are open, the lowest number first.
pub(super) fn ports() -> Vec<PortStatus> {
    let open: Vec<_> = OPEN.lock().values().cloned().collect();
    let mut ports: Vec<_> = open.iter().map(|mux| mux.status()).collect();
    ports.sort_by_key(|status| status.port);
    ports
}

impl std::fmt::Debug for Mux {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mux")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

fn refused(ports: &RangeInclusive<u16>, tcp: bool, error: &io::Error) -> String {
    let what = if tcp { "UDP and TCP port" } else { "UDP port" };
    let (first, last) = (ports.start(), ports.end());
    let kind = error.kind();
    if kind == ErrorKind::AddrInUse && first == last {
        format!("{what} {first} for media is in use by another program")
    } else if kind == ErrorKind::AddrInUse {
        format!("all {what}s for media from {first} to {last} are in use by other programs")
    } else if kind == ErrorKind::PermissionDenied {
        format!("{what} {first} for media needs more rights: {error}")
    } else {
        format!("no {what} for media: {error}")
    }
}

#[expect(unsafe_code, reason = "std cannot wait for a socket")]
fn wait_writable(socket: &UdpSocket) {
    let mut ready = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one descriptor, open as long as `socket`, and one entry that the call may write to.
    let _ready = unsafe { libc::poll(&raw mut ready, 1, FULL_MS) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_opened_once_and_a_taken_one_is_named() {
        let one = Mux::of(&(0..=u16::MAX), true).unwrap();
        let two = Mux::of(&(0..=u16::MAX), true).unwrap();
        assert!(Arc::ptr_eq(&one, &two));
        let port = one.port();
        let error = Mux::of(&(port..=port), false).unwrap_err();
        assert_eq!(
            error,
            format!("UDP port {port} for media is in use by another program")
        );
    }
}
