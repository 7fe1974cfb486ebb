//! Key frames on their way through a slow link with a short queue.

use std::process::Command;

use sluice_tests::gateway::GatewayOptions;
use sluice_tests::netns::{Link, Netns};
use sluice_tests::process::run;
use sluice_tests::viewer::{ViewerOptions, Viewers};

use crate::secs;

/// Gives the packets that a link of 5 Mbit/s lost, whose queue is a little shorter than a key frame of the test picture.
fn lost(pacing: &str) -> u64 {
    let (router, server) = (Netns::new(), Netns::new());
    router.forward();
    let link = Link::between(&router, &server, r#"{"delay": 5}"#);
    let (here, there) = router.join_machine();
    let (to, via) = (link.second.to_string(), there.to_string());
    // It goes with the namespace's interface.
    run(Command::new("ip").args(["route", "add", &to, "via", &via]));
    let options = GatewayOptions::new().path("cam", "test:?key-interval=1");
    let mut gateway = options.webrtc(pacing).within(&server).start();
    gateway.reach_at(&to);
    let viewers = Viewers::at(here.into());
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    // The cached group leaves in a hurry; live frames are what counts here.
    viewer.wait_frames(45, secs(10));
    link.set(r#"{"delay": 5, "ba": {"rate_kbit": 5000, "queue_kb": 14}}"#);
    viewer.wait_frames(255, secs(20));
    let statistics = link.statistics();
    println!("{pacing}: {:?}, {statistics}", viewer.counts().video);
    statistics["tail"].as_u64().expect("a count")
}

#[test]
fn a_key_frame_overflows_no_short_queue() {
    let (at_once, paced) = (lost("pacing: off"), lost("pacing: 20ms"));
    assert!(at_once > 20, "the queue is too long: {at_once} lost");
    assert_eq!(paced, 0, "of {at_once} that were lost at once");
}
