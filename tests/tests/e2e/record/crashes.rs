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

/// So often it is killed; each time four files are under way.
const ROUNDS: usize = 13;

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

/// Waits until every path writes pictures and sound.
fn wait_all(gateway: &Gateway) {
    for (path, _) in PATHS {
        gateway.wait_path(path, secs(20), |path| {
            path["record"]["frames"].as_u64() >= Some(10)
        });
    }
}

/// The newest file of a path that was begun before a moment: where it is, when it begins, and whether it plays.
fn newest(
    gateway: &Gateway,
    folder: &Path,
    path: &str,
    before: Duration,
) -> (PathBuf, Duration, bool) {
    let list = gateway.get(&format!("api/v1/recordings/{path}")).json();
    let all = list["recordings"].as_array().cloned().unwrap_or_default();
    let start = |one: &Value| one["start"].as_str().and_then(from_rfc3339);
    let done = all.iter().rfind(|one| start(one) < Some(before));
    let done = done.unwrap_or_else(|| panic!("nothing of {path}: {all:?}"));
    let name = done["name"].as_str().unwrap_or_default();
    let state = done["state"].as_str().unwrap_or_default();
    assert!(state != "recording", "{path}: {name} is nobody's");
    let file = folder.join(path).join(name);
    (
        file,
        start(done).expect("it has a start"),
        state != "broken",
    )
}

fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is later than 1970")
}

#[test]
fn killed_at_any_moment_every_file_plays_and_little_more_than_a_second_is_lost() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio aac"));
    let options = options(&camera, folder.path());
    let mut gateway = options.start();
    let mut broken = 0;
    for round in 0..ROUNDS {
        wait_all(&gateway);
        pass(Duration::from_millis(
            u64::from(now().subsec_nanos()) % 2500,
        ));
        let killed = now();
        gateway.process_mut().kill();

        gateway = options.start();
        wait_all(&gateway);
        for (path, _) in PATHS {
            let (file, start, plays) = newest(&gateway, folder.path(), path, killed);
            let end = if plays {
                start.as_secs_f64() + video(&recordings::probe(&file)).span()
            } else {
                broken += 1;
                start.as_secs_f64()
            };
            let lost = killed.as_secs_f64() - end;
            println!("round {round}, {path}: {lost:.2} s lost, plays: {plays}");
            assert!(lost < MOST, "{path}: {lost} s of {}", file.display());
        }
    }
    gateway.terminate(secs(10));
    let files = recordings::files(folder.path());
    assert!(files.len() >= ROUNDS * PATHS.len(), "{files:?}");
    let marked = |file: &&PathBuf| file.to_string_lossy().contains(".broken.");
    assert_eq!(files.iter().filter(marked).count(), broken, "{files:?}");
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
