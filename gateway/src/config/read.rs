//! YAML into [`RawConfig`], with errors as sentences.

use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, Location};

use super::error::{ConfigError, Place};
use super::later;
use super::raw::RawConfig;

/// Reads the file's text; the first thing that is not YAML or not a known key ends it.
pub(super) fn read(text: &str) -> Result<RawConfig, ConfigError> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        // A snippet would print the neighbouring lines, and with them their passwords.
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Option<RawConfig>>(text, options)
        .map(Option::unwrap_or_default)
        .map_err(|error| explain(text, error.without_snippet()))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "60 kinds of YAML error, and more to come"
)]
fn explain(text: &str, error: &Error) -> ConfigError {
    let line = error
        .location()
        .as_ref()
        .map(Location::line)
        .unwrap_or_default();
    let place = if line == 0 {
        Place::Elsewhere
    } else {
        Place::Line(line)
    };
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => unknown(&place, field, expected),
        Error::DuplicateMappingKey { key, .. } => ConfigError::new(
            &place,
            key.clone().unwrap_or_default(),
            "stands here a second time",
            "keep one of the two",
        ),
        Error::SerdeInvalidType {
            unexpected,
            expected,
            ..
        } => ConfigError::new(
            &place,
            key_on_line(text, line),
            format!("is {unexpected}, which does not fit here"),
            format!("write {expected}"),
        ),
        Error::SerdeMissingField { field, .. } => {
            ConfigError::new(&place, *field, "is missing", "add it")
        }
        Error::Unexpected {
            expected: "mapping start",
            ..
        } => ConfigError::new(
            &place,
            key_on_line(text, line),
            "is a single value where keys belong",
            "write its keys indented below it, as in gateway/sluice.example.yaml",
        ),
        Error::AliasError { error, .. } => explain(text, error),
        other => ConfigError::new(
            &place,
            key_on_line(text, line),
            format!("is not YAML that this place can hold ({})", plain(other)),
            "check the indentation, and put values with a colon at their end in quotes (\"test:\")",
        ),
    }
}

/// The parser's own words, without the place that it appends.
fn plain(error: &Error) -> String {
    let words = error.to_string();
    let first = words.lines().next().unwrap_or_default();
    let end = first.find(" at line ").unwrap_or(first.len());
    first
        .get(..end)
        .unwrap_or(first)
        .trim_start_matches("error: ")
        .to_owned()
}

fn unknown(place: &Place, field: &str, expected: &[&str]) -> ConfigError {
    if let Some(later) = later::find(field) {
        return ConfigError::new(place, field, "is not in this version", later.remedy);
    }
    let nearest = expected
        .iter()
        .map(|known| (distance(field, known), *known))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    let remedy = match nearest {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!("known keys here are {}", expected.join(", ")),
    };
    ConfigError::new(
        place,
        field,
        "is not a key that Sluice knows",
        remedy.trim_end_matches('?'),
    )
}

/// What stands before the colon on a line, so that a type error can name its key.
fn key_on_line(text: &str, line: u64) -> String {
    let index = usize::try_from(line).unwrap_or_default().saturating_sub(1);
    let row = text.lines().nth(index).unwrap_or_default();
    let key = row.split(':').next().unwrap_or_default();
    let key = key.trim().trim_start_matches("- ").trim();
    if row.contains(':') {
        key.to_owned()
    } else {
        String::new()
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (right, above) in b.iter().zip(row.iter().skip(1)) {
            let replace = diagonal + usize::from(left != *right);
            diagonal = *above;
            before = replace.min(before + 1).min(above + 1);
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
