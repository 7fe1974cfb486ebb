//! Which addresses we tell the peer (RFC 8445, 5.1; RFC 6544, 4.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::sdp::Candidate;
use crate::sdp::candidate::is_link_local;

/// RFC 8445, 5.1.2.2.
const HOST: u32 = 126;
const SERVER_REFLEXIVE: u32 = 100;
/// Below every kind of UDP but relays, as browsers have it.
const HOST_TCP: u32 = 90;
const PASSIVE: u32 = 4;

/// The priority that a check of ours names: that of a `prflx` candidate.
pub(super) const PEER_REFLEXIVE: u32 = priority(110, 65_535);

const fn priority(kind: u32, preference: u32) -> u32 {
    kind << 24 | preference << 8 | 255
}

/// Gives the candidates of one port on these addresses, the first of them preferred, with UDP before TCP.
/// Addresses that lead nowhere from outside (link-local, unspecified, multicast) are left out.
pub fn candidates(addresses: &[IpAddr], port: u16, tcp: bool) -> Vec<Candidate> {
    let usable = addresses.iter().filter(|ip| leads_here(**ip));
    let numbered: Vec<(u32, IpAddr)> = (0..).zip(usable.copied()).collect();
    let one = |index: u32, ip: IpAddr, over_tcp: bool| Candidate {
        foundation: format!("{}{}", if over_tcp { "t" } else { "u" }, index),
        component: 1,
        transport: if over_tcp { "tcp" } else { "udp" }.to_owned(),
        priority: if over_tcp {
            priority(HOST_TCP, (PASSIVE << 13) + 8191_u32.saturating_sub(index))
        } else {
            priority(HOST, 65_535_u32.saturating_sub(index))
        },
        address: ip.to_string(),
        port,
        kind: "host".to_owned(),
        rest: if over_tcp { "tcptype passive" } else { "" }.to_owned(),
    };
    let udp = numbered.iter().map(|(index, ip)| one(*index, *ip, false));
    let passive = numbered.iter().map(|(index, ip)| one(*index, *ip, true));
    udp.chain(passive.filter(|_| tcp)).collect()
}

/// Gives the addresses that candidates begin with: our own, and where there is none of a family, the first of `hosts`, the
/// addresses that others know us by. The further ones are announced beside them (`AnswerEdit::announce`).
pub fn first_addresses(own: &[IpAddr], hosts: &[IpAddr], v4: bool, v6: bool) -> Vec<IpAddr> {
    let mut told = own.to_vec();
    for (is_v4, here) in [(true, v4), (false, v6)] {
        let of_family = |ip: &&IpAddr| ip.is_ipv4() == is_v4;
        let known = own.iter().filter(of_family).any(|ip| leads_here(*ip));
        if here && !known {
            told.extend(hosts.iter().find(of_family));
        }
    }
    told
}

/// Gives the candidates of where our port is seen from outside, if that is not one of these addresses itself.
pub fn reflexive(addresses: &[IpAddr], port: u16, outer: &[SocketAddr]) -> Vec<Candidate> {
    let own = |seen: &SocketAddr| addresses.contains(&seen.ip()) && seen.port() == port;
    let outer = outer
        .iter()
        .filter(|seen| leads_here(seen.ip()) && !own(seen));
    let one = |(index, seen): (u32, &SocketAddr)| {
        let mut bases = addresses.iter().copied();
        let base = bases.find(|ip| leads_here(*ip) && ip.is_ipv4() == seen.is_ipv4());
        let base = base.unwrap_or_else(|| match seen {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        });
        Candidate {
            foundation: format!("s{index}"),
            component: 1,
            transport: "udp".to_owned(),
            priority: priority(SERVER_REFLEXIVE, 65_535_u32.saturating_sub(index)),
            address: seen.ip().to_string(),
            port: seen.port(),
            kind: "srflx".to_owned(),
            rest: format!("raddr {base} rport {port}"),
        }
    };
    (0..).zip(outer).map(one).collect()
}

fn leads_here(ip: IpAddr) -> bool {
    !is_link_local(ip) && !ip.is_unspecified() && !ip.is_multicast()
}
