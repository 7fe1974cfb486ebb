//! One port for all sessions: UDP, and TCP where it is wanted, for IPv4 and IPv6.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sluice_core::ice_lite::Interfaces;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// A key frame of a hundred viewers comes at once. The kernel gives less where `net.core.wmem_max` says so.
const BUFFER: usize = 4 << 20;

/// Ports that the kernel chooses may be taken for the other family or for TCP.
const TRIES: usize = 32;

/// The interfaces are asked for anew after so long: each time costs 0.2 ms of CPU, as much as a fortieth of a session, and many
/// sessions come together.
const KNOWN: Duration = Duration::from_millis(500);

/// Connections that wait to be taken.
const BACKLOG: i32 = 64;

/// Sockets that listen on all addresses, all with the same port.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) port: u16,
    /// For each family as many as there are receivers: the kernel gives all that comes from one address to the same one.
    pub(super) udp: Vec<Vec<UdpSocket>>,
    pub(super) tcp: Vec<TcpListener>,
}

/// Opens the first port of a range that is free; all ports together mean any.
///
/// # Errors
///
/// No port of the range is free, or this machine has no network at all.
pub(super) fn open(
    ports: &RangeInclusive<u16>,
    tcp: bool,
    receivers: usize,
) -> io::Result<Sockets> {
    let any = *ports.start() == 0;
    let tries: Box<dyn Iterator<Item = u16>> = if any {
        Box::new(std::iter::repeat_n(0, TRIES))
    } else {
        Box::new(ports.clone())
    };
    let mut last = io::Error::from(ErrorKind::AddrInUse);
    for port in tries {
        match open_one(port, tcp, receivers) {
            Ok(sockets) => return Ok(sockets),
            Err(error) if error.kind() == ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn open_one(port: u16, tcp: bool, receivers: usize) -> io::Result<Sockets> {
    let v4 = udp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    let port = match &v4 {
        Ok(socket) => socket.local_addr()?.port(),
        Err(_none) => port,
    };
    let v6 = udp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    let port = match &v6 {
        Ok(socket) => socket.local_addr()?.port(),
        Err(_none) => port,
    };
    let udp = present(v4, v6)?;
    let tcp = if tcp {
        present(
            listener(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
            listener(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
        )?
    } else {
        Vec::new()
    };
    let udp = udp.into_iter().map(|first| shared(first, receivers));
    let udp = udp.collect::<io::Result<_>>()?;
    Ok(Sockets { port, udp, tcp })
}

/// Takes what this machine has of both families; a port that is taken is an error, a family that is missing is none.
fn present<T>(v4: io::Result<T>, v6: io::Result<T>) -> io::Result<Vec<T>> {
    let (mut present, mut missing) = (Vec::new(), None);
    for one in [v4, v6] {
        match one {
            Ok(socket) => present.push(socket),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::AddrNotAvailable | ErrorKind::Unsupported
                ) || error.raw_os_error() == Some(libc::EAFNOSUPPORT) =>
            {
                missing = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if present.is_empty() => Err(error),
        Some(_) | None => Ok(present),
    }
}

/// Opens further sockets beside the first one. That was bound alone, so that a port of another program's is an error; only
/// then may others share it (`SO_REUSEPORT`, socket(7)).
fn shared(first: UdpSocket, receivers: usize) -> io::Result<Vec<UdpSocket>> {
    if receivers < 2 {
        return Ok(vec![first]);
    }
    let address = first.local_addr()?;
    SockRef::from(&first).set_reuse_port(true)?;
    let further = (1..receivers).map(|_| udp_as(address, true));
    std::iter::once(Ok(first)).chain(further).collect()
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    udp_as(address, false)
}

fn udp_as(address: SocketAddr, shares: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if shares {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    // Only a wish; the kernel says no by taking less.
    let wished = socket
        .set_send_buffer_size(BUFFER)
        .and_then(|()| socket.set_recv_buffer_size(BUFFER));
    if let Err(error) = wished {
        tracing::debug!(%error, "the media socket keeps its buffers as they are");
    }
    Ok(socket.into())
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A gateway that starts again must not wait for connections of the one before.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Gives this machine's interfaces: a name and an address, and so on for each of its addresses.
pub fn interfaces() -> Vec<(String, IpAddr)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::error!(%error, "the network interfaces are not known");
        Vec::new()
    });
    let interfaces = interfaces.into_iter().map(|one| {
        let ip = one.ip();
        (one.name, ip)
    });
    interfaces.collect()
}

/// Gives the interfaces as they were half a second ago at most.
fn known_interfaces() -> Arc<Vec<(String, IpAddr)>> {
    type Known = (Instant, Arc<Vec<(String, IpAddr)>>);
    static LAST: Mutex<Option<Known>> = Mutex::new(None);
    let now = Instant::now();
    let mut last = LAST.lock();
    if let Some((since, known)) = &*last
        && now.saturating_duration_since(*since) < KNOWN
    {
        return Arc::clone(known);
    }
    let known = Arc::new(interfaces());
    *last = Some((now, Arc::clone(&known)));
    known
}

/// Gives the addresses at which this machine is reached: all of its own of these families that the filter lets through, and
/// loopback only where there is nothing else.
pub(super) fn addresses(v4: bool, v6: bool, told: &Interfaces) -> Vec<IpAddr> {
    let interfaces = known_interfaces();
    let told = interfaces
        .iter()
        .filter(|(name, ip)| told.allows(name, *ip));
    let all = told.map(|(_, ip)| *ip);
    let all: Vec<IpAddr> = all
        .filter(|ip| if ip.is_ipv4() { v4 } else { v6 })
        .collect();
    let outer = all.iter().copied().filter(|ip| !ip.is_loopback());
    let outer: Vec<IpAddr> = outer.collect();
    let reachable = sluice_core::ice_lite::candidates(&outer, 1, false);
    let mut chosen = if reachable.is_empty() { all } else { outer };
    chosen.sort_by_key(IpAddr::is_ipv6);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sockets_have_one_port() {
        let sockets = open(&(0..=u16::MAX), true, 2).unwrap();
        let mut ports: Vec<u16> = Vec::new();
        let udp = sockets.udp.iter().flatten();
        ports.extend(udp.map(|s| s.local_addr().unwrap().port()));
        ports.extend(sockets.tcp.iter().map(|s| s.local_addr().unwrap().port()));
        assert!(ports.iter().all(|port| *port == sockets.port), "{ports:?}");
        assert_eq!(sockets.udp.len(), sockets.tcp.len());
    }

    #[test]
    fn the_first_free_port_of_a_range_is_taken() {
        let taken = open(&(0..=u16::MAX), false, 2).unwrap();
        let port = taken.port;
        // Not even who would share it gets a port that is in use.
        let error = open(&(port..=port), false, 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let Some(last) = port.checked_add(20) else {
            return;
        };
        let next = open(&(port..=last), false, 1).unwrap();
        assert!(next.port > port && next.port <= last);
    }

    #[test]
    fn each_peer_has_one_receiver_and_all_receivers_have_peers() {
        const RECEIVERS: usize = 3;
        const PEERS: u8 = 64;
        let sockets = open(&(0..=u16::MAX), false, RECEIVERS).unwrap();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, sockets.port));
        let peers: Vec<_> = (0..PEERS)
            .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
            .collect();
        for _round in 0..3 {
            for (number, peer) in (0..).zip(&peers) {
                peer.send_to(&[number], to).unwrap();
            }
        }
        let mut seen = Vec::new();
        for socket in &sockets.udp[0] {
            socket.set_nonblocking(true).unwrap();
            let mut packet = [0; 1];
            let mut of_it: Vec<u8> = Vec::new();
            while socket.recv(&mut packet).is_ok() {
                of_it.push(packet[0]);
            }
            of_it.sort_unstable();
            let whole = of_it.chunks(3).all(|three| three == [three[0]; 3]);
            assert!(whole, "a peer's packets went to several: {of_it:?}");
            assert!(!of_it.is_empty(), "a receiver has nothing to do");
            seen.extend(of_it);
        }
        assert_eq!(seen.len(), 3 * usize::from(PEERS));
    }
}
