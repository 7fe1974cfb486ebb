//! A day of files of ten minutes: what the list, a cut, a playlist and the rules make of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gst::prelude::*;
use serde_json::Value;
use sluice_core::record::moment::{from_rfc3339, rfc3339};
use sluice_core::record::{Moment, Template};
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::http::Client;
use sluice_tests::process::our_binary;
use sluice_tests::recordings::{self, Disk};
use sluice_tests::wait::until;
use tempfile::TempDir;

use super::video;
use crate::secs;

/// Of ten minutes in a day.
const SEGMENTS: u64 = 144;
const LENGTH: u64 = 600;
/// Nothing was recorded then: twenty minutes in the middle.
const GAP: std::ops::Range<u64> = 72..74;

/// Ten minutes with a picture each second and a key frame each ten, written as the recorder writes them.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's own line, with nothing from outside"
)]
fn ten_minutes(file: &Path) {
    gst::init().expect("GStreamer is there");
    let line = format!(
        "videotestsrc num-buffers={LENGTH} pattern=ball ! video/x-raw,width=64,height=48,framerate=1/1 ! \
         x264enc key-int-max=10 tune=zerolatency bitrate=1 ! h264parse ! mp4mux fragment-duration=10000 ! \
         filesink location={}",
        file.display()
    );
    let pipeline = gst::parse::launch(&line).expect("it is a pipeline");
    pipeline.set_state(gst::State::Playing).expect("it starts");
    let bus = pipeline.bus().expect("it has a bus");
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(30), &ends);
    assert_eq!(end.map(|end| end.type_()), Some(gst::MessageType::Eos));
    pipeline.set_state(gst::State::Null).expect("it ends");
}

/// When the day begins, since 1970: it ends with the last ten minutes that are over.
fn begin() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is later than 1970").as_secs();
    Duration::from_secs((now / LENGTH - SEGMENTS) * LENGTH)
}

fn name(start: Duration) -> String {
    let template = Template::parse("%Y-%m-%dT%H-%M-%S-%fZ").expect("it is good");
    let start = Moment {
        unix: start,
        offset_secs: 0,
    };
    format!("{}.mp4", template.name("", start, 0))
}

/// Fills a path's folder with the day.
fn fill(folder: &Path, begin: Duration, one: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    for number in (0..SEGMENTS).filter(|number| !GAP.contains(number)) {
        let start = begin + Duration::from_secs(number * LENGTH);
        fs::copy(one, folder.join(name(start))).expect("a copy");
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let files = recordings::files(folder);
    let names = files.iter().filter_map(|file| file.file_name()?.to_str());
    names.map(str::to_owned).collect()
}

fn list(gateway: &Gateway, query: &str) -> Vec<Value> {
    let reply = gateway.get(&format!("api/v1/recordings/day{query}"));
    let list = reply.json()["recordings"].as_array().cloned();
    list.expect("it is a list")
}

/// The line of the day: every ten minutes but those of the gap, each where the one before it ends.
fn timeline(gateway: &Gateway, begin: Duration) {
    let all = list(gateway, "");
    assert_eq!(all.len() as u64, SEGMENTS - (GAP.end - GAP.start));
    let time = |one: &Value, key: &str| one[key].as_str().and_then(from_rfc3339).expect("a time");
    assert_eq!(time(&all[0], "start"), begin);
    let mut gaps = Vec::new();
    for pair in all.windows(2) {
        let between = time(&pair[1], "start").as_secs_f64() - time(&pair[0], "end").as_secs_f64();
        if between.abs() > 0.01 {
            gaps.push(between.round());
        }
    }
    assert_eq!(gaps, [1200.0]);
    let hour = begin + Duration::from_secs(20 * 3600);
    let query = format!(
        "?from={}&to={}",
        rfc3339(hour + Duration::from_secs(1)),
        rfc3339(hour + Duration::from_secs(3599))
    );
    assert_eq!(list(gateway, &query).len(), 6);
    let url = format!(
        "api/v1/recordings/day/index.m3u8?start={}&duration=86400",
        rfc3339(begin)
    );
    let playlist = gateway.get(&url).body;
    let parts = playlist.lines();
    let parts = parts.filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','));
    let lasts: f64 = parts.filter_map(|part| part.parse::<f64>().ok()).sum();
    let want = (SEGMENTS - (GAP.end - GAP.start)) * LENGTH;
    assert!((lasts - want as f64).abs() < 5.0, "{lasts} {want}");
}

/// From the middle of one file over three more and the gap to the middle of a fifth.
fn cut(gateway: &Gateway, begin: Duration) {
    let from = begin + Duration::from_secs((GAP.start - 4) * LENGTH + 300);
    let lasts = (GAP.end - GAP.start + 4) * LENGTH;
    let url = gateway.at(&format!(
        "api/v1/recordings/day/get?start={}&duration={lasts}",
        rfc3339(from)
    ));
    let clip = Client::default().get(&url);
    assert_eq!(clip.status, 200, "{}", clip.body);
    let scratch = TempDir::new().expect("a folder");
    let file = scratch.path().join("clip.mp4");
    fs::write(&file, &clip.bytes).expect("it is written");
    recordings::decodes(&file);
    let probe = recordings::probe(&file);
    let times = &video(&probe).times;
    let span = times.last().expect("it has pictures") - times[0];
    // It begins with the key frame before.
    let start = clip.header("sluice-start").and_then(from_rfc3339);
    let earlier = (from - start.expect("it says when")).as_secs_f64();
    assert!((0.0..10.1).contains(&earlier), "{earlier}");
    let want = lasts as f64 + earlier;
    assert!((span + 1.0 - want).abs() < 1.1, "{span} {want}");
    let steps: Vec<_> = times.windows(2).map(|two| two[1] - two[0]).collect();
    let long: Vec<_> = steps
        .iter()
        .filter(|step| **step > 1.1)
        .map(|step| step.round())
        .collect();
    // The last picture before the gap stands through it.
    assert_eq!(long, [1201.0]);
}

/// What `sluice doctor` says that would go: the names, by path and rule.
fn doctor(config: &Path) -> Vec<(String, String, BTreeSet<String>)> {
    let output = Command::new(our_binary("sluice"))
        .args(["doctor", "--json"])
        .arg(config)
        .output()
        .expect("sluice runs");
    let said: Value = serde_json::from_slice(&output.stdout).expect("it speaks JSON");
    assert!(output.status.success(), "{said:#}");
    let groups = said["would_delete"]
        .as_array()
        .cloned()
        .expect("it is a list");
    let group = |one: &Value| {
        let files = one["files"].as_array().cloned().unwrap_or_default();
        let names = files.iter().filter_map(|file| file["name"].as_str());
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        (
            text("path"),
            text("rule"),
            names.map(str::to_owned).collect(),
        )
    };
    groups.iter().map(group).collect()
}

#[test]
fn a_day_is_listed_cut_over_its_gap_and_kept_by_all_three_rules_as_the_doctor_says() {
    let folder = TempDir::new().expect("a folder");
    let scratch = TempDir::new().expect("a folder");
    let one = scratch.path().join("ten.mp4");
    ten_minutes(&one);
    let bytes = fs::metadata(&one).expect("it is there").len();
    let count = SEGMENTS - (GAP.end - GAP.start);
    // A third of this disk stays free when it has the day.
    let disk =
        Disk::of_kilobytes(u32::try_from(count * (bytes / 1024 + 5) * 3 / 2).expect("it is small"));
    let begin = begin();
    let wanted = bytes * 50 + bytes / 2;
    let rules = [
        ("day", "{when: asked}".to_owned()),
        ("age", "{when: asked, keep: 12h}".to_owned()),
        ("size", format!("{{when: asked, keep_size: {wanted}B}}")),
        (
            "space",
            format!(
                "{{when: asked, keep_free: {}kB, location: '{}/%p/%Y-%m-%dT%H-%M-%S-%fZ'}}",
                count * bytes * 3 / 4 / 1000,
                disk.folder().display()
            ),
        ),
    ];
    let mut options = GatewayOptions::new().recordings(folder.path());
    for (path, record) in &rules {
        options = options.path_with(path, &[("source", "'test:'"), ("record", record.as_str())]);
    }
    let home = |path: &str| {
        let root = if path == "space" {
            disk.folder()
        } else {
            folder.path()
        };
        root.join(path)
    };
    for (path, _) in &rules {
        fill(&home(path), begin, &one);
    }
    let config = scratch.path().join("sluice.yaml");
    fs::write(&config, options.yaml()).expect("a config");
    let goes = doctor(&config);
    let rule_of = |path: &str| goes.iter().find(|(of, ..)| of == path);
    for (path, key) in [
        ("age", "keep"),
        ("size", "keep_size"),
        ("space", "keep_free"),
    ] {
        let (_, rule, _) = rule_of(path).unwrap_or_else(|| panic!("nothing of {path}: {goes:?}"));
        assert_eq!(rule, &format!("paths.{path}.record.{key}"));
    }
    assert!(rule_of("day").is_none(), "{goes:?}");
    let before: Vec<_> = rules.iter().map(|(path, _)| names(&home(path))).collect();
    assert!(
        before.iter().all(|all| all.len() as u64 == count),
        "the doctor changes nothing"
    );

    let gateway = options.start();
    timeline(&gateway, begin);
    cut(&gateway, begin);
    for ((path, _), before) in rules.iter().zip(&before) {
        let goes = rule_of(path)
            .map(|(_, _, names)| names.clone())
            .unwrap_or_default();
        let stays: BTreeSet<_> = before.difference(&goes).cloned().collect();
        until(secs(20), path, || {
            (names(&home(path)) == stays).then_some(())
        });
    }
    // The newest stay.
    let [age, size, space] = ["age", "size", "space"].map(|path| names(&home(path)).len());
    assert!((70..=73).contains(&age), "{age}");
    assert_eq!(size, 50);
    assert!((60..140).contains(&space), "{space}");
}
