//! Publishers to a `sluicewhipsrc`, each made of another webrtcbin.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use gst::prelude::*;
use gstsluicewebrtc::{Joined, Patched};
use support::publisher::{H264, Path, Sender, VP8, VP9};
use support::{PATIENCE, block_on};

const SMALL: (u32, u32) = (320, 240);

/// Publishes and waits until frames of both tracks come out.
fn live(path: &Path, encoder: &str) -> (Sender, Joined) {
    let sender = Sender::new(encoder, SMALL);
    let joined = sender.publish(&path.publishers);
    path.frames("video_0", 30);
    path.frames("audio_0", 30);
    (sender, joined)
}

fn name(caps: &gst::Caps) -> String {
    caps.structure(0).unwrap().name().to_string()
}

#[test]
fn pictures_and_sound_come_out_as_they_were_encoded() {
    for (encoder, media) in [
        (H264, "video/x-h264"),
        (VP8, "video/x-vp8"),
        (VP9, "video/x-vp9"),
    ] {
        let path = Path::start("replace");
        path.until_state("absent", PATIENCE);
        let sender = Sender::new(encoder, SMALL);
        let joined = sender.publish(&path.publishers);
        let frames = path.frames("video_0", 60);
        assert!(frames[0].key, "{media}: the first frame must be decodable");
        let caps = frames[59].caps.structure(0).unwrap().to_owned();
        assert_eq!(caps.name(), media);
        assert_eq!(caps.get::<i32>("width"), Ok(320), "{caps}");
        if media == "video/x-h264" {
            assert_eq!(caps.get::<&str>("stream-format"), Ok("byte-stream"));
            assert_eq!(caps.get::<&str>("alignment"), Ok("au"));
        }
        // In real time: the first ones waited for the connection, and came in a burst, as do others after this machine
        // was busy with something else.
        path.frames_until("video_0", PATIENCE, |frames| {
            let last = frames.len().checked_sub(20).map(|begin| &frames[begin..]);
            last.is_some_and(|last| last[19].pts > last[0].pts + gst::ClockTime::from_mseconds(500))
        });
        let sound = path.frames("audio_0", 20);
        assert_eq!(name(&sound[0].caps), "audio/x-opus");
        path.until_state("running", PATIENCE);

        let info = path.publishers.live().unwrap();
        assert_eq!((info.id, info.state), (joined.id.to_string(), "live"));
        assert_eq!(info.codec_audio, Some("Opus"));
        assert!(info.packets_received > 60 && info.packets_refused == 0);
    }
}

#[test]
fn the_answer_is_what_publishers_need() {
    let path = Path::start("replace");
    let sender = Sender::new(H264, SMALL);
    let offer = sender.offer.replace(
        "a=mid:video0",
        "a=mid:video0\r\na=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    );
    let joined = block_on(path.publishers.publish(&offer)).unwrap();
    let answer = &joined.answer;
    let count = |line: &str| answer.lines().filter(|one| *one == line).count();
    assert_eq!(count("a=recvonly"), 2, "{answer}");
    assert_eq!(count("a=setup:passive"), 2);
    assert_eq!(count("a=rtcp-mux-only"), 2);
    assert_eq!(count("a=end-of-candidates"), 1);
    assert!(answer.contains("a=rtcp-fb:102 nack\r\n"), "{answer}");
    assert!(answer.contains("a=rtcp-fb:102 nack pli\r\n"));
    assert!(
        answer.contains("a=rtcp-fb:102 transport-cc\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("draft-holmer-rmcat-transport-wide-cc"),
        "{answer}"
    );
    assert!(
        !answer.contains(" tcptype ") && !answer.contains(" fe80:"),
        "{answer}"
    );
}

#[test]
fn a_change_of_size_in_mid_stream_goes_through() {
    for encoder in [H264, VP8] {
        let path = Path::start("replace");
        let (sender, _) = live(&path, encoder);
        sender.resize(640, 480);
        let width = |frame: &support::publisher::Out| {
            frame.caps.structure(0).unwrap().get::<i32>("width").ok()
        };
        let frames = path.frames_until("video_0", PATIENCE, |frames| {
            frames
                .iter()
                .filter(|frame| width(frame) == Some(640))
                .count()
                >= 30
        });
        let change = frames
            .iter()
            .position(|frame| width(frame) == Some(640))
            .unwrap();
        assert!(frames[change].key, "{encoder}");
        assert!(
            frames[change..]
                .iter()
                .all(|frame| width(frame) == Some(640))
        );
        assert_eq!(path.source.pads().len(), 2);
        assert_eq!(path.publishers.live().unwrap().state, "live");
    }
}

// F1: webrtcbin itself would take its media.
#[test]
fn a_false_fingerprint_gets_nothing_through() {
    let path = Path::start("replace");
    let sender = Sender::new(VP8, SMALL);
    let offer: String = sender
        .offer
        .lines()
        .map(|line| match line.starts_with("a=fingerprint:") {
            true => format!("a=fingerprint:sha-256 {}\r\n", ["AB"; 32].join(":")),
            false => format!("{line}\r\n"),
        })
        .collect();
    let joined = block_on(path.publishers.publish(&offer)).unwrap();
    sender.take(&joined.answer);
    let deadline = Instant::now() + PATIENCE;
    while path.publishers.has(&joined.id) {
        assert!(Instant::now() < deadline, "the session is still there");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(path.forget(), 0);
    assert!(path.source.pads().is_empty());
    let states: Vec<_> = path
        .states
        .lock()
        .iter()
        .map(|(state, _)| state.clone())
        .collect();
    assert_eq!(states, ["absent"]);
}

#[test]
fn a_second_publisher_takes_the_place_and_time_goes_on() {
    let path = Path::start("replace");
    let (first, before) = live(&path, VP8);
    let last = path.frames("video_0", 1)[0].pts;
    let second = Sender::new(H264, SMALL);
    let joined = second.publish(&path.publishers);
    let frames = path.frames_until("video_0", PATIENCE, |frames| {
        let of_second = frames
            .iter()
            .filter(|frame| name(&frame.caps) == "video/x-h264");
        of_second.count() >= 30
    });
    let change = frames
        .iter()
        .position(|frame| name(&frame.caps) == "video/x-h264")
        .unwrap();
    assert!(frames[change].key);
    assert!(
        frames[change..]
            .iter()
            .all(|frame| name(&frame.caps) == "video/x-h264")
    );
    for (earlier, later) in frames.iter().zip(&frames[1..]) {
        assert!(later.pts > earlier.pts, "{earlier:?} {later:?}");
    }
    assert!(frames[change].pts > last);
    assert_eq!(path.source.pads().len(), 2, "pads outlive publishers");
    assert!(!path.publishers.has(&before.id));
    assert_eq!(path.publishers.live().unwrap().id, joined.id.to_string());
    drop(first);
}

#[test]
fn a_second_publisher_is_refused_where_the_policy_says_so() {
    let path = Path::start("refuse");
    let (_first, joined) = live(&path, VP8);
    let second = Sender::new(VP8, SMALL);
    let problem = block_on(path.publishers.publish(&second.offer)).unwrap_err();
    assert_eq!(problem.status, 409, "{problem:?}");
    assert!(problem.retry_after.is_some());
    path.forget();
    path.frames("video_0", 30);

    assert!(block_on(path.publishers.leave(&joined.id)));
    assert!(!block_on(path.publishers.leave(&joined.id)));
    path.until_state("absent", PATIENCE);
    second.publish(&path.publishers);
    path.forget();
    path.frames("video_0", 30);
}

#[test]
fn a_vanished_publisher_is_noticed_within_ten_seconds_and_may_come_back() {
    let path = Path::start("refuse");
    let (sender, _) = live(&path, VP8);
    let last = path.frames("video_0", 1)[0].pts;
    sender.vanish();
    let reason = path.until_state("absent", Duration::from_secs(10));
    assert!(reason.starts_with("Waiting for a publisher."), "{reason}");
    assert!(path.publishers.live().is_none());

    path.forget();
    let again = Sender::new(VP8, SMALL);
    again.publish(&path.publishers);
    let frames = path.frames("video_0", 30);
    assert!(frames[0].key && frames[0].pts > last);
    assert_eq!(path.source.pads().len(), 2);
    path.until_state("running", PATIENCE);
}

#[test]
fn a_publisher_that_says_goodbye_is_gone_at_once() {
    let path = Path::start("refuse");
    let (sender, _) = live(&path, VP8);
    support::say_goodbye(&sender.webrtcbin);
    let reason = path.until_state("absent", Duration::from_secs(3));
    assert!(reason.contains("the publisher left"), "{reason}");
}

#[test]
fn a_viewers_wish_for_a_key_frame_reaches_the_publisher_once_a_second() {
    let path = Path::start("replace");
    let (_sender, _) = live(&path, H264);
    // Those at the start are over.
    path.frames("video_0", 45);
    let pad = path.source.static_pad("video_0").unwrap();
    for _ in 0..20 {
        let event = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .build();
        assert!(pad.send_event(event));
    }
    let asked = Instant::now();
    let frames = path.frames_until("video_0", PATIENCE, |frames| {
        frames.iter().filter(|frame| frame.key).count() >= 1
    });
    let key = frames.iter().find(|frame| frame.key).unwrap();
    assert!(
        key.at - asked < Duration::from_secs(2),
        "{:?}",
        key.at - asked
    );
    let more = path.frames("video_0", 60);
    let keys = more.iter().filter(|frame| frame.key).count();
    assert!(keys <= 2, "{keys} key frames in two seconds");
}

#[test]
fn candidates_are_taken_and_the_rules_of_patch_hold() {
    let path = Path::start("replace");
    let sender = Sender::new(VP8, SMALL);
    let joined = sender.publish(&path.publishers);
    let kind = Some("application/trickle-ice-sdpfrag");
    let body = "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:video0\r\na=candidate:1 1 udp 1 192.0.2.1 50000 typ host\r\n";
    let patch = |tag: Option<&str>| {
        let patched = path.publishers.patch(&joined.id, kind, tag, body);
        patched.map_err(|problem| problem.status)
    };
    assert_eq!(patch(Some(&joined.etag)), Ok(Patched::Trickled));
    assert_eq!(patch(None), Err(428));
    assert_eq!(patch(Some("\"other\"")), Err(412));
    block_on(path.publishers.leave(&joined.id));
    assert_eq!(patch(Some(&joined.etag)), Err(404));
}

#[test]
fn action_signals_do_the_same() {
    let path = Path::start("replace");
    let sender = Sender::new(VP8, SMALL);
    let joined = path
        .source
        .emit_by_name::<gst::Structure>("publish", &[&sender.offer]);
    assert_eq!(joined.name(), "sluice-joined", "{joined}");
    sender.take(&joined.get::<String>("answer").unwrap());
    path.frames("video_0", 30);
    let list = path.source.emit_by_name::<gst::Structure>("list", &[]);
    assert_eq!(list.get::<u32>("count"), Ok(1));
    let id = joined.get::<String>("id").unwrap();
    let left = path.source.emit_by_name::<gst::Structure>("leave", &[&id]);
    assert_eq!(left.name(), "sluice-left");
    let problem = path
        .source
        .emit_by_name::<gst::Structure>("publish", &[&"v=0\r\n"]);
    assert_eq!(problem.get::<u32>("status"), Ok(400));
}

#[test]
fn a_stopped_element_lets_everything_go() {
    let path = Path::start("replace");
    let (_sender, joined) = live(&path, VP8);
    path.pipeline.set_state(gst::State::Null).unwrap();
    assert!(!path.publishers.has(&joined.id));
    assert!(path.source.pads().is_empty());
    let sender = Sender::new(VP8, SMALL);
    assert_eq!(
        block_on(path.publishers.publish(&sender.offer))
            .unwrap_err()
            .status,
        503
    );
    path.pipeline.set_state(gst::State::Playing).unwrap();
    sender.publish(&path.publishers);
    path.forget();
    path.frames("video_0", 30);
}
