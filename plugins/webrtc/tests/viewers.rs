//! Viewers of a sink, each made of another webrtcbin.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstsluicewebrtc::{Patched, ViewerEvent, Viewers};
use support::{H264, PATIENCE, Peer, Source, VP8, block_on};

const S: Duration = Duration::from_secs(1);

#[test]
fn a_viewer_is_sent_pictures_and_sound() {
    let source = Source::start(H264);
    let peer = Peer::new("H264");
    let mut events = source.viewers.subscribe();
    let joined = peer.watch(&source.viewers);
    let plays = |seen: &support::Seen| seen.video.load(SeqCst) > 60 && seen.audio.load(SeqCst) > 20;
    assert!(peer.seen.wait(PATIENCE, plays));

    let id = joined.id.clone();
    assert_eq!(events.blocking_recv(), Ok(ViewerEvent::Joined { id }));
    let playing = events.blocking_recv().unwrap();
    assert!(matches!(playing, ViewerEvent::Playing { id, .. } if id == joined.id));
    let list = source.viewers.list();
    let [info] = &list[..] else {
        panic!("one viewer")
    };
    assert_eq!((info.state, info.codec_video), ("playing", Some("H.264")));
    assert_eq!(info.codec_audio, Some("Opus"));
    assert!(info.packets_sent > 60);
    // The first list of each track goes through the encoders.
    assert!(info.lists_around_fec > 20, "{info:?}");
    assert!(info.lists_encrypted > 20, "{info:?}");
}

#[test]
fn nothing_is_made_into_packets_while_nobody_watches() {
    let source = Source::start(H264);
    let sink = source.pipeline.by_name("w").unwrap();
    let sink = sink.downcast_ref::<gst::Bin>().unwrap();
    let packets = Arc::new(AtomicUsize::new(0));
    for name in ["rtph264pay", "rtpopuspay"] {
        let mut payloaders = sink.iterate_all_by_element_factory_name(name).into_iter();
        let src = payloaders
            .next()
            .unwrap()
            .unwrap()
            .static_pad("src")
            .unwrap();
        let counted = packets.clone();
        let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        src.add_probe(types, move |_, _| {
            counted.fetch_add(1, SeqCst);
            gst::PadProbeReturn::Ok
        });
    }
    source.let_pictures_pass(30);
    assert_eq!(packets.load(SeqCst), 0);

    // Whoever comes gets the group that is going on, and again after a rest.
    for _ in 0..2 {
        let peer = Peer::new("H264");
        let joined = peer.watch(&source.viewers);
        assert!(
            peer.seen
                .wait(PATIENCE, |seen| seen.video.load(SeqCst) > 60)
        );
        assert_eq!(source.requests.load(SeqCst), 0);
        assert!(block_on(source.viewers.leave(&joined.id)));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let before = packets.load(SeqCst);
            source.let_pictures_pass(3);
            if packets.load(SeqCst) == before {
                break;
            }
            assert!(Instant::now() < deadline, "it packetises for nobody");
        }
    }
    assert_eq!(source.key_frames.load(SeqCst), 1);
}

#[test]
fn vp8_plays_too() {
    let source = Source::start(VP8);
    let peer = Peer::new("VP8");
    peer.watch(&source.viewers);
    assert!(
        peer.seen
            .wait(PATIENCE, |seen| seen.video.load(SeqCst) > 60)
    );
}

// F14: with one key frame every 20 s, a viewer would else wait ten seconds for its first picture.
#[test]
fn a_viewer_joins_from_the_cached_group_without_a_new_key_frame() {
    let source = Source::start(H264);
    source.let_pictures_pass(90);
    let key_frames = source.key_frames.load(SeqCst);
    let peer = Peer::new("H264");
    let asked = Instant::now();
    peer.watch(&source.viewers);
    assert!(peer.seen.wait(2 * S, |seen| seen.video.load(SeqCst) > 0));
    let first = asked.elapsed();
    source.let_pictures_pass(60);
    assert_eq!(source.key_frames.load(SeqCst), key_frames);
    assert_eq!(source.requests.load(SeqCst), 0);
    assert!(first < S, "{first:?}");

    // Three seconds of past were sent in a fraction of a second, and time went on evenly after it.
    let arrivals = peer.seen.arrivals.lock().clone();
    let (begin, at) = arrivals[0];
    let mut last = 0;
    for (timestamp, arrived) in arrivals {
        let media = timestamp.wrapping_sub(begin);
        assert!(media >= last, "time never goes back");
        last = media;
        let media = Duration::from_secs(u64::from(media)) / 90_000;
        let lag = (arrived - at).abs_diff(media);
        assert!(lag < Duration::from_millis(700), "{lag:?} beside the clock");
    }
}

// F1: webrtcbin does not compare the certificate with the offer.
#[test]
fn a_viewer_with_a_false_fingerprint_is_sent_nothing() {
    let source = Source::start(H264);
    let peer = Peer::new("H264");
    let lines = peer.offer.lines().map(|line| {
        let fingerprint = line.strip_prefix("a=fingerprint:sha-256 ");
        fingerprint.map_or_else(
            || line.to_owned(),
            |hex| {
                let reversed: Vec<_> = hex.split(':').rev().collect();
                format!("a=fingerprint:sha-256 {}", reversed.join(":"))
            },
        )
    });
    let all = lines.collect::<Vec<_>>().join("\r\n") + "\r\n";
    let mut events = source.viewers.subscribe();
    let joined = block_on(source.viewers.join(&all)).unwrap();
    peer.take(&joined.answer);
    assert!(matches!(
        events.blocking_recv(),
        Ok(ViewerEvent::Joined { .. })
    ));
    let left = events.blocking_recv().unwrap();
    assert!(
        matches!(&left, ViewerEvent::Left { reason, .. } if reason.contains("certificate")),
        "{left:?}"
    );
    source.let_pictures_pass(30);
    assert_eq!(
        peer.seen.video.load(SeqCst) + peer.seen.audio.load(SeqCst),
        0
    );
    assert_eq!(source.viewers.count(), 0);
}

// F4, F6, F8, F9, F15, F16.
#[test]
fn the_answer_is_what_strict_clients_want() {
    let source = Source::start(H264);
    let peer = Peer::new("H264");
    let joined = block_on(source.viewers.join(&peer.offer)).unwrap();
    let answer = &joined.answer;
    let sections: Vec<_> = answer.split("\r\nm=").skip(1).collect();
    assert_eq!(sections.len(), 2);
    for section in &sections {
        for wanted in [
            "a=setup:passive",
            "a=rtcp-mux\r\n",
            "a=rtcp-mux-only",
            "a=msid:",
            "a=ssrc:",
            "a=sendonly",
            "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        ] {
            assert!(section.contains(wanted), "{wanted} in {section}");
        }
        assert!(!section.to_lowercase().contains(" tcp "), "{section}");
    }
    assert!(sections[0].contains("a=rtcp-fb:102 nack\r\n"), "{answer}");
    assert!(sections[0].contains("profile-level-id=42e01f"), "{answer}");
    assert!(answer.contains("a=end-of-candidates"));
    // The fingerprint is that of the certificate which the peer then sees.
    let mut lines = answer.lines();
    let said = lines.find_map(|line| line.strip_prefix("a=fingerprint:sha-256 "));
    peer.take(answer);
    assert!(peer.seen.wait(PATIENCE, |seen| seen.video.load(SeqCst) > 0));
    assert_eq!(said, Some(seen_fingerprint(&peer).as_str()));
    assert!(block_on(source.viewers.leave(&joined.id)));
}

fn seen_fingerprint(peer: &Peer) -> String {
    use base64::Engine;
    use sha2::Digest;
    let bin = peer.webrtcbin.downcast_ref::<gst::Bin>().unwrap();
    let mut elements = bin.iterate_recurse();
    let dtlsdec = std::iter::from_fn(|| elements.next().unwrap())
        .find(|element| element.factory().is_some_and(|f| f.name() == "dtlsdec"))
        .unwrap();
    let pem = dtlsdec.property::<String>("peer-pem");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(body)
        .unwrap();
    let hex: Vec<_> = sha2::Sha256::digest(&der)
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect();
    hex.join(":")
}

// F7: a browser would decode one picture in eight.
#[test]
fn a_source_with_b_frames_is_refused_in_words() {
    let source = Source::start(
        "x264enc speed-preset=medium bframes=3 b-adapt=false key-int-max=60 \
         ! video/x-h264,profile=main ! h264parse config-interval=-1",
    );
    source.let_pictures_pass(10);
    let peer = Peer::new("H264");
    let problem = block_on(source.viewers.join(&peer.offer)).unwrap_err();
    assert_eq!(problem.status, 422, "{problem}");
    assert!(problem.detail.contains("transcod"), "{problem}");
    assert_eq!(source.viewers.count(), 0);
}

#[test]
fn a_codec_that_was_not_offered_is_refused_and_leaves_nothing() {
    let source = Source::start(VP8);
    let peer = Peer::new("H264");
    let problem = block_on(source.viewers.join(&peer.offer)).unwrap_err();
    assert_eq!(problem.status, 422, "{problem}");
    assert_eq!(source.viewers.count(), 0);
}

#[test]
fn candidates_may_come_later() {
    let source = Source::start(H264);
    let peer = Peer::new("H264");
    let is_candidate = |line: &&str| line.starts_with("a=candidate:");
    let without: Vec<_> = peer
        .offer
        .lines()
        .filter(|line| !is_candidate(line))
        .collect();
    let joined = block_on(source.viewers.join(&(without.join("\r\n") + "\r\n"))).unwrap();
    let mid = peer
        .offer
        .split("a=mid:")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    let candidates: Vec<_> = peer.offer.lines().filter(is_candidate).collect();
    let mdns =
        "a=candidate:9 1 udp 2113937151 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54321 typ host";
    let fragment = format!(
        "m=video 9 UDP/TLS/RTP/SAVPF 102\r\na=mid:{mid}\r\n{}\r\n{mdns}\r\na=end-of-candidates\r\n",
        candidates.join("\r\n")
    );
    let patch = |tag: Option<&str>| {
        let kind = Some("application/trickle-ice-sdpfrag");
        block_on(source.viewers.patch(&joined.id, kind, tag, &fragment))
    };
    assert_eq!(patch(None).unwrap_err().status, 428);
    assert_eq!(patch(Some("\"other\"")).unwrap_err().status, 412);
    assert_eq!(patch(Some(&joined.etag)), Ok(Patched::Trickled));
    peer.take(&joined.answer);
    assert!(peer.seen.wait(PATIENCE, |seen| seen.video.load(SeqCst) > 0));
}

#[test]
fn a_viewer_who_is_asked_to_leave_hears_it_by_dtls() {
    let source = Source::start(H264);
    let peer = Peer::new("H264");
    let joined = peer.watch(&source.viewers);
    assert!(peer.seen.wait(PATIENCE, |seen| seen.video.load(SeqCst) > 0));
    assert!(block_on(source.viewers.leave(&joined.id)));
    assert!(peer.seen.wait(2 * S, |seen| seen.closed.load(SeqCst)));
    assert!(!block_on(source.viewers.leave(&joined.id)), "gone is gone");
}

#[test]
fn a_viewer_who_says_goodbye_is_gone_at_once() {
    let source = Source::start(H264);
    let peer = Peer::new("H264");
    let mut events = source.viewers.subscribe();
    peer.watch(&source.viewers);
    assert!(peer.seen.wait(PATIENCE, |seen| seen.video.load(SeqCst) > 0));
    let said = Instant::now();
    support::say_goodbye(&peer.webrtcbin);
    let left = std::iter::from_fn(|| events.blocking_recv().ok())
        .find(|event| matches!(event, ViewerEvent::Left { .. }));
    assert!(left.is_some());
    assert!(said.elapsed() < 3 * S);
}

#[test]
fn the_end_of_the_source_closes_its_viewers() {
    let source = Source::start(H264);
    let peer = Peer::new("H264");
    peer.watch(&source.viewers);
    assert!(peer.seen.wait(PATIENCE, |seen| seen.video.load(SeqCst) > 0));
    let viewers = source.viewers.clone();
    drop(source);
    assert!(peer.seen.wait(2 * S, |seen| seen.closed.load(SeqCst)));
    assert_eq!(viewers.count(), 0);
    assert_eq!(block_on(viewers.join(&peer.offer)).unwrap_err().status, 503);
}

#[test]
fn fifty_cycles_leave_nothing_behind() {
    let source = Source::start(H264);
    // What is made once per process is made by the first ones.
    for _ in 0..3 {
        come_and_go(&source.viewers);
    }
    let before = held();
    for _ in 0..50 {
        come_and_go(&source.viewers);
    }
    let deadline = Instant::now() + PATIENCE;
    let mut after = held();
    while (after.0 > before.0 + 2 || after.1 > before.1 + 2) && Instant::now() < deadline {
        source.let_pictures_pass(10);
        after = held();
    }
    assert!(after.0 <= before.0 + 2, "threads: {before:?}, {after:?}");
    assert!(
        after.1 <= before.1 + 2,
        "descriptors: {before:?}, {after:?}"
    );
    assert_eq!(source.viewers.count(), 0);
}

fn come_and_go(viewers: &Viewers) {
    let peer = Peer::new("H264");
    let joined = peer.watch(viewers);
    assert!(peer.seen.wait(PATIENCE, |seen| seen.connected.load(SeqCst)));
    assert!(block_on(viewers.leave(&joined.id)));
}

/// Threads and file descriptors of this process.
fn held() -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

// The element needs no runtime of the caller: its own server and its actions bring theirs.
#[test]
fn the_elements_own_server_says_where_it_listens_and_answers() {
    support::init();
    let sink = gst::ElementFactory::make("sluicewhepsink")
        .property("listen", "127.0.0.1:0")
        .property("path", "garden")
        .build()
        .unwrap();
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    sink.set_state(gst::State::Ready).unwrap();
    let message = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(5),
        &[gst::MessageType::Element],
    );
    let message = message.unwrap();
    let url = message.structure().unwrap().get::<String>("url").unwrap();
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    assert_eq!(path, "garden");
    assert!(!host.ends_with(":0"), "{host}");
    assert!(get(host, "/").starts_with("HTTP/1.1 307"));
    assert!(get(host, "/garden").starts_with("HTTP/1.1 200"));
    assert!(get(host, "/garden/status.json").contains("connecting"));
    sink.set_state(gst::State::Null).unwrap();
    support::settle();
}

fn get(host: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn action_signals_do_the_same_as_the_typed_api() {
    let source = Source::start(VP8);
    let sink = source.pipeline.by_name("w").unwrap();
    let act = |name: &str, arguments: &[&dyn ToValue]| {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|argument| argument.to_value())
            .collect();
        let reply = sink.emit_by_name_with_values(name, &arguments);
        reply.unwrap().get::<gst::Structure>().unwrap()
    };
    let problem = act("join", &[&"v=0"]);
    assert_eq!(problem.name(), "sluice-problem");
    assert_eq!(problem.get::<u32>("status"), Ok(400));

    let peer = Peer::new("VP8");
    let joined = act("join", &[&peer.offer]);
    let id = joined.get::<String>("id").unwrap();
    peer.take(&joined.get::<String>("answer").unwrap());
    assert!(peer.seen.wait(PATIENCE, |seen| seen.video.load(SeqCst) > 0));
    assert_eq!(act("list", &[]).get::<u32>("count"), Ok(1));
    assert_eq!(sink.property::<u32>("viewers"), 1);
    assert_eq!(act("leave", &[&id]).name(), "sluice-left");
    assert_eq!(act("leave", &[&id]).name(), "sluice-problem");
}

// Lip sync: both tracks' sender reports must name the same instant for the same running time.
#[test]
fn sender_reports_tie_sound_and_pictures_together() {
    let source = Source::start(VP8);
    let peer = Peer::new("VP8");
    peer.watch(&source.viewers);
    assert!(peer.seen.wait(PATIENCE, |seen| seen.video.load(SeqCst) > 0));
    let sink = source.pipeline.by_name("w").unwrap();
    let deadline = Instant::now() + PATIENCE;
    let zero = |factory: &str, rate: f64| {
        // The instant that the viewer takes for running time 0, in seconds.
        let payloader = inner(&sink, factory);
        let stats = payloader.property::<gst::Structure>("stats");
        let ssrc = payloader.property::<u32>("ssrc");
        let (ntp, rtp) = sender_report(&peer, ssrc)?;
        let timestamp = stats.get::<u32>("timestamp").unwrap();
        let running = stats.get::<u64>("running-time").unwrap();
        let ahead = timestamp.wrapping_sub(rtp).cast_signed();
        let seconds = ntp as f64 / 4_294_967_296.0 + f64::from(ahead) / rate;
        Some(seconds - running as f64 / 1e9)
    };
    loop {
        source.let_pictures_pass(10);
        if let (Some(video), Some(audio)) =
            (zero("rtpvp8pay", 90_000.0), zero("rtpopuspay", 48_000.0))
        {
            assert!((video - audio).abs() < 0.045, "{video} {audio}");
            return;
        }
        assert!(Instant::now() < deadline, "no sender reports");
    }
}

fn inner(element: &gst::Element, factory: &str) -> gst::Element {
    let mut elements = element
        .downcast_ref::<gst::Bin>()
        .unwrap()
        .iterate_recurse();
    std::iter::from_fn(|| elements.next().unwrap())
        .find(|element| element.factory().is_some_and(|f| f.name() == factory))
        .unwrap()
}

fn sender_report(peer: &Peer, ssrc: u32) -> Option<(u64, u32)> {
    let stats = inner(&peer.webrtcbin, "rtpsession").property::<gst::Structure>("stats");
    let sources = stats.get::<gst::glib::ValueArray>("source-stats").unwrap();
    let sources = sources
        .iter()
        .map(|source| source.get::<gst::Structure>().unwrap());
    let of_track = sources
        .into_iter()
        .find(|source| source.get::<u32>("ssrc") == Ok(ssrc))?;
    let has_report = of_track.get::<bool>("have-sr").unwrap_or(false);
    has_report.then(|| {
        (
            of_track.get("sr-ntptime").unwrap(),
            of_track.get("sr-rtptime").unwrap(),
        )
    })
}

/// gst-launch links the tracks of a source that come at one moment from a thread each.
#[test]
fn pads_that_are_asked_for_at_one_moment_have_names_of_their_own() {
    const AT_ONCE: usize = 8;
    support::init();
    for _ in 0..50 {
        let sink = gst::ElementFactory::make("sluicewhepsink").build().unwrap();
        let start = std::sync::Barrier::new(AT_ONCE);
        let ask = || {
            start.wait();
            sink.request_pad_simple("video_%u").unwrap().name()
        };
        let names: std::collections::BTreeSet<_> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(names.len(), AT_ONCE, "{names:?}");
    }
}
