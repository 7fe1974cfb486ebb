#![expect(clippy::unwrap_in_result, reason = "tests")]

use rtsp_types::Message;

use super::*;
use crate::testing::{ms, origin};

/// Knows a password, and says what it was asked.
#[derive(Default)]
struct Known {
    challenge: Option<String>,
}

impl Login for Known {
    fn on_challenge(&mut self, challenges: &str, was_answered: bool) -> bool {
        self.challenge = Some(challenges.to_owned());
        !was_answered || challenges.contains("stale=true")
    }

    fn authorization(&mut self, method: &str, _uri: &str) -> Option<String> {
        let challenge = self.challenge.as_ref()?;
        Some(format!("{challenge} {method}"))
    }
}

struct Talk {
    session: Session<Known>,
    now: Instant,
    asked: String,
}

impl Talk {
    fn new() -> Self {
        let mut session = Session::new("rtsp://cam:554/live?x=1".to_owned(), Known::default());
        let asked = String::from_utf8(session.open().unwrap()).unwrap();
        Self {
            session,
            now: origin(),
            asked,
        }
    }

    /// Answers what was asked last.
    fn answer(&mut self, status: &str, headers: &str, body: &str) -> Result<Reply, Refusal> {
        let number = self.value("CSeq").to_owned();
        let length = body.len();
        let text = format!(
            "RTSP/1.0 {status}\r\nCSeq: {number}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let (message, _) = Message::<Vec<u8>>::parse(text.as_bytes()).unwrap();
        let Message::Response(answer) = message else {
            panic!("no answer");
        };
        let reply = self.session.on_answer(&answer, self.now);
        if let Ok(Reply::Send(bytes)) = &reply {
            self.asked = String::from_utf8(bytes.clone()).unwrap();
        }
        reply
    }

    fn line(&self) -> &str {
        self.asked.lines().next().unwrap()
    }

    fn value(&self, name: &str) -> &str {
        let line = self
            .asked
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or("")
    }

    /// As far as the description.
    fn described(headers: &str) -> Self {
        let mut talk = Self::new();
        talk.answer("200 OK", "Public: OPTIONS, GET_PARAMETER\r\n", "")
            .unwrap();
        let reply = talk.answer("200 OK", headers, "v=0");
        assert_eq!(reply, Ok(Reply::Described(b"v=0".to_vec())));
        talk
    }

    fn set_up(&mut self, controls: &[&str], aggregate: Option<&str>) {
        let wanted: Vec<_> = controls
            .iter()
            .map(|control| Wanted {
                control: Some((*control).to_owned()),
                has_feedback: false,
            })
            .collect();
        let bytes = self
            .session
            .set_up(&wanted, aggregate, Some("npt=now-"))
            .unwrap();
        self.asked = String::from_utf8(bytes).unwrap();
    }
}

#[test]
fn a_session_asks_describes_sets_up_plays_lives_and_ends() {
    let mut talk = Talk::new();
    assert_eq!(talk.line(), "OPTIONS rtsp://cam:554/live?x=1 RTSP/1.0");
    assert_eq!(talk.value("User-Agent"), "Sluice");
    let public = "Public: OPTIONS, DESCRIBE, GET_PARAMETER\r\n";
    talk.answer("200 OK", public, "").unwrap();
    assert_eq!(talk.line(), "DESCRIBE rtsp://cam:554/live?x=1 RTSP/1.0");
    talk.answer("200 OK", "Content-Base: rtsp://cam:554/live/\r\n", "v=0")
        .unwrap();
    talk.set_up(&["trackID=1", "rtsp://cam:554/live/audio"], Some("*"));
    assert_eq!(talk.line(), "SETUP rtsp://cam:554/live/trackID=1 RTSP/1.0");
    let way = "RTP/AVP/TCP;unicast;interleaved=0-1";
    assert_eq!(talk.value("Transport"), way);
    let changed = "Session: 12ab ;timeout=30\r\nTransport: RTP/AVP/TCP;interleaved=4-5\r\n";
    talk.answer("200 OK", changed, "").unwrap();
    assert_eq!(talk.line(), "SETUP rtsp://cam:554/live/audio RTSP/1.0");
    assert_eq!(talk.value("Session"), "12ab");
    let session = "Session: 12ab;timeout=30\r\n";
    talk.answer("200 OK", session, "").unwrap();
    assert_eq!(talk.line(), "PLAY rtsp://cam:554/live/ RTSP/1.0");
    assert_eq!(talk.value("Range"), "npt=now-");
    assert!(!talk.session.is_playing());
    let info = "RTP-Info: url=trackID=1;seq=1;rtptime=7,url=rtsp://other/live/audio;rtptime=9\r\n";
    let reply = talk.answer("200 OK", info, "");
    assert_eq!(reply, Ok(Reply::Playing(vec![Some(7), Some(9)])));
    assert!(talk.session.is_playing());
    let streams = [4, 5, 2, 3, 0].map(|channel| talk.session.stream(channel));
    let of = |stream| Some(stream);
    let want = [
        of(Stream::Rtp(0)),
        of(Stream::Rtcp(0)),
        of(Stream::Rtp(1)),
        of(Stream::Rtcp(1)),
        None,
    ];
    assert_eq!(streams, want);
    let due = talk.session.poll_timeout().unwrap();
    assert_eq!(due, talk.now + ms(15_000));
    assert_eq!(talk.session.handle_timeout(due - ms(1)), None);
    let kept = String::from_utf8(talk.session.handle_timeout(due).unwrap()).unwrap();
    assert!(kept.starts_with("GET_PARAMETER rtsp://cam:554/live/ "));
    assert_eq!(talk.session.poll_timeout(), Some(due + ms(15_000)));
    let end = String::from_utf8(talk.session.tear_down().unwrap()).unwrap();
    assert!(end.starts_with("TEARDOWN rtsp://cam:554/live/ "), "{end}");
    assert!(end.contains("Session: 12ab\r\n"), "{end}");
}

#[test]
fn control_urls_are_joined_as_cameras_mean_them() {
    for (base, aggregate, control, want) in [
        (
            "rtsp://cam/real?channel=1/",
            None,
            "trackID=0",
            "rtsp://cam/real?channel=1/trackID=0",
        ),
        ("rtsp://cam/live", None, "track1", "rtsp://cam/live/track1"),
        ("rtsp://cam/live", None, "*", "rtsp://cam/live"),
        (
            "rtsp://cam/live/",
            Some("rtsp://cam/all/"),
            "v",
            "rtsp://cam/all/v",
        ),
        ("rtsp://cam/live", None, "", "rtsp://cam/live"),
    ] {
        let mut talk = Talk::described(&format!("Content-Base: {base}\r\n"));
        talk.set_up(&[control], aggregate);
        assert_eq!(talk.line(), format!("SETUP {want} RTSP/1.0"));
    }
}

#[test]
fn a_challenge_is_answered_once_and_again_when_it_is_stale() {
    let mut talk = Talk::new();
    assert_eq!(talk.value("Authorization"), "");
    talk.answer("401 No", "WWW-Authenticate: one\r\n", "")
        .unwrap();
    assert_eq!(talk.value("Authorization"), "one OPTIONS");
    talk.answer("200 OK", "", "").unwrap();
    assert_eq!(talk.value("Authorization"), "one DESCRIBE");
    let stale = "WWW-Authenticate: two, stale=true\r\n";
    talk.answer("401 No", stale, "").unwrap();
    assert_eq!(talk.value("Authorization"), "two, stale=true DESCRIBE");
    let refused = talk.answer("401 No", stale, "");
    assert_eq!(refused, Err(Refusal::Unauthorized));
}

#[test]
fn a_wrong_password_is_not_sent_twice() {
    let mut talk = Talk::new();
    let challenge = "WWW-Authenticate: one\r\n";
    talk.answer("401 No", challenge, "").unwrap();
    let refused = talk.answer("401 No", challenge, "");
    assert_eq!(refused, Err(Refusal::Unauthorized));
}

#[test]
fn what_a_server_refuses_is_said_as_what_it_is() {
    let server_error = Refusal::Status {
        method: "DESCRIBE",
        status: 503,
        reason: "Busy".to_owned(),
    };
    for (status, want) in [
        ("404 Not Found", Refusal::NotFound),
        ("403 Forbidden", Refusal::Forbidden),
        ("401 Unauthorized", Refusal::Unauthorized),
        ("461 Unsupported", Refusal::Transport),
        ("503 Busy", server_error),
        ("302 Moved", Refusal::Place { method: "DESCRIBE" }),
    ] {
        let mut talk = Talk::new();
        // A camera that knows no OPTIONS may play all the same.
        talk.answer("501 Not Implemented", "", "").unwrap();
        assert_eq!(talk.answer(status, "", ""), Err(want));
    }
}

#[test]
fn media_outside_of_the_connection_are_refused() {
    let mut talk = Talk::described("");
    talk.set_up(&["v"], None);
    let udp = "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n";
    assert_eq!(talk.answer("200 OK", udp, ""), Err(Refusal::Transport));
}

#[test]
fn a_stream_that_has_moved_is_followed() {
    let mut talk = Talk::new();
    let moved = talk.answer("302 Moved", "Location: rtsp://other/live\r\n", "");
    let place = Url::parse("rtsp://other/live").unwrap();
    assert_eq!(moved, Ok(Reply::Elsewhere(place)));
}

#[test]
fn an_answer_to_something_else_is_none_to_this() {
    let mut talk = Talk::new();
    let late = Response::builder(Version::V1_0, StatusCode::Ok)
        .header(names::CSEQ, "99")
        .build(Vec::new());
    let reply = talk.session.on_answer(&late, talk.now);
    assert_eq!(reply, Ok(Reply::Nothing));
    let reply = talk.answer("200 OK", "", "");
    assert!(matches!(reply, Ok(Reply::Send(_))));
}

#[test]
fn a_server_that_asks_is_answered_and_one_that_ends_has_ended() {
    let session = Talk::new().session;
    let asked = |method: Method| {
        let request = Request::builder(method, Version::V1_0)
            .header(names::CSEQ, "5")
            .build(Vec::new());
        session.on_request(&request)
    };
    let answer = String::from_utf8(asked(Method::Options).unwrap()).unwrap();
    assert!(answer.starts_with("RTSP/1.0 200 "), "{answer}");
    assert!(answer.contains("CSeq: 5\r\n"), "{answer}");
    assert_eq!(asked(Method::Teardown), Err(Refusal::Ended));
}
