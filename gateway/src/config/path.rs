//! One path of the config: its raw keys into what a route is made from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sluice_core::id::RouteId;
use sluice_core::record::Retention;
use sluice_core::source::{Scheme, SourceUri};
use sluice_pipelines::{RecordSpec, RouteSpec, RtspTransport, SecondPublisher};

use super::error::ConfigError;
use super::raw::{Entry, RawList, RawPath, Text};
use super::{forward, publisher, record, retention, source, transcode, units};

/// A path: its route, and when that runs.
#[derive(Debug, Clone)]
pub struct PathConfig {
    /// What the route is made from.
    pub spec: RouteSpec,
    /// Starts with the first viewer instead of with the gateway.
    pub on_demand: bool,
    /// An on-demand route without viewers stops after this long.
    pub idle_stop: Duration,
    /// How long a viewer's request waits for the source's tracks.
    pub start_timeout: Duration,
    /// What is kept of its recordings.
    pub keep: Retention,
    /// What a viewer is told who comes while there is no publisher.
    pub absent: AbsentPublisher,
}

/// What happens to a viewer who comes while there is no publisher.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AbsentPublisher {
    /// It is told at once, and when to come again.
    #[default]
    Refuse,
    /// Its request waits for a publisher, as long as for any other source.
    Wait,
}

impl PathConfig {
    /// Makes a path whose settings are all at their defaults.
    #[must_use]
    pub fn new(id: RouteId, sources: Vec<SourceUri>) -> Self {
        Self {
            spec: RouteSpec::new(id, sources),
            on_demand: true,
            idle_stop: Duration::from_secs(10),
            start_timeout: Duration::from_secs(10),
            absent: AbsentPublisher::default(),
            keep: Retention::default(),
        }
    }
}

/// Names that mean something else under `/`.
const TAKEN: &[&str] = &["api", "healthz", "metrics", "ws", "_sluice"];

/// Turns one path into its typed form; whatever is wrong goes to `errors`.
pub(super) fn convert(
    name: &str,
    raw: &Entry<Option<RawPath>>,
    defaults: &RawPath,
    recordings: &Path,
    errors: &mut Vec<ConfigError>,
) -> Option<PathConfig> {
    let key = format!("paths.{name}");
    let id = match RouteId::try_from(name) {
        Ok(id) if !TAKEN.contains(&name) => Some(id),
        Ok(_) => {
            errors.push(ConfigError::new(
                &raw.place,
                &key,
                "is an address that Sluice uses itself",
                "choose another name",
            ));
            None
        }
        Err(_) => {
            errors.push(ConfigError::new(
                &raw.place,
                &key,
                "is not a path name",
                "use 1 to 64 of a-z, 0-9, - and _",
            ));
            None
        }
    };
    let path = raw.value.clone().unwrap_or_default();
    let Some(source) = path.source.clone() else {
        errors.push(ConfigError::new(
            &raw.place,
            &key,
            "has no source",
            "add `source:` with a URI, such as rtsp://192.0.2.5/stream1, or `publisher`",
        ));
        return None;
    };
    let publisher = publisher::entry(&source);
    let sources = match publisher {
        Some(entry) => {
            publisher::check(&key, entry, &source, &path, errors);
            Vec::new()
        }
        None => source::all(&key, &source, path.password_file.as_ref(), errors),
    };
    let is_published = publisher.is_some();
    let mut config = PathConfig::new(id?, sources);
    config.spec.publisher = is_published.then(SecondPublisher::default);
    Settings {
        prefix: "defaults",
        errors,
    }
    .apply(defaults, &mut config);
    Settings {
        prefix: &key,
        errors,
    }
    .apply(&path, &mut config);
    if let Some(raw) = &path.forward {
        config.spec.forward = forward::convert(&key, raw, errors);
        always_runs(&key, &path, "forward", errors);
        config.on_demand = false;
    }
    config.spec.record =
        record::convert(&key, (&defaults.record, &path.record), recordings, errors);
    if let Some(spec) = &config.spec.record {
        let keys = (&defaults.record.keys, &path.record.keys);
        config.keep = retention::of_path(&key, keys, spec, errors);
    }
    let keeps_running = |record: &RecordSpec| record.starts || !record.pre_roll.is_zero();
    if config.spec.record.as_ref().is_some_and(keeps_running) {
        always_runs(&key, &path, "record", errors);
        config.on_demand = false;
    }
    if is_published {
        // Whoever publishes must find it there, whether or not somebody watches.
        config.on_demand = false;
    }
    check_playlist(&key, &path, &config, errors);
    Some(config)
}

/// A path that is pushed or recorded has somebody who wants it at all times.
fn always_runs(key: &str, raw: &RawPath, why: &str, errors: &mut Vec<ConfigError>) {
    let on_demand = raw.on_demand.as_ref().filter(|entry| entry.value == "true");
    if let Some(entry) = on_demand {
        errors.push(
            ConfigError::new(
                &entry.place,
                format!("{key}.on_demand"),
                format!("does not go with `{why}`, which needs the source at all times"),
                "remove it",
            )
            .value(&entry.value),
        );
    }
}

fn check_playlist(key: &str, raw: &RawPath, config: &PathConfig, errors: &mut Vec<ConfigError>) {
    let mut sources = config.spec.sources.iter();
    let all_files = sources.len() > 0 && sources.all(|source| source.scheme() == Scheme::File);
    if let (true, false, Some(entry)) = (config.spec.playlist, all_files, &raw.playlist) {
        errors.push(
            ConfigError::new(
                &entry.place,
                format!("{key}.playlist"),
                "plays files one after the other, and not every source of this path is a file",
                "remove it to use the sources as fallbacks, or list files only",
            )
            .value(&entry.value),
        );
    }
}

/// Lays one level of keys over a path's settings.
pub(super) struct Settings<'a> {
    prefix: &'a str,
    errors: &'a mut Vec<ConfigError>,
}

const SWITCH: &str = "write true or false";
const DURATION: &str = "write a number with a unit: ms, s, m, h or d (10s)";
const SIZE: &str = "write a number with a unit: kB, MB or GB (16MB)";

impl Settings<'_> {
    fn apply(&mut self, raw: &RawPath, path: &mut PathConfig) {
        let spec = &mut path.spec;
        self.set(
            "playlist",
            &raw.playlist,
            &mut spec.playlist,
            units::switch,
            SWITCH,
        );
        self.set("loop", &raw.repeat, &mut spec.repeat, units::switch, SWITCH);
        self.set(
            "on_demand",
            &raw.on_demand,
            &mut path.on_demand,
            units::switch,
            SWITCH,
        );
        self.set(
            "idle_stop",
            &raw.idle_stop,
            &mut path.idle_stop,
            units::duration,
            DURATION,
        );
        self.set(
            "start_timeout",
            &raw.start_timeout,
            &mut path.start_timeout,
            units::duration,
            DURATION,
        );
        publisher::apply(self, raw, path);
        transcode::apply(self, &raw.transcode, &mut path.spec.transcode);
        self.apply_source(raw, &mut path.spec);
    }

    fn apply_source(&mut self, raw: &RawPath, spec: &mut RouteSpec) {
        self.set(
            "stall_timeout",
            &raw.stall_timeout,
            &mut spec.stall_timeout,
            at_least_half_a_second,
            HALF_A_SECOND,
        );
        self.set(
            "connect_timeout",
            &raw.connect_timeout,
            &mut spec.connect_timeout,
            at_least_half_a_second,
            HALF_A_SECOND,
        );
        self.set(
            "latency",
            &raw.latency,
            &mut spec.latency,
            at_most_a_minute,
            "write at most 60s, such as 200ms",
        );
        self.set(
            "rtsp_transport",
            &raw.rtsp_transport,
            &mut spec.rtsp_transport,
            transport,
            "write auto, tcp, udp or multicast",
        );
        self.set(
            "max_viewers",
            &raw.max_viewers,
            &mut spec.max_viewers,
            viewers,
            "write a number from 1 up",
        );
        self.apply_nested(raw, spec);
    }

    fn apply_nested(&mut self, raw: &RawPath, spec: &mut RouteSpec) {
        self.set(
            "tls.ca_file",
            &raw.tls.ca_file,
            &mut spec.tls.ca_file,
            existing_file,
            "name a PEM file that the user of this process may read",
        );
        self.set(
            "tls.pin",
            &raw.tls.pin,
            &mut spec.tls.pin,
            pin,
            "write the certificate's SHA-256 as 64 hex digits",
        );
        self.set(
            "group.bytes",
            &raw.group.bytes,
            &mut spec.group.bytes,
            units::bytes,
            SIZE,
        );
        self.set(
            "group.span",
            &raw.group.span,
            &mut spec.group.span,
            units::duration,
            DURATION,
        );
    }

    /// Says that a list cannot be used.
    pub(super) fn refuse(&mut self, key: &str, list: &RawList, remedy: &str) {
        let Some(first) = list.0.first() else { return };
        let values: Vec<_> = list.0.iter().map(|entry| entry.value.as_str()).collect();
        let key = format!("{}.{key}", self.prefix);
        let error = ConfigError::new(&first.place, key, "cannot be used", remedy);
        self.errors.push(error.value(&values.join(", ")));
    }

    pub(super) fn set<T>(
        &mut self,
        key: &str,
        raw: &Text,
        slot: &mut T,
        parse: fn(&str) -> Option<T>,
        remedy: &str,
    ) {
        let Some(entry) = raw else { return };
        match parse(&entry.value) {
            Some(value) => *slot = value,
            None => self.errors.push(
                ConfigError::new(
                    &entry.place,
                    format!("{}.{key}", self.prefix),
                    "cannot be used",
                    remedy,
                )
                .value(&entry.value),
            ),
        }
    }
}

const HALF_A_SECOND: &str = "write at least 500ms, such as 5s";

fn at_least_half_a_second(text: &str) -> Option<Duration> {
    units::duration(text).filter(|time| *time >= Duration::from_millis(500))
}

fn at_most_a_minute(text: &str) -> Option<Duration> {
    units::duration(text).filter(|time| *time <= Duration::from_mins(1))
}

fn transport(text: &str) -> Option<RtspTransport> {
    RtspTransport::ALL
        .into_iter()
        .find(|transport| transport.nick() == text)
}

#[expect(
    clippy::option_option,
    reason = "the outer one is the parser's, the inner one the setting's"
)]
fn viewers(text: &str) -> Option<Option<u32>> {
    text.parse().ok().filter(|count| *count > 0).map(Some)
}

#[expect(
    clippy::option_option,
    reason = "the outer one is the parser's, the inner one the setting's"
)]
fn existing_file(text: &str) -> Option<Option<PathBuf>> {
    let path = PathBuf::from(text);
    path.is_file().then_some(Some(path))
}

#[expect(
    clippy::option_option,
    reason = "the outer one is the parser's, the inner one the setting's"
)]
fn pin(text: &str) -> Option<Option<String>> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let fits = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| Some(digits.to_ascii_lowercase()))
}
