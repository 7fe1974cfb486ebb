//! Other people's publishers: ffmpeg by its WHIP muxer, Firefox by the publish page.

use std::collections::BTreeSet;

use sluice_tests::browser::Engine;
use sluice_tests::ffmpeg::{DtlsRole, WhipFfmpeg};
use sluice_tests::tone;
use sluice_tests::viewer::{ViewerOptions, Viewers};

use crate::browsers::{Desk, shows_all};
use crate::publish::{goes_live, shows_motion, waiting_for_publisher};
use crate::secs;

/// Shorter than what a publisher may be silent for, which is 8 s.
const AT_ONCE: u64 = 3;

#[test]
fn ffmpeg_publishes_in_either_dtls_role() {
    let Some(ffmpeg) = WhipFfmpeg::find() else {
        return;
    };
    let (gateway, desk) = (waiting_for_publisher(), Desk::new());
    for role in [DtlsRole::Passive, DtlsRole::Active] {
        let mut publisher = ffmpeg.publish(&gateway.whip("cam"), role, secs(2));
        gateway.wait_state("cam", "running", secs(15));
        let browser = desk.open(Engine::Chromium, &gateway);
        shows_all(&browser, 30, true);
        drop(browser);

        publisher.signal("INT");
        let path = gateway.wait_state("cam", "waiting", secs(AT_ONCE));
        assert!(
            path["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("the publisher left")),
            "{path:#}"
        );
        publisher.wait_exit(secs(10)).expect("its end");
        let log = publisher.log();
        assert!(
            !log.contains("Failed to"),
            "ffmpeg is not content, {role:?}:\n{log}"
        );
    }
}

#[test]
fn a_viewer_of_ffmpeg_that_comes_late_does_not_wait_for_its_next_key_frame() {
    let Some(ffmpeg) = WhipFfmpeg::find() else {
        return;
    };
    let gateway = waiting_for_publisher();
    // Longer than the test lasts: whether ffmpeg heeds a request for a key frame does not matter.
    let _publisher = ffmpeg.publish(&gateway.whip("cam"), DtlsRole::Active, secs(600));
    gateway.wait_state("cam", "running", secs(15));
    let viewers = Viewers::new();
    let first = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    for _ in 0..3 {
        first.wait_frames(60, secs(15));
        let late = viewers.join(&gateway.whep("cam"), ViewerOptions::default());
        let waited = late.wait_key_frame(secs(3));
        println!("a viewer that came late had its key frame after {waited:?}");
        late.wait_frames(30, secs(10));
    }
}

#[test]
fn firefox_publishes_its_camera_in_vp8() {
    let (gateway, desk) = (waiting_for_publisher(), Desk::new());
    let mut page = goes_live(&desk, Engine::Firefox, &gateway, "camera", "VP8");
    gateway.wait_path("cam", secs(20), |path| path["tracks"][0]["codec"] == "VP8");
    let browser = desk.open(Engine::Chromium, &gateway);
    let last = shows_motion(&browser, &mut page);
    // Its test camera is one colour over all, which changes.
    let colours: BTreeSet<_> = browser
        .watch(secs(4))
        .into_iter()
        .filter_map(|report| report.bars.first().copied())
        .collect();
    assert!(colours.len() >= 3, "always the same colour: {colours:?}");
    let heard = last.audio.clone().unwrap_or_default();
    if let Err(wrong) = tone::check(&heard) {
        panic!("wrong sound: {wrong}; {last:?}");
    }

    page.click("#go");
    gateway.wait_state("cam", "waiting", secs(AT_ONCE));
}
