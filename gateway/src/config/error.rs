//! What is wrong with a config, in sentences.

use std::fmt;

use sluice_core::redact::redact;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// A line of the config file, counted from 1.
    Line(u64),
    /// An environment variable.
    Variable(String),
    /// The command line, or a default.
    #[default]
    Elsewhere,
}

/// One thing that is wrong: where, which key, which value, what about it, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    place: Place,
    key: String,
    value: Option<String>,
    problem: String,
    remedy: String,
}

impl ConfigError {
    /// Says that `key` is wrong because of `problem`, and that `remedy` would be right (empty when the problem says it).
    pub fn new(
        place: &Place,
        key: impl Into<String>,
        problem: impl AsRef<str>,
        remedy: impl AsRef<str>,
    ) -> Self {
        Self {
            place: place.clone(),
            key: key.into(),
            value: None,
            // A sentence that quotes its value must not quote a password.
            problem: sentence_part(problem.as_ref()),
            remedy: sentence_part(remedy.as_ref()),
        }
    }

    /// Adds the value as it was written, less its secrets.
    #[must_use]
    pub fn value(mut self, value: &str) -> Self {
        self.value = Some(redact(value).into_owned());
        self
    }

    /// The line to sort by: variables last, the file as a whole first.
    pub(super) const fn line(&self) -> u64 {
        match self.place {
            Place::Line(line) => line,
            Place::Variable(_) => u64::MAX,
            Place::Elsewhere => 0,
        }
    }

    /// Writes the error as one line that begins with the file's name.
    #[must_use]
    pub fn in_file(&self, file: &str) -> String {
        match &self.place {
            Place::Line(line) => format!("{file}:{line}: {self}"),
            Place::Variable(_) => self.to_string(),
            Place::Elsewhere => format!("{file}: {self}"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Place::Variable(name) = &self.place {
            write!(f, "environment variable {name}: ")?;
        }
        match (self.key.is_empty(), &self.value) {
            (true, _) => {}
            (false, None) => write!(f, "`{}` ", self.key)?,
            (false, Some(value)) => write!(f, "`{}: {value}` ", self.key)?,
        }
        match self.remedy.as_str() {
            "" => write!(f, "{}.", self.problem),
            remedy => write!(f, "{}; {remedy}.", self.problem),
        }
    }
}

fn sentence_part(text: &str) -> String {
    redact(text.trim_end_matches('.')).into_owned()
}

/// All that is wrong with one config, and the file's name.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", lines(file, errors))]
pub struct ConfigErrors {
    /// The file's name, as it was given.
    pub file: String,
    /// At least one, in the order of the file.
    pub errors: Vec<ConfigError>,
}

fn lines(file: &str, errors: &[ConfigError]) -> String {
    errors
        .iter()
        .map(|error| error.in_file(file))
        .collect::<Vec<_>>()
        .join("\n")
}
