//! The file that keeps what was found out, for as long as drivers and libraries are the same.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use gst::prelude::*;
use sluice_core::transcode::{Encoder, Outcome};

/// Says in one line what the results depend on.
pub(super) fn key(encoders: &[Encoder]) -> String {
    let mut key = format!(
        "sluice {} {}",
        env!("CARGO_PKG_VERSION"),
        gst::version_string()
    );
    for row in encoders {
        let Some(factory) = gst::ElementFactory::find(row.factory) else {
            continue;
        };
        let version = factory
            .plugin()
            .map_or_else(String::new, |plugin| plugin.version().to_string());
        write!(key, ", {} {version}", row.factory).ok();
    }
    let driver = std::fs::read_to_string("/proc/driver/nvidia/version").unwrap_or_default();
    key.push_str(&driver);
    for folder in ["/dev", "/dev/dri"] {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| {
                ["render", "card", "video", "nvidia"]
                    .iter()
                    .any(|start| name.starts_with(start))
            })
            .collect();
        names.sort_unstable();
        write!(key, ", {}", names.join(" ")).ok();
    }
    key.replace(['\n', '\r'], " ")
}

/// Reads the results; `None` if there are none for this key.
pub(super) fn read(path: &Path, key: &str) -> Option<HashMap<String, Outcome>> {
    let text = std::fs::read_to_string(path).ok()?;
    let (first, rest) = text.split_once('\n')?;
    if first != key {
        return None;
    }
    rest.lines()
        .map(|line| {
            let (factory, outcome) = line.split_once('\t')?;
            Some((factory.to_owned(), Outcome::parse(outcome)?))
        })
        .collect()
}

/// Writes the results. A cache that cannot be written costs seconds at the next start, no more.
pub(super) fn write(path: &Path, key: &str, tried: &[(Encoder, Option<Outcome>)]) {
    let mut text = format!("{key}\n");
    for (row, outcome) in tried {
        if let Some(outcome) = outcome {
            writeln!(text, "{}\t{}", row.factory, outcome.to_line()).ok();
        }
    }
    // Whoever reads meanwhile sees the old file or the new one.
    let half = path.with_extension("new");
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(&half, text))
        .and_then(|()| std::fs::rename(&half, path));
    if let Err(error) = written {
        gst::info!(gst::CAT_RUST, "{} is not written: {error}", path.display());
    }
}
