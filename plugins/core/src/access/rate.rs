//! How often one source may ask for changes.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// So many sources are remembered.
const SOURCES: usize = 8192;

/// Gives one source after the other its share: a bucket each, filled steadily.
///
/// Bounded: when full, the source that asked longest ago is forgotten, and has a full bucket again.
#[derive(Debug)]
pub struct RateLimit<K> {
    interval: Duration,
    /// How long an empty bucket takes to be full.
    full: Duration,
    /// When each bucket will be full.
    full_at: HashMap<K, Instant>,
}

impl<K: Hash + Eq + Clone> RateLimit<K> {
    /// Allows `per_second` on the average (at least 1), and `burst` at once (at least 1).
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            full: interval * burst.max(1),
            full_at: HashMap::new(),
        }
    }

    /// Takes one from the source's bucket; fails with the time after which there is one again.
    ///
    /// # Errors
    ///
    /// The bucket is empty.
    pub fn take(&mut self, source: &K, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.get(source).copied().unwrap_or(now).max(now) + self.interval;
        let missing = full_at - now;
        if missing > self.full {
            return Err(missing - self.full);
        }
        if self.full_at.len() >= SOURCES && !self.full_at.contains_key(source) {
            self.make_room(now);
        }
        self.full_at.insert(source.clone(), full_at);
        Ok(())
    }

    fn make_room(&mut self, now: Instant) {
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() < SOURCES {
            return;
        }
        let fullest = self.full_at.iter().min_by_key(|(_, full_at)| **full_at);
        if let Some(fullest) = fullest.map(|(source, _)| source.clone()) {
            self.full_at.remove(&fullest);
        }
    }
}

/// Gives the address that stands for a client: IPv6 users have whole networks of 64 bits.
pub(super) fn block(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

impl RateLimit<IpAddr> {
    /// Takes one from the bucket of an address, which it shares with its IPv6 network.
    ///
    /// # Errors
    ///
    /// The bucket is empty: try again after this time.
    pub fn take_from(&mut self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        self.take(&block(client), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, origin};

    #[test]
    fn a_burst_passes_then_the_steady_rate() {
        let mut limit = RateLimit::new(10, 5);
        let start = origin();
        let mut passed = vec![];
        for at in (0..1000).step_by(10) {
            if limit.take(&"a", start + ms(at)).is_ok() {
                passed.push(at);
            }
        }
        assert_eq!(
            passed,
            [
                0, 10, 20, 30, 40, 100, 200, 300, 400, 500, 600, 700, 800, 900
            ]
        );
    }

    #[test]
    fn the_wait_that_is_told_is_long_enough() {
        let mut limit = RateLimit::new(2, 1);
        let start = origin();
        assert_eq!(limit.take(&"a", start), Ok(()));
        assert_eq!(limit.take(&"a", start + ms(100)), Err(ms(400)));
        assert_eq!(limit.take(&"a", start + ms(500)), Ok(()));
    }

    #[test]
    fn one_source_takes_nothing_from_another() {
        let mut limit = RateLimit::new(1, 1);
        let now = origin();
        assert!(limit.take(&"a", now).is_ok());
        assert!(limit.take(&"a", now).is_err());
        assert!(limit.take(&"b", now).is_ok());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut limit = RateLimit::new(1, 1);
        let now = origin();
        for n in 0..20_000u32 {
            assert!(limit.take_from(n.to_be_bytes().into(), now).is_ok());
        }
        assert_eq!(limit.full_at.len(), SOURCES);
    }
}
