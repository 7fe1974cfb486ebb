//! Recordings that are no MP4 in fragments, rewritten as such for who cuts them: in a file of their own for a while.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use sluice_core::record::Container;
use sluice_core::record::files::FileState;

use super::assembly::{CutError, Opened};
use super::{Archive, Recording};

/// Players ask for parts of one clip, one after the other.
const KEPT: Duration = Duration::from_mins(1);
/// So many are kept at once.
const MOST: usize = 8;
/// All files of one clip together, in bytes: what is put into the temporary folder at once.
pub(super) const MOST_BYTES: u64 = 4_000_000_000;

/// Those of the last minute.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    files: Mutex<Vec<One>>,
    /// One at a time is made.
    turn: Mutex<()>,
}

#[derive(Debug)]
struct One {
    file: PathBuf,
    bytes: u64,
    changed: SystemTime,
    opened: Arc<Opened>,
    used: Instant,
}

impl Rewritten {
    /// Lets go of what nobody has asked for in the last minute.
    pub(super) fn forget(&self, now: Instant) {
        let recent = |one: &One| now.saturating_duration_since(one.used) < KEPT;
        self.files.lock().retain(recent);
    }

    fn find(&self, one: &Recording, changed: SystemTime) -> Option<Arc<Opened>> {
        let mut files = self.files.lock();
        let same = |known: &&mut One| {
            known.file == one.file && known.bytes == one.bytes && known.changed == changed
        };
        let known = files.iter_mut().find(same)?;
        known.used = Instant::now();
        Some(Arc::clone(&known.opened))
    }

    fn keep(&self, one: One) {
        let mut files = self.files.lock();
        files.retain(|known| known.file != one.file);
        files.push(one);
        let old = files.len().saturating_sub(MOST);
        files.drain(..old);
    }
}

impl Archive {
    /// Gives a recording as MP4 in fragments. Blocks while it is rewritten.
    pub(super) fn rewritten(self: &Arc<Self>, one: &Recording) -> Result<Arc<Opened>, CutError> {
        let why = |why: String| CutError::Format {
            name: one.name.clone(),
            why,
        };
        if one.container == Container::FragmentedMp4 && one.state == FileState::Open {
            return Err(why("is being written, and MP4 that is not in fragments cannot be read before it is whole".to_owned()));
        }
        let takes = Container::FragmentedMp4.codecs();
        let alien = one
            .contents
            .tracks
            .iter()
            .find(|codec| !takes.contains(codec));
        if let Some(codec) = alien {
            return Err(why(format!("has {codec}, which does not go into MP4")));
        }
        let _turn = self.rewritten.turn.lock();
        let changed = fs::metadata(&one.file)?.modified()?;
        if let Some(known) = self.rewritten.find(one, changed) {
            return Ok(known);
        }
        let folder = tempfile::Builder::new().prefix("sluice-cut-").tempdir()?;
        let made = sluice_pipelines::rewrite(&one.file, folder.path());
        let made = made.map_err(|error| why(format!("cannot be rewritten: {error}")))?;
        // It has no name any more when this returns: nothing of it is left after a crash either.
        let opened = Arc::new(Opened::of(File::open(made)?, self.reading(&one.file)));
        self.rewritten.keep(One {
            file: one.file.clone(),
            bytes: one.bytes,
            changed,
            opened: Arc::clone(&opened),
            used: Instant::now(),
        });
        Ok(opened)
    }
}

/// Refuses what is too much for the temporary folder.
pub(super) fn check(bytes: u64) -> Result<(), CutError> {
    if bytes > MOST_BYTES {
        return Err(CutError::TooMuch);
    }
    Ok(())
}
