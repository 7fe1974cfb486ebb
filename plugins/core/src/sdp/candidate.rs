//! ICE candidates (RFC 8839, 5.1).

use std::fmt;
use std::net::IpAddr;

/// One candidate, as `a=candidate` carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The same for candidates that share a base.
    pub foundation: String,
    /// 1 for RTP, and for RTCP too when they share a port.
    pub component: u16,
    /// In lower case: `udp`, `tcp`.
    pub transport: String,
    /// The higher, the better.
    pub priority: u32,
    /// An IP address, or a name such as mDNS makes.
    pub address: String,
    /// Of the address.
    pub port: u16,
    /// `host`, `srflx`, `prflx`, `relay`.
    pub kind: String,
    /// What follows, as it was: `raddr`, `tcptype`, `generation` and so on.
    pub rest: String,
}

impl Candidate {
    /// Reads a candidate, with or without `a=` and `candidate:` before it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // Messages of signalling may have them, and what follows the kind is passed on as it is.
        if text
            .chars()
            .any(|c| c.is_control() && !c.is_ascii_whitespace())
        {
            return None;
        }
        let text = text.strip_prefix("a=").unwrap_or(text);
        let text = match text.split_once(':') {
            Some((name, rest)) if name.eq_ignore_ascii_case("candidate") => rest,
            Some(_) | None => text,
        };
        let mut words = text.split_ascii_whitespace();
        let foundation = words.next().filter(|word| is_ice_text(word, 1, 32))?;
        let component = words
            .next()?
            .parse()
            .ok()
            .filter(|id| (1..=256).contains(id))?;
        let transport = words.next()?.to_ascii_lowercase();
        let priority = words.next()?.parse().ok()?;
        let address = words.next()?;
        let port = words.next()?.parse().ok()?;
        words
            .next()
            .filter(|word| word.eq_ignore_ascii_case("typ"))?;
        let kind = words.next()?.to_ascii_lowercase();
        Some(Self {
            foundation: foundation.to_owned(),
            component,
            transport,
            priority,
            address: address.to_owned(),
            port,
            kind,
            rest: words.collect::<Vec<_>>().join(" "),
        })
    }

    /// Gives the address when it is one, and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }

    /// Says whether we may and can send to it.
    ///
    /// Names are not resolved: a viewer behind mDNS names reaches us, and we answer to where it came from.
    /// Nor is anything sent to a group, or to a port where a service may listen that is nobody's viewer.
    pub fn usable(&self) -> bool {
        let Some(ip) = self.ip() else {
            return false;
        };
        let goes_to_one = match ip {
            IpAddr::V4(ip) => !ip.is_broadcast() && !ip.is_multicast() && !ip.is_unspecified(),
            IpAddr::V6(ip) => {
                !ip.is_multicast() && !ip.is_unspecified() && !is_link_local(ip.into())
            }
        };
        goes_to_one
            && self.transport == "udp"
            && self.component == 1
            && self.port >= 1024
            && matches!(self.kind.as_str(), "host" | "srflx" | "prflx" | "relay")
    }

    /// Says whether it waits for TCP connections (RFC 6544, section 4.5).
    pub fn is_passive(&self) -> bool {
        let mut words = self.rest.split_ascii_whitespace();
        let kind = words.find(|word| *word == "tcptype").and(words.next());
        self.transport == "tcp" && kind == Some("passive")
    }

    /// Says whether both stand for the same place (RFC 9725 lets clients repeat candidates).
    pub fn same_place(&self, other: &Self) -> bool {
        self.address == other.address
            && self.port == other.port
            && self.transport == other.transport
            && self.component == other.component
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "candidate:{} {} {} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.transport,
            self.priority,
            self.address,
            self.port,
            self.kind
        )?;
        if self.rest.is_empty() {
            Ok(())
        } else {
            write!(f, " {}", self.rest)
        }
    }
}

/// Says whether an address is valid on one link only.
pub(crate) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip
            .segments()
            .first()
            .is_some_and(|first| first & 0xffc0 == 0xfe80),
    }
}

/// Says whether a text is made of ICE's letters and has the right length.
pub(crate) fn is_ice_text(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str =
        "candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host generation 0 network-cost 999";

    #[test]
    fn it_reads_back_what_it_writes() {
        let candidate = Candidate::parse(HOST).unwrap();
        assert_eq!(candidate.to_string(), HOST);
        assert_eq!(candidate.ip(), Some([192, 0, 2, 7].into()));
        assert_eq!(candidate.rest, "generation 0 network-cost 999");
        for text in [
            format!("a={HOST}"),
            HOST.replace("udp", "UDP"),
            HOST.replace("candidate:", "Candidate:"),
            HOST.replace("candidate:", ""),
        ] {
            assert_eq!(Candidate::parse(&text).as_ref(), Some(&candidate), "{text}");
        }
    }

    #[test]
    fn broken_ones_are_none() {
        for text in [
            "",
            "candidate:",
            "candidate:1 1 udp 1 192.0.2.7",
            "candidate:1 0 udp 1 192.0.2.7 50000 typ host",
            "candidate:1 1 udp -1 192.0.2.7 50000 typ host",
            "candidate:1 1 udp 1 192.0.2.7 70000 typ host",
            "candidate:1 1 udp 1 192.0.2.7 50000 host",
            "candidate:<> 1 udp 1 192.0.2.7 50000 typ host",
            "candidate:1 1 udp 1 192.0.2.7 50000 typ host generation\0",
            "candidate:1 1 udp 1 192.0.2.7 50000 typ host \u{1b}[2J",
        ] {
            assert_eq!(Candidate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_places_of_viewers_are_usable() {
        for (address, port, transport, usable) in [
            ("192.0.2.7", 50_000, "udp", true),
            ("127.0.0.1", 50_000, "udp", true),
            ("2001:db8::1", 50_000, "udp", true),
            ("fd00::1", 50_000, "udp", true),
            ("192.0.2.7", 9, "tcp", false),
            ("192.0.2.7", 53, "udp", false),
            ("192.0.2.7", 0, "udp", false),
            ("224.0.0.251", 5353, "udp", false),
            ("255.255.255.255", 50_000, "udp", false),
            ("0.0.0.0", 50_000, "udp", false),
            ("ff02::1", 50_000, "udp", false),
            ("fe80::1", 50_000, "udp", false),
            ("5f2c-1.local", 50_000, "udp", false),
            ("victim.example.org", 50_000, "udp", false),
        ] {
            let text = format!("candidate:1 1 {transport} 1 {address} {port} typ host");
            assert_eq!(Candidate::parse(&text).unwrap().usable(), usable, "{text}");
        }
        let rtcp = Candidate::parse("candidate:1 2 udp 1 192.0.2.7 50000 typ host").unwrap();
        assert!(!rtcp.usable());
    }
}
