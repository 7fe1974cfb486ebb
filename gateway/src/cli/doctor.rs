//! `sluice doctor`: what is not as the config needs it, and what the rules for recordings would delete. Changes nothing.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use sluice_core::record::Reason;
use sluice_core::record::moment::rfc3339;

use super::{reach, run};
use crate::config::Config;
use crate::control;
use crate::recordings::{self, Archive, Going, Recording, upload};

/// How it stands with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// As it should be.
    Good,
    /// Somebody should know it; Sluice starts all the same.
    Note,
    /// It does not work as it is.
    Wrong,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Wrong => "wrong",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) about: &'static str,
    pub(super) state: State,
    pub(super) says: String,
}

/// Looks at everything, and prints it. The exit code is 1 if something is wrong.
pub(super) fn examine(config: &Config, as_json: bool) -> ExitCode {
    let mut findings = vec![elements(config)];
    findings.extend(ports(config));
    findings.extend(reach::findings(&config.transport));
    findings.extend(folders(config));
    findings.extend(uploads(config));
    let going = going(config);
    let wrong = findings.iter().any(|one| one.state == State::Wrong);
    let printed = if as_json {
        super::say(&format!("{:#}", described(&findings, &going)))
    } else {
        super::say(&lines(config, &findings, &going))
    };
    if wrong { ExitCode::FAILURE } else { printed }
}

fn elements(config: &Config) -> Finding {
    let routes = config.paths.values().map(|path| &path.spec);
    let (state, says) = match sluice_pipelines::init() {
        Err(error) => (State::Wrong, format!("{error}.")),
        Ok(()) => match sluice_pipelines::missing(routes).as_slice() {
            [] => (State::Good, "All that the paths need are there.".to_owned()),
            missing => (State::Wrong, format!("{}.", run::missing_sentence(missing))),
        },
    };
    Finding {
        about: "elements",
        state,
        says,
    }
}

fn ports(config: &Config) -> Vec<Finding> {
    let finding = |taken: Option<String>, what: String| {
        let (state, says) = match taken {
            None => (State::Good, format!("{what} can be opened.")),
            // Most who ask run it already.
            Some(cause) => (
                State::Note,
                format!(
                    "{what} cannot be opened ({cause}); that is as it should be while Sluice runs."
                ),
            ),
        };
        Finding {
            about: "ports",
            state,
            says,
        }
    };
    let http = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| {
            let bound = runtime.block_on(control::bind(config.listen));
            bound.map(drop).map_err(|error| error.to_string())
        });
    let port = *config.transport.udp_ports.start();
    let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port));
    vec![
        finding(
            http.err().map(|text| text.trim_end_matches('.').to_owned()),
            format!("{} for HTTP", config.listen),
        ),
        finding(
            udp.err().map(|error| error.to_string()),
            format!("UDP port {port} for media"),
        ),
    ]
}

fn folders(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(sentences) = config.check_folders() {
        findings.extend(sentences.lines().map(|says| Finding {
            about: "folders",
            state: State::Wrong,
            says: says.to_owned(),
        }));
    }
    let folders: BTreeMap<_, _> = config
        .paths
        .iter()
        .filter_map(|(path, config)| {
            let record = config.spec.record.as_ref()?;
            Some((PathBuf::from(record.location.folder(path.as_str())), path))
        })
        .collect();
    for (folder, path) in folders {
        let there = folder.ancestors().find(|folder| folder.exists());
        let Some(Ok(space)) = there.map(recordings::space) else {
            continue;
        };
        findings.push(Finding {
            about: "space",
            state: State::Good,
            says: format!(
                "{path}: {} of {} are free where {} is.",
                size(space.free),
                size(space.size),
                folder.display()
            ),
        });
    }
    findings
}

fn uploads(config: &Config) -> Option<Finding> {
    let target = config.upload.as_ref()?;
    let known: HashSet<_> = upload::remembered(target).into_iter().collect();
    let archive = Archive::default();
    let (mut waiting, mut bytes) = (0_u64, 0_u64);
    for (path, config) in &config.paths {
        let list = config.spec.record.as_ref();
        let list = list.and_then(|spec| archive.list(path.as_str(), spec).ok());
        for one in list.into_iter().flatten() {
            if upload::is_finished(&one) && !known.contains(&one.file) {
                waiting += 1;
                bytes = bytes.saturating_add(one.bytes);
            }
        }
    }
    Some(Finding {
        about: "upload",
        state: State::Good,
        says: format!(
            "{target}: {waiting} files ({}) are not known to be there.",
            size(bytes)
        ),
    })
}

/// What the rules would delete if they were applied now.
fn going(config: &Config) -> Vec<Going> {
    let known = config.upload.as_ref().map(upload::remembered);
    let known: HashSet<_> = known.unwrap_or_default().into_iter().collect();
    let waits = |one: &Recording| {
        config.upload.as_ref().is_some_and(|upload| {
            upload::is_finished(one) && !upload.delete_waiting && !known.contains(&one.file)
        })
    };
    recordings::dry_run(config, &Archive::default(), &waits)
}

/// The rule's key in the config.
fn rule(one: &Going) -> String {
    let key = match one.reason {
        Reason::Age => "keep",
        Reason::TotalBytes => "keep_size",
        Reason::FreeBytes => "keep_free",
    };
    if one.overall {
        format!("record.{key}")
    } else {
        format!("paths.{}.record.{key}", one.path)
    }
}

fn by_path_and_rule(going: &[Going]) -> BTreeMap<(&str, String), Vec<&Recording>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in going {
        let group = groups.entry((one.path.as_str(), rule(one)));
        group.or_default().push(&one.recording);
    }
    groups
}

fn described(findings: &[Finding], going: &[Going]) -> Value {
    let findings = findings
        .iter()
        .map(|one| json!({"about": one.about, "state": one.state.name(), "says": one.says}));
    let groups = by_path_and_rule(going);
    let retention = groups.iter().map(|((path, rule), files)| {
        let list = files.iter().map(|one| {
            json!({"name": one.name, "bytes": one.bytes, "start": rfc3339(one.start), "end": rfc3339(one.end)})
        });
        json!({"path": path, "rule": rule, "bytes": total(files), "files": list.collect::<Vec<_>>()})
    });
    json!({
        "findings": findings.collect::<Vec<_>>(),
        "would_delete": retention.collect::<Vec<_>>(),
    })
}

fn lines(config: &Config, findings: &[Finding], going: &[Going]) -> String {
    let mut lines: Vec<_> = findings
        .iter()
        .map(|one| format!("{:<5}  {}: {}", one.state.name(), one.about, one.says))
        .collect();
    let groups = by_path_and_rule(going);
    let recorded = config
        .paths
        .iter()
        .filter(|(_, one)| one.spec.record.is_some());
    for (path, _) in recorded {
        let of_path = groups.iter().filter(|((of, _), _)| *of == path.as_str());
        let before = lines.len();
        lines.extend(of_path.map(|((_, rule), files)| {
            let ends = [files.first(), files.last()];
            let [first, last] = ends.map(|one| one.map(|one| rfc3339(one.start)).unwrap_or_default());
            format!(
                "note   recordings: {path}: `{rule}` would delete {} files ({}) now, from {first} to {last}.",
                files.len(),
                size(total(files))
            )
        }));
        if lines.len() == before {
            lines.push(format!(
                "good   recordings: {path}: no rule would delete anything now."
            ));
        }
    }
    lines.join("\n")
}

fn total(files: &[&Recording]) -> u64 {
    files
        .iter()
        .fold(0, |sum, one| sum.saturating_add(one.bytes))
}

/// A size as people read it.
fn size(bytes: u64) -> String {
    match bytes {
        1_000_000_000.. => format!("{} GB", bytes / 1_000_000_000),
        1_000_000.. => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} kB", bytes.div_ceil(1_000)),
    }
}
