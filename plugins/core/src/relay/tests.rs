use std::time::Duration;

use super::*;
use crate::redial::{Failure, Retry};
use crate::sdp::Fingerprint;
use crate::track::Kind;

#[test]
fn an_address_is_http_and_its_secret_is_shown_to_its_server_only() {
    for (text, url, authorization) in [
        (
            "whip://b:8889/studio/whip",
            "http://b:8889/studio/whip",
            None,
        ),
        ("whips://b/x", "https://b/x", None),
        ("http://b/x?y=1#z", "http://b/x?y=1", None),
        (
            "wheps://:s3cr%2Bt@b/x",
            "https://b/x",
            Some("Bearer s3cr+t"),
        ),
        ("whep://bob:pw@b/x", "http://b/x", Some("Basic Ym9iOnB3")),
    ] {
        let endpoint = Endpoint::parse(text).unwrap();
        assert_eq!(endpoint.url(), url);
        assert_eq!(endpoint.authorization().as_deref(), authorization, "{text}");
        let again = Endpoint::parse(&endpoint.location_with_secrets()).unwrap();
        assert_eq!(again, endpoint);
        for shown in [endpoint.to_string(), format!("{endpoint:?}")] {
            assert!(!shown.contains("s3cr") && !shown.contains("pw"), "{shown}");
        }
    }
}

#[test]
fn a_wrong_address_is_refused_with_what_would_be_right() {
    for (text, part) in [
        ("b/x", "no scheme"),
        ("rtsp://b/x", "unknown scheme \"rtsp\""),
        ("whip://", "no address"),
        ("whip://bob@b/x", "user without a password"),
        ("whip://:a b@b/x", "no bearer token"),
        ("whip://b/\nx", "control character"),
    ] {
        let error = Endpoint::parse(text).unwrap_err();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn a_secret_stays_with_its_origin() {
    let endpoint = Endpoint::parse("whips://:secret@b/x/whip").unwrap();
    let session = endpoint.at("/x/whip/1").unwrap();
    assert_eq!(session.url(), "https://b/x/whip/1");
    assert!(session.has_secret());
    assert!(!endpoint.at("https://evil/x").unwrap().has_secret());
    assert!(!endpoint.at("https://b:444/x").unwrap().has_secret());
    assert!(endpoint.at("http://b/x").unwrap_err().contains("TLS"));
    assert!(endpoint.at("ftp://b/x").is_err());
}

#[test]
fn a_refusal_is_a_sentence_and_is_not_hammered() {
    use Direction::{Pull, Push};
    for (direction, status, failure, part) in [
        (Push, 401, Failure::Unauthorized, "refused the credentials"),
        (Push, 403, Failure::Unauthorized, "publish"),
        (Push, 404, Failure::NotFound, "no such path"),
        (Push, 409, Failure::Unreachable, "publisher already"),
        (Pull, 409, Failure::Unreachable, "nobody"),
        (Pull, 422, Failure::NotFound, "no codec"),
        (Pull, 503, Failure::Unreachable, "no more sessions"),
        (Pull, 418, Failure::NotFound, "refused the request"),
        (Push, 599, Failure::Unreachable, "fault of its own"),
        (Push, 200, Failure::NotFound, "no session"),
    ] {
        let refusal = refused(direction, status, None, None);
        assert_eq!(refusal.failure, failure, "{status}");
        assert_ne!(refusal.failure.retry(), Retry::Never, "{status}");
        assert!(refusal.reason.contains(part), "{}", refusal.reason);
        assert!(refusal.reason.contains(&format!("({status})")));
        assert!(refusal.reason.starts_with(direction.subject()));
        assert!(refusal.reason.ends_with('.'));
    }
}

#[test]
fn a_server_says_when_to_come_again_and_why() {
    let refusal = refused(
        Direction::Push,
        422,
        Some("20"),
        Some("only\r\nH.264 is taken."),
    );
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(20)));
    assert!(
        refusal.reason.ends_with("it says: only H.264 is taken."),
        "{}",
        refusal.reason
    );
    let late = refused(Direction::Push, 503, Some("99999999"), None).retry_after;
    assert_eq!(late, Some(Duration::from_secs(3600)));
    let date = refused(
        Direction::Push,
        503,
        Some("Wed, 21 Oct 2026 07:28:00 GMT"),
        None,
    );
    assert_eq!(date.retry_after, None);
}

const OFFER: &str = "v=0\r\no=- 1 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE video0 audio1\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=rtcp-mux\r\na=sendonly\r\na=mid:video0\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=640028\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=fingerprint:sha-256 00:00\r\na=candidate:1 1 UDP 1 192.0.2.1 5000 typ host\r\na=candidate:2 1 TCP 1 192.0.2.1 9 typ host tcptype active\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 98\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=rtcp-mux\r\na=sendonly\r\na=mid:audio1\r\na=rtpmap:98 OPUS/48000/2\r\n";

fn answer(video: &str, audio: &str) -> String {
    let hash = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE video0 audio1\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:passive\r\na=fingerprint:sha-256 {hash}\r\n{video}{audio}"
    )
}

const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 97 96\r\na=rtcp-mux\r\na=recvonly\r\na=mid:video0\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=6e0034;level-asymmetry-allowed=0\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=candidate:1 1 UDP 1 x.local 5000 typ host\r\n";
const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 98\r\na=rtcp-mux\r\na=recvonly\r\na=mid:audio1\r\na=rtpmap:98 opus/48000/2\r\n";

#[test]
fn an_answer_keeps_what_was_offered_with_the_media_first_and_no_profile() {
    let answer = check_answer(OFFER, &answer(VIDEO, AUDIO), Direction::Push).unwrap();
    assert_eq!(answer.codecs, ["H264", "OPUS"]);
    assert_eq!(answer.fingerprint, Fingerprint::sha256([0xab; 32]));
    let text = &answer.text;
    assert!(
        text.contains("m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"),
        "{text}"
    );
    assert!(
        text.contains("a=fmtp:96 packetization-mode=1\r\n"),
        "{text}"
    );
    assert!(
        !text.contains("6e0034") && !text.contains(".local"),
        "{text}"
    );
}

#[test]
fn an_answer_without_sense_is_refused_with_a_sentence() {
    let no_map = VIDEO.replace("a=rtpmap:96 H264/90000\r\n", "");
    let not_offered = VIDEO.replace("96", "101");
    let no_mux = AUDIO.replace("a=rtcp-mux\r\n", "");
    let plain = AUDIO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
    let no_number = VIDEO.replace(" 97 96", " zz");
    for (video, audio, part) in [
        (no_map.as_str(), AUDIO, "no format that was offered"),
        (&not_offered, AUDIO, "no format that was offered"),
        (&no_number, AUDIO, "no format that was offered"),
        (VIDEO, &no_mux, "no a=rtcp-mux"),
        (VIDEO, &plain, "without DTLS"),
        (VIDEO, "", "another number of sections"),
        (AUDIO, VIDEO, "another order"),
    ] {
        let error = check_answer(OFFER, &answer(video, audio), Direction::Push).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    let whole = answer(VIDEO, AUDIO);
    for (from, to) in [
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1"),
        ("a=ice-ufrag:abcd", "a=ice-ufrag:a"),
        ("a=setup:passive", "a=setup:actpass"),
        ("v=0", "hello"),
    ] {
        let text = whole.replacen(from, to, 1);
        assert!(check_answer(OFFER, &text, Direction::Push).is_err(), "{to}");
    }
}

#[test]
fn what_a_target_does_not_take_is_named_and_nothing_at_all_is_a_refusal() {
    for (from, to) in [
        ("m=audio 9", "m=audio 0"),
        ("recvonly", "inactive"),
        ("recvonly", "sendonly"),
    ] {
        let audio = AUDIO.replace(from, to);
        let taken = check_answer(OFFER, &answer(VIDEO, &audio), Direction::Push).unwrap();
        assert_eq!(taken.left_out, [Kind::Audio], "{to}");
        assert_eq!(taken.codecs, ["H264"]);
        let video = VIDEO.replace(from, to).replace("m=video 9", "m=video 0");
        let error = check_answer(OFFER, &answer(&video, &audio), Direction::Push).unwrap_err();
        assert_eq!(error.to_string(), "takes nothing of what we send");
    }
    let all = check_answer(OFFER, &answer(VIDEO, AUDIO), Direction::Push).unwrap();
    assert_eq!(all.left_out, []);
}

#[test]
fn pulling_takes_what_there_is() {
    let offer = OFFER.replace("sendonly", "recvonly");
    let video = VIDEO.replace("recvonly", "sendonly");
    let none = AUDIO.replace("m=audio 9", "m=audio 0");
    let taken = check_answer(&offer, &answer(&video, &none), Direction::Pull).unwrap();
    assert_eq!(taken.codecs, ["H264"]);
    assert!(taken.text.contains("m=audio 0 "), "{}", taken.text);
    assert!(taken.text.contains("a=inactive"), "{}", taken.text);
    let nothing = answer(&video.replace("m=video 9", "m=video 0"), &none);
    let error = check_answer(&offer, &nothing, Direction::Pull).unwrap_err();
    assert!(error.to_string().contains("no codec"), "{error}");
}

#[test]
fn an_offer_has_our_fingerprint_and_h264_that_servers_can_serve() {
    let ours = Fingerprint::sha256([7; 32]);
    let pulled = finish_offer(OFFER, Direction::Pull, &ours);
    let h264 = "a=rtpmap:96 H264/90000\r\na=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";
    assert!(pulled.contains(h264), "{pulled}");
    assert!(!pulled.contains("640028"), "{pulled}");
    assert!(
        pulled.contains(&format!("a=fingerprint:{ours}")),
        "{pulled}"
    );
    assert!(!pulled.contains("tcptype"), "{pulled}");
    let pushed = finish_offer(OFFER, Direction::Push, &ours);
    assert!(
        pushed.contains("a=fmtp:96 profile-level-id=640028"),
        "{pushed}"
    );
    assert_eq!(pushed.matches("a=rtcp-mux-only").count(), 2, "{pushed}");
    let mono = OFFER.replace("OPUS/48000/2", "OPUS/48000");
    let pulled = finish_offer(&mono, Direction::Pull, &ours);
    assert!(pulled.contains("a=rtpmap:98 opus/48000/2\r\n"), "{pulled}");
}
