//! Which recordings go first when there are too many.

use std::time::Duration;

/// A recording, as far as keeping it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recording {
    /// When its last frame was taken, since 1970.
    pub end: Duration,
    /// Its size.
    pub bytes: u64,
    /// Whether somebody writes or reads it.
    pub busy: bool,
}

/// What is kept; a rule that is `None` deletes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Nothing older than this.
    pub age: Option<Duration>,
    /// No more than this, together.
    pub total_bytes: Option<u64>,
    /// At least so much of the disk stays free.
    pub free_bytes: Option<u64>,
}

impl Retention {
    /// Gives the indices of the recordings to delete, oldest first.
    ///
    /// `free` is what the disk has left. One that is busy is never chosen; it counts as what is there.
    pub fn choose(&self, recordings: &[Recording], now: Duration, free: u64) -> Vec<usize> {
        let mut order: Vec<_> = recordings.iter().enumerate().collect();
        order.sort_by_key(|(index, recording)| (recording.end, *index));
        let mut total = recordings
            .iter()
            .fold(0u64, |sum, recording| sum.saturating_add(recording.bytes));
        let mut free = free;
        let mut chosen = Vec::new();
        for (index, recording) in order {
            let old = self
                .age
                .is_some_and(|age| now.saturating_sub(recording.end) > age);
            let much = self.total_bytes.is_some_and(|limit| total > limit);
            let tight = self.free_bytes.is_some_and(|limit| free < limit);
            if recording.busy || !(old || much || tight) {
                continue;
            }
            total = total.saturating_sub(recording.bytes);
            free = free.saturating_add(recording.bytes);
            chosen.push(index);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn recording(end: u64, bytes: u64) -> Recording {
        Recording {
            end: Duration::from_secs(end),
            bytes,
            busy: false,
        }
    }

    #[test]
    fn the_oldest_go_first_by_each_rule() {
        let all = [recording(30, 10), recording(10, 10), recording(20, 10)];
        let none = Retention::default();
        let age = |secs| Retention {
            age: Some(Duration::from_secs(secs)),
            ..none
        };
        let total = |bytes| Retention {
            total_bytes: Some(bytes),
            ..none
        };
        let space = |bytes| Retention {
            free_bytes: Some(bytes),
            ..none
        };
        for (rule, want) in [
            (none, vec![]),
            (age(90), vec![]),
            (age(85), vec![1]),
            (age(70), vec![1, 2]),
            (total(30), vec![]),
            (total(29), vec![1]),
            (total(5), vec![1, 2, 0]),
            (space(100), vec![]),
            (space(101), vec![1]),
            (space(111), vec![1, 2]),
            (
                Retention {
                    age: Some(Duration::from_secs(85)),
                    total_bytes: Some(15),
                    free_bytes: Some(100),
                },
                vec![1, 2],
            ),
        ] {
            let chosen = rule.choose(&all, Duration::from_secs(100), 100);
            assert_eq!(chosen, want, "{rule:?}");
        }
    }

    #[test]
    fn what_is_busy_stays_and_the_next_goes() {
        let busy = Recording {
            busy: true,
            ..recording(10, 10)
        };
        let all = [busy, recording(20, 10), recording(30, 10)];
        let rule = Retention {
            total_bytes: Some(20),
            ..Retention::default()
        };
        assert_eq!(rule.choose(&all, Duration::from_secs(100), 0), [1]);
    }

    #[test]
    fn a_clock_that_is_behind_deletes_nothing_by_age() {
        let rule = Retention {
            age: Some(Duration::from_secs(1)),
            ..Retention::default()
        };
        assert!(
            rule.choose(&[recording(50, 1)], Duration::from_secs(10), 0)
                .is_empty()
        );
    }
}
