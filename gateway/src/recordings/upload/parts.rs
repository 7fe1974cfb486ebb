//! Large files go in parts. What was begun is written down, so that nothing of it stays there for ever: parts cost money.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Key;
use object_store::{Error, MultipartId, PutPayload};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sluice_core::record::Finished;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// So many parts are under way at once.
const AT_ONCE: usize = 2;

/// The uploads in parts that were begun and have not ended, in a file.
#[derive(Debug)]
pub(super) struct Begun {
    file: PathBuf,
    target: String,
    lines: Mutex<Vec<Line>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    to: String,
    key: String,
    id: MultipartId,
}

/// Why a file did not get there.
#[derive(Debug)]
pub(super) enum Failure {
    /// The disk here.
    Disk(io::Error),
    /// The target, or the way to it.
    Target(Error),
}

impl Begun {
    /// Reads what an earlier run left, for this target and for others.
    pub(super) fn open(file: PathBuf, target: &str) -> Self {
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "parts of an earlier run may stay at the target");
                String::new()
            }
        };
        let lines = text.lines().map(serde_json::from_str::<Line>);
        Self {
            lines: Mutex::new(lines.filter_map(Result::ok).collect()),
            target: target.to_owned(),
            file,
        }
    }

    fn mine(&self) -> Vec<Line> {
        let lines = self.lines.lock();
        let mine = lines.iter().filter(|line| line.to == self.target);
        mine.cloned().collect()
    }

    /// Adds one; it is on the disk when this returns.
    fn add(&self, line: Line) -> io::Result<()> {
        let mut lines = self.lines.lock();
        lines.push(line);
        self.write(&lines)
    }

    fn remove(&self, line: &Line) {
        let mut lines = self.lines.lock();
        lines.retain(|other| other != line);
        if let Err(error) = self.write(&lines) {
            // The target is asked to forget once more what it has forgotten.
            tracing::debug!(file = %self.file.display(), %error, "was not made shorter");
        }
    }

    fn write(&self, lines: &[Line]) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut beside = self.file.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let mut file = File::create(&beside)?;
        for line in lines {
            serde_json::to_writer(&mut file, line)?;
            file.write_all(b"\n")?;
        }
        file.sync_all()?;
        fs::rename(&beside, &self.file)
    }

    /// Lets the target forget what was begun and did not end; what it does not answer to is asked again later.
    pub(super) async fn give_up_all(&self, store: &dyn MultipartStore) {
        for line in self.mine() {
            self.give_up(store, &line).await;
        }
    }

    async fn give_up(&self, store: &dyn MultipartStore, line: &Line) {
        let key = Key::from(line.key.as_str());
        match store.abort_multipart(&key, &line.id).await {
            // It has ended, or the server has given it up by itself.
            Ok(()) | Err(Error::NotFound { .. }) => {
                tracing::debug!(%key, "the parts of what did not end are gone");
                self.remove(line);
            }
            Err(error) => tracing::debug!(%key, %error, "parts are left"),
        }
    }
}

/// Brings a file there in parts of this size, or leaves nothing of it. Gives the tag of the whole.
pub(super) async fn put(
    store: &dyn MultipartStore,
    begun: &Begun,
    key: &Key,
    one: &Finished,
    part: usize,
) -> Result<Option<String>, Failure> {
    let id = store.create_multipart(key).await.map_err(Failure::Target)?;
    let line = Line {
        to: begun.target.clone(),
        key: key.to_string(),
        id,
    };
    let sent = match begun.add(line.clone()) {
        Ok(()) => send(store, key, &line.id, one, part).await,
        Err(error) => Err(Failure::Disk(error)),
    };
    match &sent {
        Ok(_) => begun.remove(&line),
        Err(_) => begun.give_up(store, &line).await,
    }
    sent
}

async fn send(
    store: &dyn MultipartStore,
    key: &Key,
    id: &MultipartId,
    one: &Finished,
    part: usize,
) -> Result<Option<String>, Failure> {
    let size = part as u64;
    let count = one.bytes.div_ceil(size.max(1));
    let sent = (0..count).map(|number| async move {
        let at = number * size;
        let bytes = size.min(one.bytes - at);
        let data = read(&one.file, at, bytes).await.map_err(Failure::Disk)?;
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let put = store.put_part(key, id, place, PutPayload::from(data));
        put.await.map_err(Failure::Target)
    });
    let parts: Vec<PartId> = futures::stream::iter(sent)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let whole = store.complete_multipart(key, id, parts).await;
    Ok(whole.map_err(Failure::Target)?.e_tag)
}

/// Reads all of these bytes.
async fn read(file: &Path, at: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut file = tokio::fs::File::open(file).await?;
    file.seek(io::SeekFrom::Start(at)).await?;
    let mut data = vec![0; usize::try_from(bytes).unwrap_or_default()];
    file.read_exact(&mut data).await?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;

    use super::*;

    fn finished(file: PathBuf, bytes: u64) -> Finished {
        Finished {
            path: "cam".to_owned(),
            key: "cam/a.mp4".to_owned(),
            file,
            bytes,
            start: std::time::Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn parts_come_together_in_their_order_and_nothing_is_left_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.mp4");
        let data: Vec<u8> = (0..2500u16).map(|byte| byte.to_be_bytes()[1]).collect();
        fs::write(&file, &data).unwrap();
        let begun = Begun::open(dir.path().join(".uploading"), "s3://a");
        let (store, key) = (InMemory::new(), Key::from("cam/a.mp4"));
        let one = finished(file, 2500);
        put(&store, &begun, &key, &one, 1000).await.unwrap();
        let there = store.get(&key).await.unwrap().bytes().await.unwrap();
        assert!(there == data);
        assert_eq!(fs::read(dir.path().join(".uploading")).unwrap(), b"");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_to_its_end_leaves_no_parts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.mp4");
        fs::write(&file, [1; 1500]).unwrap();
        let begun = Begun::open(dir.path().join(".uploading"), "s3://a");
        let (store, key) = (InMemory::new(), Key::from("cam/a.mp4"));
        let one = finished(file, 2500);
        let failed = put(&store, &begun, &key, &one, 1000).await.unwrap_err();
        assert!(matches!(failed, Failure::Disk(_)), "{failed:?}");
        assert!(begun.mine().is_empty());
        assert!(store.head(&key).await.is_err());
    }

    #[tokio::test]
    async fn what_an_earlier_run_began_is_given_up_where_it_went() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deeper/.uploading");
        let (store, key) = (InMemory::new(), Key::from("cam/a.mp4"));
        let id = store.create_multipart(&key).await.unwrap();
        let line = |to: &str| Line {
            to: to.to_owned(),
            key: key.to_string(),
            id: id.clone(),
        };
        let begun = Begun::open(file.clone(), "s3://a");
        begun.add(line("s3://b")).unwrap();
        begun.add(line("s3://a")).unwrap();
        drop(begun);

        let begun = Begun::open(file.clone(), "s3://a");
        begun.give_up_all(&store).await;
        assert!(store.put_part(&key, &id, 0, "x".into()).await.is_err());
        assert_eq!(Begun::open(file, "s3://b").mine(), [line("s3://b")]);
        assert!(begun.mine().is_empty());
    }
}
