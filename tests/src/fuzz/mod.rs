//! What is done with fuzzed input: one function for each kind of text or bytes that strangers send.
//!
//! libFuzzer calls them (`make fuzz`, `tests/fuzz`), and on every `make test` the inputs of `tests/fuzz/corpus` are
//! given to them once more. Each states what must hold for every input, by panicking where it does not. They need
//! nothing but `sluice-core`, so that the fuzzers are built in a minute.

mod auth;
mod bitstream;
mod config;
mod fragment;
mod link;
mod media;
mod offer;
#[cfg(test)]
mod replay;
mod signalling;

use sluice_core::Problem;

/// The longest input: no body that the gateway reads is longer.
pub const LONGEST: usize = 256 * 1024;

/// Takes one input.
pub type Target = fn(&[u8]);

/// All targets by their names, which the folders of the corpus and the fuzzers bear too.
pub const TARGETS: &[(&str, Target)] = &[
    ("offer", offer::run),
    ("fragment", fragment::run),
    ("link", link::run),
    ("auth", auth::run),
    ("signalling", signalling::run),
    ("media", media::run),
    ("bitstream", bitstream::run),
    ("config", config::run),
];

/// Gives an input to the target of this name.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.unwrap_or_else(|| panic!("there is no target {name}"));
    if input.len() <= LONGEST {
        target(input);
    }
}

/// Checks a refusal: whose fault it is, and a sentence that can be shown anywhere.
fn check_problem(problem: &Problem, statuses: &[u16]) {
    assert!(
        statuses.contains(&problem.status),
        "another status: {problem}"
    );
    check_sentence(&problem.detail);
    let body: serde_json::Value = match serde_json::from_str(&problem.to_json()) {
        Ok(body) => body,
        Err(error) => panic!("{problem}: {error}"),
    };
    assert_eq!(body["status"], problem.status);
    assert_eq!(body["detail"], problem.detail.as_str());
}

/// Checks a sentence with pieces of the input in it: short, and nothing in it that a terminal or a header obeys.
fn check_sentence(sentence: &str) {
    assert!(!sentence.trim().is_empty());
    assert!(
        sentence.len() <= 1000,
        "{} bytes: {sentence}",
        sentence.len()
    );
    assert!(!has_controls(sentence), "{sentence:?}");
}

fn has_controls(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && c != '\t')
}

/// Checks a description or fragment that we wrote: whole lines, all ended by CRLF, none from within a value.
fn check_lines(text: &str) {
    for line in text.split_terminator("\r\n") {
        assert!(!has_controls(line), "{line:?} in {text:?}");
        assert!(line.get(1..2) == Some("="), "{line:?} in {text:?}");
    }
    assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
}
