//! Recordings go by age, by size and by free space.

use serde_json::Value;
use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::recordings::Disk;
use sluice_tests::wait::until;
use tempfile::TempDir;

use super::CAMERA;
use crate::secs;

fn list(gateway: &Gateway, path: &str) -> Vec<Value> {
    let reply = gateway.get(&format!("api/v1/recordings/{path}"));
    let list = reply.json()["recordings"].as_array().cloned();
    list.expect("it is a list")
}

/// What a file is called when it is whole.
fn name(one: &Value) -> &str {
    one["name"]
        .as_str()
        .unwrap_or_default()
        .trim_end_matches(".part")
}

#[test]
fn the_oldest_files_go_by_age_by_size_and_by_free_space_and_recording_goes_on() {
    let folder = TempDir::new().expect("a folder");
    let disk = Disk::of_kilobytes(8_000);
    let camera = Camera::with(&format!("{CAMERA} --bitrate 1500"));
    let tight = format!(
        "{{segment: 1s, keep_free: 4MB, location: '{}/%p-%Y%m%d%H%M%S%f'}}",
        disk.folder().display()
    );
    let rules = [
        ("age", "{segment: 1s, keep: 5s}"),
        ("size", "{segment: 1s, keep_size: 1MB}"),
        ("space", tight.as_str()),
        ("all", "{segment: 1s}"),
    ];
    let mut options = GatewayOptions::new().recordings(folder.path());
    for (path, record) in rules {
        let keys = [
            ("source", camera.url()),
            ("rtsp_transport", "tcp"),
            ("record", record),
        ];
        options = options.path_with(path, &keys);
    }
    let gateway = options.start();
    let first = until(secs(15), "a file of each path", || {
        let firsts = rules.map(|(path, _)| list(&gateway, path).first().cloned());
        let firsts: Option<Vec<_>> = firsts.into_iter().collect();
        firsts
    });
    // It is looked every 10 s; the last rule has work to do when half of the disk is full, after some 25 s.
    for ((path, _), first) in rules.iter().zip(&first).take(3) {
        until(secs(60), path, || {
            let list = list(&gateway, path);
            let gone = !list.iter().any(|one| name(one) == name(first));
            (gone && !list.is_empty()).then_some(())
        });
        let state = gateway.path(path)["record"]["state"].clone();
        assert_eq!(state, "recording", "{path}");
    }
    let all = list(&gateway, "all");
    assert_eq!(name(&all[0]), name(&first[3]));
    assert!(all.len() >= 15, "{}", all.len());
}
