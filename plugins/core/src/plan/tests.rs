use super::*;
use crate::testing::{offer, offer_text};
use crate::track::AudioFormat;

fn video(codec: Codec, profile: Option<&str>) -> Track {
    Track::video(
        codec,
        VideoFormat {
            profile: profile.map(str::to_owned),
            ..VideoFormat::default()
        },
    )
}

fn audio(codec: Codec) -> Track {
    let (rate, channels) = if codec == Codec::Opus {
        (48_000, 2)
    } else {
        (8000, 1)
    };
    Track::audio(
        codec,
        AudioFormat {
            rate: Some(rate),
            channels: Some(channels),
        },
    )
}

fn pass(choice: &Choice) -> Option<(u8, Option<u8>)> {
    match choice {
        Choice::PassThrough { pt, rtx, .. } => Some((*pt, *rtx)),
        Choice::Transcode { .. } | Choice::Refuse { .. } | Choice::Absent => None,
    }
}

#[test]
fn each_codec_finds_its_payload_type() {
    for (viewer, codec, profile, pt) in [
        (
            "chromium",
            Codec::H264,
            Some("constrained-baseline"),
            Some((109, Some(114))),
        ),
        (
            "chromium",
            Codec::H264,
            Some("baseline"),
            Some((103, Some(104))),
        ),
        (
            "chromium",
            Codec::H264,
            Some("main"),
            Some((117, Some(118))),
        ),
        // Chromium offers no High, but decodes it under a constrained-baseline payload type.
        (
            "chromium",
            Codec::H264,
            Some("high"),
            Some((109, Some(114))),
        ),
        (
            "chromium",
            Codec::H264,
            Some("constrained-high"),
            Some((109, Some(114))),
        ),
        ("chromium", Codec::H264, None, Some((109, Some(114)))),
        ("str0m", Codec::H264, Some("high"), Some((127, Some(121)))),
        ("str0m", Codec::H264, Some("main"), Some((108, Some(109)))),
        ("chromium", Codec::Vp8, None, Some((96, Some(97)))),
        ("chromium", Codec::Vp9, None, Some((98, Some(99)))),
        ("chromium", Codec::Vp9, Some("0"), Some((98, Some(99)))),
        ("chromium", Codec::Vp9, Some("1"), Some((35, Some(36)))),
        ("chromium", Codec::Av1, Some("main"), Some((45, Some(46)))),
        ("chromium", Codec::Av1, Some("high"), Some((47, Some(48)))),
        ("firefox", Codec::Vp8, None, Some((120, Some(124)))),
        ("firefox", Codec::Vp9, Some("0"), Some((121, Some(125)))),
        ("firefox", Codec::Vp9, Some("2"), None),
        ("firefox", Codec::Av1, None, Some((99, Some(100)))),
        ("firefox", Codec::H264, Some("high"), None),
        ("chromium", Codec::H265, Some("main"), None),
        ("chromium", Codec::Mjpeg, None, None),
    ] {
        let plan = plan(&[video(codec, profile)], &offer(viewer));
        assert_eq!(pass(&plan.video), pt, "{viewer} {codec} {profile:?}");
        assert_eq!(plan.refusal().is_none(), pt.is_some());
        assert_eq!(plan.audio, Choice::Absent);
    }
}

#[test]
fn payload_types_of_mode_1_are_preferred_and_mode_0_is_a_way_out() {
    let text = offer_text("str0m").replace(
        "packetization-mode=1;profile-level-id=42e01f",
        "profile-level-id=42e01f",
    );
    let without_mode = Offer::parse(&text).unwrap();
    let track = [video(Codec::H264, Some("constrained-baseline"))];
    assert_eq!(
        pass(&plan(&track, &without_mode).video),
        Some((127, Some(121)))
    );
    let only = Offer::parse(&text.replace("64001f", "f4001f")).unwrap();
    assert_eq!(pass(&plan(&track, &only).video), Some((108, Some(109))));
}

#[test]
fn an_offer_without_a_profile_level_id_is_baseline() {
    let text = offer_text("str0m")
        .replace(";profile-level-id=42e01f", "")
        .replace(";profile-level-id=64001f", "");
    let plan = plan(
        &[video(Codec::H264, Some("main"))],
        &Offer::parse(&text).unwrap(),
    );
    assert_eq!(pass(&plan.video), Some((108, Some(109))));
}

#[test]
fn what_no_browser_plays_needs_transcoding_whatever_is_offered() {
    let b_frames = VideoFormat {
        reorders: true,
        ..VideoFormat::default()
    };
    let ten_bit = VideoFormat {
        bit_depth: Some(10),
        ..VideoFormat::default()
    };
    let chroma = VideoFormat {
        chroma: Some("4:2:2".to_owned()),
        ..VideoFormat::default()
    };
    let profile = |name: &str| VideoFormat {
        profile: Some(name.to_owned()),
        ..VideoFormat::default()
    };
    for (format, says) in [
        (b_frames, "B-frames"),
        (ten_bit, "not 8 bit 4:2:0"),
        (chroma, "4:2:2"),
        (profile("high-10"), "high-10"),
        (profile("high-4:2:2"), "high-4:2:2"),
        (profile("high-4:4:4"), "high-4:4:4"),
        (profile("cavlc-4:4:4-intra"), "cavlc-4:4:4-intra"),
    ] {
        let plan = plan(&[Track::video(Codec::H264, format)], &offer("chromium"));
        assert!(
            matches!(
                &plan.video,
                Choice::Transcode {
                    track: 0,
                    to: Codec::H264,
                    ..
                }
            ),
            "{plan:?}"
        );
        let refusal = plan.refusal().unwrap();
        assert_eq!(refusal.status, 422);
        assert!(
            refusal.detail.contains(says) && refusal.detail.contains("needs transcoding"),
            "{refusal}"
        );
    }
}

#[test]
fn a_refusal_says_what_is_sent_and_what_is_offered() {
    let refusal = plan(&[video(Codec::H264, Some("high"))], &offer("firefox"))
        .refusal()
        .unwrap();
    assert_eq!(
        refusal.detail,
        "the source sends H.264, which the viewer does not offer (it offers VP8, VP9, AV1; send one of these, or try another browser); it needs transcoding to VP8, which is not available"
    );
    let refusal = plan(&[video(Codec::H265, Some("main"))], &offer("chromium"))
        .refusal()
        .unwrap();
    assert!(
        refusal
            .detail
            .starts_with("the source sends H.265, which the viewer does not offer"),
        "{refusal}"
    );
    let refusal = plan(&[video(Codec::Vp9, Some("2"))], &offer("firefox"))
        .refusal()
        .unwrap();
    assert!(refusal.detail.contains("VP9 of the profile 2"), "{refusal}");
}

#[test]
fn the_first_rendition_that_fits_is_taken() {
    let tracks = [
        video(Codec::Vp8, None),
        audio(Codec::Pcmu),
        audio(Codec::Opus),
    ];
    let both = plan(&tracks, &offer("chromium"));
    assert_eq!(
        both.audio,
        Choice::PassThrough {
            track: 1,
            pt: 0,
            rtx: None
        }
    );
    assert_eq!(
        both.video,
        Choice::PassThrough {
            track: 0,
            pt: 96,
            rtx: Some(97)
        }
    );
    assert_eq!(both.refusal(), None);
    // str0m offers Opus only.
    assert_eq!(
        plan(&tracks, &offer("str0m")).audio,
        Choice::PassThrough {
            track: 2,
            pt: 111,
            rtx: None
        }
    );
}

#[test]
fn stereo_g711_is_nothing_for_a_browser() {
    let stereo = Track::audio(
        Codec::Pcma,
        AudioFormat {
            rate: Some(8000),
            channels: Some(2),
        },
    );
    let choice = plan(&[stereo], &offer("chromium")).audio;
    assert!(
        matches!(&choice, Choice::Transcode { to: Codec::Opus, why, .. } if why.contains("mono")),
        "{choice:?}"
    );
}

#[test]
fn what_one_side_lacks_is_absent() {
    let text = offer_text("chromium");
    let (video_only, _) = text.split_once("m=audio").unwrap();
    let video_only = Offer::parse(&video_only.replace("BUNDLE 0 1", "BUNDLE 0")).unwrap();
    let tracks = [video(Codec::Vp8, None), audio(Codec::Opus)];
    let silent = plan(&tracks, &video_only);
    assert_eq!(
        (pass(&silent.video).is_some(), &silent.audio),
        (true, &Choice::Absent)
    );
    assert_eq!(silent.refusal(), None);

    let nothing = plan(&tracks[1..], &video_only);
    assert_eq!(nothing.refusal().map(|problem| problem.status), Some(422));
    assert!(plan(&[], &offer("chromium")).refusal().is_some());
}

#[test]
fn a_viewer_with_no_codec_that_could_be_made_is_refused() {
    let text = offer_text("chromium").replace(" opus/", " speex/");
    let choice = plan(&[audio(Codec::Aac)], &Offer::parse(&text).unwrap()).audio;
    assert!(
        matches!(&choice, Choice::Refuse { why } if why.contains("AAC")),
        "{choice:?}"
    );
}
