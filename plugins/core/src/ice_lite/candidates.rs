//! Which addresses we tell the peer (RFC 8445, 5.1; RFC 6544, 4.5).

use std::net::IpAddr;

use crate::sdp::Candidate;
use crate::sdp::candidate::is_link_local;

/// RFC 8445, 5.1.2.2.
const HOST: u32 = 126;
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

fn leads_here(ip: IpAddr) -> bool {
    !is_link_local(ip) && !ip.is_unspecified() && !ip.is_multicast()
}
