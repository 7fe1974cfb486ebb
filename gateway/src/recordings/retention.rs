//! Deletes what the rules do not keep, from time to time.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_core::id::RouteId;
use sluice_core::record::files::FileState;
use sluice_core::record::{self, Group, Retention, plan};
use sluice_pipelines::RecordSpec;
use tokio_util::sync::CancellationToken;

use super::{Archive, Recording, space};
use crate::config::Config;

/// How often it is looked. A disk fills by some hundred megabytes meanwhile: `keep_free` must leave that.
const EACH: Duration = Duration::from_secs(10);

/// One path that is recorded.
struct Kept {
    path: RouteId,
    spec: RecordSpec,
    rule: Retention,
}

/// Applies the rules of a config until `stop`; ends at once if it has none.
pub async fn run(config: Config, archive: Arc<Archive>, stop: CancellationToken) {
    let kept = config.paths.into_iter().filter_map(|(path, config)| {
        Some(Kept {
            path,
            spec: config.spec.record?,
            rule: config.keep,
        })
    });
    let kept: Arc<[Kept]> = kept.collect();
    let overall = config.keep;
    if overall.is_none() && kept.iter().all(|one| one.rule.is_none()) {
        return;
    }
    loop {
        let (kept, archive) = (Arc::clone(&kept), Arc::clone(&archive));
        let looked = tokio::task::spawn_blocking(move || look(&kept, &overall, &archive)).await;
        if looked.is_err() {
            tracing::error!("the rules for recordings could not be applied");
        }
        let next = tokio::time::sleep(EACH);
        if stop.run_until_cancelled(next).await.is_none() {
            return;
        }
    }
}

/// Applies the rules once. A path whose folder cannot be read keeps everything.
fn look(kept: &[Kept], overall: &Retention, archive: &Archive) {
    let mut files: BTreeMap<usize, (PathBuf, Vec<Recording>)> = BTreeMap::new();
    let mut groups = Vec::new();
    for one in kept {
        let folder = PathBuf::from(one.spec.location.folder(one.path.as_str()));
        match group(one, &folder, archive) {
            Ok((group, list)) => {
                files.insert(groups.len(), (folder, list));
                groups.push(group);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %one.path, %error, "recordings cannot be listed"),
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    for (place, index) in plan(&groups, overall, now.unwrap_or_default()) {
        let Some((folder, list)) = files.get(&place) else {
            continue;
        };
        let Some(one) = list.get(index) else { continue };
        match archive.delete(&one.file, folder) {
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

fn group(one: &Kept, folder: &Path, archive: &Archive) -> io::Result<(Group, Vec<Recording>)> {
    let disk = fs::metadata(folder)?.dev();
    let free = space(folder)?.free;
    let list = archive.list(one.path.as_str(), &one.spec)?;
    let recordings = list.iter().map(|file| record::Recording {
        end: file.end,
        bytes: file.bytes,
        busy: file.state == FileState::Open || archive.is_read(&file.file),
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
        look(&[one], &Retention::default(), &archive);
        assert_eq!(left(), [false, true, true, false, false, true, true]);
        assert!(!folder.join("20260104").exists());
        drop(read);
        assert!(archive.delete(&folder.join(files[2]), &folder).unwrap());
        assert!(!left()[2]);
    }
}
