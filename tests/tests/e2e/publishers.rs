//! Other people's publishers: ffmpeg by its WHIP muxer, Firefox by the publish page, Chromium with simulcast.

use std::collections::BTreeSet;

use sluice_tests::browser::{Browser, Engine, Report};
use sluice_tests::ffmpeg::{DtlsRole, WhipFfmpeg};
use sluice_tests::tone;
use sluice_tests::viewer::{ViewerOptions, Viewers};

use crate::browsers::{Desk, shows_all, smooth};
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
        // Its complaint about the answer to DELETE is of its own making: 9.0 reads the head as if it were a chunk.
        publisher.wait_exit(secs(10)).expect("its end");
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

/// Publishes three layers of the test camera, the best of them last.
const THREE_LAYERS: &str = "async () => {\
    const stream = await navigator.mediaDevices.getUserMedia({video: {width: 960, height: 540, frameRate: 15}});\
    const pc = new RTCPeerConnection();\
    const sent = pc.addTransceiver(stream.getVideoTracks()[0], {direction: 'sendonly', streams: [stream], sendEncodings: [\
        {rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 100000},\
        {rid: 'm', scaleResolutionDownBy: 2, maxBitrate: 300000},\
        {rid: 'h', maxBitrate: 800000}]});\
    const known = RTCRtpReceiver.getCapabilities('video').codecs;\
    sent.setCodecPreferences(known.filter((codec) => /VP8|rtx/.test(codec.mimeType)));\
    await pc.setLocalDescription();\
    const headers = {'content-type': 'application/sdp'};\
    const reply = await fetch('/cam/whip', {method: 'POST', headers, body: pc.localDescription.sdp});\
    const sdp = await reply.text();\
    await pc.setRemoteDescription({type: 'answer', sdp});\
    window.layered = {pc, sender: sent.sender};\
    return sdp;\
}";

/// Lets the best layer be sent, or not, as congestion control does.
fn best_layer(page: &mut Browser, active: bool) {
    let set = format!(
        "async () => {{ const now = window.layered.sender.getParameters();\
         now.encodings[2].active = {active};\
         await window.layered.sender.setParameters(now); return 'set'; }}"
    );
    assert_eq!(page.eval(&set), "set");
}

/// Nothing but pictures of this width, and each another one.
fn shows_only(browser: &Browser, width: u32) {
    let seen = browser.watch(secs(6));
    let widths: BTreeSet<_> = seen.iter().map(|report| report.width).collect();
    assert_eq!(widths, BTreeSet::from([width]), "{seen:?}");
    // Of 15 frames a second.
    smooth(&seen, 12);
}

#[test]
fn chromium_publishes_three_layers_and_the_best_that_flows_is_shown_alone() {
    let (gateway, desk) = (waiting_for_publisher(), Desk::new());
    let mut page = desk.open_page(Engine::Chromium, &gateway, "cam/publish");
    let answer = page.eval(THREE_LAYERS);
    let answer = answer.as_str().unwrap_or_default();
    assert!(answer.contains("a=simulcast:recv l;m;h"), "{answer}");
    gateway.wait_state("cam", "running", secs(20));

    let browser = desk.open(Engine::Chromium, &gateway);
    let wide =
        |width: u32| move |report: &Report| report.width == width && report.frames_decoded > 0;
    // Chromium sends the best layer once it has found the line to be good enough.
    browser.until(secs(60), "picture of the best layer", wide(960));
    let layers = gateway.path("cam")["publisher"]["layers"].clone();
    println!("{layers}");
    assert_eq!(layers.as_array().map(Vec::len), Some(3), "{layers}");
    shows_only(&browser, 960);

    best_layer(&mut page, false);
    browser.until(secs(8), "picture of the next layer", wide(480));
    shows_only(&browser, 480);

    best_layer(&mut page, true);
    browser.until(secs(40), "picture of the best layer", wide(960));
    shows_only(&browser, 960);
    assert_eq!(
        browser.until(secs(3), "report", |_| true).peers,
        1,
        "a new connection"
    );
}
