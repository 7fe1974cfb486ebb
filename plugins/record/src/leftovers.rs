//! Files that were not finished: cut behind what is whole, and renamed with a mark. Nothing is deleted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sluice_core::record::{Container, Repair, repair, template};

use crate::sink::Settings;
use crate::state::Report;

/// Templates put their files at most so many folders below the fixed one.
const DEPTH: usize = 6;

/// Repairs or marks every file of this location that nobody writes to any more.
pub(crate) fn tidy(settings: &Settings, report: &Report) -> io::Result<()> {
    let folder = PathBuf::from(settings.location.folder(&settings.path));
    let mut found = Vec::new();
    find(&folder, settings, DEPTH, &mut found)?;
    for part in found {
        let Some(container) = container_of(&part) else {
            continue;
        };
        if let Some((location, playable)) = settle(&part, container)? {
            report.repaired(&location.to_string_lossy(), playable);
        }
    }
    Ok(())
}

fn find(
    folder: &Path,
    settings: &Settings,
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if depth > 0 {
                find(&path, settings, depth - 1, found)?;
            }
        } else if is_ours(&path, settings) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_ours(part: &Path, settings: &Settings) -> bool {
    let text = part.to_string_lossy();
    // A template without a folder is listed as "./NAME".
    let text = text.strip_prefix("./").unwrap_or(&text);
    // Whatever the format is at present: it may have been another one.
    text.strip_suffix(template::PART)
        .and_then(|whole| whole.rsplit_once('.'))
        .is_some_and(|(name, ending)| {
            Container::from_extension(ending).is_some()
                && settings.location.owns(&settings.path, name)
        })
}

fn container_of(part: &Path) -> Option<Container> {
    let whole = part.with_extension("");
    Container::from_extension(whole.extension()?.to_str()?)
}

/// Repairs one file, unless somebody holds it; gives its new name and whether it can be played.
fn settle(part: &Path, container: Container) -> io::Result<Option<(PathBuf, bool)>> {
    let file = OpenOptions::new().read(true).write(true).open(part)?;
    if file.try_lock().is_err() {
        return Ok(None);
    }
    let len = file.metadata()?.len();
    let (mark, playable) = match whole(container, &file, len)? {
        Repair::Keep(bytes) => {
            if bytes < len {
                file.set_len(bytes)?;
            }
            file.sync_all()?;
            ("repaired", true)
        }
        Repair::Broken => ("broken", false),
    };
    let whole = part.with_extension("");
    let ending = whole.extension().unwrap_or_default().to_string_lossy();
    let mut target = whole.with_extension(format!("{mark}.{ending}"));
    let mut copy = 1;
    while target.exists() {
        target = whole.with_extension(format!("{mark}_{copy}.{ending}"));
        copy += 1;
    }
    fs::rename(part, &target)?;
    sync_folder(&target)?;
    Ok(Some((target, playable)))
}

/// Says what of a file is whole.
pub(crate) fn whole(container: Container, file: &File, len: u64) -> io::Result<Repair> {
    let mut file = file;
    repair(container, len, |at| {
        let mut head = Vec::with_capacity(16);
        file.seek(SeekFrom::Start(at))?;
        file.take(16).read_to_end(&mut head)?;
        Ok(head)
    })
}

/// Writes the names in a file's folder to the disk.
pub(crate) fn sync_folder(file: &Path) -> io::Result<()> {
    let parent = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
