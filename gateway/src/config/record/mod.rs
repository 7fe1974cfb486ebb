//! `record`: which paths are recorded, and into which files.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use sluice_core::id::RouteId;
use sluice_core::record::{Format, Template, template};
use sluice_pipelines::RecordSpec;

use super::error::{ConfigError, Place};
use super::path::PathConfig;
use super::raw::{Entry, RawConfig, Text};
use super::raw_record::{RawRecord, RawRecordings};
use super::units;

#[cfg(test)]
mod tests;

/// Where recordings are when nothing is said.
const FOLDER: &str = "/var/lib/sluice/recordings";
/// A segment is as long as this when nothing is said.
const SEGMENT: Duration = Duration::from_mins(10);
/// A day in one file: the longest segment.
const LONGEST: Duration = Duration::from_hours(24);
/// More than this would fill the memory rather than help.
const LONGEST_PRE_ROLL: Duration = Duration::from_mins(1);
/// Smaller segments would be one for each group of pictures.
const SMALLEST: usize = 1_000_000;

/// Gives the folder that locations begin in.
pub(super) fn folder(raw: &RawRecordings, errors: &mut Vec<ConfigError>) -> PathBuf {
    let Some(entry) = &raw.dir else {
        return PathBuf::from(FOLDER);
    };
    let path = Path::new(&entry.value);
    let escapes = path.components().any(|part| part == Component::ParentDir);
    match std::path::absolute(path) {
        Ok(folder) if !escapes => tidy(&folder),
        Ok(_) | Err(_) => {
            let error = ConfigError::new(
                &entry.place,
                "record.dir",
                "is no folder's name without `..`",
                format!("write one such as {FOLDER}"),
            );
            errors.push(error.value(&entry.value));
            PathBuf::from(FOLDER)
        }
    }
}

/// Turns what `defaults` and the path say into the typed form; `None` if the path is not recorded.
pub(super) fn convert(
    key: &str,
    (defaults, path): (&RawRecord, &RawRecord),
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Option<RecordSpec> {
    let mut reading = Reading { key, errors };
    let on = reading.of(
        "record",
        (&defaults.on, &path.on),
        units::switch,
        "write true, false, or keys such as {segment: 10m}",
    )?;
    let (above, own) = (&defaults.keys, &path.keys);
    let spec = RecordSpec {
        starts: reading
            .of(
                "record.when",
                (&above.when, &own.when),
                |text| match text {
                    "always" => Some(true),
                    "asked" => Some(false),
                    _ => None,
                },
                "write always, or asked (by the API)",
            )
            .unwrap_or(true),
        pre_roll: reading
            .of(
                "record.pre_roll",
                (&above.pre_roll, &own.pre_roll),
                |text| units::duration(text).filter(|time| *time <= LONGEST_PRE_ROLL),
                "write a duration of at most 60s, such as 10s",
            )
            .unwrap_or_default(),
        location: reading.location((&above.location, &own.location), folder)?,
        format: reading
            .of(
                "record.format",
                (&above.format, &own.format),
                Format::from_name,
                &format!("write one of {}", Format::NAMES),
            )
            .unwrap_or_default(),
        segment: reading
            .of(
                "record.segment",
                (&above.segment, &own.segment),
                segment,
                "write a duration from 1s to 24h, such as 10m",
            )
            .unwrap_or(SEGMENT),
        segment_bytes: reading
            .of(
                "record.segment_size",
                (&above.segment_size, &own.segment_size),
                segment_size,
                "write a size from 1MB up, such as 500MB",
            )
            .unwrap_or_default(),
    };
    let before = reading.chosen("record.pre_roll", (&above.pre_roll, &own.pre_roll));
    if let (true, false, Some((key, entry))) = (spec.starts, spec.pre_roll.is_zero(), before) {
        let error = ConfigError::new(
            &entry.place,
            key,
            "means nothing for a path that is always recorded",
            "add `when: asked`, or remove it",
        );
        errors.push(error.value(&entry.value));
    }
    on.then_some(spec)
}

/// Reads keys of which a path's own come before those of `defaults`.
pub(super) struct Reading<'a> {
    pub(super) key: &'a str,
    pub(super) errors: &'a mut Vec<ConfigError>,
}

impl Reading<'_> {
    /// The path's own value, else that of `defaults`; and what errors call it.
    pub(super) fn chosen<'a>(
        &self,
        name: &str,
        (above, own): (&'a Text, &'a Text),
    ) -> Option<(String, &'a Entry<String>)> {
        let of = |prefix: &str| format!("{prefix}.{name}");
        match (own, above) {
            (Some(own), _) => Some((of(self.key), own)),
            (None, Some(above)) => Some((of("defaults"), above)),
            (None, None) => None,
        }
    }

    pub(super) fn of<T>(
        &mut self,
        name: &str,
        values: (&Text, &Text),
        parse: fn(&str) -> Option<T>,
        remedy: &str,
    ) -> Option<T> {
        let (key, entry) = self.chosen(name, values)?;
        let parsed = parse(&entry.value);
        if parsed.is_none() {
            let error = ConfigError::new(&entry.place, key, "cannot be used", remedy);
            self.errors.push(error.value(&entry.value));
        }
        parsed
    }

    fn location(&mut self, values: (&Text, &Text), folder: &Path) -> Option<Template> {
        let chosen = self.chosen("record.location", values);
        let text = match &chosen {
            Some((_, entry)) => entry.value.as_str(),
            None => template::DEFAULT,
        };
        // By itself first: what is wrong with it is said of what was written.
        let parsed = Template::parse(text).and_then(|_| Template::parse(&within(folder, text)));
        match (parsed, chosen) {
            (Ok(template), _) => Some(template),
            (Err(wrong), Some((key, entry))) => {
                let problem = format!("cannot be used: {wrong}");
                let error = ConfigError::new(&entry.place, key, problem, "");
                self.errors.push(error.value(&entry.value));
                None
            }
            // The default is good in any folder.
            (Err(_), None) => None,
        }
    }
}

/// A location from the root on. A percent sign of the folder's name is none of the template's.
fn within(folder: &Path, location: &str) -> String {
    let path = if location.starts_with('/') {
        tidy(Path::new(location))
    } else {
        let folder = folder.to_string_lossy().replace('%', "%%");
        tidy(&Path::new(&folder).join(location))
    };
    let slash = if location.ends_with('/') { "/" } else { "" };
    format!("{}{slash}", path.to_string_lossy())
}

/// One spelling for each folder, so that two paths that mean the same files are found out.
fn tidy(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}

fn segment(text: &str) -> Option<Duration> {
    units::duration(text).filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time))
}

fn segment_size(text: &str) -> Option<u64> {
    let bytes = units::bytes(text).filter(|bytes| *bytes >= SMALLEST)?;
    u64::try_from(bytes).ok()
}

/// Refuses two paths whose files could have the same name.
pub(super) fn check_shared(
    raw: &RawConfig,
    paths: &BTreeMap<RouteId, PathConfig>,
    errors: &mut Vec<ConfigError>,
) {
    let recorded = paths
        .iter()
        .filter_map(|(id, path)| Some((id, &path.spec.record.as_ref()?.location)));
    let recorded: Vec<_> = recorded.collect();
    for (index, (id, location)) in recorded.iter().enumerate() {
        let other = recorded
            .iter()
            .take(index)
            .find(|(other, theirs)| location.shares(id.as_str(), theirs, other.as_str()));
        if let Some((other, _)) = other {
            errors.push(ConfigError::new(
                &place(raw, id),
                format!("paths.{id}.record.location"),
                format!("could give a file the name of one of the path {other}"),
                "write %p into it, which stands for the path",
            ));
        }
    }
}

/// Where a path's location was written, or else what switches its recording on.
fn place(raw: &RawConfig, id: &RouteId) -> Place {
    let path = raw.paths.get(id.as_str());
    let own = path
        .and_then(|path| path.value.as_ref())
        .map(|path| &path.record);
    let above = &raw.defaults.record;
    let entries = [
        own.and_then(|own| own.keys.location.as_ref()),
        above.keys.location.as_ref(),
        own.and_then(|own| own.on.as_ref()),
        above.on.as_ref(),
    ];
    let entry = entries.into_iter().flatten().next();
    entry.map(|entry| entry.place.clone()).unwrap_or_default()
}

/// Tries every folder of recordings.
pub(super) fn check_folders(paths: &BTreeMap<RouteId, PathConfig>) -> Result<(), String> {
    let wrong = paths.iter().filter_map(|(id, path)| {
        let record = path.spec.record.as_ref()?;
        let folder = PathBuf::from(record.location.folder(id.as_str()));
        let cause = try_folder(&folder).err()?;
        Some(format!(
            "`paths.{id}.record`: {} cannot be written to ({cause}); let the user of this process write there, or name another folder as `record.dir`.",
            folder.display()
        ))
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Writes a file into the folder, or into the nearest one above it that exists, and removes it. Even root may not write
/// everywhere, so that nothing less than trying tells.
fn try_folder(folder: &Path) -> io::Result<()> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let there = there.ok_or(io::ErrorKind::NotFound)?;
    let file = there.join(format!(".sluice-check-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)?;
    fs::remove_file(&file)
}
