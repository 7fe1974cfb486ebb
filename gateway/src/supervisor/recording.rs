//! Recordings that are started and stopped, and what people should hear of them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_core::id::RouteId;
use sluice_core::problem::Problem;
use sluice_pipelines::{Event, RecordStatus, Recorder};

use super::path::Wish;

/// A file is finished within this time, or its disk has trouble.
const PATIENCE: Duration = Duration::from_secs(5);

/// The file that remembers what the API has asked of one path, over a restart. A disk that hangs is not waited for.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    file: PathBuf,
}

impl Memory {
    /// Makes it for a path; `folder` is that of the recordings.
    pub(super) fn new(folder: &Path, path: &RouteId) -> Self {
        Self {
            file: folder.join(".asked").join(path.as_str()),
        }
    }

    /// Gives what was asked.
    pub(super) async fn recall(&self) -> Option<Wish> {
        let memory = self.clone();
        let recalled = tokio::task::spawn_blocking(move || memory.read(SystemTime::now()));
        tokio::time::timeout(PATIENCE, recalled).await.ok()?.ok()?
    }

    /// Remembers it; `usual` is what the config says by itself, which need not be remembered.
    pub(super) async fn keep(&self, wish: Wish, usual: Wish) {
        let memory = self.clone();
        let kept = tokio::task::spawn_blocking(move || {
            memory.replace((wish != usual).then_some(wish), SystemTime::now())
        });
        let error = match tokio::time::timeout(PATIENCE, kept).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "the disk is slow".to_owned(),
        };
        tracing::warn!(file = %self.file.display(), error, "a restart will not know what was asked");
    }

    /// Says what was asked, unless its time is over. A file that says nothing of that kind is as good as none.
    fn read(&self, now: SystemTime) -> Option<Wish> {
        match fs::read_to_string(&self.file).ok()?.trim() {
            "start" => Some(Wish::Start),
            "stop" => Some(Wish::Stop),
            until => {
                let until = Duration::from_secs(until.parse().ok()?);
                let left = until.checked_sub(now.duration_since(UNIX_EPOCH).ok()?)?;
                Some(Wish::For(left))
            }
        }
    }

    fn replace(&self, wish: Option<Wish>, now: SystemTime) -> io::Result<()> {
        match wish {
            Some(wish) => self.write(wish, now),
            None => match fs::remove_file(&self.file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Err(_) | Ok(()) => Ok(()),
            },
        }
    }

    fn write(&self, wish: Wish, now: SystemTime) -> io::Result<()> {
        let text = match wish {
            Wish::Start => "start".to_owned(),
            Wish::Stop => "stop".to_owned(),
            Wish::For(span) => {
                let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                now.saturating_add(span).as_secs().to_string()
            }
        };
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        // Whole, or not at all: no path's name has a dot.
        let beside = self.file.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.file)
    }
}

/// Says why nobody can start a path's recording.
pub(super) fn not_configured() -> Problem {
    Problem::new(
        409,
        "The config does not say how this path is recorded; add `record: {when: asked}` to it.",
    )
}

/// Starts or ends a recording of a route that runs.
pub(super) async fn switch(recorder: Recorder, on: bool) -> Result<(), Problem> {
    // Elements are made, or a file is finished: not in an async thread.
    let done = tokio::task::spawn_blocking(move || {
        if on {
            recorder.start()
        } else {
            recorder.stop();
            Ok(())
        }
    });
    let Ok(done) = tokio::time::timeout(PATIENCE, done).await else {
        // The path must not wait with its disk: viewers come meanwhile.
        return Err(Problem::new(
            503,
            "The disk is slow: the recording ends as soon as it has taken all of it.",
        ));
    };
    match done {
        Ok(done) => done.map_err(|error| Problem::new(500, format!("{error}."))),
        Err(_panicked) => Err(Problem::new(500, "The recorder failed; its log says why.")),
    }
}

/// Describes a recorder as the API does.
pub(super) fn describe(status: &RecordStatus) -> serde_json::Value {
    serde_json::json!({
        "state": status.state,
        "reason": status.reason,
        "file": status.file,
        "left_out": status.left_out,
        "frames": status.frames,
        "bytes": status.bytes,
        "dropped": status.dropped,
        "segments": status.segments,
    })
}

/// Logs what a recorder tells; nothing for other events.
pub(super) fn log(event: &Event) {
    match event {
        Event::Recording {
            state,
            reason,
            left_out,
        } => {
            for why in left_out {
                tracing::warn!(%why, "a track is not recorded");
            }
            match (state.as_str(), reason) {
                ("recording", _) => tracing::info!("recording"),
                ("dropping", Some(reason)) => tracing::warn!(%reason, "not all is recorded"),
                ("failed", Some(reason)) => tracing::error!(%reason, "not recorded"),
                _ => {}
            }
        }
        Event::Recorded { file, bytes } => tracing::debug!(file, bytes, "file finished"),
        Event::Repaired {
            file,
            playable: true,
        } => {
            tracing::info!(file, "a file that was not finished can be played again");
        }
        Event::Repaired {
            file,
            playable: false,
        } => {
            tracing::warn!(file, "a file that was not finished cannot be played");
        }
        Event::Changed
        | Event::Skipped { .. }
        | Event::Forward { .. }
        | Event::Warned { .. }
        | Event::Broken { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_is_remembered_until_its_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path(), &"door".parse().unwrap());
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(memory.read(now), None);
        let keep = |wish| memory.replace(wish, now).unwrap();
        keep(Some(Wish::Start));
        assert_eq!(memory.read(now), Some(Wish::Start));
        keep(Some(Wish::For(Duration::from_secs(30))));
        let later = now + Duration::from_secs(10);
        assert_eq!(memory.read(later), Some(Wish::For(Duration::from_secs(20))));
        assert_eq!(memory.read(now + Duration::from_secs(31)), None);
        keep(Some(Wish::Stop));
        assert_eq!(memory.read(now), Some(Wish::Stop));
        keep(None);
        keep(None);
        assert_eq!(memory.read(now), None);
        assert_eq!(fs::read_dir(dir.path().join(".asked")).unwrap().count(), 0);
    }
}
