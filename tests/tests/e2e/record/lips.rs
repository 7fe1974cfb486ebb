//! Sound and pictures stay together as they are live, in what was recorded.

use sluice_tests::camera::Camera;
use sluice_tests::lips::Seen;
use sluice_tests::recordings;
use sluice_tests::signalling::Stock;
use tempfile::TempDir;

use super::{recording, wait_recording};
use crate::secs;

/// In seconds.
const MOST: f64 = 0.040;

/// What is live is what `webrtcsrc` decodes and puts in time by the sender reports, as browsers do.
fn stays_together(camera: &str, format: &str, ending: &str) {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!(
        "--flash --key-interval 1 --size 320x240 --bitrate 500 {camera}"
    ));
    let mut gateway = recording(&camera, folder.path(), &format!("{{format: {format}}}"));
    wait_recording(&gateway, "recording");
    let url = gateway.at("ws").replacen("http", "ws", 1);
    let stock = Stock::start(&["watch", &url]);
    // The first ones come before the first sender reports.
    let live = stock.wait_flashes(12, secs(40));
    drop(stock);
    gateway.terminate(secs(10));
    let files = recordings::files(folder.path());
    assert!(
        files.len() == 1 && files[0].to_string_lossy().ends_with(ending),
        "{files:?}"
    );
    let recorded = Seen::in_file(&files[0]);
    assert!(recorded.flashes.len() >= 10, "{recorded:?}");
    let [live, recorded] = [live, recorded].map(|seen| {
        let apart = seen.apart();
        apart.unwrap_or_else(|| panic!("no pair of both: {seen:?}"))
    });
    println!(
        "{format}: beeps {:.1} ms after flashes live, {:.1} ms recorded",
        live * 1000.0,
        recorded * 1000.0
    );
    assert!((live - recorded).abs() <= MOST, "{live} {recorded}");
}

#[test]
fn a_flash_and_its_beep_are_as_far_apart_in_fragmented_mp4_as_live() {
    stays_together("--codec h264 --audio opus", "fmp4", ".mp4");
}

#[test]
fn a_flash_and_its_beep_are_as_far_apart_in_matroska_as_live() {
    stays_together("--codec vp8 --audio opus", "mkv", ".webm");
}

#[test]
fn a_flash_and_its_beep_are_as_far_apart_in_mpeg_ts_as_live() {
    stays_together("--codec h264 --audio aac", "mpegts", ".ts");
}
