//! Recordings that are started and stopped by the API, and their list.

use std::path::Path;

use serde_json::Value;
use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::http::{Client, Reply};
use sluice_tests::recordings;
use sluice_tests::viewer::Viewers;
use tempfile::TempDir;

use super::{CAMERA, PLAIN, Pair};
use crate::secs;

/// A gateway that records this camera when it is asked to.
pub(super) fn recording_when_asked(camera: &Camera, folder: &Path) -> Gateway {
    let keys = [
        ("source", camera.url()),
        ("rtsp_transport", "tcp"),
        ("idle_stop", "1s"),
        ("record", "{when: asked}"),
    ];
    GatewayOptions::new()
        .recordings(folder)
        .path_with("cam", &keys)
        .path_with(PLAIN, &keys[..2])
        .start()
}

fn post(gateway: &Gateway, address: &str) -> Reply {
    Client::default().request("POST", &gateway.at(address), &[], "")
}

pub(super) fn switch(gateway: &Gateway, word: &str) -> Value {
    let reply = post(gateway, &format!("api/v1/paths/cam/record/{word}"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

fn list(gateway: &Gateway, query: &str) -> Vec<Value> {
    let reply = gateway.get(&format!("api/v1/recordings/cam{query}"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let list = reply.json()["recordings"].as_array().cloned();
    list.expect("it is a list")
}

pub(super) fn wait_frames(gateway: &Gateway, count: u64) {
    gateway.wait_path("cam", secs(15), |path| {
        path["record"]["frames"].as_u64() >= Some(count)
    });
}

#[test]
fn a_recording_is_started_stopped_and_listed_by_the_api_and_keeps_its_path_running() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio aac"));
    let gateway = recording_when_asked(&camera, folder.path());
    assert_eq!(gateway.path("cam")["state"], "idle");
    assert!(list(&gateway, "").is_empty());

    switch(&gateway, "start");
    wait_frames(&gateway, 200);
    let open = list(&gateway, "");
    assert_eq!(open[0]["state"], "recording", "{open:?}");
    let said = switch(&gateway, "stop");
    assert_eq!(said["record"]["state"], "off", "{said}");

    let all = list(&gateway, "");
    let one = &all[0];
    assert_eq!((all.len(), one["state"].as_str()), (1, Some("whole")));
    let name = one["name"].as_str().expect("it has a name");
    let file = folder.path().join("cam").join(name);
    recordings::decodes(&file);
    let probe = recordings::probe(&file);
    let span = probe.video.expect("it has pictures").span();
    let said = one["duration_s"].as_f64().expect("it is a number");
    assert!((said - span).abs() < 0.1, "{said} {span}");
    let bytes = std::fs::metadata(&file).expect("it is there").len();
    assert_eq!(one["bytes"], bytes, "{one}");
    let codecs: Vec<_> = (0..2).map(|track| &one["tracks"][track]["codec"]).collect();
    assert_eq!(codecs, ["H.264", "AAC"], "{one}");
    let summary = gateway.get("api/v1/recordings").json();
    assert_eq!(summary["paths"][0]["recordings"], 1, "{summary}");
    assert_eq!(summary["paths"][0]["end"], one["end"], "{summary}");
    // Nobody watches, and nothing is recorded any more.
    gateway.wait_state("cam", "idle", secs(10));

    let end = one["end"].as_str().expect("it is a time");
    for (query, count) in [
        (format!("?to={end}"), 1),
        (format!("?from={end}"), 1),
        ("?to=2020-01-01T00:00:00Z".to_owned(), 0),
        ("?from=2100-01-01T00:00:00Z".to_owned(), 0),
    ] {
        assert_eq!(list(&gateway, &query).len(), count, "{query}");
    }
    let reply = gateway.get("api/v1/recordings/cam?from=yesterday");
    assert_eq!(reply.status, 400, "{}", reply.body);
}

#[test]
fn starting_and_stopping_disturbs_no_viewer_and_gives_a_file_each_time() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio opus"));
    let mut gateway = recording_when_asked(&camera, folder.path());
    let viewers = Viewers::new();
    let pair = Pair::watch(&gateway, &viewers);
    for _ in 0..5 {
        switch(&gateway, "start");
        // A second time changes nothing.
        switch(&gateway, "start");
        wait_frames(&gateway, 30);
        switch(&gateway, "stop");
        switch(&gateway, "stop");
    }
    pair.undisturbed();
    assert_eq!(gateway.path("cam")["state"], "running");
    let files = super::all_whole(&mut gateway, folder.path(), ".mp4");
    assert_eq!(files.len(), 5, "{files:?}");
}

#[test]
fn what_was_asked_holds_over_a_crash() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(CAMERA);
    let mut gateway = recording_when_asked(&camera, folder.path());
    switch(&gateway, "start");
    wait_frames(&gateway, 10);
    gateway.process_mut().kill();

    let mut gateway = recording_when_asked(&camera, folder.path());
    wait_frames(&gateway, 10);
    switch(&gateway, "stop");
    gateway.process_mut().kill();

    let gateway = recording_when_asked(&camera, folder.path());
    let path = gateway.path("cam");
    assert_eq!(
        (&path["state"], &path["record"]),
        (&"idle".into(), &Value::Null),
        "{path:#}"
    );
}

#[test]
fn an_event_has_the_seconds_before_it_and_ends_by_itself() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio aac"));
    let keys = [
        ("source", camera.url()),
        ("rtsp_transport", "tcp"),
        ("record", "{when: asked, pre_roll: 5s}"),
    ];
    let gateway = GatewayOptions::new()
        .recordings(folder.path())
        .path_with("cam", &keys)
        .start();
    let path = gateway.wait_path("cam", secs(30), |path| path["uptime_s"].as_u64() >= Some(8));
    assert_eq!(path["record"]["state"], "armed", "{path:#}");
    assert!(list(&gateway, "").is_empty());
    for _ in 0..2 {
        let reply = post(&gateway, "api/v1/paths/cam/record/event?duration=2");
        assert_eq!(reply.status, 200, "{}", reply.body);
        gateway.wait_path("cam", secs(10), |path| {
            path["record"]["state"] == "recording"
        });
    }
    gateway.wait_path("cam", secs(15), |path| path["record"]["state"] == "armed");
    let all = list(&gateway, "");
    assert_eq!(all.len(), 1, "{all:?}");
    // Five seconds before, up to one more to the key frame, and two of the event, which was prolonged a little.
    let lasts = all[0]["duration_s"].as_f64().unwrap_or_default();
    assert!((6.8..9.5).contains(&lasts), "{all:?}");
    let name = all[0]["name"].as_str().unwrap_or_default();
    recordings::decodes(&folder.path().join("cam").join(name));
    let reply = post(&gateway, "api/v1/paths/cam/record/event?duration=x");
    assert_eq!(reply.status, 400, "{}", reply.body);
}

#[test]
fn a_path_whose_config_does_not_say_how_is_not_recorded() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(CAMERA);
    let gateway = recording_when_asked(&camera, folder.path());
    for (address, status, word) in [
        ("api/v1/paths/plain/record/start", 409, "when: asked"),
        ("api/v1/paths/none/record/start", 404, "There is no path"),
    ] {
        let reply = post(&gateway, address);
        assert_eq!(reply.status, status, "{}", reply.body);
        assert!(reply.body.contains(word), "{}", reply.body);
    }
}
