use super::*;
use crate::plan::invitation;
use crate::track::{AudioFormat, VideoFormat};

fn tracks(codec: Codec) -> Vec<Track> {
    vec![
        Track::video(codec, VideoFormat::default()),
        Track::audio(Codec::Opus, AudioFormat::default()),
    ]
}

/// What a webrtcbin answers, shortened.
fn answer(video: &str, direction: &str, setup: &str) -> String {
    let fingerprint = ["AB"; 32].join(":");
    let transport = format!(
        "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:{setup}\r\na=rtcp-mux\r\n"
    );
    format!(
        "v=0\r\no=- 1 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE video0 audio1\r\nm=video {video}\r\n{transport}a=mid:video0\r\na=rtpmap:96 H264/90000\r\na={direction}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{transport}a=mid:audio1\r\na=rtpmap:111 OPUS/48000/2\r\na=recvonly\r\n"
    )
}

const TAKEN: &str = "9 UDP/TLS/RTP/SAVPF 96 97";

#[test]
fn each_kinds_first_track_that_can_be_carried_is_offered() {
    let mut four = tracks(Codec::H264);
    four.insert(0, Track::audio(Codec::Aac, AudioFormat::default()));
    four.push(Track::video(Codec::Vp8, VideoFormat::default()));
    let parts = invitation(&four).unwrap();
    let offered: Vec<_> = parts
        .iter()
        .map(|part| (part.track, part.codec, part.pt))
        .collect();
    assert_eq!(offered, [(1, Codec::H264, 96), (2, Codec::Opus, 111)]);
    for (codec, words) in [(Codec::H265, "H.265"), (Codec::Mjpeg, "JPEG")] {
        let problem = invitation(&tracks(codec)).unwrap_err();
        assert_eq!(problem.status, 422);
        assert!(problem.detail.contains(words), "{problem}");
    }
    let reordered = VideoFormat {
        reorders: true,
        ..VideoFormat::default()
    };
    let problem = invitation(&[Track::video(Codec::H264, reordered)]).unwrap_err();
    assert!(problem.detail.contains("B-frames"), "{problem}");
    assert_eq!(invitation(&[]).unwrap_err().status, 503);
}

#[test]
fn the_offer_gets_our_formats_and_no_section_is_bundle_only() {
    let parts = invitation(&tracks(Codec::H264)).unwrap();
    let offer = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 what=ever\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\nm=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=bundle-only\r\na=rtpmap:111 OPUS/48000/2\r\n";
    let text = completed(offer, &parts);
    assert_eq!(text.matches("a=fmtp:96 ").count(), 1, "{text}");
    assert!(
        text.contains("a=fmtp:96 packetization-mode=1;profile-level-id=42e01f"),
        "{text}"
    );
    assert!(text.contains("a=fmtp:97 apt=96\r\n"), "{text}");
    // Only where they can be asked for, and once.
    let with_pli = offer.replace("a=fmtp:97", "a=rtcp-fb:96 nack pli\r\na=fmtp:97");
    for text in [&text, &completed(&with_pli, &parts)] {
        for (line, count) in [("96 nack pli", 1), ("96 ccm fir", 1), ("111 ", 0)] {
            let line = format!("a=rtcp-fb:{line}");
            assert_eq!(text.matches(&line).count(), count, "{text}");
        }
    }
    assert!(
        text.contains("a=fmtp:111 minptime=10;useinbandfec=1\r\n"),
        "{text}"
    );
    assert!(
        text.contains("m=audio 9 ") && !text.contains("bundle-only"),
        "{text}"
    );
}

#[test]
fn an_answer_that_takes_all_is_read() {
    let parts = invitation(&tracks(Codec::H264)).unwrap();
    for setup in ["active", "passive"] {
        let reply = Reply::parse(&answer(TAKEN, "recvonly", setup), &parts).unwrap();
        assert_eq!(reply.ice_ufrag, "abcd");
        assert_eq!(reply.fingerprint.bytes, [0xab; 32]);
    }
}

#[test]
fn an_answer_that_takes_not_all_is_refused_with_a_sentence() {
    let parts = invitation(&tracks(Codec::H264)).unwrap();
    let whole = answer(TAKEN, "recvonly", "active");
    for (text, status, words) in [
        (
            answer("0 UDP/TLS/RTP/SAVPF 96", "recvonly", "active"),
            422,
            "video, which is H.264",
        ),
        (
            answer(TAKEN, "inactive", "active"),
            422,
            "video, which is H.264",
        ),
        (
            answer(TAKEN, "sendonly", "active"),
            422,
            "video, which is H.264",
        ),
        (
            answer("9 UDP/TLS/RTP/SAVPF 102", "recvonly", "active"),
            422,
            "payload type 96",
        ),
        (answer("9 RTP/AVP 96", "recvonly", "active"), 422, "DTLS"),
        (answer(TAKEN, "recvonly", "actpass"), 400, "a=setup"),
        (whole.replace("a=rtcp-mux\r\n", ""), 422, "rtcp-mux"),
        (
            whole.replace("a=fingerprint:sha-256 ", "a=x:"),
            400,
            "the answer has no a=fingerprint",
        ),
        (whole.replace("a=ice-pwd", "a=x"), 400, "a=ice-pwd"),
        (whole.replace("m=video", "m=audio"), 400, "keep their order"),
        (
            whole.split("m=audio").next().unwrap().to_owned(),
            400,
            "1 sections",
        ),
        ("x".to_owned(), 400, "WebRTC answer"),
        (
            format!("{whole}{}", "a=x:y\r\n".repeat(10_000)),
            413,
            "bytes",
        ),
    ] {
        let error = Reply::parse(&text, &parts).unwrap_err();
        assert_eq!(error.status, status, "{error}");
        assert!(error.sentence.contains(words), "{error}");
    }
}
