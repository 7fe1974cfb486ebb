//! The target: how it is reached, how a file gets there, and what its errors mean.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;
use object_store::{
    ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig, WriteMultipart,
};
use sluice_core::record::Finished;
use sluice_core::redact::redact;
use tokio::io::AsyncReadExt as _;

use super::parts::{self, Begun, Failure};
use crate::config::{Target, UploadConfig};

/// Larger files go in parts of this size; S3 takes none below 5 MiB but the last.
const PART: usize = 8 * 1024 * 1024;
/// S3 takes 10,000 parts.
const MOST_PARTS: u64 = 9_000;
/// So many parts are under way at once, where the target counts them itself.
const AT_ONCE: usize = 2;
/// One part within this time: half a megabit per second.
const PATIENCE: Duration = Duration::from_mins(2);
const CONNECT: Duration = Duration::from_secs(10);

/// What the files are, for who fetches them from there.
const TYPES: &[(&str, &str)] = &[
    ("mp4", "video/mp4"),
    ("mkv", "video/x-matroska"),
    ("webm", "video/webm"),
    ("ts", "video/mp2t"),
];

/// What reaches a target.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Where uploads in parts have a name, by which they can be given up later.
    pub(super) parts: Option<Arc<dyn MultipartStore>>,
}

impl Store {
    fn with_parts<S: ObjectStore + MultipartStore>(store: S) -> Self {
        let store = Arc::new(store);
        Self {
            objects: Arc::<S>::clone(&store),
            parts: Some(store),
        }
    }

    fn plain(store: impl ObjectStore) -> Self {
        Self {
            objects: Arc::new(store),
            parts: None,
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.objects.fmt(f)
    }
}

/// Makes what reaches a target. Asks nobody.
pub(super) fn build(config: &UploadConfig) -> Result<Store, Error> {
    // Attempts are ours, so that what goes wrong is said after the first.
    let retry = RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    };
    let endpoint = config
        .endpoint
        .as_ref()
        .map(|url| url.as_str().trim_end_matches('/').to_owned());
    let plain = config
        .endpoint
        .as_ref()
        .is_some_and(|url| url.scheme() == "http");
    let mut client = ClientOptions::new()
        .with_allow_http(plain)
        .with_timeout(PATIENCE)
        .with_connect_timeout(CONNECT);
    for (ending, kind) in TYPES {
        client = client.with_content_type_for_suffix(*ending, *kind);
    }
    match &config.target {
        Target::S3(bucket) => {
            // The server compares what it got with this sum, and takes nothing else.
            let mut s3 = AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .with_checksum_algorithm(Checksum::SHA256)
                .with_client_options(client)
                .with_retry(retry);
            if let Some(endpoint) = endpoint {
                s3 = s3.with_endpoint(endpoint);
            }
            if let Some(region) = &config.region {
                s3 = s3.with_region(region);
            }
            if let (Some(key), Some(secret)) = (&config.key, &config.secret) {
                s3 = s3
                    .with_access_key_id(key)
                    .with_secret_access_key(secret.reveal());
            }
            Ok(Store::with_parts(s3.build()?))
        }
        Target::Gcs(bucket) => {
            let mut gcs = GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(bucket)
                .with_client_options(client)
                .with_retry(retry);
            if let Some(endpoint) = endpoint {
                gcs = gcs.with_base_url(&endpoint);
            }
            if let Some(file) = &config.account_file {
                gcs = gcs.with_service_account_path(file.to_string_lossy());
            }
            Ok(Store::with_parts(gcs.build()?))
        }
        Target::Azure(container) => {
            let mut azure = MicrosoftAzureBuilder::from_env()
                .with_container_name(container)
                .with_client_options(client)
                .with_retry(retry);
            if let Some(endpoint) = endpoint {
                azure = azure.with_endpoint(endpoint);
            }
            if let Some(account) = &config.key {
                azure = azure.with_account(account);
            }
            if let Some(secret) = &config.secret {
                azure = azure.with_access_key(secret.reveal());
            }
            // What was never completed goes by itself there, after a week.
            Ok(Store::plain(azure.build()?))
        }
        // It may be where a disk is mounted: it is not made here.
        Target::Folder(folder) => Ok(Store::plain(
            LocalFileSystem::new_with_prefix(folder)?.with_fsync(true),
        )),
    }
}

/// Asks for one name, which tells a wrong bucket or key before the first file is finished.
pub(super) async fn probe(store: &dyn ObjectStore, config: &UploadConfig) -> Result<(), String> {
    let prefix = Key::from(config.prefix.as_str());
    match store.list(Some(&prefix)).try_next().await {
        Ok(_) => Ok(()),
        // Who may write need not be let read the list.
        Err(error) if code(&error).as_deref() == Some("AccessDenied") => Ok(()),
        Err(error) => Err(said(&error, config)),
    }
}

/// Brings a file there, unless it is there, and makes sure that it is. Says whether it was sent.
pub(super) async fn put(
    target: &Store,
    config: &UploadConfig,
    begun: &Begun,
    one: &Finished,
) -> Result<bool, String> {
    let store = &target.objects;
    let wrong = |error: Error| said(&error, config);
    let key = Key::from(format!("{}/{}", config.prefix, one.key));
    // It may have got there in the moment before a crash.
    match store.head(&key).await {
        Ok(there) if there.size == one.bytes => return Ok(false),
        Ok(there) => {
            tracing::warn!(%key, there = there.size, here = one.bytes, "another file is there under this name, and is replaced");
        }
        // Who may write need not be told what is not there.
        Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => {}
        Err(error) => return Err(wrong(error)),
    }
    let tag = if one.bytes <= PART as u64 {
        let bytes = tokio::fs::read(&one.file)
            .await
            .map_err(|error| unread(&one.file, &error))?;
        store
            .put(&key, PutPayload::from(bytes))
            .await
            .map_err(wrong)?
            .e_tag
    } else if let Some(target) = &target.parts {
        let sent = parts::put(&**target, begun, &key, one, part(one)).await;
        sent.map_err(|failure| match failure {
            Failure::Disk(error) => unread(&one.file, &error),
            Failure::Target(error) => wrong(error),
        })?
    } else {
        put_parts(&**store, config, &key, one).await?
    };
    let there = store.head(&key).await.map_err(wrong)?;
    if there.size != one.bytes {
        return Err(format!(
            "{config} has {} bytes of the {} of {key}",
            there.size, one.bytes
        ));
    }
    match (tag, there.e_tag) {
        (Some(sent), Some(there)) if sent != there => Err(format!(
            "{config} has something else as {key} than was sent"
        )),
        _ => Ok(true),
    }
}

/// How large the parts of a file are.
fn part(one: &Finished) -> usize {
    usize::try_from(one.bytes / MOST_PARTS)
        .unwrap_or(PART)
        .max(PART)
}

async fn put_parts(
    store: &dyn ObjectStore,
    config: &UploadConfig,
    key: &Key,
    one: &Finished,
) -> Result<Option<String>, String> {
    let wrong = |error: Error| said(&error, config);
    let part = part(one);
    let mut file = tokio::fs::File::open(&one.file)
        .await
        .map_err(|error| unread(&one.file, &error))?;
    let upload = store.put_multipart(key).await.map_err(wrong)?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, part);
    loop {
        let mut bytes = Vec::with_capacity(part);
        let read = (&mut file).take(part as u64).read_to_end(&mut bytes).await;
        let failed = match read {
            Ok(0) => break,
            Ok(_) => match upload.wait_for_capacity(AT_ONCE - 1).await {
                Ok(()) => None,
                Err(error) => Some(wrong(error)),
            },
            Err(error) => Some(unread(&one.file, &error)),
        };
        if let Some(failed) = failed {
            // What was sent of it costs money there.
            if let Err(error) = upload.abort().await {
                tracing::debug!(%key, %error, "parts are left");
            }
            return Err(failed);
        }
        upload.put(bytes.into());
    }
    Ok(upload.finish().await.map_err(wrong)?.e_tag)
}

fn unread(file: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be read ({error})", file.display())
}

/// Puts an error into the middle of a sentence: what is wrong, and what to do.
pub(super) fn said(error: &Error, config: &UploadConfig) -> String {
    let code = code(error);
    let shown = code
        .as_ref()
        .map_or_else(String::new, |code| format!(" ({code})"));
    let text = error.to_string();
    let refused = matches!(
        error,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. }
    ) || ["status code: 401", "status code: 403"]
        .iter()
        .any(|status| text.contains(status));
    // Who asks for a list gets another error than who asks for a file.
    let no_bucket = ["NoSuchBucket", "ContainerNotFound"];
    let missing = matches!(error, Error::NotFound { .. })
        || code
            .as_ref()
            .is_some_and(|code| no_bucket.contains(&code.as_str()));
    let why = if missing && matches!(config.target, Target::Folder(_)) {
        "the folder is gone".to_owned()
    } else if missing {
        format!("there is no such bucket{shown}; make it, or name another as `record.upload.to`")
    } else if refused {
        format!(
            "the credentials are refused{shown}; write others as `key` and `secret_file` of `record.upload`, or give them the right to write there"
        )
    } else {
        cause(error, code.as_deref())
    };
    redact(&format!("{config}: {why}")).into_owned()
}

/// What stands at the bottom of it.
fn cause(error: &Error, code: Option<&str>) -> String {
    let text = error.to_string();
    if let Some((_, status)) = text.split_once("status code: ") {
        let status = status.split(':').next().unwrap_or(status);
        return match code {
            Some(code) => format!("the server answers {status} ({code})"),
            None => format!("the server answers {status}"),
        };
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(deeper) = last.source() {
        last = deeper;
    }
    let sentence: String = last.to_string().chars().take(200).collect();
    let is_folder = matches!(error, Error::Generic { store, .. } if *store == "LocalFileSystem");
    if is_folder {
        sentence
    } else {
        format!("no answer ({sentence})")
    }
}

/// What S3 and its kin call the error.
fn code(error: &Error) -> Option<String> {
    let text = error.to_string();
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let plain = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| code.to_owned())
}
