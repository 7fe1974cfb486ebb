use super::*;
use crate::sdp::offer::media::Direction;
use crate::testing::{offer, offer_text};

/// An offer of Chromium with one text put in place of another, everywhere.
fn changed(from: &str, to: &str) -> Result<Offer, OfferError> {
    let text = offer_text("chromium");
    assert!(text.contains(from), "{from}");
    Offer::parse(&text.replace(from, to))
}

fn names(media: &OfferedMedia) -> Vec<(u8, &str, Option<u8>)> {
    media
        .codecs
        .iter()
        .map(|codec| (codec.pt, codec.encoding_name.as_str(), codec.rtx))
        .collect()
}

#[test]
fn chromiums_offer_is_read() {
    let offer = offer("chromium");
    assert_eq!(offer.ice_ufrag, "Qk3z");
    assert_eq!(offer.setup, Setup::ActPass);
    assert_eq!(offer.fingerprint.algorithm, "sha-256");
    let video = offer.media_of(Kind::Video).unwrap();
    assert_eq!(
        (video.mid.as_str(), video.direction),
        ("0", Direction::RecvOnly)
    );
    assert_eq!(
        names(video),
        [
            (96, "VP8", Some(97)),
            (103, "H264", Some(104)),
            (107, "H264", Some(108)),
            (109, "H264", Some(114)),
            (115, "H264", Some(116)),
            (117, "H264", Some(118)),
            (39, "H264", Some(40)),
            (45, "AV1", Some(46)),
            (98, "VP9", Some(99)),
            (100, "VP9", Some(101)),
            (35, "VP9", Some(36)),
            (37, "VP9", Some(38)),
            (47, "AV1", Some(48)),
            (49, "H264", Some(50)),
            (51, "H264", Some(52)),
            (123, "red", Some(124)),
            (125, "ulpfec", None),
        ]
    );
    assert_eq!(
        video.codecs[1].parameter("profile-level-id"),
        Some("42001f")
    );
    assert_eq!(video.codecs[2].parameter("Packetization-Mode"), Some("0"));
    assert_eq!(video.extmap.len(), 11);
    assert_eq!(
        video.extmap[8],
        (9, "urn:ietf:params:rtp-hdrext:sdes:mid".to_owned())
    );
    let audio = offer.media_of(Kind::Audio).unwrap();
    assert_eq!(audio.codecs[0].channels, 2);
    assert!(names(audio).contains(&(0, "PCMU", None)));
    assert_eq!(
        (
            offer.index_of("1"),
            offer.index_of("2"),
            offer.transport_index()
        ),
        (Some(1), None, Some(0))
    );
}

#[test]
fn firefoxs_offer_is_read() {
    let offer = offer("firefox");
    let video = offer.media_of(Kind::Video).unwrap();
    assert_eq!(
        names(video),
        [
            (120, "VP8", Some(124)),
            (121, "VP9", Some(125)),
            (99, "AV1", Some(100)),
            (123, "ulpfec", None),
            (122, "red", Some(119))
        ]
    );
    assert_eq!(video.codecs[1].parameter("profile-id"), None);
    // The direction of the session does not count where the section has its own.
    assert_eq!(video.direction, Direction::RecvOnly);
    assert_eq!(video.extmap[3].0, 6);
}

#[test]
fn str0ms_offer_is_read_and_ffmpegs_publisher_is_sent_elsewhere() {
    let offer = offer("str0m");
    assert_eq!(offer.media_of(Kind::Audio).unwrap().mid, "aud");
    assert_eq!(
        names(offer.media_of(Kind::Video).unwrap())[1],
        (108, "H264", Some(109))
    );

    let error = Offer::parse(offer_text("ffmpeg")).unwrap_err();
    assert!(
        error.status == 422 && error.sentence.contains("sendonly"),
        "{error}"
    );
    let viewer = Offer::parse(&offer_text("ffmpeg").replace("sendonly", "recvonly")).unwrap();
    assert_eq!(viewer.media_of(Kind::Video).unwrap().codecs[0].pt, 106);
}

#[test]
fn line_ends_and_unknown_lines_do_not_matter() {
    let text = offer_text("chromium");
    let plain = Offer::parse(text).unwrap();
    assert_eq!(Offer::parse(&text.replace('\n', "\r\n")).unwrap(), plain);
    assert_eq!(
        Offer::parse(&text.replace("a=rtcp-rsize\n", "a=rtcp-rsize\na=x-new:1\nb=AS:100\n"))
            .unwrap(),
        plain
    );
}

fn assert_refused(result: Result<Offer, OfferError>, status: u16, says: &str) {
    let error = result.expect_err(says);
    assert_eq!(error.status, status, "{error}");
    assert!(error.sentence.contains(says), "{says}: {error}");
}

#[test]
fn a_text_that_is_no_sdp_is_refused() {
    for (text, says) in [
        ("", "v=0"),
        ("hello", "line 1"),
        ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n", "no media section"),
        ("o=- 1 1 IN IP4 0.0.0.0\r\nm=audio 9 X 0\r\n", "v=0"),
        (
            &offer_text("chromium").replace('\n', "\r"),
            "control character",
        ),
        (
            &offer_text("chromium").replace("s=-", "s=\0"),
            "control character",
        ),
        (&offer_text("chromium").replace("s=-", "name"), "line 3"),
    ] {
        assert_refused(Offer::parse(text), 400, says);
    }
}

#[test]
fn an_offer_without_a_proper_transport_is_refused_with_what_would_be_right() {
    let without = |line: &str| changed(&format!("{line}\n"), "");
    for (result, status, says) in [
        (without("a=group:BUNDLE 0 1"), 400, "BUNDLE"),
        (
            changed("BUNDLE 0 1", "BUNDLE 0"),
            400,
            "audio section is not in",
        ),
        (changed("BUNDLE 0 1", "BUNDLE 0 1 7"), 400, "\"7\""),
        (without("a=rtcp-mux"), 422, "rtcp-mux"),
        (without("a=setup:actpass"), 400, "a=setup"),
        (changed("setup:actpass", "setup:holdconn"), 400, "unknown"),
        (
            changed("fingerprint:sha-256", "fingerprint:sha-1"),
            400,
            "sha-256",
        ),
        (
            changed("a=fingerprint", "a=finger"),
            400,
            "no a=fingerprint",
        ),
        (changed("ufrag:Qk3z", "ufrag:Qk"), 400, "4 to 256"),
        (
            changed("pwd:Zr8nTt5nWq0kM3v1bYpX7uLc", "pwd:x"),
            400,
            "22 to 256",
        ),
        (without("a=ice-ufrag:Qk3z"), 400, "no a=ice-ufrag"),
        (
            changed("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
            422,
            "UDP/TLS/RTP/SAVPF",
        ),
        (
            changed("a=rtcp-mux", "a=rtcp-mux\na=crypto:1 X inline:x"),
            422,
            "a=crypto",
        ),
    ] {
        assert_refused(result, status, says);
    }
}

#[test]
fn an_offer_with_improper_sections_is_refused_with_what_would_be_right() {
    let all_refused = offer_text("chromium").replace(" 9 UDP", " 0 UDP");
    for (result, status, says) in [
        (changed("a=mid:1", "a=mid:0"), 400, "same a=mid"),
        (changed("a=mid:1\n", ""), 400, "no a=mid"),
        (changed("a=recvonly", "a=sendonly"), 422, "offer recvonly"),
        (changed("a=recvonly", "a=inactive"), 422, "inactive"),
        (changed("m=audio", "m=video"), 422, "2 video sections"),
        (changed("m=audio", "m=application"), 422, "data channel"),
        (changed("m=audio", "m=image"), 422, "neither"),
        (changed("m=audio 9", "m=audio nine"), 400, "no port"),
        (changed("SAVPF 111", "SAVPF 128"), 400, "0 to 127"),
        (changed("a=extmap:1 ", "a=extmap:2 "), 400, "id 2"),
        (changed("a=extmap:1 ", "a=extmap:0 "), 400, "1 to 255"),
        (Offer::parse(&all_refused), 422, "port 0"),
    ] {
        assert_refused(result, status, says);
    }
}

#[test]
fn bombs_are_refused() {
    let sections = format!(
        "{}{}",
        offer_text("chromium"),
        "m=audio 9 X 0\n".repeat(1000)
    );
    let candidates = "a=candidate:1 1 udp 1 192.0.2.1 50000 typ host\n".repeat(50_000);
    for (text, status) in [
        (sections, 400),
        (candidates, 413),
        ("v".repeat(10 << 20), 413),
    ] {
        assert_eq!(Offer::parse(&text).unwrap_err().status, status);
    }
}

#[test]
fn one_kind_alone_either_dtls_role_and_both_directions_are_fine() {
    let text = offer_text("chromium");
    let (video_only, _) = text.split_once("m=audio").unwrap();
    let offer = Offer::parse(&video_only.replace("BUNDLE 0 1", "BUNDLE 0")).unwrap();
    assert!(offer.media_of(Kind::Audio).is_none());
    for (word, setup) in [("active", Setup::Active), ("passive", Setup::Passive)] {
        let offer = changed("a=setup:actpass", &format!("a=setup:{word}"));
        assert_eq!(offer.unwrap().setup, setup);
    }
    assert!(changed("a=recvonly", "a=sendrecv").is_ok());
    assert!(changed("a=recvonly\n", "").is_ok());
}

#[test]
fn a_refused_section_counts_as_absent_but_a_bundle_only_one_counts() {
    let text = offer_text("chromium").replace("m=audio 9", "m=audio 0");
    let refused = Offer::parse(&text.replace("BUNDLE 0 1", "BUNDLE 0")).unwrap();
    assert!(refused.media_of(Kind::Audio).is_none());
    assert!(refused.media[1].port_zero);
    let bundled = Offer::parse(&text.replace("a=mid:1", "a=mid:1\na=bundle-only")).unwrap();
    assert!(bundled.media_of(Kind::Audio).is_some());
}

#[test]
fn the_strongest_fingerprint_counts() {
    let strong = format!("a=fingerprint:sha-512 {}", ["0C"; 64].join(":"));
    let weak = format!("a=fingerprint:sha-1 {}", ["0A"; 20].join(":"));
    let offer = changed(
        "a=setup:actpass",
        &format!("{strong}\n{weak}\na=setup:actpass"),
    )
    .unwrap();
    assert_eq!(offer.fingerprint.algorithm, "sha-512");
}

#[test]
fn static_payload_types_need_no_map_and_unknown_ones_are_passed_over() {
    let offer = changed("a=rtpmap:0 PCMU/8000\n", "").unwrap();
    assert!(names(offer.media_of(Kind::Audio).unwrap()).contains(&(0, "PCMU", None)));
    let offer = changed("a=rtpmap:111 opus/48000/2", "a=rtpmap:111 opus").unwrap();
    assert_eq!(names(offer.media_of(Kind::Audio).unwrap())[0].1, "red");
}

#[test]
fn candidates_that_are_of_no_use_are_dropped_from_the_text() {
    let text = for_webrtcbin(offer_text("chromium"));
    let candidates: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("a=candidate"))
        .collect();
    assert_eq!(candidates.len(), 1, "{candidates:?}");
    assert!(candidates[0].contains("203.0.113.40"));
    assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
    assert_eq!(Offer::parse(&text).unwrap(), offer("chromium"));
    assert!(for_webrtcbin(offer_text("str0m")).contains("127.0.0.1 40123"));
}

// webrtcbin 1.26 refuses both beside each other.
#[test]
fn fingerprints_reach_webrtcbin_in_one_place() {
    let sections = |text: &str| -> Vec<usize> {
        let sections = text.split("\nm=");
        let counts = sections.map(|section| section.matches("a=fingerprint:").count());
        counts.collect()
    };
    let both = offer_text("str0m");
    assert_eq!(sections(both), [1, 1, 1]);
    assert_eq!(sections(&for_webrtcbin(both)), [0, 1, 1]);

    // One section's is the session's.
    let (rest, last) = both.rsplit_once("a=fingerprint:").unwrap();
    let text = format!("{rest}{}", last.split_once('\n').unwrap().1);
    assert_eq!(sections(&text), [1, 1, 0]);
    let prepared = for_webrtcbin(&text);
    assert_eq!(sections(&prepared), [0, 1, 1]);
    assert_eq!(
        Offer::parse(&prepared).unwrap(),
        Offer::parse(both).unwrap()
    );

    // The session's alone stays where it is.
    let lines = both.split_inclusive('\n');
    let mut seen = 0;
    let alone: String = lines
        .filter(|line| {
            let one = line.starts_with("a=fingerprint:");
            seen += usize::from(one);
            !one || seen == 1
        })
        .collect();
    assert_eq!(sections(&for_webrtcbin(&alone)), [1, 0, 0]);
}

#[test]
fn a_bundle_only_section_reaches_webrtcbin_as_offered() {
    let text = offer_text("firefox").replace("a=mid:1", "a=mid:1\na=bundle-only");
    let Some((_, second)) = text.rsplit_once("\nm=") else {
        panic!("one section only");
    };
    let port = second.split(' ').nth(1).unwrap().to_owned();
    for zero in [" 0 ", " 00 ", "\t0  "] {
        let text = text.replace(
            &format!("\nm={second}"),
            &format!("\nm={}", second.replacen(&format!(" {port} "), zero, 1)),
        );
        let offer = Offer::parse(&text).unwrap();
        let prepared = for_webrtcbin(&text);
        assert!(!prepared.contains("bundle-only"));
        assert!(
            prepared
                .lines()
                .filter(|line| line.starts_with("m="))
                .all(|line| line.split(' ').nth(1) != Some("0")),
            "{prepared}"
        );
        assert_eq!(Offer::parse(&prepared).unwrap(), offer, "{prepared}");
    }
}

#[test]
fn only_extension_ids_of_the_one_byte_form_are_taken() {
    let uri = "urn:ietf:params:rtp-hdrext:sdes:mid";
    for (id, taken) in [(1, Some(1)), (14, Some(14)), (15, None), (255, None)] {
        let line = format!("a=extmap:{id} {uri}");
        let text = offer_text("str0m").replace(&format!("a=extmap:4 {uri}"), &line);
        let offer = Offer::parse(&text).unwrap();
        assert_eq!(offer.media[0].short_extension(uri), taken, "{id}");
    }
}

#[test]
fn what_may_stand_once_and_stands_twice_is_refused() {
    let text = offer_text("str0m");
    for (from, to, says) in [
        ("a=mid:aud", "a=mid:aud\na=mid:vid", "a=mid twice"),
        (
            "a=ice-ufrag:",
            "a=ice-ufrag:other\na=ice-ufrag:",
            "a=ice-ufrag twice",
        ),
        (
            "a=setup:actpass",
            "a=setup:actpass\na=setup:active",
            "a=setup twice",
        ),
        (
            "BUNDLE vid aud",
            "BUNDLE vid vid aud",
            "names a section twice",
        ),
        (
            "a=group:BUNDLE vid aud",
            "a=group:BUNDLE vid\na=group:BUNDLE aud",
            "several",
        ),
    ] {
        assert_refused(Offer::parse(&text.replace(from, to)), 400, says);
    }
}
