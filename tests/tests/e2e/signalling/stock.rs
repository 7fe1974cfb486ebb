//! `webrtcsrc` and `webrtcsink` as everybody has them.

use std::net::UdpSocket;
use std::time::Instant;

use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::picture;
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::signalling::Stock;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{ViewerOptions, Viewers};

use super::ws;
use crate::secs;

fn studio() -> Gateway {
    let gateway = GatewayOptions::new().path("cam", "publisher").start();
    gateway.wait_state("cam", "waiting", secs(10));
    gateway
}

#[test]
fn webrtcsrc_decodes_nearly_all_frames_of_the_known_picture() {
    // Key frames are rare: what is seen at once is the cached group.
    let gateway = Gateway::serving("cam", "test:?size=640x360&fps=25&key-interval=10");
    decodes_nearly_all(&gateway, 25.0);
}

#[test]
fn webrtcsrc_decodes_nearly_all_frames_that_webrtcsink_publishes_as_vp8() {
    let gateway = studio();
    let _publisher = Stock::start(&["publish", &ws(&gateway)]);
    gateway.wait_state("cam", "running", secs(30));
    decodes_nearly_all(&gateway, 15.0);
}

/// Its frames are cut into three slices, and SPS and PPS come before each key frame.
#[test]
fn webrtcsrc_decodes_the_whole_picture_that_is_published_as_h264() {
    let gateway = studio();
    let _publisher = Publisher::start(&gateway.whip("cam"), &PublisherOptions::default());
    gateway.wait_state("cam", "running", secs(20));
    decodes_nearly_all(&gateway, 30.0);
}

fn decodes_nearly_all(gateway: &Gateway, fps: f64) {
    let stock = Stock::start(&["watch", &ws(gateway)]);
    let first = stock.wait_decoded(25, 25, secs(30));
    assert_eq!(picture::check_whole(&first.rows), Ok(()));
    let begin = Instant::now();
    let later = stock.wait_decoded(first.video + 150, 0, secs(30));
    let due = begin.elapsed().as_secs_f64() * fps;
    let decoded = later.video - first.video;
    println!(
        "{decoded} of {due:.0} frames, first after {:?} ms",
        later.first_ms
    );
    #[expect(clippy::cast_precision_loss, reason = "some hundred frames")]
    let share = decoded as f64 / due;
    assert!(share >= 0.9, "{decoded} of {due:.0} frames");
    assert_eq!(picture::check_whole(&later.rows), Ok(()));
    assert!(later.audio > first.audio, "{later:?}");
    // A process that ends takes its session with it.
    drop(stock);
    gateway.wait_viewers("cam", 0, secs(15));
}

#[test]
fn webrtcsrc_is_told_by_the_gateway_what_it_cannot_have() {
    let gateway = Gateway::serving("cam", super::SMALL);
    let mut stock = Stock::start(&["watch", &ws(&gateway), "nowhere"]);
    let status = stock.process().wait_exit(secs(20)).expect("it ends");
    assert!(!status.success());
    let log = stock.process().log();
    assert!(
        log.contains("no path \"nowhere\"") || log.contains("nowhere"),
        "{log}"
    );
}

#[test]
fn webrtcsink_publishes_vanishes_is_noticed_and_comes_back() {
    let gateway = studio();
    let publish = || Stock::start(&["publish", &ws(&gateway)]);
    let mut first = publish();
    gateway.wait_state("cam", "running", secs(30));
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), takes(Payload::Vp8));
    viewer.wait_frames(45, secs(30));
    viewer.wait_audio(45, secs(30));
    let path = gateway.path("cam");
    assert_eq!(path["publisher"]["codec_video"], "VP8", "{path:#}");

    // Its socket ends with it, and so does its session: long before its silence is noticed.
    first.process().kill();
    let begin = Instant::now();
    gateway.wait_state("cam", "waiting", secs(10));
    println!("noticed after {:?}", begin.elapsed());
    let _second = publish();
    gateway.wait_state("cam", "running", secs(30));
    let again = viewers.watch(&gateway.whep("cam"), takes(Payload::Vp8));
    again.wait_frames(30, secs(30));
}

#[test]
fn webrtcsink_publishes_h264() {
    let gateway = studio();
    let _stock = Stock::start(&["publish", &ws(&gateway), "--codec", "video/x-h264"]);
    gateway.wait_state("cam", "running", secs(30));
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), takes(Payload::H264));
    viewer.wait_frames(45, secs(30));
}

#[test]
fn webrtcsink_yields_to_another_publisher_and_is_told() {
    let gateway = studio();
    let mut stock = Stock::start(&["publish", &ws(&gateway)]);
    gateway.wait_state("cam", "running", secs(30));
    let other = Publisher::start(&gateway.whip("cam"), &PublisherOptions::default());
    let status = stock.process().wait_exit(secs(20)).expect("it ends");
    assert!(!status.success());
    let log = stock.process().log();
    assert!(log.contains("another publisher took its place"), "{log}");
    assert_eq!(gateway.path("cam")["publisher"]["codec_video"], "H.264");
    assert!(!other.published().closed);
}

/// Vanilla ICE waits for the client's own candidates before it says anything; trickle ICE does not. The figures are
/// in docs/ice.md.
#[test]
fn a_stun_server_that_never_answers_delays_whep_and_not_the_socket() {
    let gateway = Gateway::serving("cam", "test:?size=640x360&fps=25");
    let silent = UdpSocket::bind("0.0.0.0:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let host = sluice_tests::viewer::outward_address();
    let stun = format!("stun://{host}:{port}");
    let first_ms = |arguments: &[&str]| {
        let stock = Stock::start(arguments);
        let decoded = stock.wait_decoded(1, 0, secs(60));
        drop(stock);
        gateway.wait_viewers("cam", 0, secs(60));
        decoded.first_ms.expect("a picture")
    };
    let (ws, whep) = (ws(&gateway), gateway.whep("cam"));
    let plain = (first_ms(&["watch", &ws]), first_ms(&["whep", &whep]));
    let slow = (
        first_ms(&["watch", &ws, "--stun", &stun]),
        first_ms(&["whep", &whep, "cam", "--stun", &stun]),
    );
    println!(
        "first picture in ms, (webrtcsrc over /ws, whepclientsrc): {plain:?}, with a silent STUN server {slow:?}"
    );
    assert!(slow.0 < slow.1, "{plain:?} {slow:?}");
    assert!(slow.0 < plain.0 + 2000, "{plain:?} {slow:?}");
}

fn takes(codec: Payload) -> ViewerOptions {
    ViewerOptions {
        codecs: vec![codec],
        ..ViewerOptions::default()
    }
}
