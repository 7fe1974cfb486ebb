//! `record.upload`: where finished recordings go to.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use url::Url;

use super::error::ConfigError;
use super::raw::{Entry, Text};
use super::raw_record::RawUpload;
use super::record::Reading;
use super::{access, units};

const TO: &str = "write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, or a folder that begins with /";
const SWITCH: &str = "write true or false";

/// What files go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A bucket of Amazon S3, or of a server that speaks its protocol.
    S3(String),
    /// A bucket of Google Cloud Storage.
    Gcs(String),
    /// A container of Azure Blob Storage.
    Azure(String),
    /// A folder, such as one of another machine.
    Folder(PathBuf),
}

/// A secret; `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Gives it to who must know it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Where finished recordings go to, and what becomes of them here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadConfig {
    /// What they go to.
    pub target: Target,
    /// What their names there begin with, without slashes at its ends.
    pub prefix: String,
    /// A server that is none of the cloud's own.
    pub endpoint: Option<Url>,
    /// The bucket's region.
    pub region: Option<String>,
    /// The id of an access key (S3), or the account (Azure).
    pub key: Option<String>,
    /// The secret access key (S3), or the account's key (Azure). Without it, what the environment gives.
    pub secret: Option<Secret>,
    /// The file of a service account (Google).
    pub account_file: Option<PathBuf>,
    /// A file goes here once the target is known to have it.
    pub delete_local: bool,
    /// The rules of `keep` may delete files that still wait.
    pub delete_waiting: bool,
    /// The file that remembers what the target has.
    pub journal: PathBuf,
}

impl fmt::Display for UploadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::S3(bucket) => write!(f, "s3://{bucket}")?,
            Target::Gcs(bucket) => write!(f, "gs://{bucket}")?,
            Target::Azure(container) => write!(f, "az://{container}")?,
            Target::Folder(folder) => return write!(f, "{}", folder.display()),
        }
        if self.prefix.is_empty() {
            Ok(())
        } else {
            write!(f, "/{}", self.prefix)
        }
    }
}

/// Reads it; `recordings` is the folder that they are in.
pub(super) fn convert(
    entry: &Entry<RawUpload>,
    recordings: &Path,
    errors: &mut Vec<ConfigError>,
) -> Option<UploadConfig> {
    let raw = &entry.value;
    let Some(to) = &raw.to else {
        let problem = "has no `to`";
        errors.push(ConfigError::new(&entry.place, "record.upload", problem, TO));
        return None;
    };
    let Some((target, prefix)) = target(&to.value) else {
        let error = ConfigError::new(&to.place, "record.upload.to", "cannot be used", TO);
        errors.push(error.value(&to.value));
        return None;
    };
    if let Target::Folder(folder) = &target
        && (folder.starts_with(recordings) || recordings.starts_with(folder))
    {
        let problem = format!("is not apart from {}", recordings.display());
        let remedy = "name a folder outside of it, best on another disk";
        let error = ConfigError::new(&to.place, "record.upload.to", problem, remedy);
        errors.push(error.value(&to.value));
    }
    let (secret, account_file) = secret(entry, &target, errors);
    only_for_servers(raw, &target, errors);
    let none: Text = None;
    let mut reading = Reading {
        key: "record.upload",
        errors,
    };
    let [delete_local, delete_waiting] = [
        ("delete_local", &raw.delete_local),
        ("delete_waiting", &raw.delete_waiting),
    ]
    .map(|(name, value)| {
        let read = reading.of(name, (&none, value), units::switch, SWITCH);
        read.unwrap_or_default()
    });
    let config = UploadConfig {
        delete_local,
        delete_waiting,
        endpoint: reading.of(
            "endpoint",
            (&none, &raw.endpoint),
            endpoint,
            "write the server's address, such as http://192.0.2.9:9000",
        ),
        region: raw.region.as_ref().map(|entry| entry.value.clone()),
        key: raw.key.as_ref().map(|entry| entry.value.clone()),
        secret,
        account_file,
        target,
        prefix,
        journal: recordings.join(".uploaded"),
    };
    if errors.is_empty()
        && let Err(why) = crate::recordings::upload::check(&config)
    {
        errors.push(ConfigError::new(&entry.place, "record.upload", why, ""));
    }
    Some(config)
}

/// Takes what `to` says apart.
fn target(text: &str) -> Option<(Target, String)> {
    if text.starts_with('/') {
        let folder = Path::new(text);
        let escapes = folder.components().any(|part| part == Component::ParentDir);
        let folder = folder.components().collect();
        return (!escapes).then_some((Target::Folder(folder), String::new()));
    }
    let (scheme, rest) = text.split_once("://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(good) {
        return None;
    }
    let prefix = prefix.trim_matches('/');
    let plain = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(good);
    if !prefix.is_empty() && !prefix.split('/').all(plain) {
        return None;
    }
    let bucket = bucket.to_owned();
    let target = match scheme {
        "s3" => Target::S3(bucket),
        "gs" => Target::Gcs(bucket),
        "az" => Target::Azure(bucket),
        _ => return None,
    };
    Some((target, prefix.to_owned()))
}

/// Reads the secret, or names the file that is one.
fn secret(
    entry: &Entry<RawUpload>,
    target: &Target,
    errors: &mut Vec<ConfigError>,
) -> (Option<Secret>, Option<PathBuf>) {
    let raw = &entry.value;
    if raw.secret.is_none() && raw.secret_file.is_none() {
        return (None, None);
    }
    if let (Target::Gcs(_), Some(file)) = (target, &raw.secret_file) {
        return (None, Some(PathBuf::from(&file.value)));
    }
    let read = access::one_secret(
        "record.upload",
        &entry.place,
        ("secret", &raw.secret),
        ("secret_file", &raw.secret_file),
        errors,
    );
    let Some((place, secret)) = read else {
        return (None, None);
    };
    let remedy = match target {
        Target::S3(_) | Target::Azure(_) if raw.key.is_some() => None,
        Target::S3(_) => Some("add `key`, the id of the access key"),
        Target::Azure(_) => Some("add `key`, the name of the account"),
        Target::Gcs(_) => Some("write `secret_file`, the file of a service account"),
        Target::Folder(_) => Some("remove it: a folder has none"),
    };
    if let Some(remedy) = remedy {
        let key = "record.upload.secret";
        errors.push(ConfigError::new(&place, key, "is not enough", remedy));
    }
    (Some(Secret(secret)), None)
}

/// A folder has no server.
fn only_for_servers(raw: &RawUpload, target: &Target, errors: &mut Vec<ConfigError>) {
    let Target::Folder(_) = target else { return };
    let given = [
        ("endpoint", &raw.endpoint),
        ("region", &raw.region),
        ("key", &raw.key),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            let key = format!("record.upload.{name}");
            let problem = "means nothing for a folder";
            let error = ConfigError::new(&value.place, key, problem, "remove it");
            errors.push(error.value(&value.value));
        }
    }
}

fn endpoint(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (web && plain).then_some(url)
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Target, UploadConfig};

    fn upload(text: &str, variables: &[(&str, &str)]) -> Result<UploadConfig, String> {
        let text = format!(
            "record: {{dir: /srv/rec, upload: {text}}}\npaths: {{a: {{source: 'test:'}}}}\n"
        );
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let config = Config::parse("sluice.yaml", &text, &variables);
        let config = config.map_err(|errors| errors.to_string())?;
        Ok(config.upload.unwrap())
    }

    #[test]
    fn a_target_is_a_bucket_or_a_folder() {
        for (to, want, shown) in [
            (
                "s3://rec/cams/door/",
                Target::S3("rec".to_owned()),
                "s3://rec/cams/door",
            ),
            ("gs://rec", Target::Gcs("rec".to_owned()), "gs://rec"),
            ("az://rec", Target::Azure("rec".to_owned()), "az://rec"),
            ("/mnt/./nas/", Target::Folder("/mnt/nas".into()), "/mnt/nas"),
        ] {
            // An account is what Azure cannot do without.
            let key = if to.starts_with("az") {
                ", key: me"
            } else {
                ""
            };
            let config = upload(&format!("{{to: '{to}'{key}}}"), &[]).unwrap();
            assert_eq!(
                (&config.target, config.to_string().as_str()),
                (&want, shown)
            );
            assert_eq!(config.journal.to_str(), Some("/srv/rec/.uploaded"));
        }
    }

    #[test]
    fn a_secret_comes_from_a_file_or_a_variable_and_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "hunter2\n").unwrap();
        let text = format!("{{to: s3://rec, key: id, secret_file: {}}}", file.display());
        let config = upload(&text, &[]).unwrap();
        assert_eq!(config.secret.as_ref().unwrap().reveal(), "hunter2");
        assert!(!format!("{config:?} {config}").contains("hunter2"));
        let variables = [
            ("SLUICE_RECORD_UPLOAD_SECRET", "other"),
            ("SLUICE_RECORD_UPLOAD_DELETE_LOCAL", "true"),
        ];
        let config = upload(&text, &variables).unwrap();
        assert_eq!(config.secret.unwrap().reveal(), "other");
        assert!(config.delete_local && !config.delete_waiting);
    }

    #[test]
    fn mistakes_are_one_sentence_each_with_their_line() {
        for (text, want) in [
            (
                "{}",
                "sluice.yaml:1: `record.upload` has no `to`; write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, or a folder that begins with /.",
            ),
            (
                "{to: 'ftp://me:pw@host/x'}",
                "sluice.yaml:1: `record.upload.to: ftp://***@host/x` cannot be used; write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, or a folder that begins with /.",
            ),
            (
                "{to: /srv/rec/up}",
                "sluice.yaml:1: `record.upload.to: /srv/rec/up` is not apart from /srv/rec; name a folder outside of it, best on another disk.",
            ),
            (
                "{to: /mnt/x, region: eu}",
                "sluice.yaml:1: `record.upload.region: eu` means nothing for a folder; remove it.",
            ),
            (
                "{to: s3://rec, secret: pw}",
                "sluice.yaml:1: `record.upload.secret` is not enough; add `key`, the id of the access key.",
            ),
            (
                "{to: s3://rec, endpoint: 'minio:9000'}",
                "sluice.yaml:1: `record.upload.endpoint: minio:9000` cannot be used; write the server's address, such as http://192.0.2.9:9000.",
            ),
            (
                "{to: s3://rec, delete_local: yes}",
                "sluice.yaml:1: `record.upload.delete_local: yes` cannot be used; write true or false.",
            ),
        ] {
            assert_eq!(upload(text, &[]).unwrap_err(), want, "{text}");
        }
    }
}
