//! Which renditions of a path's tracks there are, who needs them, and when they end.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A rendition that nobody needs is kept this long: whoever reloads a page finds it running.
pub const LINGER: Duration = Duration::from_secs(10);

/// One that failed is not tried again for this long; who asks meanwhile is told why.
pub const REST: Duration = Duration::from_secs(5);

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is the first: the rendition must be started. The number is to be given back with [`Ledger::release`].
    First(u64),
    /// The rendition is there, or on its way. The number is to be given back with [`Ledger::release`].
    Shared(u64),
    /// It failed a moment ago.
    Failed {
        /// Why, in a sentence.
        why: String,
        /// How long until it is tried again.
        again_in: Duration,
    },
}

#[derive(Debug)]
struct Entry {
    /// Tells this run of the rendition from earlier ones.
    run: u64,
    users: usize,
    /// When the last one left; `None` while there are any.
    idle_since: Option<Instant>,
}

/// The renditions of one path, by whatever names them.
#[derive(Debug)]
pub struct Ledger<K> {
    entries: BTreeMap<K, Entry>,
    failures: BTreeMap<K, (String, Instant)>,
    runs: u64,
}

impl<K> Default for Ledger<K> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            failures: BTreeMap::new(),
            runs: 0,
        }
    }
}

impl<K: Ord + Copy> Ledger<K> {
    /// Asks for a rendition on behalf of one more user.
    pub fn take(&mut self, key: K, now: Instant) -> Taken {
        self.failures
            .retain(|_, (_, since)| now.duration_since(*since) < REST);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.users += 1;
            entry.idle_since = None;
            return Taken::Shared(entry.run);
        }
        if let Some((why, since)) = self.failures.get(&key) {
            return Taken::Failed {
                why: why.clone(),
                again_in: REST.saturating_sub(now.duration_since(*since)),
            };
        }
        self.runs += 1;
        let entry = Entry {
            run: self.runs,
            users: 1,
            idle_since: None,
        };
        self.entries.insert(key, entry);
        Taken::First(self.runs)
    }

    /// A user needs it no longer. What is known of another run stays.
    pub fn release(&mut self, key: K, run: u64, now: Instant) {
        let entry = self.entries.get_mut(&key);
        if let Some(entry) = entry.filter(|entry| entry.run == run) {
            entry.users = entry.users.saturating_sub(1);
            if entry.users == 0 {
                entry.idle_since = Some(now);
            }
        }
    }

    /// The rendition failed, or could not be started; its users have been told, or are being told.
    pub fn on_failed(&mut self, key: K, why: &str, now: Instant) {
        if self.entries.remove(&key).is_some() {
            self.failures.insert(key, (why.to_owned(), now));
        }
    }

    /// The rendition could not be started for a reason that is not its own: whoever comes next tries again.
    pub fn on_refused(&mut self, key: K) {
        self.entries.remove(&key);
    }

    /// Gives what is to be ended now; it is forgotten here.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<K> {
        let over: Vec<K> = self
            .entries
            .iter()
            .filter(|(_, entry)| {
                let idle = entry.idle_since.map(|since| now.duration_since(since));
                idle.is_some_and(|idle| idle >= LINGER)
            })
            .map(|(key, _)| *key)
            .collect();
        for key in &over {
            self.entries.remove(key);
        }
        over
    }

    /// Gives the next instant at which [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let idle = self.entries.values().filter_map(|entry| entry.idle_since);
        idle.map(|since| since + LINGER).min()
    }

    /// Gives the renditions that run or are being started, and how many users each has.
    pub fn running(&self) -> impl Iterator<Item = (K, usize)> {
        self.entries.iter().map(|(key, entry)| (*key, entry.users))
    }

    /// Says whether this run of the rendition is the one that is there.
    pub fn is(&self, key: K, run: u64) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.run == run)
    }

    /// Says why the rendition failed, shortly after it did.
    pub fn failure(&self, key: K) -> Option<&str> {
        self.failures.get(&key).map(|(why, _)| why.as_str())
    }
}
