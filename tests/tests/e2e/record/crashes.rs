//! The gateway is killed while it records: what was written is there, and the next start makes it good.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sluice_core::record::moment::from_rfc3339;
use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::recordings;
use sluice_tests::stamp;
use sluice_tests::wait::pass;
use tempfile::TempDir;

use super::CAMERA;
use crate::secs;

const PATHS: [(&str, &str); 4] = [
    ("short", "{segment: 2s}"),
    ("long", "true"),
    ("mkv", "{format: mkv}"),
    ("other", "{segment: 3s}"),
];

/// So often it is killed; each time four files are under way.
const ROUNDS: usize = 13;

/// Of what the camera had sent when the gateway was killed, so much is missing at most, in seconds.
const MOST: f64 = 1.0;

/// What comes by RTSP is put in order for so long before it is written.
const LATENCY: f64 = 0.2;

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

/// What is left of a path's recordings that were begun before a moment.
struct Left {
    /// When the camera made the newest picture of them, since 1970.
    newest: Option<Duration>,
    /// When the last file begins.
    start: Duration,
    /// Whether that plays.
    plays: bool,
}

fn left(gateway: &Gateway, folder: &Path, path: &str, before: Duration) -> Left {
    let list = gateway.get(&format!("api/v1/recordings/{path}")).json();
    let all = list["recordings"].as_array().cloned().unwrap_or_default();
    let start = |one: &Value| one["start"].as_str().and_then(from_rfc3339);
    let mut begun: Vec<_> = all
        .iter()
        .filter(|one| start(one) < Some(before))
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            (text("name"), text("state"), start(one))
        })
        .collect();
    for (name, state, _) in &begun {
        assert!(state != "recording", "{path}: {name} is nobody's");
    }
    let (_, state, start) = begun.last().expect("there is one").clone();
    let plays = state != "broken";
    begun.retain(|(_, state, _)| state != "broken");
    // One may have been about to be finished when the next one had begun.
    let stamps = begun.iter().rev().take(2).filter_map(|(name, ..)| {
        let bytes = std::fs::read(folder.join(path).join(name)).expect("it is there");
        stamp::newest(&bytes).map(Duration::from_micros)
    });
    Left {
        newest: stamps.max(),
        start: start.expect("it has a start"),
        plays,
    }
}

fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is later than 1970")
}

#[test]
fn killed_at_any_moment_every_file_plays_and_at_most_a_second_of_what_was_sent_is_lost() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio aac --stamp"));
    let options = options(&camera, folder.path());
    let mut began = now();
    let mut gateway = options.start();
    let (mut broken, mut worst) = (0, 0.0_f64);
    for round in 0..ROUNDS {
        wait_all(&gateway);
        pass(Duration::from_millis(
            u64::from(now().subsec_nanos()) % 2500,
        ));
        let killed = now();
        gateway.process_mut().kill();

        let before = std::mem::replace(&mut began, now());
        gateway = options.start();
        wait_all(&gateway);
        for (path, _) in PATHS {
            let left = left(&gateway, folder.path(), path, killed);
            broken += usize::from(!left.plays);
            // Where this run left nothing that plays, all since its begin is lost.
            let end = left.newest.filter(|newest| *newest > before);
            let end = end.map_or(left.start.as_secs_f64() - LATENCY, |end| end.as_secs_f64());
            let lost = killed.as_secs_f64() - end;
            worst = worst.max(lost);
            println!(
                "round {round}, {path}: {lost:.2} s lost, plays: {}",
                left.plays
            );
            assert!(lost <= MOST, "{path}: {lost} s");
        }
    }
    println!("at worst {worst:.2} s");
    gateway.terminate(secs(10));
    let files = recordings::files(folder.path());
    assert!(files.len() >= ROUNDS * PATHS.len(), "{files:?}");
    let marked = |file: &&PathBuf| file.to_string_lossy().contains(".broken.");
    assert_eq!(files.iter().filter(marked).count(), broken, "{files:?}");
    for file in files {
        let name = file.to_string_lossy();
        assert!(!name.ends_with(".part"), "{name}");
        if name.contains(".broken.") {
            // It had begun a moment before: a header, and no fragment.
            let bytes = std::fs::metadata(&file).expect("it is there").len();
            assert!(bytes < 10_000, "{name}: {bytes}");
            continue;
        }
        recordings::decodes(&file);
    }
}
