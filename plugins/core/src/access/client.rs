//! Whose request it is when proxies stand between.

use std::net::{IpAddr, SocketAddr};

use super::network::Network;

/// Which header the trusted proxies write.
///
/// Only one is believed: a proxy that appends to the one passes the other on as the client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ProxyHeader {
    /// Gives the header's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

/// The proxies whose word counts.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Where they are.
    pub trusted: Vec<Network>,
    /// What they write.
    pub header: ProxyHeader,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The nearest address that no trusted proxy has.
    pub address: IpAddr,
    /// The address is only that of a proxy that nobody trusts: it proves nothing about the client.
    pub hidden: bool,
}

impl Proxies {
    /// Finds the client of a request that `peer` sent.
    ///
    /// `lines` are the values of the header [`Proxies::header`], in order; `forwarded` says whether any
    /// header is there that only proxies write.
    pub fn client(&self, peer: IpAddr, lines: &[&str], forwarded: bool) -> Client {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Client {
                address: peer,
                hidden: forwarded || !lines.is_empty(),
            };
        }
        let hops = match self.header {
            ProxyHeader::XForwardedFor => hops(lines, Some),
            ProxyHeader::Forwarded => hops(lines, forwarded_for),
        };
        if hops.is_empty() {
            return Client {
                address: peer,
                hidden: forwarded,
            };
        }
        // From the right: what stands further left was written by whoever sent it.
        let mut address = peer;
        for hop in hops.into_iter().rev() {
            if !self.trusts(address) {
                break;
            }
            match hop.and_then(parse) {
                Some(before) => address = before,
                None => {
                    return Client {
                        address,
                        hidden: true,
                    };
                }
            }
        }
        Client {
            address,
            hidden: false,
        }
    }

    /// Says whether this address is a trusted proxy's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

fn hops<'a>(
    lines: &[&'a str],
    address: impl Fn(&'a str) -> Option<&'a str>,
) -> Vec<Option<&'a str>> {
    lines
        .iter()
        .flat_map(|line| line.split(','))
        .map(|hop| address(hop.trim()))
        .collect()
}

/// Finds `for=` of one element of `Forwarded`. A comma within quotes splits it into two that say nothing.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
        .map(|(_, value)| value.trim().trim_matches('"'))
}

/// Reads an address with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    address
        .or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(trusted: &str, header: ProxyHeader, peer: &str, lines: &[&str]) -> (String, bool) {
        let trusted = trusted.split_whitespace().map(|one| one.parse().unwrap());
        let proxies = Proxies {
            trusted: trusted.collect(),
            header,
        };
        let client = proxies.client(peer.parse().unwrap(), lines, false);
        (client.address.to_string(), client.hidden)
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right_and_from_trusted_peers_only() {
        for (trusted, peer, lines, address, hidden) in [
            ("", "203.0.113.9", &[][..], "203.0.113.9", false),
            ("", "::ffff:203.0.113.9", &[], "203.0.113.9", false),
            // Whoever is not trusted proves nothing, and is not believed either.
            ("", "127.0.0.1", &["198.51.100.1"], "127.0.0.1", true),
            ("10.0.0.1", "127.0.0.1", &["10.0.0.9"], "127.0.0.1", true),
            (
                "127.0.0.1",
                "127.0.0.1",
                &["198.51.100.1"],
                "198.51.100.1",
                false,
            ),
            // The client wrote the left one itself.
            (
                "127.0.0.1",
                "127.0.0.1",
                &["127.0.0.1, 198.51.100.1"],
                "198.51.100.1",
                false,
            ),
            (
                "127.0.0.1 10.0.0.0/8",
                "127.0.0.1",
                &["1.1.1.1, 198.51.100.1", "10.2.3.4"],
                "198.51.100.1",
                false,
            ),
            // All are trusted: the outermost one is the client.
            (
                "10.0.0.0/8",
                "10.0.0.1",
                &["10.0.0.7,10.0.0.2"],
                "10.0.0.7",
                false,
            ),
            (
                "127.0.0.1",
                "127.0.0.1",
                &["198.51.100.1:4711"],
                "198.51.100.1",
                false,
            ),
            (
                "127.0.0.1",
                "127.0.0.1",
                &["[2001:db8::1]:1"],
                "2001:db8::1",
                false,
            ),
            (
                "127.0.0.1",
                "127.0.0.1",
                &["2001:db8::1"],
                "2001:db8::1",
                false,
            ),
            ("127.0.0.1", "127.0.0.1", &["unknown"], "127.0.0.1", true),
            (
                "127.0.0.1",
                "127.0.0.1",
                &["198.51.100.1, "],
                "127.0.0.1",
                true,
            ),
        ] {
            let got = found(trusted, ProxyHeader::XForwardedFor, peer, lines);
            assert_eq!(got, (address.to_owned(), hidden), "{peer} {lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        for (lines, address, hidden) in [
            (
                &["for=192.0.2.60;proto=http;by=203.0.113.43"][..],
                "192.0.2.60",
                false,
            ),
            (
                &["For=\"[2001:db8:cafe::17]:4711\""],
                "2001:db8:cafe::17",
                false,
            ),
            (
                &["for=9.9.9.9, for=192.0.2.43, for=10.0.0.2"],
                "192.0.2.43",
                false,
            ),
            (&["for=_hidden"], "10.0.0.1", true),
            (&["proto=https"], "10.0.0.1", true),
            (&["for=192.0.2.1", "by=\"a,b\""], "10.0.0.1", true),
        ] {
            let got = found("10.0.0.0/8", ProxyHeader::Forwarded, "10.0.0.1", lines);
            assert_eq!(got, (address.to_owned(), hidden), "{lines:?}");
        }
    }

    #[test]
    fn a_proxy_that_does_not_write_the_agreed_header_hides_its_clients() {
        let proxies = Proxies {
            trusted: vec![Network::Loopback],
            header: ProxyHeader::XForwardedFor,
        };
        let here = "127.0.0.1".parse().unwrap();
        assert!(proxies.client(here, &[], true).hidden);
        assert!(!proxies.client(here, &[], false).hidden);
    }
}
