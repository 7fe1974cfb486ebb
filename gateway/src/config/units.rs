//! Durations, sizes, switches and addresses as people write them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Units of a duration, and their milliseconds.
const DURATIONS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Units of a size, and their bytes.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Reads `500ms`, `10s`, `5m`, `1h`, `7d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    scaled(text, DURATIONS).map(Duration::from_millis)
}

/// Reads `512kB`, `16MB`, `2GB`.
pub(super) fn bytes(text: &str) -> Option<usize> {
    scaled(text, SIZES).and_then(|bytes| usize::try_from(bytes).ok())
}

/// Units of a bitrate, and their kbit/s.
const RATES: &[(&str, u64)] = &[("kbps", 1), ("Mbps", 1_000)];

/// Reads `800kbps`, `2Mbps`: kbit/s, 50 at least.
pub(super) fn kbps(text: &str) -> Option<u32> {
    let rate = scaled(text, RATES).and_then(|rate| u32::try_from(rate).ok());
    rate.filter(|rate| (50..=1_000_000).contains(rate))
}

/// Reads `1280x720`: width and height, 64 to 8192 each.
pub(super) fn pixels(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.trim().split_once('x')?;
    let side = |side: &str| {
        let side = side.parse::<u32>().ok();
        side.filter(|side| (64..=8192).contains(side))
    };
    Some((side(width)?, side(height)?))
}

/// Reads `true` and `false`, and nothing else.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.checked_mul(*factor)
}

/// Where to listen: a port, on one address or on all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// `None` means every address, IPv4 and IPv6.
    pub host: Option<IpAddr>,
    /// 0 lets the system choose.
    pub port: u16,
}

impl Listen {
    /// Reads `:8889`, `127.0.0.1:8889`, `[::1]:8889` and `8889`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Some(Self {
                host: Some(address.ip()),
                port: address.port(),
            });
        }
        let port = text
            .strip_prefix(':')
            .or_else(|| text.strip_prefix("localhost:"))
            .unwrap_or(text);
        let host = text
            .starts_with("localhost:")
            .then_some(IpAddr::from([127, 0, 0, 1]));
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            host,
            port: port.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host {
            Some(host) => write!(f, "{}", SocketAddr::new(host, self.port)),
            None => write!(f, ":{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(7 * 86_400)));
        for wrong in [
            "10",
            "s",
            "1.5s",
            "-1s",
            "10 parsecs",
            "99999999999999999999s",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_decimal() {
        assert_eq!(bytes("16MB"), Some(16_000_000));
        assert_eq!(bytes("16M"), None);
    }

    #[test]
    fn rates_and_sizes_in_pixels_are_read() {
        assert_eq!(kbps("800kbps"), Some(800));
        assert_eq!(kbps("2Mbps"), Some(2000));
        for wrong in ["800", "1.5Mbps", "10kbps", "2Gbps", ""] {
            assert_eq!(kbps(wrong), None, "{wrong}");
        }
        assert_eq!(pixels("1280x720"), Some((1280, 720)));
        for wrong in ["1280", "1280x", "x720", "1280X720", "1280x10", "99999x720"] {
            assert_eq!(pixels(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn listen_takes_a_port_alone() {
        assert_eq!(
            Listen::parse(":8889"),
            Some(Listen {
                host: None,
                port: 8889
            })
        );
        assert_eq!(Listen::parse("[::1]:1").map(|l| l.port), Some(1));
        for wrong in ["", ":", ":99999", "http://x", "host:1", ":+1"] {
            assert_eq!(Listen::parse(wrong), None, "{wrong}");
        }
    }
}
