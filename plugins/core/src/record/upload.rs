//! Which finished files are uploaded next, and when a server that failed is tried again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The first wait, doubled after each failure.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait: a server that is back is used within a minute.
const LONGEST: Duration = Duration::from_mins(1);

/// A file that is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Whose recording it is.
    pub path: String,
    /// Where it is.
    pub file: PathBuf,
    /// What it is called where it goes to, below the target.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// When its first frame was taken, since 1970.
    pub start: Duration,
}

/// What became of the files of one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files that still wait.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Files uploaded since the start.
    pub uploaded: u64,
    /// Their bytes.
    pub uploaded_bytes: u64,
    /// Attempts that failed since the start.
    pub failures: u64,
}

/// The files that wait for a server, and those that it has.
///
/// One goes at a time, the oldest first; one that failed goes behind the others, so that it holds none of them up. After a failure
/// all wait, 1 s and then twice as long each time, at most a minute, since it is mostly the server that fails.
#[derive(Debug, Default)]
pub struct Backlog {
    done: HashSet<PathBuf>,
    waiting: Vec<Finished>,
    tries: HashMap<PathBuf, u32>,
    counts: BTreeMap<String, Counts>,
    failures: u32,
    due: Option<Instant>,
    reason: Option<String>,
}

impl Backlog {
    /// Makes one that knows which files the server has.
    pub fn new(done: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            done: done.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Takes all finished files that are there. Those that the server has are left out; those that are gone wait no longer.
    pub fn on_list(&mut self, files: Vec<Finished>) {
        self.waiting = files;
        self.waiting.retain(|one| !self.done.contains(&one.file));
        self.waiting
            .sort_by(|one, two| (one.start, &one.key).cmp(&(two.start, &two.key)));
        let waits: HashSet<_> = self.waiting.iter().map(|one| &one.file).collect();
        self.tries.retain(|file, _| waits.contains(file));
    }

    /// Gives the file to upload now, if it is time for one.
    pub fn next(&self, now: Instant) -> Option<&Finished> {
        if self.due.is_some_and(|due| now < due) {
            return None;
        }
        let tries = |one: &&Finished| self.tries.get(&one.file).copied().unwrap_or_default();
        self.waiting.iter().min_by_key(tries)
    }

    /// Says when to ask again after a failure.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Takes note that the server has a file; `sent` is false if it had it already.
    pub fn on_uploaded(&mut self, one: &Finished, sent: bool) {
        self.failures = 0;
        self.due = None;
        self.reason = None;
        self.done.insert(one.file.clone());
        self.waiting.retain(|other| other.file != one.file);
        self.tries.remove(&one.file);
        if sent {
            let counts = self.counts.entry(one.path.clone()).or_default();
            counts.uploaded += 1;
            counts.uploaded_bytes = counts.uploaded_bytes.saturating_add(one.bytes);
        }
    }

    /// Takes note that a file was not uploaded; gives how long all wait.
    pub fn on_failed(&mut self, one: &Finished, reason: String, now: Instant) -> Duration {
        let wait = FIRST
            .saturating_mul(2u32.saturating_pow(self.failures.min(8)))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now + wait);
        self.reason = Some(reason);
        let tries = self.tries.entry(one.file.clone()).or_default();
        *tries = tries.saturating_add(1);
        self.counts.entry(one.path.clone()).or_default().failures += 1;
        wait
    }

    /// Takes note of something that is wrong with the server before any file was tried.
    pub fn on_trouble(&mut self, reason: String) {
        self.reason = Some(reason);
    }

    /// Takes note that a file is gone.
    pub fn on_gone(&mut self, one: &Finished) {
        self.waiting.retain(|other| other.file != one.file);
    }

    /// Says whether the server has a file.
    pub fn has(&self, file: &Path) -> bool {
        self.done.contains(file)
    }

    /// Says why the last attempt failed, if it did.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Counts the files of a path.
    pub fn counts(&self, path: &str) -> Counts {
        let mut counts = self.counts.get(path).copied().unwrap_or_default();
        for one in self.waiting.iter().filter(|one| one.path == path) {
            counts.waiting += 1;
            counts.waiting_bytes = counts.waiting_bytes.saturating_add(one.bytes);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, origin};

    fn file(name: &str, start: u64) -> Finished {
        Finished {
            path: "door".to_owned(),
            file: PathBuf::from(name),
            key: format!("door/{name}"),
            bytes: 10,
            start: Duration::from_secs(start),
        }
    }

    fn name(one: Option<&Finished>) -> Option<&str> {
        one?.file.to_str()
    }

    #[test]
    fn the_oldest_goes_first_and_none_goes_twice() {
        let mut backlog = Backlog::new([PathBuf::from("before")]);
        let all = [file("b", 2), file("a", 1), file("before", 0)];
        backlog.on_list(all.to_vec());
        assert_eq!(backlog.counts("door").waiting, 2);
        assert_eq!(name(backlog.next(origin())), Some("a"));
        backlog.on_uploaded(&all[1], true);
        assert!(backlog.has(Path::new("a")) && backlog.has(Path::new("before")));
        backlog.on_list(all.to_vec());
        assert_eq!(name(backlog.next(origin())), Some("b"));
        backlog.on_uploaded(&all[0], false);
        assert_eq!(backlog.next(origin()), None);
        let counts = backlog.counts("door");
        // One of them the server had.
        assert_eq!((counts.waiting, counts.uploaded), (0, 1));
        assert_eq!((counts.waiting_bytes, counts.uploaded_bytes), (0, 10));
    }

    #[test]
    fn a_failure_makes_all_wait_longer_each_time_and_a_success_ends_that() {
        let mut backlog = Backlog::default();
        let one = file("a", 1);
        backlog.on_list(vec![one.clone()]);
        let now = origin();
        let fail = |backlog: &mut Backlog| backlog.on_failed(&one, "away".to_owned(), now);
        let waits: Vec<_> = (0..9).map(|_| fail(&mut backlog).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backlog.next(now + ms(59_999)), None);
        assert_eq!(backlog.poll_timeout(), Some(now + ms(60_000)));
        assert_eq!(name(backlog.next(now + ms(60_000))), Some("a"));
        assert_eq!(backlog.reason(), Some("away"));
        assert_eq!(backlog.counts("door").failures, 9);
        backlog.on_uploaded(&one, true);
        assert_eq!((backlog.reason(), backlog.poll_timeout()), (None, None));
        assert_eq!(fail(&mut backlog).as_secs(), 1);
    }

    #[test]
    fn a_file_that_fails_holds_no_other_up() {
        let mut backlog = Backlog::default();
        let all = [file("bad", 1), file("good", 2)];
        backlog.on_list(all.to_vec());
        let now = origin();
        backlog.on_failed(&all[0], "no".to_owned(), now);
        assert_eq!(name(backlog.next(now + ms(1000))), Some("good"));
        backlog.on_uploaded(&all[1], true);
        assert_eq!(name(backlog.next(now)), Some("bad"));
        // What is gone waits no longer.
        backlog.on_list(Vec::new());
        assert_eq!(backlog.next(now), None);
        assert_eq!(backlog.counts("door").waiting, 0);
    }
}
