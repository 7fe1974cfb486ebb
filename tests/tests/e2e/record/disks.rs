//! Disks that are full or let nobody write: who watches sees nothing of it.

use sluice_tests::camera::Camera;
use sluice_tests::recordings::{self, Disk};
use sluice_tests::viewer::Viewers;

use super::{CAMERA, Pair, all_whole, recording, wait_recording, wait_segments};
use crate::secs;

#[test]
fn a_full_disk_is_said_and_used_again_within_5_seconds_of_its_space() {
    let disk = Disk::of_kilobytes(2_000);
    let camera = Camera::with(&format!("{CAMERA} --bitrate 3000"));
    let mut gateway = recording(&camera, disk.folder(), "{segment: 1s}");
    let viewers = Viewers::new();
    let pair = Pair::watch(&gateway, &viewers);
    let path = wait_recording(&gateway, "failed");
    let reason = path["record"]["reason"].as_str().unwrap_or_default();
    assert!(reason.ends_with(": the disk is full"), "{path:#}");
    let metrics = gateway.get("metrics").body;
    let line = "sluice_recording_state{path=\"cam\",state=\"failed\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    pair.undisturbed();

    // Half of the disk is free again.
    let files = recordings::files(disk.folder());
    let whole: Vec<_> = files
        .iter()
        .filter(|file| file.extension().is_some_and(|ending| ending == "mp4"))
        .collect();
    assert!(whole.len() >= 2, "{files:?}");
    for file in whole.iter().take(whole.len() / 2 + 1) {
        std::fs::remove_file(file).expect("it is there");
    }
    gateway.wait_path("cam", secs(5), |path| {
        path["record"]["state"] == "recording"
    });
    pair.undisturbed();
    let files = all_whole(&mut gateway, disk.folder(), ".mp4");
    assert!(!files.is_empty());
}

#[test]
fn a_disk_that_lets_nobody_write_is_said_and_used_as_soon_as_it_does() {
    let disk = Disk::of_kilobytes(20_000);
    disk.read_only(true);
    let camera = Camera::with(CAMERA);
    let mut gateway = recording(&camera, disk.folder(), "{segment: 1s}");
    let viewers = Viewers::new();
    let pair = Pair::watch(&gateway, &viewers);
    let path = wait_recording(&gateway, "failed");
    let reason = path["record"]["reason"].as_str().unwrap_or_default();
    assert!(reason.ends_with(": the disk is read-only"), "{path:#}");
    pair.undisturbed();

    disk.read_only(false);
    wait_segments(&gateway, 1);
    pair.undisturbed();
    let files = all_whole(&mut gateway, disk.folder(), ".mp4");
    assert!(!files.is_empty());
}
