//! `keep`, `keep_size`, `keep_free`: which recordings are deleted by themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sluice_core::id::RouteId;
use sluice_core::record::Retention;
use sluice_pipelines::RecordSpec;

use super::error::ConfigError;
use super::path::PathConfig;
use super::raw::Text;
use super::raw_record::{RawRecordKeys, RawRecordings};
use super::record::Reading;
use super::units;

const AGE: &str = "write a duration such as 7d";
const SIZE: &str = "write a size such as 50GB";

/// Reads what is kept of one path's recordings.
pub(super) fn of_path(
    key: &str,
    (above, own): (&RawRecordKeys, &RawRecordKeys),
    spec: &RecordSpec,
    errors: &mut Vec<ConfigError>,
) -> Retention {
    let mut reading = Reading { key, errors };
    let ages = (&above.keep, &own.keep);
    let sizes = (&above.keep_size, &own.keep_size);
    let keep = Retention {
        age: reading.of("record.keep", ages, units::duration, AGE),
        total_bytes: reading.of("record.keep_size", sizes, bytes, SIZE),
        free_bytes: reading.of(
            "record.keep_free",
            (&above.keep_free, &own.keep_free),
            bytes,
            SIZE,
        ),
    };
    let wrong = [
        (
            keep.age.and_then(|age| too_short(age, spec.segment)),
            ages,
            "record.keep",
        ),
        (
            keep.total_bytes.and_then(|total| too_small(total, spec)),
            sizes,
            "record.keep_size",
        ),
    ];
    for (wrong, values, name) in wrong {
        if let (Some(wrong), Some((key, entry))) = (wrong, reading.chosen(name, values)) {
            errors.push(wrong.error(&key, entry));
            return keep;
        }
    }
    keep
}

/// Reads what is kept of all recordings together.
pub(super) fn overall(
    raw: &RawRecordings,
    paths: &BTreeMap<RouteId, PathConfig>,
    errors: &mut Vec<ConfigError>,
) -> Retention {
    let none: Text = None;
    let mut reading = Reading {
        key: "record",
        errors,
    };
    let keep = Retention {
        age: reading.of("keep", (&none, &raw.keep), units::duration, AGE),
        total_bytes: reading.of("keep_size", (&none, &raw.keep_size), bytes, SIZE),
        free_bytes: reading.of("keep_free", (&none, &raw.keep_free), bytes, SIZE),
    };
    let specs = || paths.values().filter_map(|path| path.spec.record.as_ref());
    let longest = specs().map(|spec| spec.segment).max();
    let age = keep.age.zip(longest);
    let largest = specs().max_by_key(|spec| spec.segment_bytes);
    let size = keep.total_bytes.zip(largest);
    let wrong = [
        (
            age.and_then(|(age, longest)| too_short(age, longest)),
            &raw.keep,
            "record.keep",
        ),
        (
            size.and_then(|(total, spec)| too_small(total, spec)),
            &raw.keep_size,
            "record.keep_size",
        ),
    ];
    for (wrong, entry, key) in wrong {
        if let (Some(wrong), Some(entry)) = (wrong, entry) {
            errors.push(wrong.error(key, entry));
        }
    }
    keep
}

/// Why a rule would leave nothing, and what would be right.
struct Wrong {
    problem: &'static str,
    remedy: String,
}

impl Wrong {
    fn error(&self, key: &str, entry: &super::raw::Entry<String>) -> ConfigError {
        ConfigError::new(&entry.place, key, self.problem, &self.remedy).value(&entry.value)
    }
}

fn too_short(age: Duration, segment: Duration) -> Option<Wrong> {
    (age < segment).then(|| Wrong {
        problem: "would delete everything: a file is older than this soon after it is whole",
        remedy: format!(
            "write at least the length of a segment, {}s",
            segment.as_secs()
        ),
    })
}

/// What is known of a segment's size is its limit.
fn too_small(total: u64, spec: &RecordSpec) -> Option<Wrong> {
    let least = spec.segment_bytes.max(1_000_000);
    (total < least).then(|| Wrong {
        problem: "would delete everything: not one segment is that small",
        remedy: format!("write at least {}MB", least.div_ceil(1_000_000)),
    })
}

fn bytes(text: &str) -> Option<u64> {
    units::bytes(text).and_then(|bytes| u64::try_from(bytes).ok())
}

/// Finds rules that want more space than a disk has: all recordings would go, and it would not be enough.
pub(super) fn check_disks(
    overall: &Retention,
    paths: &BTreeMap<RouteId, PathConfig>,
) -> Result<(), String> {
    let wrong = paths.iter().filter_map(|(id, path)| {
        let record = path.spec.record.as_ref()?;
        let folder = PathBuf::from(record.location.folder(id.as_str()));
        let (key, wanted) = match (path.keep.free_bytes, overall.free_bytes) {
            (Some(own), _) => (format!("paths.{id}.record.keep_free"), own),
            (None, Some(all)) => ("record.keep_free".to_owned(), all),
            (None, None) => return None,
        };
        let size = crate::recordings::space(nearest(&folder)?).ok()?.size;
        (wanted >= size).then(|| {
            format!(
                "`{key}` would delete everything: the disk of {} has {} MB altogether; write less than that.",
                folder.display(),
                size / 1_000_000
            )
        })
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// The folder, or the nearest one above it that is there.
fn nearest(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.exists())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::Config;

    fn config(record: &str, path: &str) -> Result<Config, String> {
        let text = format!("record: {record}\npaths: {{a: {{source: 'test:', record: {path}}}}}\n");
        Config::parse("sluice.yaml", &text, &[]).map_err(|errors| errors.to_string())
    }

    #[test]
    fn each_path_and_all_together_have_rules() {
        let config = config(
            "{keep: 30d, keep_size: 1000GB, keep_free: 5GB}",
            "{keep: 7d, keep_size: 50GB, keep_free: 1GB}",
        );
        let config = config.unwrap();
        let keep = config.keep;
        assert_eq!(keep.age, Some(Duration::from_hours(30 * 24)));
        assert_eq!(keep.total_bytes, Some(1_000_000_000_000));
        assert_eq!(keep.free_bytes, Some(5_000_000_000));
        let keep = config.paths.values().next().unwrap().keep;
        assert_eq!(keep.age, Some(Duration::from_hours(7 * 24)));
        assert_eq!(keep.total_bytes, Some(50_000_000_000));
        assert_eq!(keep.free_bytes, Some(1_000_000_000));
    }

    #[test]
    fn a_rule_that_would_delete_everything_is_refused() {
        for (record, path, want) in [
            (
                "{}",
                "{keep: 9m}",
                "sluice.yaml:2: `paths.a.record.keep: 9m` would delete everything: a file is older than this soon after it is whole; write at least the length of a segment, 600s.",
            ),
            (
                "{keep: 1m}",
                "{segment: 2m}",
                "sluice.yaml:1: `record.keep: 1m` would delete everything: a file is older than this soon after it is whole; write at least the length of a segment, 120s.",
            ),
            (
                "{}",
                "{segment_size: 50MB, keep_size: 49MB}",
                "sluice.yaml:2: `paths.a.record.keep_size: 49MB` would delete everything: not one segment is that small; write at least 50MB.",
            ),
            (
                "{keep_size: 0B}",
                "true",
                "sluice.yaml:1: `record.keep_size: 0B` would delete everything: not one segment is that small; write at least 1MB.",
            ),
            (
                "{}",
                "{keep: ever}",
                "sluice.yaml:2: `paths.a.record.keep: ever` cannot be used; write a duration such as 7d.",
            ),
        ] {
            assert_eq!(config(record, path).unwrap_err(), want);
        }
    }

    #[test]
    fn more_free_space_than_the_disk_has_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().display();
        for (record, path, key) in [
            (
                format!("{{dir: {dir}}}"),
                "{keep_free: 9999999GB}",
                "paths.a.record.keep_free",
            ),
            (
                format!("{{dir: {dir}, keep_free: 9999999GB}}"),
                "true",
                "record.keep_free",
            ),
        ] {
            let refusal = config(&record, path).unwrap().check_folders().unwrap_err();
            assert!(
                refusal.starts_with(&format!("`{key}` would delete everything: the disk of ")),
                "{refusal}"
            );
        }
        let fits = config(&format!("{{dir: {dir}, keep_free: 1MB}}"), "true").unwrap();
        assert_eq!(fits.check_folders(), Ok(()));
    }
}
