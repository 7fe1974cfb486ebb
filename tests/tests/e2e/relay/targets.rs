//! Targets that go, come back, hang, and refuse.

use serde_json::Value;
use sluice_tests::process::free_tcp_port;
use sluice_tests::publisher::Publisher;
use sluice_tests::viewer::Viewers;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::wait::within;

use super::{is_running, pushing, small, target, target_at, wait_forward, watches, whip_at};
use crate::secs;

#[test]
fn a_target_that_is_down_at_first_gets_the_stream_when_it_comes_and_when_it_comes_back() {
    let port = free_tcp_port();
    let gateway = pushing(&format!("[{}]", whip_at(port)));
    let _publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::Vp8));
    let forward = wait_forward(&gateway, 20, |forward| {
        forward["state"] == "waiting" && forward["attempt"].as_u64() >= Some(3)
    });
    let reason = forward["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("refused the connection"), "{forward}");
    assert!(forward["retry_in_ms"].is_number(), "{forward}");

    let mut target = target_at(port, None);
    wait_forward(&gateway, 40, is_running);
    target.wait_state("cam", "running", secs(20));
    target.process_mut().kill();
    drop(target);
    let forward = wait_forward(&gateway, 60, |forward| forward["state"] == "waiting");
    println!("{forward}");

    let target = target_at(port, None);
    wait_forward(&gateway, 60, is_running);
    target.wait_state("cam", "running", secs(20));
    let viewers = Viewers::new();
    let _viewer = watches(&viewers, &target, Payload::Vp8);
}

#[test]
fn a_target_that_ends_the_session_is_asked_again() {
    let target = target();
    let gateway = pushing(&format!("[{}]", whip_at(target.port())));
    let _publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::Vp8));
    wait_forward(&gateway, 30, is_running);
    // Another publisher takes the place of the forward.
    let mut other = small(Payload::Vp8);
    other.size = (320, 240);
    let other = Publisher::start(&target.whip("cam"), &other);
    let forward = wait_forward(&gateway, 20, |forward| !is_running(forward));
    let reason = forward["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("ended the session"), "{forward}");
    drop(other);
    wait_forward(&gateway, 30, is_running);
}

#[test]
fn a_publisher_that_goes_and_comes_back_is_pushed_on_again() {
    let target = target();
    let gateway = pushing(&format!("[{}]", whip_at(target.port())));
    let publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::Vp8));
    target.wait_state("cam", "running", secs(30));
    let viewers = Viewers::new();
    let viewer = watches(&viewers, &target, Payload::Vp8);
    drop(publisher);
    gateway.wait_state("cam", "waiting", secs(15));
    let before = viewer.counts().key_frames;

    let _publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::Vp8));
    let more = || (viewer.counts().key_frames > before + 1).then_some(());
    let again = within(secs(40), more);
    assert!(again.is_some(), "{:?}\n{}", viewer.counts(), gateway.log());
    wait_forward(&gateway, 10, is_running);
}

/// What used to end the whole process when gst-plugin-webrtc pushed.
#[test]
fn a_target_that_is_killed_and_comes_back_harms_neither_the_gateway_nor_its_other_target() {
    let (steady, port) = (target(), free_tcp_port());
    let mut killed = target_at(port, None);
    let gateway = pushing(&format!("[{}, {}]", whip_at(port), whip_at(steady.port())));
    let _publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::Vp8));
    wait_forward(&gateway, 30, is_running);
    steady.wait_state("cam", "running", secs(30));
    let viewers = Viewers::new();
    let viewer = watches(&viewers, &steady, Payload::Vp8);

    killed.process_mut().kill();
    drop(killed);
    let forward = wait_forward(&gateway, 40, |forward| forward["state"] == "waiting");
    let reason = forward["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("The target "), "{forward}");
    let killed = target_at(port, None);
    wait_forward(&gateway, 60, is_running);
    killed.wait_state("cam", "running", secs(20));
    // The other one never stopped.
    let other = &gateway.path("cam")["forward"][1];
    assert!(
        is_running(other) && other["uptime_s"].as_u64() > Some(10),
        "{other}"
    );
    viewer.wait_frames(15, secs(10));
    assert!(!viewer.counts().closed);
}

#[test]
fn a_dead_target_disturbs_no_other() {
    let target = target();
    let dead = whip_at(free_tcp_port());
    let gateway = pushing(&format!("[{dead}, {}]", whip_at(target.port())));
    let _publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::Vp8));
    target.wait_state("cam", "running", secs(30));
    let path = gateway.wait_path("cam", secs(20), |path| {
        path["forward"][0]["state"] == "waiting" && is_running(&path["forward"][1])
    });
    assert!(path["forward"][1]["reason"].is_null(), "{path:#}");
}

#[test]
fn a_gateway_that_is_stopped_ends_its_session_at_the_target() {
    let target = target();
    let mut gateway = pushing(&whip_at(target.port()));
    let _publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::Vp8));
    target.wait_state("cam", "running", secs(30));
    assert!(
        gateway
            .terminate(secs(15))
            .is_some_and(|status| status.success())
    );
    let path = target.wait_state("cam", "waiting", secs(20));
    // It was told; else it would have noticed the silence.
    let reason = path["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("the publisher left"), "{path:#}");
}

#[test]
fn a_target_that_hangs_is_given_up_and_asked_again_when_it_goes_on() {
    let port = free_tcp_port();
    let mut target = target_at(port, None);
    let gateway = pushing(&whip_at(port));
    let _publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::Vp8));
    wait_forward(&gateway, 30, is_running);
    target.process_mut().signal("STOP");
    let hung = |forward: &Value| {
        let reason = forward["reason"].as_str().unwrap_or_default();
        reason.contains("did not answer in time")
    };
    wait_forward(&gateway, 60, hung);
    target.process_mut().signal("CONT");
    wait_forward(&gateway, 60, is_running);
}
