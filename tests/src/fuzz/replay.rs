//! The corpus on a stable toolchain, without libFuzzer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::*;

fn folder(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(inside)
}

/// Names and contents of the files in a folder, in order.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder("corpus").join(target);
    let files = files(&folder);
    let (shown, count) = (folder.display(), files.len());
    assert!(count >= 5, "{shown} has {count} inputs; they are lost");
    files
}

/// Gives all inputs to one target.
fn replay(target: &str) {
    for (name, input) in corpus(target) {
        let well = std::panic::catch_unwind(|| run(target, &input)).is_ok();
        assert!(well, "{target}/{name}: what was wrong stands above");
    }
}

#[test]
fn offers() {
    replay("offer");
}

#[test]
fn fragments() {
    replay("fragment");
}

#[test]
fn link_headers() {
    replay("link");
}

#[test]
fn auth_headers() {
    replay("auth");
}

#[test]
fn signalling_messages() {
    replay("signalling");
}

#[test]
fn packets_at_the_port_of_media() {
    replay("media");
}

#[test]
fn bitstreams() {
    replay("bitstream");
}

#[test]
fn config_texts() {
    replay("config");
}

/// An input, and its last line, over and over up to the longest input that there is.
fn stretched(input: &[u8]) -> [Vec<u8>; 2] {
    let last_line = input.split(|byte| *byte == b'\n').next_back();
    [input, last_line.unwrap_or_default()].map(|unit| {
        let more = unit.iter().cycle().take(LONGEST - input.len());
        input.iter().chain(more).copied().collect()
    })
}

/// libFuzzer has few inputs of this size; what takes the square of its length is found with these.
#[test]
fn the_longest_inputs_take_no_longer_than_their_length() {
    for (target, _) in TARGETS {
        for (name, input) in corpus(target) {
            for long in stretched(&input) {
                let begin = Instant::now();
                run(target, &long);
                let took = begin.elapsed();
                // Some milliseconds; the square of it is minutes.
                assert!(took < Duration::from_secs(10), "{target}/{name}: {took:?}");
            }
        }
    }
}

#[test]
fn every_target_has_its_fuzzer_and_its_corpus_and_there_are_no_others() {
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let corpora = std::fs::read_dir(folder("corpus")).unwrap();
    let corpora: BTreeSet<_> = corpora
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(corpora, names);
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), names.len());
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
        let fuzzer = folder("targets").join(format!("{name}.rs"));
        let text = std::fs::read_to_string(&fuzzer).unwrap();
        assert!(text.contains(&format!("run(\"{name}\", ")), "{text}");
    }
}

#[test]
fn the_corpus_stays_small() {
    let (mut count, mut bytes) = (0, 0);
    for (target, _) in TARGETS {
        for (_, input) in corpus(target) {
            count += 1;
            bytes += input.len();
        }
    }
    assert!(count <= 400 && bytes <= 1 << 20, "{count}, {bytes} bytes");
}
