//! Section 6, what receivers report and what senders make of it: the circuit breaker, collisions, padding.

use std::time::{Duration, Instant};

use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::publisher::PublisherOptions;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers};
use sluice_tests::wait::until;

use super::gateway;
use super::media::{small, watched};
use crate::secs;

/// Longer than a busy machine holds a picture up.
const STILL: Duration = secs(2);

#[test]
fn c69_whose_network_cannot_carry_the_stream_is_sent_nothing_more_and_told_why() {
    // 2 Mbit/s.
    let gateway = GatewayOptions::new().path("cam", "test:").start();
    let viewers = Viewers::new();
    let watch = || viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let (good, fair, poor) = (watch(), watch(), watch());
    good.wait_frames(30, secs(10));
    fair.suffer(4.0, Duration::from_millis(60));
    poor.suffer(50.0, Duration::from_millis(300));
    let begin = Instant::now();

    until(secs(60), "the end of what nobody can carry", || {
        poor.counts().closed.then_some(())
    });

    // Fifteen reports in a row; a burst of loss is shorter.
    let sent = begin.elapsed();
    assert!(sent > secs(14), "sent for {sent:?}");
    gateway.wait_viewers("cam", 2, secs(15));
    let log = gateway.log();
    let why = "the viewer has a network that cannot carry the stream: for ";
    assert!(log.contains(why), "{log}");
    for viewer in [&good, &fair] {
        viewer.wait_frames(30, secs(15));
        assert!(!viewer.counts().closed, "{:?}", viewer.counts());
    }
    let counts = good.counts();
    assert!(counts.longest_gap < STILL, "{counts:?}");
    // Its network is good again.
    watch().wait_frames(30, secs(15));
}

/// Says every second that the network carries so much, until the API shows what comes of it.
fn estimate(gateway: &Gateway, viewer: &Viewer, bits_per_second: u64, thinned: bool) {
    let mut said = Instant::now();
    viewer.say_remb(bits_per_second);
    until(secs(30), "another share of the pictures", || {
        if said.elapsed() >= secs(1) {
            said = Instant::now();
            viewer.say_remb(bits_per_second);
        }
        let mut viewers = gateway.viewers("cam").into_iter();
        let is = viewers.any(|viewer| viewer["key_frames_only"] == true);
        (is == thinned).then_some(())
    });
}

#[test]
fn c69_whose_estimate_is_below_the_stream_gets_key_frames_and_sound_until_it_grows() {
    // 2 Mbit/s, a key frame every 2 s.
    let gateway = GatewayOptions::new().path("cam", "test:").start();
    let viewers = Viewers::new();
    let watch = || viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let (fast, slow) = (watch(), watch());
    slow.wait_frames(30, secs(15));

    estimate(&gateway, &slow, 600_000, true);
    let (before, others) = (slow.counts(), fast.counts());
    slow.wait_audio(200, secs(15));
    fast.wait_frames(100, secs(15));
    let (after, further) = (slow.counts(), fast.counts());
    let frames = after.video.frames - before.video.frames;
    let key_frames = after.key_frames - before.key_frames;
    let all = further.video.frames - others.video.frames;
    assert!(frames >= 1 && frames * 10 < all, "{frames} of {all}");
    assert!(key_frames >= 1, "{before:?} {after:?}");
    assert_eq!(after.video.lost, 0, "no gap to be asked for: {after:?}");
    assert_eq!(after.nacks, before.nacks, "{after:?}");

    estimate(&gateway, &slow, 10_000_000, false);
    slow.wait_frames(60, secs(10));
    let counts = slow.counts();
    assert!(!counts.closed && counts.video.lost == 0, "{counts:?}");
    let log = gateway.log();
    for told in [
        "it gets key frames and sound",
        "the viewer gets all pictures again",
    ] {
        assert_eq!(log.matches(told).count(), 1, "{log}");
    }
    assert!(fast.counts().longest_gap < STILL, "{:?}", fast.counts());
}

/// A receiver report without blocks, and a name: what a stack with this synchronisation source says.
fn reports_as(ssrc: u32) -> [Vec<u8>; 3] {
    let ssrc = ssrc.to_be_bytes();
    let receiver = [&[0x80, 201, 0, 1][..], &ssrc].concat();
    let name = [&[0x81, 202, 0, 3][..], &ssrc, &[1, 4], b"evil", &[0, 0]].concat();
    let sender = [&[0x80, 200, 0, 6][..], &ssrc, &[7; 20]].concat();
    [
        [receiver.clone(), name.clone()].concat(),
        [sender, name].concat(),
        receiver,
    ]
}

#[test]
fn c71_a_viewer_whose_ssrc_is_ours_is_sent_the_same_as_before() {
    let gateway = gateway();
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    viewer.wait_frames(15, secs(15));
    let ours = viewer.video_ssrcs();
    for _ in 0..20 {
        for packet in ours.iter().flat_map(|ssrc| reports_as(*ssrc)) {
            viewer.send_rtcp(&packet);
        }
        viewer.wait_frames(1, secs(15));
    }
    viewer.wait_frames(30, secs(15));
    viewer.wait_audio(50, secs(15));
    let counts = viewer.counts();
    assert!(!counts.closed && counts.longest_gap < STILL, "{counts:?}");
    assert_eq!(viewer.video_ssrcs(), ours, "the stream goes on as it was");
}

#[test]
fn c71_a_publisher_whose_ssrc_is_ours_plays_on() {
    let gateway = gateway();
    let (publisher, _viewers, viewer) = watched(&gateway, &small());
    let ours = until(secs(10), "RTCP of the gateway", || {
        publisher.published().server_ssrc
    });
    for _ in 0..20 {
        for packet in reports_as(ours) {
            publisher.send_rtcp(&packet);
        }
        viewer.wait_frames(1, secs(15));
    }
    viewer.wait_frames(60, secs(15));
    let counts = viewer.counts();
    assert!(!counts.closed && counts.longest_gap < STILL, "{counts:?}");
    assert!(!publisher.published().closed, "{:?}", publisher.published());
}

#[test]
fn c71_packets_of_padding_alone_tear_no_picture() {
    let gateway = gateway();
    for codec in [Payload::Vp8, Payload::H264, Payload::Vp9] {
        let options = PublisherOptions {
            video: Some(codec),
            padding_every: 7,
            ..small()
        };
        let (publisher, _viewers, viewer) = watched(&gateway, &options);
        // Whoever joins may ask for one, too: at once, or a second after the one before.
        viewer.wait_frames(60, secs(15));
        let asked = publisher.published().key_frames_asked;
        viewer.wait_frames(150, secs(30));
        let (published, counts) = (publisher.published(), viewer.counts());
        assert!(published.paddings > 20, "{codec:?}: {published:?}");
        // A picture that was torn would be asked for anew.
        assert_eq!(
            published.key_frames_asked, asked,
            "{codec:?}: {published:?}"
        );
        assert!(counts.video.lost == 0, "{codec:?}: {counts:?}");
        assert!(counts.longest_gap < STILL, "{codec:?}: {counts:?}");
        let path = gateway.path("studio");
        assert_eq!(path["publisher"]["packets_refused"], 0, "{path:#}");
        assert_eq!(publisher.delete().status, 200);
        gateway.wait_state("studio", "waiting", secs(15));
    }
}
