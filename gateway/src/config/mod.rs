//! The config: read once, into types that cannot be wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sluice_core::id::RouteId;
use sluice_core::record::Retention;
use sluice_core::{IceSource, Watermarks};
use sluice_pipelines::{Slots, TransportSpec};

mod access;
mod env;
mod error;
mod forward;
mod later;
mod overload;
mod path;
mod publisher;
mod raw;
mod raw_access;
mod raw_forward;
mod raw_record;
mod raw_transcode;
mod raw_word;
mod read;
mod record;
mod retention;
mod secret;
mod server;
mod source;
#[cfg(test)]
mod tests;
mod transcode;
mod transport;
mod units;
mod upload;

pub use access::{AccessConfig, HookConfig, JwtConfig, JwtKeys};
pub use error::{ConfigError, ConfigErrors, Place};
pub use path::{AbsentPublisher, PathConfig};
pub use server::TlsConfig;
pub use units::Listen;
pub use upload::{Secret, Target, UploadConfig};

/// Where HTTP listens when nothing is said.
pub const DEFAULT_LISTEN: Listen = Listen {
    host: None,
    port: 8889,
};
/// The first UDP port of media when nothing is said.
pub const DEFAULT_UDP: u16 = 8189;
/// How many UDP ports media may use when nothing is said.
pub const DEFAULT_UDP_RANGE: u16 = 200;

/// A whole config, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the one HTTP listener stands.
    pub listen: Listen,
    /// How HTTPS is served; `None`: plain HTTP.
    pub tls: Option<TlsConfig>,
    /// Who may do what.
    pub access: AccessConfig,
    /// STUN and TURN servers that clients are told.
    pub ice_servers: Vec<IceSource>,
    /// How media gets here.
    pub transport: TransportSpec,
    /// How many threads receive media; `None`: as the cores allow.
    pub receive_threads: Option<usize>,
    /// Over which time a large frame is sent to a viewer; zero: at once.
    pub pacing: Duration,
    /// Above which load further viewers are refused.
    pub watermarks: Watermarks,
    /// What is kept of all recordings together.
    pub keep: Retention,
    /// How many streams are transcoded at a time.
    pub transcodes: Slots,
    /// The folder of recordings.
    pub recordings: PathBuf,
    /// Where finished recordings go to.
    pub upload: Option<UploadConfig>,
    /// At least one path.
    pub paths: BTreeMap<RouteId, PathConfig>,
}

impl Config {
    /// Reads a file and the environment over it.
    ///
    /// # Errors
    /// Every value that cannot be used, each as one sentence.
    pub fn load(file: &Path) -> Result<Self, ConfigErrors> {
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let environment: Vec<_> = std::env::vars_os()
                    .filter_map(|(name, value)| {
                        Some((name.into_string().ok()?, value.into_string().ok()?))
                    })
                    .collect();
                Self::parse(&name, &text, &environment)
            }
            Err(cause) => Err(ConfigErrors {
                file: name,
                errors: vec![ConfigError::new(
                    &Place::Elsewhere,
                    "",
                    format!("cannot be read ({cause})"),
                    "name a config file that exists; gateway/sluice.example.yaml is one to begin with",
                )],
            }),
        }
    }

    /// Reads a config from its text; `file` is its name in errors.
    ///
    /// # Errors
    /// Every value that cannot be used, each as one sentence.
    pub fn parse(
        file: &str,
        text: &str,
        environment: &[(String, String)],
    ) -> Result<Self, ConfigErrors> {
        let failed = |mut errors: Vec<ConfigError>| {
            errors.sort_by_key(ConfigError::line);
            // A wrong default is found once for every path.
            errors.dedup();
            ConfigErrors {
                file: file.to_owned(),
                errors,
            }
        };
        let mut raw = read::read(text).map_err(|error| failed(vec![error]))?;
        let mut errors = env::apply(&mut raw, environment);
        let config = convert(&raw, &mut errors);
        if errors.is_empty() {
            Ok(config)
        } else {
            Err(failed(errors))
        }
    }

    /// Says which folder of recordings cannot be written to, if one cannot (it is tried with a file that is removed at once), and
    /// which rule would leave nothing on its disk.
    ///
    /// # Errors
    /// One sentence for each path.
    pub fn check_folders(&self) -> Result<(), String> {
        record::check_folders(&self.paths)?;
        retention::check_disks(&self.keep, &self.paths)
    }

    /// Makes the config of `sluice play`: one path that starts at once.
    #[must_use]
    pub fn single(listen: Listen, access: AccessConfig, mut path: PathConfig) -> Self {
        let transport = TransportSpec {
            udp_ports: DEFAULT_UDP..=DEFAULT_UDP + DEFAULT_UDP_RANGE - 1,
            ..TransportSpec::default()
        };
        path.spec.transport = transport.clone();
        Self {
            listen,
            tls: None,
            access,
            ice_servers: Vec::new(),
            transport,
            receive_threads: None,
            pacing: overload::PACING,
            watermarks: Watermarks::default(),
            keep: Retention::default(),
            transcodes: path.spec.transcode.slots.clone(),
            recordings: record::folder(&raw_record::RawRecordings::default(), &mut Vec::new()),
            upload: None,
            paths: BTreeMap::from([(path.spec.id.clone(), path)]),
        }
    }
}

fn convert(raw: &raw::RawConfig, errors: &mut Vec<ConfigError>) -> Config {
    let mut listen = DEFAULT_LISTEN;
    if let Some(entry) = &raw.listen {
        match Listen::parse(&entry.value) {
            Some(value) => listen = value,
            None => errors.push(
                ConfigError::new(
                    &entry.place,
                    "listen",
                    "is not an address",
                    "write :PORT or ADDRESS:PORT, such as \":8889\"",
                )
                .value(&entry.value),
            ),
        }
    }
    let tls = raw.tls.as_ref().and_then(|tls| server::tls(tls, errors));
    let auth = raw.auth.as_ref().map(|entry| &entry.value);
    let access = access::convert(auth, raw.cors.as_ref(), errors);
    let ice_servers = server::ice_servers(&raw.webrtc.ice_servers, errors);
    let mut transport = transport::convert(&raw.webrtc, errors);
    transport.stun_server = stun_server(&ice_servers);
    let receive_threads = transport::receive_threads(&raw.webrtc.receive_threads, errors);
    let pacing = overload::pacing(&raw.webrtc, errors);
    let watermarks = overload::convert(&raw.webrtc, errors);
    let transcodes = transcode::slots(&raw.transcodes, errors);
    only_for_paths(&raw.defaults, errors);
    let recordings = record::folder(&raw.record, errors);
    if raw.paths.is_empty() {
        errors.push(ConfigError::new(
            &Place::Elsewhere,
            "paths",
            "has no path",
            "add one with a `source:`",
        ));
    }
    let paths = raw
        .paths
        .iter()
        .filter_map(|(name, entry)| path::convert(name, entry, &raw.defaults, &recordings, errors))
        .map(|mut path| {
            path.spec.transport = transport.clone();
            path.spec.transcode.slots = transcodes.clone();
            path.spec.stun_server.clone_from(&transport.stun_server);
            (path.spec.id.clone(), path)
        })
        .collect();
    record::check_shared(raw, &paths, errors);
    let keep = retention::overall(&raw.record, &paths, errors);
    let upload = raw.record.upload.as_ref();
    let upload = upload.and_then(|entry| upload::convert(entry, &recordings, errors));
    Config {
        listen,
        tls,
        access,
        ice_servers,
        transport,
        receive_threads,
        pacing,
        watermarks,
        keep,
        transcodes,
        recordings,
        upload,
        paths,
    }
}

/// The first STUN server of those that clients are told, as elements take it: Sluice itself asks it for its outer address.
/// Nobody is asked unless the config says so.
fn stun_server(ice_servers: &[IceSource]) -> Option<String> {
    const PORT: u16 = 3478;
    let place = ice_servers
        .iter()
        .find_map(|server| server.url().strip_prefix("stun:"))?;
    let place = place.split('?').next().unwrap_or(place);
    let has_port = place
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.ends_with(':') && port.parse::<u16>().is_ok());
    Some(if has_port {
        format!("stun://{place}")
    } else {
        format!("stun://{place}:{PORT}")
    })
}

/// `defaults` takes every key of a path but those that name one source.
fn only_for_paths(defaults: &raw::RawPath, errors: &mut Vec<ConfigError>) {
    let source = defaults.source.as_ref().and_then(|source| source.0.first());
    let found = [
        ("source", source),
        ("password_file", defaults.password_file.as_ref()),
    ];
    if let Some(entry) = defaults.forward.as_ref().and_then(|all| all.0.first()) {
        // Two paths that push to one address would take turns at it.
        errors.push(ConfigError::new(
            &entry.place,
            "defaults.forward",
            "belongs to one path",
            "move it under paths",
        ));
    }
    for (key, entry) in found
        .into_iter()
        .filter_map(|(key, entry)| Some((key, entry?)))
    {
        errors.push(ConfigError::new(
            &entry.place,
            format!("defaults.{key}"),
            "belongs to one path",
            "move it under paths",
        ));
    }
}
