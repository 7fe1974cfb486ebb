//! The files of recordings: found by their names, and read for what they say of themselves.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use sluice_core::record::files::{FileState, named};
use sluice_core::record::{Container, Contents, contents};
use sluice_pipelines::{RecordSpec, local_offset};

/// Templates put their files at most so many folders below the fixed one.
const DEPTH: usize = 6;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Where it is.
    pub file: PathBuf,
    /// Its name below the path's folder.
    pub name: String,
    /// What it is written as.
    pub container: Container,
    /// How complete it is.
    pub state: FileState,
    /// When its first frame was taken, since 1970.
    pub start: Duration,
    /// When its last frame ends, since 1970.
    pub end: Duration,
    /// Its size.
    pub bytes: u64,
    /// What it says of itself.
    pub contents: Contents,
}

pub mod assembly;
mod retention;
mod rewritten;
pub mod upload;

pub use retention::{Going, dry_run, run as keep_rules};
pub use upload::Uploads;

/// A file system's size and what of it is free, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub size: u64,
    /// What users who are not root may still take.
    pub free: u64,
}

/// Says how large the file system of a folder is.
///
/// # Errors
/// When the folder is not there.
pub fn space(folder: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(Space {
        size: stat.f_blocks.saturating_mul(stat.f_frsize),
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
    })
}

/// Lists files, and remembers what was in them while they stay the same.
#[derive(Debug, Default)]
pub struct Archive {
    seen: Mutex<HashMap<PathBuf, Seen>>,
    /// How many read each file right now.
    read: Mutex<HashMap<PathBuf, usize>>,
    rewritten: rewritten::Rewritten,
}

/// Keeps a file from being deleted while somebody reads it.
#[derive(Debug)]
pub struct Reading {
    archive: Arc<Archive>,
    file: PathBuf,
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut read = self.archive.read.lock();
        if let Some(count) = read.get_mut(&self.file) {
            *count -= 1;
        }
        read.retain(|_, count| *count > 0);
    }
}

#[derive(Debug, Clone)]
struct Seen {
    bytes: u64,
    changed: SystemTime,
    contents: Contents,
}

impl Archive {
    /// Takes note that somebody reads a file, until what is given is dropped.
    #[must_use]
    pub fn reading(self: &Arc<Self>, file: &Path) -> Reading {
        *self.read.lock().entry(file.to_owned()).or_default() += 1;
        Reading {
            archive: Arc::clone(self),
            file: file.to_owned(),
        }
    }

    /// Says whether somebody reads a file.
    #[must_use]
    pub fn is_read(&self, file: &Path) -> bool {
        self.read.lock().contains_key(file)
    }

    /// Deletes a file, unless somebody reads it by then; and the folders that are empty without it, up to `folder`.
    ///
    /// # Errors
    /// When the disk does not let it.
    fn delete(&self, file: &Path, folder: &Path) -> io::Result<bool> {
        // Under the lock: nobody begins to read it meanwhile.
        let read = self.read.lock();
        if read.contains_key(file) {
            return Ok(false);
        }
        fs::remove_file(file)?;
        drop(read);
        let parents = file.ancestors().skip(1);
        for parent in parents.take_while(|parent| *parent != folder && parent.starts_with(folder)) {
            // One that is not empty stays.
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
        Ok(true)
    }

    /// Lists the files of a path, in order of their starts. Reads each file's head if it is new or has changed; blocks as long as
    /// the disk does.
    ///
    /// # Errors
    /// When a folder that is there cannot be read. One that is not there holds no files.
    pub fn list(&self, path: &str, spec: &RecordSpec) -> io::Result<Vec<Recording>> {
        let folder = PathBuf::from(spec.location.folder(path));
        let mut files = Vec::new();
        match walk(&folder, DEPTH, &mut files) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            walked => walked?,
        }
        let known: HashSet<_> = files.iter().cloned().collect();
        let mut found: Vec<_> = files
            .into_iter()
            .filter_map(|file| self.recording(path, spec, &folder, file))
            .collect();
        found.sort_by(|one, two| (one.start, &one.name).cmp(&(two.start, &two.name)));
        let stays = |file: &PathBuf| !file.starts_with(&folder) || known.contains(file);
        self.seen.lock().retain(|file, _| stays(file));
        Ok(found)
    }

    /// Describes a file, unless it is another's, or has gone meanwhile.
    fn recording(
        &self,
        path: &str,
        spec: &RecordSpec,
        folder: &Path,
        file: PathBuf,
    ) -> Option<Recording> {
        let text = file.to_str()?;
        let named = named(text)?;
        let start = spec.location.start(path, named.name, local_offset)?;
        let metadata = fs::metadata(&file).ok()?;
        let (bytes, changed) = (metadata.len(), metadata.modified().ok()?);
        let contents = self.contents(&file, named.container, bytes, changed);
        // What says nothing of its length is as long as it was written.
        let written = || {
            let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
            changed.saturating_sub(start)
        };
        let end = start + contents.duration.unwrap_or_else(written);
        Some(Recording {
            name: file.strip_prefix(folder).ok()?.to_str()?.to_owned(),
            container: named.container,
            state: named.state,
            start,
            end,
            bytes,
            contents,
            file,
        })
    }

    fn contents(
        &self,
        file: &Path,
        container: Container,
        bytes: u64,
        changed: SystemTime,
    ) -> Contents {
        let before = self.seen.lock().get(file).cloned();
        if let Some(before) = before.filter(|one| (one.bytes, one.changed) == (bytes, changed)) {
            return before.contents;
        }
        let read = || -> io::Result<Contents> {
            let mut file = File::open(file)?;
            contents(container, bytes, |at, len| read_at(&mut file, at, len))
        };
        // One that cannot be read is listed all the same, with what its name says.
        let contents = read().unwrap_or_else(|error| {
            tracing::debug!(file = %file.display(), %error, "could not be read");
            Contents::default()
        });
        let seen = Seen {
            bytes,
            changed,
            contents: contents.clone(),
        };
        self.seen.lock().insert(file.to_owned(), seen);
        contents
    }
}

/// Reads up to `len` bytes; fewer only at the end of the file.
fn read_at(file: &mut File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(len as u64).read_to_end(&mut data)?;
    Ok(data)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            found.push(entry.path());
        } else if depth > 0 {
            match walk(&entry.path(), depth - 1, found) {
                // Retention takes empty folders away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                walked => walked?,
            }
        }
    }
    Ok(())
}
