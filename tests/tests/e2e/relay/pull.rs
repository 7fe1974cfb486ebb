//! `source: whep://…`: what is seen there is seen here.

use sluice_tests::browser::Engine;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::netns::Netns;
use sluice_tests::process::free_tcp_port;
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{ViewerOptions, Viewers};
use sluice_tests::wait::within;

use super::{pulling, pushing, small, target, target_at, watches, whep_of, whip_at};
use crate::browsers::{Desk, shows_all};
use crate::secs;

#[test]
fn chromium_shows_what_was_pulled() {
    let origin = Gateway::serving("cam", "test:?size=640x360");
    let gateway = pulling(&whep_of(&origin));
    gateway.wait_state("cam", "running", secs(30));
    let desk = Desk::new();
    let browser = desk.open(Engine::Chromium, &gateway);
    shows_all(&browser, 30, true);
}

fn is_pulled(codec: Payload) {
    let origin = target();
    let _publisher = Publisher::start(&origin.whip("cam"), &small(codec));
    origin.wait_state("cam", "running", secs(15));
    let gateway = pulling(&whep_of(&origin));
    gateway.wait_state("cam", "running", secs(30));
    let viewers = Viewers::new();
    let viewer = watches(&viewers, &gateway, codec);
    assert_eq!(viewer.counts().codec, Some(format!("{codec:?}")));
    let path = gateway.path("cam");
    let detail = path["tracks"][0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("640×360"), "{path:#}");
    // The origin has one viewer, whoever watches here.
    assert_eq!(origin.path("cam")["viewers"], 1);
}

#[test]
fn h264_is_pulled_from_another_sluice() {
    is_pulled(Payload::H264);
}

#[test]
fn vp8_is_pulled_from_another_sluice() {
    is_pulled(Payload::Vp8);
}

#[test]
fn pictures_without_sound_are_pulled_and_pushed() {
    let target = target();
    let origin = pushing(&whip_at(target.port()));
    let silent = PublisherOptions {
        audio: false,
        ..small(Payload::Vp8)
    };
    let _publisher = Publisher::start(&origin.whip("cam"), &silent);
    let gateway = pulling(&whep_of(&origin));
    let viewers = Viewers::new();
    for there in [&target, &gateway] {
        there.wait_state("cam", "running", secs(30));
        let viewer = viewers.watch(&there.whep("cam"), ViewerOptions::default());
        viewer.wait_frames(60, secs(20));
        assert_eq!(viewer.counts().audio.received, 0);
    }
}

#[test]
fn a_lost_origin_is_pulled_again_and_the_viewer_stays() {
    let port = free_tcp_port();
    let mut origin = target_at(port, None);
    let publisher = Publisher::start(&origin.whip("cam"), &small(Payload::Vp8));
    let gateway = pulling(&format!("whep://127.0.0.1:{port}/cam/whep"));
    gateway.wait_state("cam", "running", secs(30));
    let viewers = Viewers::new();
    let viewer = watches(&viewers, &gateway, Payload::Vp8);

    origin.process_mut().kill();
    drop((publisher, origin));
    let path = gateway.wait_state("cam", "waiting", secs(30));
    println!("{path:#}");
    let origin = target_at(port, None);
    let _publisher = Publisher::start(&origin.whip("cam"), &small(Payload::Vp8));
    gateway.wait_state("cam", "running", secs(60));
    let before = viewer.counts().key_frames;
    let more = || (viewer.counts().key_frames > before).then_some(());
    assert!(within(secs(20), more).is_some(), "{:?}", viewer.counts());
    assert!(!viewer.counts().closed);
}

#[test]
fn nobody_is_asked_for_our_address_unless_the_config_names_a_server() {
    let netns = Netns::new();
    let (_here, there) = netns.join_machine();
    let port = free_tcp_port();
    // A question to stun.l.google.com would begin with its name.
    let names = netns.count_udp_to(53);
    let options = GatewayOptions::new()
        .path_with("b", &[("source", "publisher")])
        .path_with(
            "a",
            &[
                ("source", "\"test:?size=320x240\""),
                ("forward", &format!("whip://{there}:{port}/b/whip")),
            ],
        )
        .path_with(
            "cam",
            &[
                ("source", &format!("\"whep://{there}:{port}/a/whep\"")),
                ("on_demand", "false"),
            ],
        );
    let yaml = options
        .yaml()
        .replace("listen: \":0\"", &format!("listen: \":{port}\""));
    let gateway = GatewayOptions::new()
        .yaml_text(&yaml)
        .within(&netns)
        .start();
    let mut gateway = gateway;
    gateway.reach_at(&there.to_string());
    gateway.wait_state("cam", "running", secs(40));
    gateway.wait_state("b", "running", secs(40));
    assert_eq!(names.packets(), 0, "{}", gateway.log());
}
