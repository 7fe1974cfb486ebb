//! Section 4: what an offer must have, and what the answer does.

use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{ViewerOptions, Viewers};

use super::{ask, both, gateway, post, publishers, refused, session};
use crate::secs;

/// The sections of a description, the session's first.
pub(super) fn sections(sdp: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    for line in sdp.lines() {
        if line.starts_with("m=") {
            sections.push(String::new());
        }
        let last = sections.last_mut().expect("there is one");
        last.push_str(line.trim_end());
        last.push('\n');
    }
    sections
}

pub(super) fn has(section: &str, line: &str) -> bool {
    section.lines().any(|one| one == line)
}

pub(super) fn values<'a>(section: &'a str, prefix: &str) -> Vec<&'a str> {
    section
        .lines()
        .filter_map(|line| line.strip_prefix(prefix))
        .collect()
}

#[test]
fn c45_bundle_and_rtcp_mux_are_wanted_and_answered() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let no_bundle = offer
            .replace("a=group:BUNDLE vid aud\n", "")
            .replace("a=group:BUNDLE vid aud\r\n", "");
        refused(&post(&url, &no_bundle), 400, &["BUNDLE"]);
        let half = offer.replace("BUNDLE vid aud", "BUNDLE vid");
        refused(&post(&url, &half), 400, &["BUNDLE"]);
        let no_mux = offer.replace("a=rtcp-mux", "a=x-none");
        refused(&post(&url, &no_mux), 422, &["rtcp-mux"]);

        let (reply, _) = session(&url, &offer);
        let sections = sections(&reply.body);
        assert!(
            values(&sections[0], "a=group:BUNDLE ").contains(&"vid aud"),
            "{}",
            sections[0]
        );
        assert_eq!(sections.len(), 3, "{}", reply.body);
        for section in &sections[1..] {
            assert!(
                has(section, "a=rtcp-mux") && has(section, "a=rtcp-mux-only"),
                "{section}"
            );
        }
    }
}

#[test]
fn c46_all_sections_are_of_one_media_stream() {
    let gateway = gateway();
    let (reply, _) = session(&gateway.whep("cam"), super::VIEWERS);
    let streams: Vec<_> = sections(&reply.body)[1..]
        .iter()
        .map(|section| {
            let [msid] = values(section, "a=msid:")[..] else {
                panic!("one a=msid: {section}")
            };
            let (stream, track) = msid.split_once(' ').expect("stream and track");
            // Old clients read it here: it must say the same.
            for line in values(section, "a=ssrc:")
                .into_iter()
                .filter(|line| line.contains("msid:"))
            {
                assert!(line.ends_with(&format!("msid:{stream} {track}")), "{line}");
            }
            (stream.to_owned(), track.to_owned())
        })
        .collect();
    assert_eq!(streams.len(), 2);
    assert_eq!(streams[0].0, streams[1].0, "one stream");
    assert_ne!(streams[0].1, streams[1].1, "two tracks");
}

#[test]
fn c47_viewers_receive_and_publishers_send() {
    let gateway = gateway();
    for ((url, offer), (own, answered, wrong)) in both(&gateway).into_iter().zip([
        ("recvonly", "sendonly", "sendonly"),
        ("sendonly", "recvonly", "recvonly"),
    ]) {
        let directed =
            |direction: &str| offer.replace(&format!("a={own}"), &format!("a={direction}"));
        for direction in [own, "sendrecv"] {
            let (reply, location) = session(&url, &directed(direction));
            for section in &sections(&reply.body)[1..] {
                assert!(
                    has(section, &format!("a={answered}")),
                    "{direction}: {section}"
                );
            }
            ask("DELETE", &location);
        }
        for direction in [wrong, "inactive"] {
            refused(&post(&url, &directed(direction)), 422, &[direction]);
        }
    }
}

/// The offer's video section alone.
fn video_alone(offer: &str) -> String {
    let (video, _) = offer.split_once("m=audio").expect("an audio section");
    video.replace("BUNDLE vid aud", "BUNDLE vid")
}

/// The offer's audio section alone.
fn audio_alone(offer: &str) -> String {
    let sections = sections(offer);
    format!("{}{}", sections[0], sections[2]).replace("BUNDLE vid aud", "BUNDLE aud")
}

#[test]
fn c48_one_video_and_one_audio_at_most_and_each_alone() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let sections = sections(&offer);
        for (twice, mid) in [(&sections[1], "vid"), (&sections[2], "aud")] {
            let more = format!(
                "{offer}{}",
                twice.replace(&format!("a=mid:{mid}"), "a=mid:more")
            );
            let more = more.replace("BUNDLE vid aud", "BUNDLE vid aud more");
            refused(&post(&url, &more), 422, &["one video and one audio"]);
        }
        for alone in [video_alone(&offer), audio_alone(&offer)] {
            let (reply, location) = session(&url, &alone);
            assert_eq!(self::sections(&reply.body).len(), 2, "{}", reply.body);
            ask("DELETE", &location);
        }
    }
    let viewers = Viewers::new();
    let silent = ViewerOptions {
        audio: false,
        ..ViewerOptions::default()
    };
    let viewer = viewers.watch(&gateway.whep("cam"), silent);
    viewer.wait_frames(15, secs(5));
    assert_eq!(viewer.counts().audio.received, 0);
}

#[test]
fn c49_half_of_a_publishers_offer_is_never_answered() {
    let gateway = gateway();
    let url = gateway.whip("studio");
    let no_sound = publishers().replace("opus/48000/2", "speex/16000");
    refused(&post(&url, &no_sound), 422, &["audio", "speex", "Opus"]);
    let no_pictures = publishers()
        .replace("VP8/90000", "x1/90000")
        .replace("H264/90000", "x2/90000");
    refused(&post(&url, &no_pictures), 422, &["video", "H.264", "VP8"]);
    // What the publisher itself does not want is no half answer.
    let refused_itself = publishers().replace("m=audio 9", "m=audio 0");
    session(&url, &refused_itself);
}

#[test]
fn c50_a_viewer_without_a_usable_codec_gets_one_made_or_is_told_why_not() {
    let gateway = gateway();
    let url = gateway.whep("cam");
    let vp8 = super::VIEWERS.replace("H264/90000", "x264/90000");
    let none = vp8.replace("VP8/90000", "x8/90000");
    refused(&post(&url, &none), 422, &["H.264", "VP8"]);
    assert_eq!(gateway.path("cam")["viewers"], 0);
    let (reply, _) = session(&url, &vp8);
    assert!(reply.body.contains("VP8/90000"), "{}", reply.body);
}

/// Says whether the offer's section has this payload type with this codec, in any letter case.
fn offers(offered: &str, map: &str) -> bool {
    let lower = map.to_lowercase();
    let maps = values(offered, "a=rtpmap:");
    // "opus/48000/2" may be answered as "OPUS/48000/2", and one channel left out.
    maps.iter()
        .any(|one| one.to_lowercase().starts_with(&lower))
}

#[test]
fn c54_payload_types_and_extensions_of_the_answer_are_the_offers() {
    let gateway = gateway();
    for (url, offer) in both(&gateway) {
        let (reply, _) = session(&url, &offer);
        let (answered, offered) = (sections(&reply.body), sections(&offer));
        for (section, offered) in answered[1..].iter().zip(&offered[1..]) {
            for map in values(section, "a=rtpmap:") {
                assert!(offers(offered, map), "{map} is not of the offer: {offered}");
            }
            for one in values(section, "a=extmap:") {
                let known = values(offered, "a=extmap:");
                assert!(known.contains(&one), "{one} in {section}");
            }
        }
    }
    // 35 to 63 were free for long; browsers use them when the others are full.
    let viewers = Viewers::new();
    let low = ViewerOptions {
        low_payload_types: true,
        codecs: vec![Payload::H264],
        ..ViewerOptions::default()
    };
    let viewer = viewers.watch(&gateway.whep("cam"), low);
    viewer.wait_frames(10, secs(5));
    viewer.wait_audio(20, secs(5));
    assert!(
        viewer.reply.body.contains("m=video 9 UDP/TLS/RTP/SAVPF 35"),
        "{}",
        viewer.reply.body
    );
}

#[test]
fn c54_h264_is_matched_by_mode_and_vp9_without_a_profile_is_profile_0() {
    let gateway = gateway();
    // Three payload types of one codec, the usable one in the middle.
    let several = super::VIEWERS
        .replace("SAVPF 96 97 108", "SAVPF 96 97 100 101 108")
        .replace(
            "a=rtpmap:108 H264/90000",
            "a=rtpmap:100 H264/90000\r\na=fmtp:100 packetization-mode=0;profile-level-id=f4001f\r\n\
             a=rtpmap:101 H264/90000\r\na=fmtp:101 packetization-mode=1;profile-level-id=f4001f\r\n\
             a=rtpmap:108 H264/90000",
        );
    let (reply, _) = session(&gateway.whep("cam"), &several);
    assert!(
        reply.body.contains("a=rtpmap:108 H264/90000"),
        "{}",
        reply.body
    );
    let format =
        "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    assert!(reply.body.contains(format), "{}", reply.body);

    let vp9 = publishers()
        .replace("VP8/90000", "VP9/90000")
        .replace("H264/90000", "x264/90000");
    let (reply, _) = session(&gateway.whip("studio"), &vp9);
    assert!(
        reply.body.contains("a=rtpmap:96 VP9/90000"),
        "{}",
        reply.body
    );
}
