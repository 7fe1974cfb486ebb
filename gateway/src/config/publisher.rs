//! `source: publisher`: the media come from whoever publishes by WHIP.

use sluice_pipelines::SecondPublisher;

use super::error::ConfigError;
use super::path::{AbsentPublisher, PathConfig, Settings};
use super::raw::{Entry, RawPath, RawSource};

/// How it is written.
const WORD: &str = "publisher";

/// Finds the word among a path's sources.
pub(super) fn entry(source: &RawSource) -> Option<&Entry<String>> {
    source.0.iter().find(|entry| entry.value == WORD)
}

/// Refuses what makes no sense for a publisher.
pub(super) fn check(
    key: &str,
    entry: &Entry<String>,
    source: &RawSource,
    path: &RawPath,
    errors: &mut Vec<ConfigError>,
) {
    if source.0.len() > 1 {
        errors.push(
            ConfigError::new(
                &entry.place,
                format!("{key}.source"),
                "cannot be one of several sources",
                "write it alone: source: publisher",
            )
            .value(&entry.value),
        );
    }
    let of_others = [
        ("on_demand", &path.on_demand, "true"),
        ("password_file", &path.password_file, ""),
        ("playlist", &path.playlist, "true"),
        ("loop", &path.repeat, "true"),
    ];
    for (name, value, wrong) in of_others {
        let Some(value) = value else { continue };
        if wrong.is_empty() || value.value == wrong {
            errors.push(ConfigError::new(
                &value.place,
                format!("{key}.{name}"),
                "means nothing with source: publisher, whose route always waits for one",
                "remove it",
            ));
        }
    }
}

/// Lays one level of keys over a path's settings.
pub(super) fn apply(settings: &mut Settings<'_>, raw: &RawPath, path: &mut PathConfig) {
    let mut second = path.spec.publisher.unwrap_or_default();
    settings.set(
        "publisher.second",
        &raw.publisher.second,
        &mut second,
        |text| {
            SecondPublisher::ALL
                .into_iter()
                .find(|one| one.nick() == text)
        },
        "write replace or refuse",
    );
    // Said in `defaults`, it is for the paths that have one.
    path.spec.publisher = path.spec.publisher.map(|_| second);
    settings.set(
        "publisher.absent",
        &raw.publisher.absent,
        &mut path.absent,
        |text| match text {
            "refuse" => Some(AbsentPublisher::Refuse),
            "wait" => Some(AbsentPublisher::Wait),
            _ => None,
        },
        "write refuse or wait",
    );
}
