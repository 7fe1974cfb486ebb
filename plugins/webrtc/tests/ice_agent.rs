//! The ICE agent in a webrtcbin of one's own, as the example shows it: all of it is freed.

#[path = "../examples/ice-agent.rs"]
#[expect(dead_code, reason = "its `main` is for those who run it")]
mod example;

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst_webrtc::WebRTCRTPTransceiver;

/// Says when an object is freed.
fn tell_end(object: &impl IsA<glib::Object>, ended: &Sender<String>) {
    let (name, ended) = (object.type_().name().to_owned(), ended.clone());
    object.add_weak_ref_notify(move || ended.send(name).unwrap_or_default());
}

#[test]
fn the_agent_its_transport_and_its_elements_are_freed_with_their_webrtcbin() {
    gst::init().unwrap();
    let (ended, ends) = channel();

    example::play_a_tone(|agent, webrtcbin| {
        tell_end(agent, &ended);
        let bin = webrtcbin.downcast_ref::<gst::Bin>().unwrap();
        for element in bin.iterate_recurse() {
            let element = element.unwrap();
            if element.type_().name().starts_with("SluiceIce") {
                tell_end(&element, &ended);
            }
        }
        let transceiver: WebRTCRTPTransceiver = webrtcbin.emit_by_name("get-transceiver", &[&0]);
        let dtls: glib::Object = transceiver
            .property::<glib::Object>("receiver")
            .property("transport");
        tell_end(&dtls.property::<glib::Object>("transport"), &ended);
    })
    .unwrap();

    let mut freed: Vec<String> = Vec::new();
    while freed.len() < 4 {
        let one = ends.recv_timeout(Duration::from_secs(5));
        freed.push(one.unwrap_or_else(|_late| panic!("{freed:?} alone are freed")));
    }
    freed.sort();
    // The stream keeps its transport: if that is gone, so is the stream.
    assert_eq!(
        freed,
        [
            "SluiceIceAgent",
            "SluiceIceSink",
            "SluiceIceSrc",
            "SluiceIceTransport"
        ]
    );
}
