//! `source` and `password_file`: where a path's media come from.

use std::path::Path;

use sluice_core::source::SourceUri;

use super::error::{ConfigError, Place};
use super::raw::{Entry, RawSource};
use super::secret;

/// Reads a path's sources, with the password of its file; whatever is wrong goes to `errors`.
pub(super) fn all(
    key: &str,
    raw: &RawSource,
    password_file: Option<&Entry<String>>,
    errors: &mut Vec<ConfigError>,
) -> Vec<SourceUri> {
    let key = format!("{key}.source");
    if raw.0.is_empty() {
        errors.push(ConfigError::new(
            &Place::Elsewhere,
            &key,
            "is an empty list",
            "give at least one URI",
        ));
    }
    let mut secret = None;
    if let Some(file) = password_file {
        match secret::read(&file.place, "password_file", Path::new(&file.value)) {
            Ok(text) => secret = Some(text),
            Err(error) => errors.push(error),
        }
    }
    let mut placed = false;
    let mut parsed = Vec::new();
    for entry in &raw.0 {
        let with_secret = secret
            .as_ref()
            .and_then(|secret| secret::insert(&entry.value, secret));
        placed |= with_secret.is_some();
        match one(&key, entry, with_secret.as_deref()) {
            Ok(uri) => parsed.push(uri),
            Err(error) => errors.push(error),
        }
    }
    if let (Some(file), Some(_), false) = (password_file, &secret, placed) {
        errors.push(ConfigError::new(
            &file.place,
            "password_file",
            "fits none of the sources",
            "write the user before the host (rtsp://USER@HOST/…), without a password",
        ));
    }
    parsed
}

fn one(
    key: &str,
    entry: &Entry<String>,
    with_secret: Option<&str>,
) -> Result<SourceUri, ConfigError> {
    // The source's own sentence quotes the URI, less its secrets, and says what would be right.
    SourceUri::parse(with_secret.unwrap_or(&entry.value)).map_err(|wrong| {
        ConfigError::new(&entry.place, key, format!("cannot be used: {wrong}"), "")
    })
}
