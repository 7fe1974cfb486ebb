//! The gateway is killed while it records: what was written is there, and the next start makes it good.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sluice_core::record::moment::from_rfc3339;
use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::recordings;
use sluice_tests::wait::pass;
use tempfile::TempDir;

use super::{CAMERA, video};
use crate::secs;

const PATHS: [(&str, &str); 4] = [
    ("short", "{segment: 2s}"),
    ("long", "true"),
    ("mkv", "{format: mkv}"),
    ("other", "{segment: 3s}"),
];

/// A fragment is written each second, and the sound is waited for a moment.
const MOST: f64 = 1.3;

fn options(camera: &Camera, folder: &Path) -> GatewayOptions {
    let mut options = GatewayOptions::new().recordings(folder);
    for (path, record) in PATHS {
        let keys = [
            ("source", camera.url()),
            ("rtsp_transport", "tcp"),
            ("record", record),
        ];
        options = options.path_with(path, &keys);
    }
    options
}

/// Waits until every path has written some seconds of pictures and sound.
fn wait_all(gateway: &Gateway) {
    for (path, _) in PATHS {
        gateway.wait_path(path, secs(20), |path| {
            path["record"]["frames"].as_u64() >= Some(250)
        });
    }
}

/// The newest file of a path that nobody writes, and when it begins.
fn newest(gateway: &Gateway, folder: &Path, path: &str) -> (PathBuf, Duration) {
    let list = gateway.get(&format!("api/v1/recordings/{path}")).json();
    let all = list["recordings"].as_array().cloned().unwrap_or_default();
    let whole = |one: &&Value| one["state"] == "whole" || one["state"] == "repaired";
    let done = all.iter().rfind(whole);
    let done = done.unwrap_or_else(|| panic!("nothing of {path}: {all:?}"));
    let start = done["start"].as_str().and_then(from_rfc3339);
    let name = done["name"].as_str().unwrap_or_default();
    let file = folder.join(path).join(name);
    (file, start.expect("it has a start"))
}

#[test]
fn killed_at_any_moment_every_file_plays_and_little_more_than_a_second_is_lost() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio aac"));
    let options = options(&camera, folder.path());
    let mut gateway = options.start();
    for round in 0..4 {
        wait_all(&gateway);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("it is later than 1970");
        pass(Duration::from_millis(u64::from(now.subsec_nanos()) % 2500));
        let killed = SystemTime::now().duration_since(UNIX_EPOCH);
        let killed = killed.expect("it is later than 1970");
        gateway.process_mut().kill();

        gateway = options.start();
        wait_all(&gateway);
        for (path, _) in PATHS {
            let (file, start) = newest(&gateway, folder.path(), path);
            recordings::decodes(&file);
            let end = start.as_secs_f64() + video(&recordings::probe(&file)).span();
            let lost = killed.as_secs_f64() - end;
            println!("round {round}, {path}: {lost:.2} s lost");
            assert!(lost < MOST, "{path}: {lost} s of {}", file.display());
        }
    }
    gateway.terminate(secs(10));
    let files = recordings::files(folder.path());
    assert!(files.len() >= 4 * PATHS.len(), "{files:?}");
    for file in files {
        let name = file.to_string_lossy();
        assert!(!name.ends_with(".part"), "{name}");
        if name.contains(".broken.") {
            // It had begun a moment before: a header, and no second of frames.
            let bytes = std::fs::metadata(&file).expect("it is there").len();
            assert!(bytes < 10_000, "{name}: {bytes}");
            continue;
        }
        recordings::decodes(&file);
    }
}
