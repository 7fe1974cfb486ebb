//! Failed logins: each client waits longer and longer, and nobody else does.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::rate::block;

/// So many failures are a person's typing errors.
const FREE: u32 = 3;
/// The wait after the first failure beyond those; each further one doubles it.
const FIRST: Duration = Duration::from_secs(2);
/// The longest wait.
const MOST: Duration = Duration::from_secs(60);
/// A client that failed no more for this long begins anew.
const FORGET: Duration = Duration::from_mins(15);
/// So many clients are remembered.
const CLIENTS: usize = 4096;

/// Remembers who failed. Bounded: when full, whoever failed longest ago is forgotten.
#[derive(Debug, Default)]
pub struct Throttle {
    clients: HashMap<IpAddr, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn wait(self) -> Duration {
        let beyond = self.count.saturating_sub(FREE);
        if beyond == 0 {
            return Duration::ZERO;
        }
        FIRST
            .saturating_mul(1u32.checked_shl(beyond - 1).unwrap_or(u32::MAX))
            .min(MOST)
    }
}

impl Throttle {
    /// Says how long this client has to wait before its next try; `None`: it may try.
    pub fn wait(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        let failures = self.clients.get(&block(client))?;
        let until = failures.last + failures.wait();
        (until > now).then(|| until - now)
    }

    /// Takes note of a failure; says how long the client has to wait because of it.
    pub fn on_failure(&mut self, client: IpAddr, now: Instant) -> Duration {
        let client = block(client);
        if self.clients.len() >= CLIENTS && !self.clients.contains_key(&client) {
            self.make_room(now);
        }
        let failures = self.clients.entry(client).or_insert(Failures {
            count: 0,
            last: now,
        });
        if now.saturating_duration_since(failures.last) > FORGET {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        failures.wait()
    }

    fn make_room(&mut self, now: Instant) {
        self.clients
            .retain(|_, failures| now.saturating_duration_since(failures.last) <= FORGET);
        if self.clients.len() < CLIENTS {
            return;
        }
        let oldest = self
            .clients
            .iter()
            .min_by_key(|(_, failures)| failures.last);
        if let Some(oldest) = oldest.map(|(client, _)| *client) {
            self.clients.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, origin};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn waits_grow_up_to_a_minute() {
        let mut throttle = Throttle::default();
        let (client, mut now) = (ip("192.0.2.1"), origin());
        let mut waits = vec![];
        for _ in 0..12 {
            let wait = throttle.on_failure(client, now);
            assert_eq!(throttle.wait(client, now).unwrap_or_default(), wait);
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(throttle.wait(client, now), None);
        }
        assert_eq!(waits, [0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn one_client_delays_no_other() {
        let mut throttle = Throttle::default();
        let now = origin();
        for _ in 0..50 {
            throttle.on_failure(ip("192.0.2.1"), now);
        }
        assert!(throttle.wait(ip("192.0.2.1"), now).is_some());
        assert_eq!(throttle.wait(ip("192.0.2.2"), now), None);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one_client() {
        let mut throttle = Throttle::default();
        let now = origin();
        for last in 0..5 {
            throttle.on_failure(ip(&format!("2001:db8::{last}")), now);
        }
        assert!(throttle.wait(ip("2001:db8::ffff:1"), now).is_some());
        assert_eq!(throttle.wait(ip("2001:db8:0:1::1"), now), None);
    }

    #[test]
    fn who_stops_failing_begins_anew() {
        let mut throttle = Throttle::default();
        let (client, now) = (ip("192.0.2.1"), origin());
        for _ in 0..10 {
            throttle.on_failure(client, now);
        }
        let later = now + FORGET + ms(1);
        assert_eq!(throttle.on_failure(client, later), Duration::ZERO);
    }

    #[test]
    fn the_table_is_bounded_and_keeps_who_failed_last() {
        let mut throttle = Throttle::default();
        let now = origin();
        let name = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..10_000 {
            for _ in 0..4 {
                throttle.on_failure(name(n), now + ms(u64::from(n) / 100));
            }
        }
        assert_eq!(throttle.clients.len(), CLIENTS);
        assert!(throttle.wait(name(9_999), now + ms(100)).is_some());
        assert_eq!(throttle.wait(name(0), now + ms(100)), None);
    }
}
