//! Brings finished files to a bucket or another folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use sluice_core::record::files::FileState;
use sluice_core::record::{Backlog, Counts, Finished};
use sluice_pipelines::RecordSpec;
use tokio_util::sync::CancellationToken;

use self::journal::Journal;
use self::parts::Begun;
use self::store::Store;
use super::{Archive, Recording};
use crate::config::{Config, UploadConfig};
use crate::supervisor::metrics::Figure;

mod journal;
mod parts;
mod store;

/// How often it is looked for finished files.
const EACH: Duration = Duration::from_secs(5);

/// Says what is wrong with a target as far as it can be known without asking it. A folder may come and go.
///
/// # Errors
/// The end of a sentence that begins with the target's key.
pub fn check(config: &UploadConfig) -> Result<(), String> {
    if matches!(config.target, crate::config::Target::Folder(_)) {
        return Ok(());
    }
    let built = store::build(config);
    built.map(drop).map_err(|error| {
        let text = error.to_string();
        let why = text
            .split_once("error: ")
            .map_or(text.as_str(), |(_, why)| why);
        format!("cannot be used: {why}")
    })
}

/// Gives the files that a target is known to have.
#[must_use]
pub fn remembered(config: &UploadConfig) -> Vec<PathBuf> {
    Journal::known(&config.journal, &config.to_string())
}

/// The files of all recorded paths on their way to one target.
#[derive(Debug)]
pub struct Uploads {
    config: UploadConfig,
    paths: Vec<(String, RecordSpec)>,
    archive: Arc<Archive>,
    journal: Journal,
    begun: Begun,
    // Lock order: each is taken alone.
    backlog: Mutex<Backlog>,
    store: Mutex<Option<Store>>,
    /// The file that is on its way.
    current: Mutex<Option<String>>,
}

impl Uploads {
    /// Reads what the target has by the journal; `None` if nothing is uploaded. Blocks as long as the disk does.
    #[must_use]
    pub fn open(config: &Config, archive: &Arc<Archive>) -> Option<Arc<Self>> {
        let upload = config.upload.clone()?;
        let (journal, known) = Journal::open(&upload.journal, &upload.to_string());
        let beside = upload.journal.with_file_name(".uploading");
        let begun = Begun::open(beside, &upload.to_string());
        let paths = config.paths.iter().filter_map(|(path, config)| {
            let spec = config.spec.record.clone()?;
            Some((path.as_str().to_owned(), spec))
        });
        Some(Arc::new(Self {
            config: upload,
            paths: paths.collect(),
            archive: Arc::clone(archive),
            journal,
            begun,
            backlog: Mutex::new(Backlog::new(known)),
            store: Mutex::default(),
            current: Mutex::default(),
        }))
    }

    /// Uploads what is finished until `stop`. What is under way then begins anew at the next start.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        if stop.run_until_cancelled(self.probe()).await.is_none() {
            return;
        }
        loop {
            let this = Arc::clone(&self);
            if tokio::task::spawn_blocking(move || this.scan())
                .await
                .is_err()
            {
                tracing::error!("finished recordings could not be listed");
            }
            let scanned = Instant::now();
            while scanned.elapsed() < EACH
                && let Some(next) = self.next()
            {
                if stop.run_until_cancelled(self.upload(&next)).await.is_none() {
                    return;
                }
            }
            let due = self.backlog.lock().poll_timeout();
            let rest = EACH.saturating_sub(scanned.elapsed());
            let wait = due.map_or(rest, |due| {
                rest.min(due.saturating_duration_since(Instant::now()))
            });
            if stop
                .run_until_cancelled(tokio::time::sleep(wait))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    fn next(&self) -> Option<Finished> {
        self.backlog.lock().next(Instant::now()).cloned()
    }

    /// Says whether a file waits, and no rule may delete it.
    #[must_use]
    pub fn protects(&self, one: &Recording) -> bool {
        is_finished(one) && !self.config.delete_waiting && !self.has(&one.file)
    }

    /// Says whether the target has a file.
    #[must_use]
    pub fn has(&self, file: &Path) -> bool {
        self.backlog.lock().has(file)
    }

    /// Describes it as the API does.
    #[must_use]
    pub fn describe(&self) -> Value {
        let current = self.current.lock().clone();
        let reason = self.backlog.lock().reason().map(str::to_owned);
        let state = match (&current, &reason) {
            (_, Some(_)) => "failed",
            (Some(_), None) => "uploading",
            (None, None) => "idle",
        };
        json!({"to": self.config.to_string(), "state": state, "reason": reason, "file": current})
    }

    /// Describes what became of the files of a path.
    #[must_use]
    pub fn describe_path(&self, path: &str) -> Value {
        let Counts {
            waiting,
            waiting_bytes,
            uploaded,
            uploaded_bytes,
            failures,
        } = self.backlog.lock().counts(path);
        json!({
            "waiting": waiting, "waiting_bytes": waiting_bytes,
            "uploaded": uploaded, "uploaded_bytes": uploaded_bytes,
            "failures": failures,
        })
    }

    /// Gives what `/metrics` shows.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let of_path = |(path, _): &(String, RecordSpec)| {
            let counts = self.backlog.lock().counts(path);
            let path = path.clone();
            [
                ("sluice_upload_waiting_files", counts.waiting),
                ("sluice_upload_waiting_bytes", counts.waiting_bytes),
                ("sluice_uploaded_files_total", counts.uploaded),
                ("sluice_uploaded_bytes_total", counts.uploaded_bytes),
                ("sluice_upload_failures_total", counts.failures),
            ]
            .map(move |(name, value)| Figure {
                name,
                labels: vec![("path", path.clone())],
                value,
            })
        };
        self.paths.iter().flat_map(of_path).collect()
    }

    /// Gives what reaches the target, made at the first time that it can be.
    fn store(&self) -> Result<Store, String> {
        let mut store = self.store.lock();
        if let Some(store) = store.as_ref() {
            return Ok(store.clone());
        }
        let built =
            store::build(&self.config).map_err(|error| store::said(&error, &self.config))?;
        Ok(store.insert(built).clone())
    }

    async fn probe(&self) {
        let probed = match self.store() {
            Ok(store) => {
                self.give_up_begun(&store).await;
                store::probe(&*store.objects, &self.config).await
            }
            Err(reason) => Err(reason),
        };
        match probed {
            Ok(()) => tracing::info!(to = %self.config, "finished recordings are uploaded"),
            Err(reason) => {
                tracing::error!(%reason, "recordings cannot be uploaded");
                self.backlog.lock().on_trouble(reason);
            }
        }
    }

    /// Lets the target forget what a crash or its own failure left half done.
    async fn give_up_begun(&self, store: &Store) {
        if let Some(parts) = &store.parts {
            self.begun.give_up_all(&**parts).await;
        }
    }

    /// Looks for finished files, and deletes those that are there and here where that is wanted.
    fn scan(&self) {
        let mut finished = Vec::new();
        for (path, spec) in &self.paths {
            let list = match self.archive.list(path, spec) {
                Ok(list) => list,
                Err(error) => {
                    tracing::warn!(%path, %error, "recordings cannot be listed");
                    continue;
                }
            };
            let folder = spec.location.folder(path);
            for one in list.into_iter().filter(is_finished) {
                if self.config.delete_local && self.has(&one.file) {
                    self.delete(&one.file, Path::new(&folder));
                    continue;
                }
                finished.push(Finished {
                    path: path.clone(),
                    key: format!("{path}/{}", one.name),
                    file: one.file,
                    bytes: one.bytes,
                    start: one.start,
                });
            }
        }
        self.backlog.lock().on_list(finished);
    }

    async fn upload(&self, one: &Finished) {
        // Nobody deletes it meanwhile.
        let reading = self.archive.reading(&one.file);
        *self.current.lock() = Some(one.file.display().to_string());
        let done = match self.store() {
            Ok(store) => {
                self.give_up_begun(&store).await;
                store::put(&store, &self.config, &self.begun, one).await
            }
            Err(reason) => Err(reason),
        };
        *self.current.lock() = None;
        drop(reading);
        match done {
            Ok(sent) => {
                tracing::debug!(file = %one.file.display(), sent, "uploaded");
                if let Err(error) = self.journal.add(&one.file, one.bytes) {
                    // The target is asked at the next start.
                    tracing::warn!(file = %one.file.display(), %error, "uploaded, but not written down");
                }
                self.backlog.lock().on_uploaded(one, sent);
                let spec = self.paths.iter().find(|(path, _)| *path == one.path);
                if let Some((path, spec)) = spec.filter(|_| self.config.delete_local) {
                    self.delete(&one.file, Path::new(&spec.location.folder(path)));
                }
            }
            Err(_) if !one.file.exists() => {
                tracing::debug!(file = %one.file.display(), "gone before it was uploaded");
                self.backlog.lock().on_gone(one);
            }
            Err(reason) => {
                let wait = self
                    .backlog
                    .lock()
                    .on_failed(one, reason.clone(), Instant::now());
                tracing::warn!(file = %one.file.display(), %reason, ?wait, "not uploaded");
            }
        }
    }

    fn delete(&self, file: &Path, folder: &Path) {
        match self.archive.delete(file, folder) {
            Ok(true) => tracing::debug!(file = %file.display(), "uploaded, and deleted here"),
            // Somebody reads it; later, then.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "uploaded, but not deleted here")
            }
        }
    }
}

/// Says whether a file goes there: what is broken or still written stays here.
#[must_use]
pub fn is_finished(one: &Recording) -> bool {
    matches!(one.state, FileState::Whole | FileState::Repaired)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_folder_gets_each_file_once_and_a_later_start_knows() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("rec"), dir.path().join("nas"));
        let text = format!(
            "record: {{dir: {}, upload: {{to: {}}}}}\npaths: {{cam: {{source: 'test:', record: true}}}}\n",
            from.display(),
            to.display()
        );
        let config = Config::parse("sluice.yaml", &text, &[]).unwrap();
        let archive = Arc::new(Archive::default());
        let open = || Uploads::open(&config, &archive).unwrap();
        fs::create_dir_all(from.join("cam")).unwrap();
        let large = "2026-01-01T00-00-00-000000Z.mp4";
        fs::write(from.join("cam").join(large), vec![1; 9_000_000]).unwrap();
        fs::write(from.join("cam/2026-01-02T00-00-00-000000Z.mp4.part"), "1").unwrap();

        let uploads = open();
        uploads.scan();
        let one = uploads.next().unwrap();
        uploads.upload(&one).await;
        // The folder is made by who mounts a disk there.
        let state = uploads.describe();
        assert_eq!(state["state"], "failed", "{state}");
        assert!(
            state["reason"]
                .as_str()
                .unwrap()
                .starts_with(to.to_str().unwrap()),
            "{state}"
        );
        fs::create_dir(&to).unwrap();
        uploads.upload(&one).await;
        assert_eq!(
            uploads.describe()["state"],
            "idle",
            "{}",
            uploads.describe()
        );
        assert_eq!(
            fs::metadata(to.join("cam").join(large)).unwrap().len(),
            9_000_000
        );
        let path = uploads.describe_path("cam");
        assert_eq!(
            (&path["waiting"], &path["uploaded"]),
            (&json!(0), &json!(1))
        );

        let later = open();
        later.scan();
        assert!(later.has(&one.file) && later.next().is_none());
        // Without what it remembers, it asks the folder.
        fs::remove_file(from.join(".uploaded")).unwrap();
        let later = open();
        later.scan();
        later.upload(&later.next().unwrap()).await;
        assert_eq!(later.describe_path("cam")["uploaded"], 0);
        assert!(later.has(&one.file));
    }
}
