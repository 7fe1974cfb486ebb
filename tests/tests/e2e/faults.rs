//! Hostile and broken viewers.

use sluice_tests::camera::Camera;
use sluice_tests::http::Client;
use sluice_tests::viewer::{ViewerOptions, Viewers};
use sluice_tests::wait::until;

use crate::{secs, serving};

#[test]
fn a_viewer_with_a_false_fingerprint_gets_no_media_packet() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let honest = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());

    let options = ViewerOptions {
        false_fingerprint: true,
        ..ViewerOptions::default()
    };
    let liar = viewers.join(&gateway.whep("cam"), options);
    assert_eq!(liar.reply.status, 201, "{}", liar.reply.body);
    honest.wait_frames(240, secs(15));

    let counts = liar.counts();
    assert_eq!(counts.media_packets, 0, "{counts:?}");
    gateway.wait_viewers("cam", 1, secs(35));
}

#[test]
fn a_viewer_that_never_connects_is_gone_within_35_seconds_and_disturbs_nobody() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let honest = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());

    let options = ViewerOptions {
        deaf: true,
        ..ViewerOptions::default()
    };
    let silent = viewers.join(&gateway.whep("cam"), options);
    assert_eq!(silent.reply.status, 201, "{}", silent.reply.body);
    until(secs(5), "both viewers in the API", || {
        (gateway.viewers("cam").len() == 2).then_some(())
    });

    gateway.wait_viewers("cam", 1, secs(35));
    let counts = honest.counts();
    let longest = counts.longest_gap;
    assert!(longest < secs(2), "it stood still for {longest:?}");
    assert_eq!(silent.counts().media_packets, 0);
}

#[test]
fn offers_that_are_none_get_a_4xx_and_a_sentence() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let client = Client::default();
    let sdp = [("content-type", "application/sdp")];
    let text = [("content-type", "text/plain")];

    for (headers, body) in [(&sdp, "not an offer"), (&sdp, ""), (&text, "v=0\r\n")] {
        let reply = client.request("POST", &gateway.whep("cam"), headers, body);
        assert!(
            (400..500).contains(&reply.status),
            "{body:?} got {}",
            reply.status
        );
        assert!(
            reply.json()["detail"]
                .as_str()
                .is_some_and(|d| d.len() > 10),
            "{}",
            reply.body
        );
    }
    let unknown = client.post_sdp(&gateway.whep("nobody"), "v=0\r\n");
    assert_eq!(unknown.status, 404, "{}", unknown.body);
}
