//! `forward`: what comes in here is seen there.

use serde_json::Value;
use sluice_tests::browser::Engine;
use sluice_tests::camera::Camera;
use sluice_tests::gateway::GatewayOptions;
use sluice_tests::publisher::Publisher;
use sluice_tests::viewer::Viewers;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::wait::within;

use super::{is_running, pushing, small, target, wait_forward, watches, whip_at};
use crate::browsers::{Desk, shows_all};
use crate::secs;

fn goes_through_two(codec: Payload) {
    let target = target();
    let gateway = pushing(&format!("[{}]", whip_at(target.port())));
    let _publisher = Publisher::start(&gateway.whip("cam"), &small(codec));
    let forward = wait_forward(&gateway, 30, |forward| {
        is_running(forward) && forward["packets"].as_u64() > Some(100)
    });
    println!("{codec:?}: {forward}");
    target.wait_state("cam", "running", secs(30));
    let viewers = Viewers::new();
    let viewer = watches(&viewers, &target, codec);
    // As it came: nothing is encoded on the way.
    assert_eq!(viewer.counts().codec, Some(format!("{codec:?}")));
    let path = target.path("cam");
    let detail = path["tracks"][0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("640×360"), "{path:#}");
    assert!(forward["reason"].is_null(), "{forward}");
}

#[test]
fn an_h264_publisher_is_pushed_on_to_a_viewer_of_the_next_sluice() {
    goes_through_two(Payload::H264);
}

#[test]
fn a_vp8_publisher_is_pushed_on_to_a_viewer_of_the_next_sluice() {
    goes_through_two(Payload::Vp8);
}

#[test]
fn a_vp9_publisher_is_pushed_on_to_a_viewer_of_the_next_sluice() {
    goes_through_two(Payload::Vp9);
}

#[test]
fn a_camera_with_aac_is_pushed_with_the_opus_that_viewers_get() {
    let target = target();
    let camera = Camera::with("--audio aac --transports tcp");
    let forward = whip_at(target.port());
    let keys = [
        ("source", camera.url()),
        ("rtsp_transport", "tcp"),
        ("forward", forward.as_str()),
    ];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    wait_forward(&gateway, 40, is_running);
    // A camera sends key frames when it likes; until the next one the target has sound alone.
    let both = |path: &Value| path["tracks"].as_array().map(Vec::len) == Some(2);
    target.wait_path("cam", secs(40), both);
    let viewers = Viewers::new();
    let _viewer = watches(&viewers, &target, Payload::H264);
    let path = target.path("cam");
    assert_eq!(path["publisher"]["codec_audio"], "Opus", "{path:#}");
}

#[test]
fn chromium_shows_what_was_pushed_on() {
    let target = target();
    let gateway = pushing(&format!("[{}]", whip_at(target.port())));
    let _publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::H264));
    target.wait_state("cam", "running", secs(30));
    let desk = Desk::new();
    let browser = desk.open(Engine::Chromium, &target);
    shows_all(&browser, 30, true);
}

#[test]
fn a_push_is_no_viewer_and_takes_no_viewers_place() {
    let target = target();
    let forward = whip_at(target.port());
    let keys = [
        ("source", "\"test:?size=640x360\""),
        ("max_viewers", "1"),
        ("forward", forward.as_str()),
    ];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    wait_forward(&gateway, 30, is_running);
    assert_eq!(gateway.path("cam")["viewers"], 0);
    let viewers = Viewers::new();
    let _own = watches(&viewers, &gateway, Payload::H264);
    target.wait_path("cam", secs(20), |path| {
        path["tracks"].as_array().map(Vec::len) == Some(2)
    });
    let _there = watches(&viewers, &target, Payload::H264);
    let path = gateway.path("cam");
    assert_eq!(path["viewers"], 1, "{path:#}");
    assert_eq!(path["viewer_list"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_targets_viewer_who_needs_a_key_frame_gets_one_from_the_publisher() {
    let target = target();
    let gateway = pushing(&whip_at(target.port()));
    let publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::H264));
    target.wait_state("cam", "running", secs(30));
    let viewers = Viewers::new();
    let viewer = watches(&viewers, &target, Payload::H264);
    let asked = publisher.published().key_frames_asked;
    let before = viewer.counts().key_frames;
    viewer.ask_for_key_frame(false);
    let more = || (viewer.counts().key_frames > before).then_some(());
    assert!(within(secs(30), more).is_some(), "{:?}", viewer.counts());
    assert!(publisher.published().key_frames_asked > asked);
}
