//! Which recordings go first when there are too many.

use std::collections::{BTreeMap, BTreeSet};
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

/// What one path has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What is kept of it.
    pub rule: Retention,
    /// Which disk it is on.
    pub disk: u64,
    /// What that disk has left.
    pub free: u64,
    /// Its recordings.
    pub recordings: Vec<Recording>,
}

/// Which part of a rule lets a recording go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is older than `age`.
    Age,
    /// There is more than `total_bytes`.
    TotalBytes,
    /// Less than `free_bytes` is left.
    FreeBytes,
}

/// A recording that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The place of its group.
    pub group: usize,
    /// Its place in the group.
    pub index: usize,
    /// Why it goes.
    pub reason: Reason,
    /// By the rule for all paths together, not by its path's own.
    pub overall: bool,
}

/// Gives what to delete: first by each path's own rule, then by the one for all paths together. Its `free_bytes` is for each disk.
pub fn plan(groups: &[Group], overall: &Retention, now: Duration) -> Vec<Choice> {
    let mut plan = Plan {
        groups,
        now,
        chosen: Vec::new(),
        gone: BTreeSet::new(),
        freed: BTreeMap::new(),
    };
    for (place, group) in groups.iter().enumerate() {
        plan.apply(&group.rule, false, |other, _| other == place);
    }
    let together = Retention {
        free_bytes: None,
        ..*overall
    };
    plan.apply(&together, true, |_, _| true);
    let space = Retention {
        free_bytes: overall.free_bytes,
        ..Retention::default()
    };
    let disks: BTreeSet<_> = groups.iter().map(|group| group.disk).collect();
    for disk in disks {
        plan.apply(&space, true, |_, group| group.disk == disk);
    }
    plan.chosen
}

struct Plan<'a> {
    groups: &'a [Group],
    now: Duration,
    chosen: Vec<Choice>,
    /// The same, to look them up.
    gone: BTreeSet<(usize, usize)>,
    /// By disk.
    freed: BTreeMap<u64, u64>,
}

impl Plan<'_> {
    /// Applies a rule to what is left of some groups. Where it is about space they are on one disk.
    fn apply(&mut self, rule: &Retention, overall: bool, takes: impl Fn(usize, &Group) -> bool) {
        let mut places = Vec::new();
        let mut recordings = Vec::new();
        let mut free = u64::MAX;
        for (place, group) in self.groups.iter().enumerate() {
            if !takes(place, group) {
                continue;
            }
            let freed = self.freed.get(&group.disk).copied().unwrap_or_default();
            free = free.min(group.free.saturating_add(freed));
            for (index, recording) in group.recordings.iter().enumerate() {
                if !self.gone.contains(&(place, index)) {
                    places.push((place, index, group.disk));
                    recordings.push(*recording);
                }
            }
        }
        for (index, reason) in rule.choose(&recordings, self.now, free) {
            let (Some((place, index, disk)), Some(one)) =
                (places.get(index), recordings.get(index))
            else {
                continue;
            };
            self.chosen.push(Choice {
                group: *place,
                index: *index,
                reason,
                overall,
            });
            self.gone.insert((*place, *index));
            let freed = self.freed.entry(*disk).or_default();
            *freed = freed.saturating_add(one.bytes);
        }
    }
}

impl Retention {
    /// Says whether it deletes anything, ever.
    pub const fn is_none(&self) -> bool {
        self.age.is_none() && self.total_bytes.is_none() && self.free_bytes.is_none()
    }

    /// Gives the indices of the recordings to delete, and why, oldest first.
    ///
    /// `free` is what the disk has left. One that is busy is never chosen; it counts as what is there.
    pub fn choose(
        &self,
        recordings: &[Recording],
        now: Duration,
        free: u64,
    ) -> Vec<(usize, Reason)> {
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
            let reason = match (old, much, tight) {
                _ if recording.busy => continue,
                (true, _, _) => Reason::Age,
                (false, true, _) => Reason::TotalBytes,
                (false, false, true) => Reason::FreeBytes,
                (false, false, false) => continue,
            };
            total = total.saturating_sub(recording.bytes);
            free = free.saturating_add(recording.bytes);
            chosen.push((index, reason));
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

    fn indices(chosen: Vec<(usize, Reason)>) -> Vec<usize> {
        chosen.into_iter().map(|(index, _)| index).collect()
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
            assert_eq!(indices(chosen), want, "{rule:?}");
        }
        let (many, now) = (age(85), Duration::from_secs(100));
        assert_eq!(many.choose(&all, now, 100), [(1, Reason::Age)]);
        assert_eq!(total(29).choose(&all, now, 100), [(1, Reason::TotalBytes)]);
        assert_eq!(space(101).choose(&all, now, 100), [(1, Reason::FreeBytes)]);
    }

    #[test]
    fn each_paths_own_rule_comes_first_and_what_it_frees_counts() {
        let none = Retention::default();
        let keeps = |bytes| Retention {
            total_bytes: Some(bytes),
            ..none
        };
        let space = |bytes| Retention {
            free_bytes: Some(bytes),
            ..none
        };
        let group = |rule, disk, ends: &[u64]| Group {
            rule,
            disk,
            free: 100,
            recordings: ends.iter().map(|end| recording(*end, 10)).collect(),
        };
        let two = |one, other, disk| {
            [
                group(one, 1, &[10, 30, 50]),
                group(other, disk, &[20, 40, 60]),
            ]
        };
        let now = Duration::from_secs(100);
        for (groups, overall, want) in [
            (two(none, none, 1), none, vec![]),
            (two(keeps(20), none, 1), none, vec![(0, 0)]),
            (two(none, none, 1), keeps(40), vec![(0, 0), (1, 0)]),
            // The oldest of what is left.
            (two(keeps(20), none, 1), keeps(40), vec![(0, 0), (1, 0)]),
            (two(keeps(10), none, 1), keeps(40), vec![(0, 0), (0, 1)]),
            // One disk: what one path's rule frees is there for all.
            (two(keeps(20), none, 1), space(110), vec![(0, 0)]),
            (two(none, none, 1), space(115), vec![(0, 0), (1, 0)]),
            (two(space(105), space(105), 1), none, vec![(0, 0)]),
            // Two disks: each by itself.
            (two(none, none, 2), space(105), vec![(0, 0), (1, 0)]),
            (two(keeps(20), none, 2), space(110), vec![(0, 0), (1, 0)]),
        ] {
            let plan = plan(&groups, &overall, now);
            let places = plan.iter().map(|one| (one.group, one.index));
            let places: Vec<_> = places.collect();
            assert_eq!(places, want, "{groups:?} {overall:?}");
            let own = plan.iter().filter(|one| !one.overall).count();
            let ruled = groups.iter().any(|group| !group.rule.is_none());
            assert_eq!(own > 0, ruled && !want.is_empty(), "{plan:?}");
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
        assert_eq!(indices(rule.choose(&all, Duration::from_secs(100), 0)), [1]);
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
