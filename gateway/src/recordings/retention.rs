//! Deletes what the rules do not keep, from time to time.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sluice_core::id::RouteId;
use sluice_core::record::files::FileState;
use sluice_core::record::{self, Group, Reason, Retention, plan};
use sluice_pipelines::RecordSpec;
use tokio_util::sync::CancellationToken;

use super::{Archive, Recording, Uploads, space};
use crate::config::Config;

/// How often it is looked. A disk fills by some hundred megabytes meanwhile: `keep_free` must leave that.
const EACH: Duration = Duration::from_secs(10);

/// One path that is recorded.
struct Kept {
    path: RouteId,
    spec: RecordSpec,
    rule: Retention,
}

/// Applies the rules of a config until `stop`, and lets go of what was made for who cuts; ends at once if nothing is recorded. What
/// `uploads` protects stays.
pub async fn run(
    config: Config,
    archive: Arc<Archive>,
    uploads: Option<Arc<Uploads>>,
    stop: CancellationToken,
) {
    let kept: Arc<[Kept]> = kept(&config).into();
    let overall = config.keep;
    if kept.is_empty() {
        return;
    }
    let has_rules = !overall.is_none() || kept.iter().any(|one| !one.rule.is_none());
    loop {
        archive.rewritten.forget(Instant::now());
        if has_rules {
            apply(&kept, overall, &archive, uploads.clone()).await;
        }
        let next = tokio::time::sleep(EACH);
        if stop.run_until_cancelled(next).await.is_none() {
            return;
        }
    }
}

async fn apply(
    kept: &Arc<[Kept]>,
    overall: Retention,
    archive: &Arc<Archive>,
    uploads: Option<Arc<Uploads>>,
) {
    let (kept, archive) = (Arc::clone(kept), Arc::clone(archive));
    let looked = tokio::task::spawn_blocking(move || {
        let waits = |one: &Recording| uploads.as_ref().is_some_and(|all| all.protects(one));
        look(&kept, &overall, &archive, &waits);
    });
    if looked.await.is_err() {
        tracing::error!("the rules for recordings could not be applied");
    }
}

/// What a rule lets go.
#[derive(Debug)]
pub struct Going {
    /// Whose it is.
    pub path: String,
    /// Which file.
    pub recording: Recording,
    /// The folder that stays, however empty it is.
    folder: PathBuf,
    /// Why it goes.
    pub reason: Reason,
    /// By the rule for all paths together.
    pub overall: bool,
}

/// Says what the rules of a config would delete now, and deletes nothing. `waits` says of a file that it must stay.
#[must_use]
pub fn dry_run(
    config: &Config,
    archive: &Archive,
    waits: &dyn Fn(&Recording) -> bool,
) -> Vec<Going> {
    survey(&kept(config), &config.keep, archive, waits)
}

fn kept(config: &Config) -> Vec<Kept> {
    let kept = config.paths.iter().filter_map(|(path, config)| {
        Some(Kept {
            path: path.clone(),
            spec: config.spec.record.clone()?,
            rule: config.keep,
        })
    });
    kept.collect()
}

/// Applies the rules once.
fn look(kept: &[Kept], overall: &Retention, archive: &Archive, waits: &dyn Fn(&Recording) -> bool) {
    for going in survey(kept, overall, archive, waits) {
        let one = going.recording;
        match archive.delete(&one.file, &going.folder) {
            Ok(true) => {
                tracing::info!(file = %one.file.display(), bytes = one.bytes, "recording deleted, as its rule says");
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(file = %one.file.display(), %error, "recording not deleted");
            }
        }
    }
}

/// Finds what the rules let go. A path whose folder cannot be read keeps everything.
fn survey(
    kept: &[Kept],
    overall: &Retention,
    archive: &Archive,
    waits: &dyn Fn(&Recording) -> bool,
) -> Vec<Going> {
    let mut lists = Vec::new();
    let mut groups = Vec::new();
    for one in kept {
        let folder = PathBuf::from(one.spec.location.folder(one.path.as_str()));
        match group(one, &folder, archive, waits) {
            Ok((group, list)) => {
                let list: Vec<_> = list.into_iter().map(Some).collect();
                lists.push((one.path.as_str(), folder, list));
                groups.push(group);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %one.path, %error, "recordings cannot be listed"),
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let plan = plan(&groups, overall, now.unwrap_or_default());
    let going = plan.into_iter().filter_map(|choice| {
        let (path, folder, list) = lists.get_mut(choice.group)?;
        Some(Going {
            path: (*path).to_owned(),
            recording: list.get_mut(choice.index)?.take()?,
            folder: folder.clone(),
            reason: choice.reason,
            overall: choice.overall,
        })
    });
    going.collect()
}

fn group(
    one: &Kept,
    folder: &Path,
    archive: &Archive,
    waits: &dyn Fn(&Recording) -> bool,
) -> io::Result<(Group, Vec<Recording>)> {
    let disk = fs::metadata(folder)?.dev();
    let free = space(folder)?.free;
    let list = archive.list(one.path.as_str(), &one.spec)?;
    let recordings = list.iter().map(|file| record::Recording {
        end: file.end,
        bytes: file.bytes,
        busy: file.state == FileState::Open || archive.is_read(&file.file) || waits(file),
    });
    let group = Group {
        rule: one.rule,
        disk,
        free,
        recordings: recordings.collect(),
    };
    Ok((group, list))
}

#[cfg(test)]
mod tests {
    use sluice_core::record::{Format, Template};

    use super::*;

    #[test]
    fn the_oldest_go_with_their_folders_and_what_is_written_or_read_stays() {
        let dir = tempfile::tempdir().unwrap();
        let location = format!("{}/%p/%Y%m%d/%H%M%S%f", dir.path().display());
        let one = Kept {
            path: "door".parse().unwrap(),
            spec: RecordSpec {
                location: Template::parse(&location).unwrap(),
                format: Format::Auto,
                segment: Duration::from_secs(1),
                segment_bytes: 0,
                starts: true,
                pre_roll: Duration::ZERO,
            },
            rule: Retention {
                total_bytes: Some(1000),
                ..Retention::default()
            },
        };
        let files = [
            "20260101/000000000000.mp4",
            "20260102/000000000000.mp4.part",
            "20260103/000000000000.mp4",
            "20260104/000000000000.broken.mp4",
            "20260104/000000000001.mp4",
            "20260105/000000000000.mp4",
            "20260101/holiday.mp4",
        ];
        let folder = dir.path().join("door");
        for file in files {
            let file = folder.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, [0; 300]).unwrap();
        }
        let archive = Arc::new(Archive::default());
        let read = archive.reading(&folder.join(files[2]));
        let left = || {
            let there = files.iter().map(|file| folder.join(file).exists());
            there.collect::<Vec<_>>()
        };
        // This one still waits to be uploaded.
        let waits = |one: &Recording| one.file == folder.join(files[4]);
        look(&[one], &Retention::default(), &archive, &waits);
        assert_eq!(left(), [false, true, true, false, true, false, true]);
        assert!(!folder.join("20260101/000000000000.mp4").exists());
        assert!(!folder.join("20260105").exists());
        drop(read);
        assert!(archive.delete(&folder.join(files[2]), &folder).unwrap());
        assert!(!left()[2]);
    }
}
