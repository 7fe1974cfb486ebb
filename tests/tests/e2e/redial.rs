//! Sources that vanish, freeze and come back.

use std::time::Instant;

use sluice_tests::camera::Camera;
use sluice_tests::children::{self, Media};
use sluice_tests::gateway::GatewayOptions;
use sluice_tests::viewer::{ViewerOptions, Viewers};
use sluice_tests::wait::{pass, within};

use crate::{secs, serving};

#[test]
fn a_camera_that_was_killed_plays_for_every_viewer_3_seconds_after_it_is_back() {
    let mut camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let watch = || viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let watching = [watch(), watch(), watch()];

    camera.kill();
    gateway.wait_path("cam", secs(10), |path| path["state"] != "running");
    // Long enough for the backoff to have grown.
    pass(secs(8));
    camera.restart();

    let back = Instant::now();
    for viewer in &watching {
        viewer.wait_frames(10, secs(3).saturating_sub(back.elapsed()));
    }
    let state = gateway.wait_state("cam", "running", secs(3));
    assert_eq!(state["viewers"], 3, "viewers stay connected: {state:#}");
}

#[test]
fn a_frozen_camera_is_noticed_within_10_seconds_and_said_in_the_api() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());

    camera.freeze();
    let path = gateway.wait_path("cam", secs(10), |path| path["state"] != "running");

    let reason = path["reason"].as_str().unwrap_or_default();
    assert!(!reason.is_empty(), "no reason in {path:#}");

    camera.thaw();
    gateway.wait_state("cam", "running", secs(20));
    viewer.wait_frames(30, secs(10));
}

#[test]
fn a_camera_that_sends_sound_only_is_dialled_again_for_its_pictures() {
    let camera = Camera::with("--audio opus --blind-first");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let early = viewers.join(&gateway.whep("cam"), ViewerOptions::default());
    assert_eq!(early.reply.status, 201, "{}", early.reply.body);
    early.wait_audio(20, secs(10));

    gateway.wait_path("cam", secs(20), |path| {
        let tracks = path["tracks"].as_array();
        tracks.is_some_and(|tracks| tracks.iter().any(|track| track["kind"] == "video"))
    });

    // Whoever hears without seeing comes again for the pictures: a session cannot be given a further track.
    within(secs(10), || early.counts().closed.then_some(()))
        .expect("the early viewer is sent away");
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    viewer.wait_frames(30, secs(10));
}

#[test]
fn a_lost_first_source_is_replaced_by_the_second_and_taken_again_when_it_is_back() {
    let mut camera = Camera::with("--audio opus");
    let slate = format!("file://{}", children::media(Media::Mp4).display());
    let list = format!("[\"{}\", \"{slate}\"]", camera.url());
    let keys = [
        ("source", list.as_str()),
        ("loop", "true"),
        ("rtsp_transport", "tcp"),
    ];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let on = |wanted: &'static str| {
        move |path: &serde_json::Value| {
            path["state"] == "running"
                && path["source"].as_str().is_some_and(|s| s.contains(wanted))
        }
    };
    gateway.wait_path("cam", secs(5), on("rtsp://"));

    camera.kill();
    gateway.wait_path("cam", secs(15), on("file://"));
    viewer.wait_frames(60, secs(10));

    camera.restart();
    gateway.wait_path("cam", secs(45), on("rtsp://"));
    viewer.wait_frames(60, secs(10));
}

#[test]
fn wrong_credentials_are_not_hammered() {
    let camera = Camera::with("--auth digest --login user:right");
    let keys = [
        ("source", &*camera.url_as("user:wrong")),
        ("on_demand", "false"),
    ];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();

    let gave_up =
        |path: &serde_json::Value| path["state"] == "waiting" || path["state"] == "failed";
    let path = gateway.wait_path("cam", secs(10), gave_up);

    let reason = path["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("password"), "{path:#}");
    let soon = path["retry_in_ms"]
        .as_u64()
        .is_some_and(|wait| wait < 15_000);
    assert!(!soon, "it is dialled again at once: {path:#}");
}
