//! `whipclientsink` and `whepclientsrc` as everybody has them.

use sluice_tests::gateway::Gateway;
use sluice_tests::picture;
use sluice_tests::signalling::Stock;
use sluice_tests::viewer::Viewers;
use sluice_tests::viewer::rtp::Payload;

use super::{takes, target};
use crate::secs;

#[test]
fn stock_whipclientsink_publishes_to_stock_whepclientsrc() {
    for (codec, payload) in [
        ("video/x-vp8", Payload::Vp8),
        ("video/x-h264", Payload::H264),
    ] {
        let gateway = target();
        let _publisher = Stock::start(&["whip", &gateway.whip("cam"), "cam", "--codec", codec]);
        gateway.wait_state("cam", "running", secs(60));
        let viewers = Viewers::new();
        let viewer = viewers.watch(&gateway.whep("cam"), takes(payload));
        viewer.wait_frames(45, secs(30));
        viewer.wait_audio(45, secs(30));
        shows_the_picture(&gateway);
    }
}

#[test]
fn stock_whepclientsrc_shows_h264() {
    shows_the_picture(&Gateway::serving("cam", "test:?size=640x360&fps=25"));
}

fn shows_the_picture(gateway: &Gateway) {
    let stock = Stock::start(&["whep", &gateway.whep("cam")]);
    let decoded = stock.wait_decoded(60, 60, secs(60));
    println!("whepclientsrc: {decoded:?}");
    assert_eq!(picture::check_whole(&decoded.rows), Ok(()));
}
