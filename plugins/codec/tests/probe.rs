//! The probe: each encoder is tried in a process of its own, whatever it does there.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;
use std::time::Duration;

use gstsluicecodec::probe::{Options, Report, child, run};
use sluice_core::transcode::Encoder;

mod bench;
mod fakes;

use bench::{feed, init};

const FACTORY: &str = "SLUICE_TEST_FACTORY";

#[expect(clippy::print_stdout, reason = "what the parent process reads")]
/// In the child process this is the whole program; elsewhere it does nothing.
#[test]
fn the_child() {
    if let Ok(factory) = std::env::var(FACTORY) {
        init();
        let mut rows = rows();
        rows.push(fakes::row(fakes::hangs_at_start::register()));
        println!("\n{}", child(&rows, &factory));
    }
}

fn rows() -> Vec<Encoder> {
    [
        "nothingofthatname",
        fakes::crashes::register(),
        fakes::garbage::register(),
        fakes::swallows::register(),
        fakes::fails_at_start::register(),
        fakes::good::register(),
        "vp8enc",
    ]
    .map(fakes::row)
    .into()
}

fn command(factory: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_child", "--nocapture"]);
    command.env(FACTORY, factory);
    command
}

fn options() -> Options {
    init();
    Options {
        encoders: rows(),
        ..Options::new(command)
    }
}

fn why(report: &Report, factory: &str) -> String {
    let row = report
        .rows
        .iter()
        .find(|row| row.encoder.factory == factory);
    row.unwrap().why().unwrap_or("it works").to_owned()
}

#[test]
fn only_what_works_is_chosen() {
    let report = run(&options());
    assert!(!report.rows.first().unwrap().is_found());
    for (factory, reason) in [
        ("fakecrashes", "it crashes (signal: 6"),
        ("fakegarbage", ""),
        ("fakeswallows", "0 of 10 pictures"),
        ("fakefailsatstart", ""),
        ("fakegood", "it works"),
        ("vp8enc", "it works"),
    ] {
        let why = why(&report, factory);
        assert!(why.starts_with(reason), "{factory}: {why}");
        assert_eq!(why == "it works", reason == "it works", "{factory}: {why}");
    }
    let chosen: Vec<_> = report.rows.iter().filter(|row| row.chosen).collect();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen.first().unwrap().encoder.factory, "fakegood");
    let speed = chosen.first().unwrap().speed().unwrap();
    assert!(
        speed.fps_720 > 0 && speed.fps_720 >= speed.fps_1080,
        "{speed:?}"
    );

    report.apply();
    let raw = bench::run(
        "videotestsrc num-buffers=5 ! video/x-raw,width=320,height=240",
        "",
        "",
    );
    let got = feed(&[&raw], "video-codec=vp8", "");
    assert_eq!(got.stats.get("encoder"), Ok(Some("fakegood")));
}

#[test]
fn one_that_hangs_is_stopped_at_the_limit() {
    init();
    let report = run(&Options {
        encoders: vec![fakes::row(fakes::hangs_at_start::register())],
        limit: Duration::from_secs(1),
        ..options()
    });
    let why = why(&report, "fakehangsatstart");
    assert_eq!(why, "it hangs: no result after 1 s");
    assert!(!report.rows.iter().any(|row| row.chosen));
}

#[test]
fn results_are_kept_until_something_changes() {
    let folder = std::env::temp_dir().join(format!("sluice-probe-{}", std::process::id()));
    let cache = folder.join("deep").join("encoders");
    let with = |command: fn(&str) -> Command, encoders: &[&'static str]| Options {
        encoders: encoders.iter().map(|factory| fakes::row(factory)).collect(),
        cache: Some(cache.clone()),
        ..Options::new(command)
    };
    init();
    let none: fn(&str) -> Command = |_| Command::new("/nothing/of/that/name");
    let first = run(&with(command, &["vp8enc"]));
    assert_eq!(why(&first, "vp8enc"), "it works");
    // No process is started for what is known, and one is for anything else.
    assert_eq!(run(&with(none, &["vp8enc"])), first);
    let other = run(&with(none, &["vp8enc", fakes::good::register()]));
    assert!(why(&other, "vp8enc").contains("did not start"));
    std::fs::remove_dir_all(folder).unwrap();
}
