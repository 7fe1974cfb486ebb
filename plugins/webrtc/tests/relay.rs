//! `forward` of `sluicewhepsink`, and `sluicewhepsrc`, against servers that refuse, redirect, lie, or end sessions.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstsluicewebrtc::{Push, PushState, PushStatus, Target, WhepSink};
use sluice_core::relay::Endpoint;
use support::PATIENCE;

/// What a client asked.
#[derive(Debug)]
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(": ") else {
                break;
            };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let length = header(&headers, "content-length").and_then(|text| text.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        Some(Self {
            method,
            path,
            headers,
            body: String::from_utf8(body).ok()?,
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut headers = headers.iter();
    headers.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

/// A server that answers each request by `answer`, with all of the reply's text after `HTTP/1.1 `, and tells of it.
/// It ends with the test's process.
fn serve(answer: impl Fn(&Request) -> String + Send + 'static) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let (seen, requests): (Sender<Request>, _) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(request) = Request::read(&stream) else {
                continue;
            };
            let reply = format!("HTTP/1.1 {}", answer(&request));
            stream.write_all(reply.as_bytes()).unwrap();
            drop(seen.send(request));
        }
    });
    (place, requests)
}

fn empty(status: &str, headers: &str) -> String {
    format!("{status}\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n")
}

fn with_body(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// A small VP8 picture, pushed.
struct Pushing {
    pipeline: gst::Pipeline,
    push: Push,
}

impl Pushing {
    fn to(location: &str) -> Self {
        Self::tracks(location, "")
    }

    /// The picture and a tone.
    fn both_to(location: &str) -> Self {
        Self::tracks(location, "audiotestsrc is-live=true ! opusenc ! w.audio_0")
    }

    fn tracks(location: &str, more: &str) -> Self {
        support::init();
        #[expect(clippy::disallowed_methods, reason = "tests may")]
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=15/1 \
             ! vp8enc deadline=1 keyframe-max-dist=15 ! sluicewhepsink name=w {more}"
        ));
        let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
        let sink = pipeline
            .by_name("w")
            .unwrap()
            .downcast::<WhepSink>()
            .unwrap();
        let target = Target {
            endpoint: Endpoint::parse(location).unwrap(),
            ca_file: None,
            stun_server: None,
        };
        let push = sink.push_to(vec![target]).remove(0);
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline, push }
    }

    fn until(&self, what: &str, wanted: impl Fn(&PushStatus) -> bool) -> PushStatus {
        // A target may take ten seconds to answer.
        let end = Instant::now() + 2 * PATIENCE;
        loop {
            let status = self.push.status();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < end, "no {what}: {status:?}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Pushing {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

fn has_reason(status: &PushStatus) -> bool {
    status.reason.is_some()
}

#[test]
fn a_redirect_is_followed_and_a_foreign_server_sees_no_token() {
    let (end, foreign) = serve(|_| empty("404 Not Found", ""));
    let there = format!("location: http://{end}/elsewhere\r\n");
    let (begin, own) = serve(move |_| empty("307 Temporary Redirect", &there));
    let pushing = Pushing::to(&format!("whip://:s3cret@{begin}/live/whip"));
    let status = pushing.until("reason", has_reason);
    assert_eq!(status.state, PushState::Failed);
    let reason = status.reason.unwrap();
    assert_eq!(
        reason,
        "The target has no such path; look at the address's end (404)."
    );
    let first = own.recv_timeout(PATIENCE).unwrap();
    assert_eq!(first.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(first.header("content-type"), Some("application/sdp"));
    let second = foreign.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        (second.method.as_str(), second.path.as_str()),
        ("POST", "/elsewhere")
    );
    assert_eq!(second.header("authorization"), None);
    assert_eq!(second.body, first.body);
    // What a server needs: our certificate, candidates, and one transport for all.
    for line in [
        "a=sendonly",
        "a=candidate:",
        "a=group:BUNDLE",
        "a=rtcp-mux-only",
        "a=rtcp-fb:96 nack pli\r\n",
    ] {
        assert!(first.body.contains(line), "{line}: {}", first.body);
    }
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let (place, _requests) = serve(|_| empty("503 Service Unavailable", "retry-after: 600\r\n"));
    let pushing = Pushing::to(&format!("whip://{place}/live/whip"));
    let status = pushing.until("reason", has_reason);
    assert_eq!(status.state, PushState::Waiting);
    let wait = status.retry_in.unwrap();
    assert!(
        wait > Duration::from_secs(500) && wait <= Duration::from_secs(600),
        "{wait:?}"
    );
}

/// It takes a payload type that nobody offered.
const EVIL: &str = "v=0\r\no=- 1 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE video0\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:passive\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=rtcp-mux\r\na=recvonly\r\na=mid:video0\r\n";

#[test]
fn an_answer_without_sense_is_said_and_its_session_ended() {
    let (place, requests) = serve(|request| match request.method.as_str() {
        "POST" => with_body("201 Created", "location: /session/1\r\n", EVIL),
        _ => empty("200 OK", ""),
    });
    let pushing = Pushing::to(&format!("whip://:s3cret@{place}/live/whip"));
    let reason = pushing.until("reason", has_reason).reason.unwrap();
    assert!(
        reason.starts_with("The target answered with an SDP that cannot be used"),
        "{reason}"
    );
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().method, "POST");
    let delete = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        (delete.method.as_str(), delete.path.as_str()),
        ("DELETE", "/session/1")
    );
    assert_eq!(delete.header("authorization"), Some("Bearer s3cret"));
}

/// A real target, behind a proxy that may change the answer's text.
fn behind_proxy(change: impl Fn(&str) -> String + Send + 'static) -> (gst::Element, String) {
    support::init();
    let target = gst::ElementFactory::make("sluicewhipsrc").build().unwrap();
    let pipeline = gst::Pipeline::new();
    pipeline.add(&target).unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    target.set_property("listen", format!("127.0.0.1:{port}"));
    pipeline.set_state(gst::State::Playing).unwrap();
    let (place, _requests) = serve(move |request| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let text = format!(
            "{} {} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/sdp\r\ncontent-length: {}\r\n\r\n{}",
            request.method,
            request.path,
            request.body.len(),
            request.body
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.lines().next().unwrap().trim_start_matches("HTTP/1.1 ");
        let location = head
            .lines()
            .find(|line| line.to_lowercase().starts_with("location"));
        let location = location
            .map(|line| format!("{line}\r\n"))
            .unwrap_or_default();
        with_body(status, &location, &change(body))
    });
    // The pipeline lives as long as its element is held.
    (pipeline.upcast(), place)
}

#[test]
fn a_target_with_a_false_certificate_gets_nothing() {
    let (target, place) = behind_proxy(|answer| {
        let line = answer
            .lines()
            .find(|line| line.starts_with("a=fingerprint:"));
        let hash = ["AB"; 32].join(":");
        match line {
            Some(line) => answer.replace(line, &format!("a=fingerprint:sha-256 {hash}")),
            None => answer.to_owned(),
        }
    });
    let pushing = Pushing::to(&format!("whip://{place}/live/whip"));
    let status = pushing.until("reason", has_reason);
    let reason = status.reason.unwrap();
    assert!(reason.contains("another certificate"), "{reason}");
    assert_eq!(status.packets, 0);
    target.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_push_through_a_proxy_runs_counts_and_says_goodbye() {
    let (target, place) = behind_proxy(ToOwned::to_owned);
    let pushing = Pushing::to(&format!("whip://{place}/live/whip"));
    let status = pushing.until("media", |status| {
        status.state == PushState::Running && status.packets > 30
    });
    assert!(status.bytes > 1000 && status.reason.is_none(), "{status:?}");
    let stats = target.downcast_ref::<gst::Pipeline>().unwrap();
    let source = stats.iterate_sources().next().unwrap().unwrap();
    let state = |name: &str| {
        let state = source.property::<Option<gst::Structure>>("state");
        state.and_then(|state| state.get::<String>(name).ok())
    };
    let until = |wanted: &str| {
        let end = Instant::now() + PATIENCE;
        while state("state").as_deref() != Some(wanted) {
            assert!(Instant::now() < end, "the target is not {wanted}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    };
    until("running");
    drop(pushing);
    until("absent");
    // It was told; else it would have noticed the silence.
    let reason = state("reason").unwrap();
    assert!(reason.ends_with("gone: the publisher left."), "{reason}");
    target.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_whep_source_says_what_its_server_refused() {
    support::init();
    let problem = r#"{"title":"Conflict","detail":"nobody"}"#;
    let (place, requests) =
        serve(move |_| with_body("409 Conflict", "retry-after: 3\r\n", problem));
    let pipeline = gst::Pipeline::new();
    let source = gst::ElementFactory::make("sluicewhepsrc").build().unwrap();
    source.set_property("location", format!("whep://bob:pw@{place}/cam/whep"));
    pipeline.add(&source).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let wait = gst::ClockTime::try_from(PATIENCE).unwrap();
    let message = bus
        .timed_pop_filtered(wait, &[gst::MessageType::Error])
        .unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!();
    };
    let text = error.error().message().to_owned();
    assert_eq!(text, "The source has nobody who publishes to it (409).");
    let wait = error.details().unwrap().get::<u64>("retry-after-ms");
    assert_eq!(wait, Ok(3000));
    let request = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request.header("authorization"), Some("Basic Ym9iOnB3"));
    // What another Sluice or MediaMTX can serve: H.264 in fragments, under the profile that all know.
    assert!(
        request.body.contains("packetization-mode=1"),
        "{}",
        request.body
    );
    assert!(request.body.contains("a=recvonly"), "{}", request.body);
    assert!(!source.property::<String>("location").contains("pw"));
    pipeline.set_state(gst::State::Null).unwrap();
}

/// An answer that takes what `refused` is not, and leads nowhere.
fn answer_to(offer: &str, refused: &str) -> String {
    let mut answer =
        String::from("v=0\r\no=- 1 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
    let mids = offer.lines().filter_map(|line| line.strip_prefix("a=mid:"));
    mids.for_each(|mid| answer.push_str(&format!(" {mid}")));
    answer.push_str("\r\n");
    let hash = ["AB"; 32].join(":");
    for line in offer.lines() {
        if let Some(head) = line.strip_prefix("m=") {
            let mut words = head.split(' ');
            let (kind, _port) = (words.next().unwrap(), words.next());
            let port = if kind == refused { 0 } else { 9 };
            let rest: Vec<_> = words.collect();
            answer.push_str(&format!("m={kind} {port} {}\r\nc=IN IP4 0.0.0.0\r\na=setup:passive\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {hash}\r\na=recvonly\r\n", rest.join(" ")));
        } else if ["a=mid:", "a=rtpmap:", "a=rtcp-mux"]
            .iter()
            .any(|start| line.starts_with(start))
        {
            answer.push_str(&format!("{line}\r\n"));
        }
    }
    answer
}

#[test]
fn a_target_that_takes_pictures_alone_is_asked_for_them_alone() {
    let (place, requests) = serve(|request| match request.method.as_str() {
        "POST" => {
            let body = answer_to(&request.body, "audio");
            with_body("201 Created", "location: /session/1\r\n", &body)
        }
        _ => empty("200 OK", ""),
    });
    let pushing = Pushing::both_to(&format!("whip://{place}/live/whip"));
    let request = |method: &str| {
        let request = requests.recv_timeout(PATIENCE).unwrap();
        assert_eq!(request.method, method);
        request.body
    };
    let whole = request("POST");
    assert!(
        whole.contains("m=video") && whole.contains("m=audio"),
        "{whole}"
    );
    request("DELETE");
    let pictures = request("POST");
    assert!(
        pictures.contains("m=video") && !pictures.contains("m=audio"),
        "{pictures}"
    );
    assert_eq!(pushing.push.status().state, PushState::Connecting);
}

#[test]
fn a_target_that_takes_nothing_is_not_hammered() {
    let (place, _requests) = serve(|request| match request.method.as_str() {
        "POST" => with_body("201 Created", "", &answer_to(&request.body, "video")),
        _ => empty("200 OK", ""),
    });
    let pushing = Pushing::to(&format!("whip://{place}/live/whip"));
    let status = pushing.until("reason", has_reason);
    assert_eq!(status.state, PushState::Failed);
    assert_eq!(
        status.reason.unwrap(),
        "The target takes nothing of what we send."
    );
}

#[test]
fn a_target_that_takes_none_of_our_codecs_is_said_whichever_way_it_says_so() {
    let h265 = |offer: &str| {
        answer_to(offer, "")
            .replace("SAVPF 96 97", "SAVPF 126")
            .replace("a=rtpmap:96 VP8/90000", "a=rtpmap:126 H265/90000")
    };
    let detail = r#"{"detail":"this server takes H.265 alone."}"#;
    for (place, said) in [
        (
            serve(move |request| with_body("201 Created", "", &h265(&request.body))).0,
            "The target answered with an SDP that cannot be used: the video has no format that was offered.",
        ),
        (
            serve(move |_| with_body("406 Not Acceptable", "", detail)).0,
            "The target takes none of our codecs (406); it says: this server takes H.265 alone.",
        ),
        (
            serve(move |_| with_body("415 Unsupported Media Type", "", detail)).0,
            "The target refused the request (415); it says: this server takes H.265 alone.",
        ),
    ] {
        let pushing = Pushing::to(&format!("whip://{place}/live/whip"));
        let status = pushing.until("reason", has_reason);
        assert_eq!(status.state, PushState::Failed);
        assert_eq!(status.reason.as_deref(), Some(said));
    }
}

#[test]
fn a_target_that_accepts_and_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    let pushing = Pushing::to(&format!("whip://{place}/live/whip"));
    let status = pushing.until("reason", has_reason);
    assert_eq!(status.reason.unwrap(), "The target did not answer in time.");
    assert_eq!(status.state, PushState::Waiting);
    drop(listener);
}

#[test]
fn a_push_that_is_stopped_while_the_target_thinks_leaves_no_session_there() {
    let (arrived, waits) = channel();
    let (go, goes) = channel::<()>();
    let (place, requests) = serve(move |request| match request.method.as_str() {
        "POST" => {
            arrived.send(()).unwrap();
            goes.recv_timeout(PATIENCE).unwrap();
            let body = answer_to(&request.body, "");
            with_body("201 Created", "location: /session/1\r\n", &body)
        }
        _ => empty("200 OK", ""),
    });
    let pushing = Pushing::to(&format!("whip://{place}/live/whip"));
    waits.recv_timeout(PATIENCE).unwrap();
    let stopped = std::thread::spawn(move || drop(pushing));
    // The element is asked to stop while the answer is on its way.
    std::thread::park_timeout(Duration::from_millis(300));
    go.send(()).unwrap();
    stopped.join().unwrap();
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().method, "POST");
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().method, "DELETE");
}

#[test]
fn a_false_address_stops_the_start_and_is_not_shown() {
    support::init();
    let sink = gst::ElementFactory::make("sluicewhepsink").build().unwrap();
    sink.set_property("forward", gst::Array::new(["rtmp://:s3cret@b/x"]));
    assert!(sink.set_state(gst::State::Ready).is_err());
    sink.set_property("forward", gst::Array::new(["whip://:s3cret@b/x"]));
    let shown = sink.property::<gst::Array>("forward");
    assert_eq!(shown[0].get::<String>().unwrap(), "http://***@b/x");
    sink.set_state(gst::State::Ready).unwrap();
    sink.set_state(gst::State::Null).unwrap();
}

#[test]
fn what_a_target_loses_it_gets_again() {
    let target = support::target::Target::new();
    let answer = target.answers();
    let (place, _requests) = serve(move |request| match request.method.as_str() {
        "POST" => with_body("201 Created", "", &answer(&request.body)),
        _ => empty("200 OK", ""),
    });
    let pushing = Pushing::to(&format!("whip://{place}/live/whip"));
    pushing.until("media", |status| status.state == PushState::Running);
    for _ in 0..3 {
        target.again.recv_timeout(PATIENCE).unwrap();
    }
}

/// Takes what is offered, names a TURN server, and is never there with media: the way there needs that server.
#[test]
fn a_turn_server_that_the_target_names_is_asked_at_the_next_attempt() {
    // Nothing is sent by this: connecting asks the routing table which address of ours leads out.
    let route = UdpSocket::bind("0.0.0.0:0").unwrap();
    route.connect("192.0.2.1:9").unwrap();
    let turn = UdpSocket::bind((route.local_addr().unwrap().ip(), 0)).unwrap();
    turn.set_read_timeout(Some(PATIENCE + Duration::from_secs(30)))
        .unwrap();
    let link = format!(
        "<turn:{}?transport=udp>; rel=\"ice-server\"; username=\"1:me\"; credential=\"s3cret\"; credential-type=\"password\"",
        turn.local_addr().unwrap()
    );
    let (place, requests) = serve(move |request| match request.method.as_str() {
        "POST" => {
            let headers = format!("location: /session/1\r\nlink: {link}\r\n");
            with_body("201 Created", &headers, &answer_to(&request.body, ""))
        }
        _ => empty("200 OK", ""),
    });
    let pushing = Pushing::to(&format!("whip://{place}/live/whip"));
    let first = requests.recv_timeout(PATIENCE).unwrap();
    assert!(!first.body.contains("typ relay"), "{}", first.body);
    let mut packet = [0; 1500];
    turn.recv(&mut packet).unwrap();
    // Allocate (RFC 8656, 18).
    assert_eq!(packet[..2], [0, 3]);
    let reason = pushing.push.status().reason.unwrap();
    // The session says it first, unless this machine was too busy to look.
    let first = reason.contains("no way for media was found");
    assert!(first || reason.contains("took no media"), "{reason}");
}
