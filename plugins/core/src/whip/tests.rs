use super::*;
use crate::id::SessionId;
use crate::sdp::offer::{Offer, Role};
use crate::testing::{ms, offer_text, origin};
use crate::track::{Codec, Kind};

/// A viewer's offer as a publisher of the same make would write it.
fn publishing(name: &str) -> String {
    offer_text(name).replace("a=recvonly", "a=sendonly")
}

fn accepted(text: &str) -> Vec<Accepted> {
    accept(&Offer::parse_as(Role::Publisher, text).unwrap()).unwrap()
}

/// An offer with one video section that has these lines.
fn video(head: &str, lines: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF {head}\r\na=mid:0\r\na=ice-ufrag:abcd\r\n\
         a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=sendonly\r\n\
         a=rtcp-mux\r\n{lines}",
        ["AB"; 32].join(":")
    )
}

#[test]
fn the_best_codec_of_each_section_is_taken_with_its_retransmissions() {
    for (name, wanted) in [
        (
            "chromium",
            [(Codec::H264, 103, Some(104)), (Codec::Opus, 111, None)],
        ),
        (
            "firefox",
            [(Codec::Vp8, 120, Some(124)), (Codec::Opus, 109, None)],
        ),
        (
            "ffmpeg",
            [(Codec::Opus, 111, None), (Codec::H264, 106, None)],
        ),
    ] {
        let mut taken: Vec<_> = accepted(&publishing(name))
            .iter()
            .map(|one| (one.codec, one.pt, one.rtx))
            .collect();
        let mut wanted = wanted.to_vec();
        taken.sort();
        wanted.sort();
        assert_eq!(taken, wanted, "{name}");
    }
}

#[test]
fn among_payload_types_of_a_codec_the_most_usable_is_taken() {
    for (head, lines, pt) in [
        (
            "96 97",
            "a=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01f;packetization-mode=0\r\n\
             a=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42e01f;packetization-mode=1\r\n",
            97,
        ),
        (
            "96 35",
            "a=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=f4001f;packetization-mode=1\r\n\
             a=rtpmap:35 H264/90000\r\na=fmtp:35 profile-level-id=64001f;packetization-mode=1\r\n",
            35,
        ),
        // Alone, what few browsers show is better than nothing.
        (
            "96",
            "a=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=6e001f;packetization-mode=1\r\n",
            96,
        ),
        ("96", "a=rtpmap:96 H264/90000\r\n", 96),
        (
            "98 100",
            "a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=2\r\na=rtpmap:100 VP9/90000\r\n",
            100,
        ),
        (
            "45 46 47",
            "a=rtpmap:45 AV1/90000\r\na=fmtp:45 profile=1\r\na=rtpmap:46 rtx/90000\r\na=fmtp:46 apt=45\r\n\
             a=rtpmap:47 AV1/90000\r\na=fmtp:47 profile=0\r\n",
            47,
        ),
        // The offer's order decides between codecs of one rank only.
        (
            "96 97 98",
            "a=rtpmap:96 AV1/90000\r\na=rtpmap:97 VP9/90000\r\na=rtpmap:98 vp8/90000\r\n",
            98,
        ),
        (
            "96 97",
            "a=rtpmap:96 H265/90000\r\na=rtpmap:97 AV1/90000\r\n",
            97,
        ),
        ("96", "a=rtpmap:96 H265/90000\r\n", 96),
    ] {
        assert_eq!(accepted(&video(head, lines))[0].pt, pt, "{lines}");
    }
}

#[test]
fn a_section_without_a_usable_codec_is_refused_and_says_what_would_do() {
    let both = publishing("chromium");
    for (text, parts) in [
        (
            video(
                "96 97",
                "a=rtpmap:96 theora/90000\r\na=rtpmap:97 rtx/90000\r\n",
            ),
            ["video", "theora", "H.264"],
        ),
        (video("96", ""), ["video", "none", "VP8"]),
        // A clock that is not the codec's: another thing of the same name.
        (
            video("96", "a=rtpmap:96 VP8/8000\r\n"),
            ["video", "VP8", "AV1"],
        ),
        (
            both.replace("opus/48000", "iSAC/16000")
                .replace("PCMU/", "G722/")
                .replace("PCMA/", "G722/"),
            ["audio", "iSAC", "G.711"],
        ),
    ] {
        let offer = Offer::parse_as(Role::Publisher, &text).unwrap();
        let problem = accept(&offer).unwrap_err();
        assert_eq!(problem.status, 422);
        for part in parts {
            assert!(problem.detail.contains(part), "{}", problem.detail);
        }
    }
}

#[test]
fn what_a_publisher_may_not_offer_is_refused_by_its_rule() {
    let text = publishing("chromium");
    for (offer, status, part) in [
        (offer_text("chromium").to_owned(), 422, "recvonly"),
        (text.replace("a=sendonly", "a=inactive"), 422, "inactive"),
        (text.replace("a=rtcp-mux", "a=x"), 422, "rtcp-mux"),
        (text.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), 422, "profile"),
        (text.replace("a=fingerprint:", "a=x:"), 400, "fingerprint"),
        (text.replace("a=group:BUNDLE", "a=group:LS"), 400, "BUNDLE"),
        (
            text.replace("m=audio ", "m=video "),
            422,
            "a publisher sends at most",
        ),
        (
            format!("{text}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:7\r\n"),
            422,
            "data channel",
        ),
    ] {
        let error = Offer::parse_as(Role::Publisher, &offer).unwrap_err();
        assert_eq!(
            (error.status, error.sentence.contains(part)),
            (status, true),
            "{error}"
        );
    }
    let both_ways = text.replace("a=sendonly", "a=sendrecv");
    assert!(Offer::parse_as(Role::Publisher, &both_ways).is_ok());
}

#[test]
fn the_reduced_offer_holds_what_is_taken_and_nothing_else() {
    let text = publishing("chromium").replace(
        "a=rtpmap:96 VP8/90000",
        "a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\na=ssrc-group:SIM 1 2\r\n\
         a=ssrc-group:FID 1 3\r\na=rtcp-fb:* nack\r\na=rtpmap:96 VP8/90000",
    );
    let taken = accepted(&text);
    let reduced = reduced(&text, &taken);

    let heads: Vec<_> = reduced
        .lines()
        .filter(|line| line.starts_with("m="))
        .collect();
    assert_eq!(
        heads,
        [
            "m=video 9 UDP/TLS/RTP/SAVPF 103 104",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111"
        ]
    );
    let count = |part: &str| reduced.matches(part).count();
    assert_eq!(
        (count("a=rtpmap:"), count("a=rid:"), count("a=simulcast")),
        (3, 0, 0)
    );
    assert_eq!((count("ssrc-group:SIM"), count("ssrc-group:FID")), (0, 1));
    assert_eq!(count("a=rtcp-fb:* nack"), 1);
    assert_eq!(count("a=rtcp-fb:96 "), 0);
    // Two extensions in each of two sections, and the two that name layers.
    assert_eq!((count("a=extmap:"), count(MID), count(TWCC)), (6, 2, 2));
    // It is still an offer, and means the same, but for the layers, of which webrtcbin knows nothing.
    let mut without_layers = taken;
    without_layers[0].rids.clear();
    without_layers[0].extensions.truncate(2);
    assert_eq!(accepted(&reduced), without_layers);
}

/// Chromium's offer with three layers, and more lines.
fn layered(more: &str) -> String {
    let layers = "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
         a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n";
    let described = "a=rid:l send\r\na=rid:m send pt=96;max-width=640\r\na=rid:h send\r\n";
    video(
        "96",
        &format!("{layers}{described}{more}\r\na=rtpmap:96 VP8/90000\r\n"),
    )
}

#[test]
fn all_layers_are_taken_and_answered() {
    let text = layered("a=simulcast:send l;~m,x;h");
    let taken = accepted(&text);
    assert_eq!(taken[0].rids, ["l", "m", "h"]);
    assert_eq!(taken[0].extension(RID), Some(10));
    assert_eq!(taken[0].extensions.len(), 2, "{taken:?}");
    let reduced = reduced(&text, &taken);
    assert!(
        !reduced.contains("simulcast") && !reduced.contains("a=rid"),
        "{reduced}"
    );
    assert!(reduced.contains(RID), "{reduced}");

    let answer =
        "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
    let answer = with_layers(answer, &taken);
    let lines = "a=mid:0\r\na=rid:l recv\r\na=rid:m recv\r\na=rid:h recv\r\na=simulcast:recv l;m;h\r\nm=audio";
    assert!(answer.contains(lines), "{answer}");
}

#[test]
fn layers_that_cannot_be_told_apart_or_sent_are_not_taken() {
    for (text, why) in [
        (layered(""), "no simulcast"),
        (layered("a=simulcast:recv l;m;h"), "the wrong way"),
        (layered("a=simulcast:send l;z"), "only one is described"),
        (layered("a=simulcast:send l;l"), "one twice"),
        (layered("a=simulcast:send"), "none"),
        (
            layered("a=simulcast:send l;m").replace("pt=96", "pt=97"),
            "of another codec",
        ),
        (
            layered("a=simulcast:send l;m").replace("rtp-stream-id", "x"),
            "without the name in packets",
        ),
    ] {
        let taken = accepted(&text);
        assert_eq!(taken[0].rids, Vec::<String>::new(), "{why}");
        assert_eq!(taken[0].extension(RID), None, "{why}");
        assert_eq!(
            with_layers("v=0\r\nm=video 9\r\n", &taken),
            "v=0\r\nm=video 9\r\n"
        );
    }
}

#[test]
fn a_section_that_is_refused_already_is_left_alone() {
    let text = publishing("ffmpeg").replace("m=audio 9 ", "m=audio 0 ");
    let taken = accepted(&text);
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].mline, taken[0].codec.kind()), (1, Kind::Video));
    let reduced = reduced(&text, &taken);
    assert!(
        reduced.contains("m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n"),
        "{reduced}"
    );
    assert!(
        reduced.contains("a=rtpmap:111 opus/48000/2\r\n"),
        "{reduced}"
    );
}

fn id(n: u8) -> SessionId {
    SessionId::from_random([n; 16])
}

#[test]
fn a_second_publisher_takes_the_place_once_it_has_shown_its_certificate() {
    let mut stage = Stage::new(Policy::Replace);
    stage.on_offer(id(1)).unwrap();
    assert_eq!(stage.live(), None);
    assert_eq!(stage.on_verified(&id(1)), Entry::Live { instead_of: None });

    stage.on_offer(id(2)).unwrap();
    assert_eq!(stage.live(), Some(&id(1)));
    let instead_of = Some(id(1));
    assert_eq!(stage.on_verified(&id(2)), Entry::Live { instead_of });
    // The one that was replaced leaves no empty stage behind.
    assert!(!stage.on_closed(&id(1)));
    assert!(stage.on_closed(&id(2)));
    assert_eq!(stage.live(), None);
}

#[test]
fn a_second_publisher_is_refused_where_the_policy_says_so() {
    let mut stage = Stage::new(Policy::Refuse);
    stage.on_offer(id(1)).unwrap();
    // Neither is there yet: the first to be verified wins.
    stage.on_offer(id(2)).unwrap();
    assert_eq!(stage.on_verified(&id(2)), Entry::Live { instead_of: None });
    assert_eq!(stage.on_verified(&id(1)), Entry::TooLate);
    assert!(!stage.on_closed(&id(1)));

    let problem = stage.on_offer(id(3)).unwrap_err();
    assert_eq!(
        (problem.status, problem.retry_after_seconds()),
        (409, Some(5))
    );
    assert!(stage.on_closed(&id(2)));
    stage.on_offer(id(3)).unwrap();
}

#[test]
fn publishers_that_never_connect_do_not_pile_up() {
    let mut stage = Stage::new(Policy::Replace);
    for n in 0..8 {
        stage.on_offer(id(n)).unwrap();
    }
    assert_eq!(stage.on_offer(id(8)).unwrap_err().status, 503);
    stage.on_closed(&id(0));
    stage.on_offer(id(8)).unwrap();
}

#[test]
fn layers_of_simulcast_are_never_mixed() {
    let start = origin();
    let mut single = Single::default();
    let mut through = vec![];
    for at in (0..1000).step_by(10) {
        for ssrc in [1, 2, 3] {
            if single.on_packet(ssrc, start + ms(at)) {
                through.push(ssrc);
            }
        }
    }
    assert_eq!(through, [1; 100]);
    // The one that was taken ends; after a while another takes its place, alone.
    assert!(!single.on_packet(2, start + ms(1900)));
    assert!(single.on_packet(2, start + ms(1990)));
    assert!(!single.on_packet(3, start + ms(1991)));
    assert!(!single.on_packet(1, start + ms(1992)));
}

#[test]
fn a_vanished_publisher_is_noticed_within_ten_seconds() {
    let start = origin();
    let offer = Offer::parse_as(Role::Publisher, &publishing("ffmpeg")).unwrap();
    let mut session = crate::whep::Session::new(&offer, [0; 12], DEADLINES, start);
    session.on_connected(start);
    session.on_heard(start + ms(60_000));
    let due = session.poll_timeout().unwrap();
    assert!(due <= start + ms(60_000) + ms(9_500));
    let reason = session.handle_timeout(due).unwrap();
    assert_eq!(reason.of(Role::Publisher), "the publisher fell silent");
}
