//! Ranges of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Some addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The machine itself.
    Loopback,
    /// The machine itself and the ranges that no provider routes: a home's, an office's.
    Private,
    /// Those whose first `prefix` bits are `base`'s.
    Range {
        /// Canonical: never an IPv4 address written as an IPv6 one.
        base: IpAddr,
        /// 0 to 32 or 128.
        prefix: u32,
    },
}

/// The text names no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an address (192.0.2.7), a range (192.0.2.0/24, 2001:db8::/32), loopback or private")]
pub struct NetworkError;

/// What [`Network::Private`] stands for, beside loopback: RFC 1918, 3927, 4193 and 4291.
const PRIVATE: &[Network] = &[
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([169, 254, 0, 0], 16),
    v6(0xfc00, 7),
    v6(0xfe80, 10),
];

const fn v4(bytes: [u8; 4], prefix: u32) -> Network {
    let [a, b, c, d] = bytes;
    let base = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    Network::Range { base, prefix }
}

const fn v6(first: u16, prefix: u32) -> Network {
    let base = IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0));
    Network::Range { base, prefix }
}

impl Network {
    /// Says whether the address is one of these; `::ffff:192.0.2.1` counts as 192.0.2.1.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match *self {
            Self::Loopback => address.is_loopback(),
            Self::Private => {
                address.is_loopback() || PRIVATE.iter().any(|range| range.contains(address))
            }
            Self::Range { base, prefix } => match (base, address) {
                (IpAddr::V4(base), IpAddr::V4(address)) => {
                    let shift = 32u32.saturating_sub(prefix);
                    let top = |ip: Ipv4Addr| ip.to_bits().checked_shr(shift);
                    top(base) == top(address)
                }
                (IpAddr::V6(base), IpAddr::V6(address)) => {
                    let shift = 128u32.saturating_sub(prefix);
                    let top = |ip: Ipv6Addr| ip.to_bits().checked_shr(shift);
                    top(base) == top(address)
                }
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
            },
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        match text {
            "loopback" => return Ok(Self::Loopback),
            "private" => return Ok(Self::Private),
            _ => {}
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let base = written.to_canonical();
        let most = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            // A prefix counted in the bits of the longer spelling would mean another range.
            Some(_) if base != written => return Err(NetworkError),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or(NetworkError)?,
            Some(_) => return Err(NetworkError),
        };
        Ok(Self::Range { base, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("this machine"),
            Self::Private => f.write_str("private networks"),
            Self::Range { base, prefix } if *prefix == 32 && base.is_ipv4() => write!(f, "{base}"),
            Self::Range { base, prefix: 128 } => write!(f, "{base}"),
            Self::Range { base, prefix } => write!(f, "{base}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_inside_or_not() {
        for (network, address, inside) in [
            ("loopback", "127.0.0.1", true),
            ("loopback", "127.9.9.9", true),
            ("loopback", "::1", true),
            ("loopback", "::ffff:127.0.0.1", true),
            ("loopback", "192.168.0.1", false),
            ("private", "192.168.200.1", true),
            ("private", "172.31.0.1", true),
            ("private", "172.32.0.1", false),
            ("private", "fd00::1", true),
            ("private", "fe80::1", true),
            ("private", "127.0.0.1", true),
            ("private", "8.8.8.8", false),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "::ffff:192.0.2.255", true),
            ("192.0.2.77/24", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let network: Network = network.parse().unwrap();
            let address = address.parse().unwrap();
            assert_eq!(network.contains(address), inside, "{network} {address}");
        }
    }

    #[test]
    fn other_texts_are_no_network() {
        for text in [
            "",
            "lan",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/-1",
            "192.0.2.0/+8",
            "192.0.2/24",
            "::ffff:192.0.2.0/120",
            "example.org",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text:?}");
        }
    }
}
