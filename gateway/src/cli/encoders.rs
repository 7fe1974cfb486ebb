//! `sluice encoders`: what this machine can encode with, and how fast.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use serde_json::{Value, json};
use sluice_core::transcode::ENCODERS;
use sluice_pipelines::probe::{self, Options, Report, Row};

/// Gives what a probe by this very executable needs, with the cache of whoever runs it.
pub(crate) fn options() -> Options {
    Options {
        cache: cache(),
        ..Options::new(|factory| {
            // Without a name for itself it cannot start itself; the report says that it did not start.
            let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("sluice"));
            let mut command = Command::new(own);
            command.args(["probe-encoder", factory]);
            command
        })
    }
}

/// Where systemd says, or where the user's caches are; `None` keeps nothing.
fn cache() -> Option<PathBuf> {
    let folder = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let own = folder("CACHE_DIRECTORY")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("sluice")))
        .or_else(|| Some(folder("HOME")?.join(".cache/sluice")))?;
    Some(own.join("encoders"))
}

/// Tries one out, in this process; gives the line that the parent reads.
pub(super) fn attempt(factory: &str) -> String {
    probe::child(ENCODERS, factory)
}

/// Prints what was found.
pub(super) fn list(json: bool, again: bool) -> ExitCode {
    let options = options();
    if again
        && let Some(path) = &options.cache
        && let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        let path = path.display();
        return super::fail(
            1,
            &format!("The earlier results in {path} cannot be removed ({error}); remove the file."),
        );
    }
    let report = probe::run(&options);
    if json {
        super::say(&format!("{:#}", as_json(&report)))
    } else {
        super::say(as_table(&report).trim_end())
    }
}

fn as_json(report: &Report) -> Value {
    let row = |row: &Row| {
        json!({
            "codec": row.encoder.codec.label(),
            "encoder": row.encoder.factory,
            "found": row.is_found(),
            "tried": row.is_found(),
            "works": row.speed().is_some(),
            "why": row.why(),
            "fps_720p": row.speed().map(|speed| speed.fps_720),
            "fps_1080p": row.speed().map(|speed| speed.fps_1080),
            "chosen": row.chosen,
        })
    };
    report.rows.iter().map(row).collect()
}

/// One line for each that is installed, and the names of the others.
fn as_table(report: &Report) -> String {
    let mut text = format!(
        "{:<6} {:<18} {:<6} {:<6} {:<6} {:>9} {:>9}  {}\n",
        "codec", "encoder", "found", "tried", "works", "720p fps", "1080p fps", "chosen"
    );
    for row in report.rows.iter().filter(|row| row.is_found()) {
        let fps =
            |of: fn(&Row) -> Option<u32>| of(row).map_or_else(String::new, |fps| fps.to_string());
        let last = match (row.why(), row.chosen) {
            (Some(why), _) => why,
            (None, true) => "chosen",
            (None, false) => "",
        };
        let works = if row.speed().is_some() { "yes" } else { "no" };
        let line = format!(
            "{:<6} {:<18} {:<6} {:<6} {works:<6} {:>9} {:>9}  {last}",
            row.encoder.codec.label(),
            row.encoder.factory,
            "yes",
            "yes",
            fps(|row| Some(row.speed()?.fps_720)),
            fps(|row| Some(row.speed()?.fps_1080)),
        );
        // A string takes every line.
        writeln!(text, "{}", line.trim_end()).ok();
    }
    let missing: Vec<_> = report
        .rows
        .iter()
        .filter(|row| !row.is_found())
        .map(|row| row.encoder.factory)
        .collect();
    if !missing.is_empty() {
        write!(text, "not found: {}", missing.join(", ")).ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use sluice_core::transcode::{Outcome, Speed};

    use super::*;

    fn report() -> Report {
        let speed = Speed {
            fps_720: 300,
            fps_1080: 120,
        };
        let outcomes = [
            None,
            Some(Outcome(Err("it crashes (signal: 11)".to_owned()))),
            Some(Outcome(Ok(speed))),
        ];
        let rows = ENCODERS.iter().zip(outcomes).enumerate();
        Report {
            rows: rows
                .map(|(nth, (encoder, outcome))| Row {
                    encoder: *encoder,
                    outcome,
                    chosen: nth == 2,
                })
                .collect(),
        }
    }

    #[test]
    fn the_table_says_what_was_found_tried_works_and_is_chosen() {
        let table = as_table(&report());
        let lines: Vec<_> = table.lines().collect();
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words(lines[1]).join(" "),
            "H.264 nvcudah264enc yes yes no it crashes (signal: 11)"
        );
        assert_eq!(
            words(lines[2]).join(" "),
            "H.264 nvh264enc yes yes yes 300 120 chosen"
        );
        assert_eq!(lines[3], "not found: nvautogpuh264enc");
    }

    #[test]
    fn json_has_the_same() {
        let json = as_json(&report());
        assert_eq!(json[0]["found"], false);
        assert_eq!(json[0]["fps_720p"], Value::Null);
        assert_eq!(json[1]["why"], "it crashes (signal: 11)");
        assert_eq!(json[2]["fps_1080p"], 120);
        assert_eq!(json[2]["chosen"], true);
    }
}
