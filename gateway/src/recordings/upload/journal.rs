//! The file that remembers what the target has.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One line for each file that was found to be there, added as soon as it is.
#[derive(Debug)]
pub(super) struct Journal {
    file: PathBuf,
    target: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    to: String,
    file: PathBuf,
    bytes: u64,
}

impl Journal {
    /// Reads it, and gives the files that this target has. Lines of files that are gone, or that went elsewhere, are left out of it.
    pub(super) fn open(file: &Path, target: &str) -> (Self, Vec<PathBuf>) {
        let journal = Self {
            file: file.to_owned(),
            target: target.to_owned(),
        };
        let (lines, all) = read(file, target);
        if lines.len() < all
            && let Err(error) = journal.rewrite(&lines)
        {
            tracing::debug!(file = %file.display(), %error, "was not made shorter");
        }
        (journal, lines.into_iter().map(|line| line.file).collect())
    }

    /// Gives the files that a target has, and leaves the journal as it is.
    pub(super) fn known(file: &Path, target: &str) -> Vec<PathBuf> {
        let (lines, _) = read(file, target);
        lines.into_iter().map(|line| line.file).collect()
    }

    /// Adds a file; it is on the disk when this returns.
    pub(super) fn add(&self, file: &Path, bytes: u64) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut journal = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.file)?;
        journal.write_all(&self.line(file, bytes)?)?;
        journal.sync_data()
    }

    fn line(&self, file: &Path, bytes: u64) -> io::Result<Vec<u8>> {
        let line = Line {
            to: self.target.clone(),
            file: file.to_owned(),
            bytes,
        };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        Ok(line)
    }

    fn rewrite(&self, known: &[Line]) -> io::Result<()> {
        let beside = self.file.with_extension("new");
        let mut journal = File::create(&beside)?;
        for line in known {
            journal.write_all(&self.line(&line.file, line.bytes)?)?;
        }
        journal.sync_all()?;
        fs::rename(&beside, &self.file)
    }
}

/// Gives the lines that hold, and how many there are. A journal that cannot be read is as good as none: the target is asked for each
/// file before it is sent.
fn read(file: &Path, target: &str) -> (Vec<Line>, usize) {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "cannot be read; the target is asked instead");
            String::new()
        }
    };
    // The last line may have been cut short by a crash.
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok())
        .filter(|line| line.to == target && is_there(line));
    (lines.collect(), text.lines().count())
}

fn is_there(line: &Line) -> bool {
    fs::metadata(&line.file).is_ok_and(|file| file.len() == line.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_what_is_there_and_went_to_this_target() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two, gone] = ["one", "two", "gone"].map(|name| dir.path().join(name));
        fs::write(&one, "1").unwrap();
        fs::write(&two, "22").unwrap();
        let file = dir.path().join("deeper/.uploaded");
        let (journal, known) = Journal::open(&file, "s3://a");
        assert!(known.is_empty());
        journal.add(&one, 1).unwrap();
        // It was another file then.
        journal.add(&two, 1).unwrap();
        journal.add(&gone, 1).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        // A crash while a line is written.
        fs::write(&file, format!("{text}{{\"to\":\"s3://a")).unwrap();
        assert_eq!(Journal::open(&file, "s3://a").1, std::slice::from_ref(&one));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
        assert!(Journal::open(&file, "s3://b").1.is_empty());
        fs::remove_file(&one).unwrap();
        assert!(Journal::open(&file, "s3://a").1.is_empty());
    }
}
