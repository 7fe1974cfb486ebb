//! Viewers come and go: the first picture, the counters of the API, the end.

use std::time::Duration;

use sluice_tests::camera::Camera;
use sluice_tests::viewer::{ViewerOptions, Viewers};
use sluice_tests::wait::until;

use crate::{secs, serving};

const FIRST_PICTURE: Duration = Duration::from_millis(150);

#[test]
fn the_first_picture_comes_at_once_whatever_the_key_frame_interval() {
    let camera = Camera::with("--key-interval 10 --audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let first = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());

    let mut watching = Vec::new();
    let mut times = Vec::new();
    for _ in 0..20 {
        // Spread over the interval: 17 frames are a little more than half a second.
        first.wait_frames(17, secs(5));
        let viewer = viewers.join(&gateway.whep("cam"), ViewerOptions::default());
        assert_eq!(viewer.reply.status, 201, "{}", viewer.reply.body);
        times.push(viewer.wait_key_frame(secs(15)));
        watching.push(viewer);
    }

    times.sort();
    let median = times[times.len() / 2];
    assert!(median <= FIRST_PICTURE, "median {median:?} of {times:?}");
    gateway.wait_viewers("cam", 21, secs(5));
}

#[test]
fn a_deleted_viewer_is_gone_at_once() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    gateway.wait_viewers("cam", 1, secs(5));

    let reply = viewer.delete();

    assert!(
        reply.status == 200 || reply.status == 204,
        "DELETE answered {}",
        reply.status
    );
    gateway.wait_viewers("cam", 0, secs(3));
}

#[test]
fn a_viewer_that_closes_dtls_is_gone_soon() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    gateway.wait_viewers("cam", 1, secs(5));

    viewer.hang_up();

    gateway.wait_viewers("cam", 0, secs(5));
}

#[test]
fn a_killed_viewer_is_gone_within_35_seconds() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    gateway.wait_viewers("cam", 1, secs(5));

    drop(viewer);

    gateway.wait_viewers("cam", 0, secs(35));
}

#[test]
fn the_api_shows_what_a_viewer_gets() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    viewer.wait_frames(60, secs(10));

    let path = gateway.path("cam");
    let shown = gateway.viewers("cam")[0].clone();

    assert_eq!(path["state"], "running", "{path:#}");
    assert_eq!(path["tracks"].as_array().map(Vec::len), Some(2), "{path:#}");
    assert_eq!(shown["state"], "playing", "{shown:#}");
    assert!(
        shown["packets_sent"].as_u64().is_some_and(|n| n > 100),
        "{shown:#}"
    );
    assert!(
        shown["codec_video"].to_string().contains("264"),
        "{shown:#}"
    );
    assert!(shown["first_picture_ms"].as_u64().is_some(), "{shown:#}");
}

#[test]
fn lost_packets_come_again() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let options = ViewerOptions {
        drop_percent: 4.0,
        ..ViewerOptions::default()
    };
    let viewer = viewers.watch(&gateway.whep("cam"), options);

    viewer.wait_frames(300, secs(20));

    let counts = viewer.counts();
    assert!(counts.dropped_here > 20, "{counts:?}");
    let lost = counts.video.lost * 1000 / counts.video.expected.max(1);
    assert!(lost <= 10, "{lost} of 1000 packets stay lost: {counts:?}");
}

#[test]
fn a_path_starts_with_its_first_viewer_and_stops_after_its_last() {
    let camera = Camera::with("--audio opus");
    let keys = [
        ("source", camera.url()),
        ("rtsp_transport", "tcp"),
        ("on_demand", "true"),
        ("idle_stop", "2s"),
    ];
    let gateway = sluice_tests::gateway::GatewayOptions::new()
        .path_with("cam", &keys)
        .start();
    assert_eq!(gateway.path("cam")["state"], "idle");

    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    assert_eq!(gateway.path("cam")["state"], "running");
    viewer.delete();

    gateway.wait_state("cam", "idle", secs(10));
}

#[test]
fn sigterm_closes_every_viewer_and_ends_within_5_seconds() {
    let camera = Camera::with("--audio opus");
    let mut gateway = serving(&camera);
    let viewers = Viewers::new();
    let watch = || viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let watching = [watch(), watch(), watch()];
    watching.iter().for_each(|v| v.wait_frames(30, secs(10)));

    let status = gateway.terminate(secs(5));

    assert!(
        status.is_some_and(|s| s.success()),
        "it ended with {status:?}: {}",
        gateway.log()
    );
    for viewer in &watching {
        until(secs(2), "the close by DTLS", || {
            viewer.counts().closed.then_some(())
        });
    }
}
