use super::*;
use crate::testing::{offer, offer_text};
use crate::track::{AudioFormat, VideoFormat};

fn video(codec: Codec, profile: Option<&str>) -> Track {
    Track::video(
        codec,
        VideoFormat {
            profile: profile.map(str::to_owned),
            ..VideoFormat::default()
        },
    )
}

/// What a path without settings and renditions does.
fn auto(tracks: &[Track], offer: &Offer) -> Plan {
    plan(tracks, offer, &Policy::default(), &[])
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
        let plan = auto(&[video(codec, profile)], &offer(viewer));
        assert_eq!(pass(&plan.video), pt, "{viewer} {codec} {profile:?}");
        assert_eq!(plan.refusal(false).is_none(), pt.is_some());
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
        pass(&auto(&track, &without_mode).video),
        Some((127, Some(121)))
    );
    let only = Offer::parse(&text.replace("64001f", "f4001f")).unwrap();
    assert_eq!(pass(&auto(&track, &only).video), Some((108, Some(109))));
}

#[test]
fn an_offer_without_a_profile_level_id_is_baseline() {
    let text = offer_text("str0m")
        .replace(";profile-level-id=42e01f", "")
        .replace(";profile-level-id=64001f", "");
    let plan = auto(
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
        let plan = auto(&[Track::video(Codec::H264, format)], &offer("chromium"));
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
        let refusal = plan.refusal(false).unwrap();
        assert_eq!(refusal.status, 422);
        assert!(
            refusal.detail.contains(says) && refusal.detail.contains("needs transcoding"),
            "{refusal}"
        );
    }
}

#[test]
fn a_refusal_says_what_is_sent_and_what_is_offered() {
    let refusal = auto(&[video(Codec::H264, Some("high"))], &offer("firefox"))
        .refusal(false)
        .unwrap();
    assert_eq!(
        refusal.detail,
        "the source sends H.264, which the viewer does not offer (it offers VP8, VP9, AV1; send one of these, or try another browser); it needs transcoding to VP8, which is not available"
    );
    let refusal = auto(&[video(Codec::H265, Some("main"))], &offer("chromium"))
        .refusal(false)
        .unwrap();
    assert!(
        refusal
            .detail
            .starts_with("the source sends H.265, which the viewer does not offer"),
        "{refusal}"
    );
    let refusal = auto(&[video(Codec::Vp9, Some("2"))], &offer("firefox"))
        .refusal(false)
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
    let both = auto(&tracks, &offer("chromium"));
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
    assert_eq!(both.refusal(false), None);
    // str0m offers Opus only.
    assert_eq!(
        auto(&tracks, &offer("str0m")).audio,
        Choice::PassThrough {
            track: 2,
            pt: 111,
            rtx: None
        }
    );
}

/// What a viewer gets of a track, in words.
fn told(track: Track, viewer: &Offer, policy: &Policy, running: &[Codec]) -> String {
    let tracks = [track];
    let plan = plan(&tracks, viewer, policy, running);
    let name = plan.video.name();
    format!("{name}: {}", plan.video.sentence(&tracks).unwrap())
}

fn policy(transcode: Transcode, codecs: &[Codec]) -> Policy {
    Policy {
        transcode,
        codecs: codecs.to_vec(),
        unmade: Vec::new(),
    }
}

/// A Firefox without H.264 before an H.264 camera.
#[test]
fn a_rendition_that_is_there_is_preferred_and_else_the_first_that_the_viewer_has() {
    let all = &Policy::PICTURES;
    for (codecs, running, says) in [
        (
            &all[..],
            &[][..],
            "VP8, made from H.264 once for all who need it: the source sends H.264, which",
        ),
        (all, &[Codec::Vp9], "VP9, made"),
        (all, &[Codec::H264], "VP8, made"),
        (&[Codec::Av1, Codec::Vp8], &[], "AV1, made"),
    ] {
        let track = video(Codec::H264, Some("high"));
        let policy = policy(Transcode::Auto, codecs);
        let told = told(track, &offer("firefox"), &policy, running);
        assert!(
            told.starts_with(&format!("transcode: {says}")),
            "{told}\n{says}"
        );
    }
}

#[test]
fn h265_is_passed_to_who_offers_it_in_its_profile_and_level() {
    let h265 = |profile: &str, level: &str, reorders| {
        Track::video(
            Codec::H265,
            VideoFormat {
                profile: Some(profile.to_owned()),
                level: Some(level.to_owned()),
                chroma: Some("4:2:0".to_owned()),
                reorders,
                ..VideoFormat::default()
            },
        )
    };
    let offering = |parameters: &str| {
        let fmtp = format!("H265/90000\r\na=fmtp:96 {parameters}");
        Offer::parse(&offer_text("chromium").replace("VP8/90000", &fmtp)).unwrap()
    };
    let full = "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST";
    for (parameters, track, passes) in [
        (full, h265("main", "4", false), true),
        (full, h265("main", "3.1", false), true),
        (full, h265("main-10", "4", false), false),
        (full, h265("main", "4", true), false),
        (
            "profile-id=2;level-id=93",
            h265("main-10", "3.1", false),
            true,
        ),
        (
            "profile-id=2;level-id=93",
            h265("main-10", "4", false),
            false,
        ),
        ("tx-mode=SRST", h265("main", "5.1", false), true),
    ] {
        let plan = auto(std::slice::from_ref(&track), &offering(parameters));
        assert_eq!(
            pass(&plan.video).is_some(),
            passes,
            "{parameters} {track:?}"
        );
    }
}

#[test]
fn a_policy_says_what_may_be_sent_and_made() {
    use Codec::{H264, H265, Mjpeg, Vp8};
    use Transcode::{Always, Auto, Never};
    let all = &Policy::PICTURES;
    for (viewer, codec, transcode, codecs, says) in [
        (
            "chromium",
            H264,
            Auto,
            &all[..],
            "pass_through: H.264 as it comes",
        ),
        (
            "chromium",
            H265,
            Auto,
            all,
            "transcode: H.264, made from H.265",
        ),
        (
            "chromium",
            Mjpeg,
            Auto,
            all,
            "transcode: H.264, made from Motion JPEG",
        ),
        (
            "chromium",
            H264,
            Always,
            all,
            "transcode: H.264, made from H.264 once for all who need it: this path's pictures are always",
        ),
        (
            "chromium",
            H264,
            Auto,
            &[Vp8],
            "transcode: VP8, made from H.264 once for all who need it: the source sends H.264, which this path does not give",
        ),
        (
            "firefox",
            H264,
            Never,
            all,
            "refuse: the source sends H.264, which the viewer does not offer (it offers VP8, VP9, AV1; send one of these, or try another browser); this path's pictures are not transcoded (transcode: never)",
        ),
        (
            "firefox",
            H264,
            Auto,
            &[H264],
            "refuse: the source sends H.264, which the viewer does not offer (it offers VP8, VP9, AV1; send one of these, or try another browser), and the viewer offers none of what could be made of it (H.264)",
        ),
    ] {
        let policy = policy(transcode, codecs);
        let told = told(video(codec, None), &offer(viewer), &policy, &[]);
        assert!(told.starts_with(says), "{told}\n{says}");
    }
}

#[test]
fn what_cannot_be_made_here_is_passed_through_all_the_same() {
    let policy = Policy {
        unmade: vec![Codec::Vp8],
        ..Policy::default()
    };
    let told = |codec| told(video(codec, None), &offer("firefox"), &policy, &[]);
    assert_eq!(told(Codec::Vp8), "pass_through: VP8 as it comes");
    let made = told(Codec::H265);
    assert!(made.starts_with("transcode: VP9, made"), "{made}");
}

#[test]
fn pictures_that_are_too_large_or_interlaced_are_made_anew() {
    let size = |width, height| VideoFormat {
        width: Some(width),
        height: Some(height),
        ..VideoFormat::default()
    };
    let interlaced = VideoFormat {
        interlaced: true,
        ..size(1920, 1080)
    };
    for (format, says) in [
        (size(3840, 2160), "pass_through"),
        (size(2160, 3840), "pass_through"),
        (size(4096, 2160), "pass_through"),
        (
            size(5120, 1440),
            "transcode: H.264, made from H.264 once for all who need it: the source sends H.264, but it has 5120×1440 pixels",
        ),
        (size(1440, 5120), "transcode"),
        (
            interlaced,
            "transcode: H.264, made from H.264 once for all who need it: the source sends H.264, but it is interlaced",
        ),
    ] {
        let track = Track::video(Codec::H264, format);
        let told = told(track, &offer("chromium"), &Policy::default(), &[]);
        assert!(told.starts_with(says), "{told}");
    }
}

#[test]
fn a_payload_type_whose_level_suffices_is_preferred() {
    let of_level = |level: &str| {
        Track::video(
            Codec::H264,
            VideoFormat {
                profile: Some("constrained-baseline".to_owned()),
                level: Some(level.to_owned()),
                ..VideoFormat::default()
            },
        )
    };
    // str0m offers constrained baseline and High; here, both of a level, and no other.
    let bound = |baseline: &str, high: &str| {
        let text = offer_text("str0m")
            .replace("level-asymmetry-allowed=1;", "")
            .replace("42e01f", baseline)
            .replace("64001f", high);
        Offer::parse(&text).unwrap()
    };
    let free = Some((108, Some(109)));
    let high = Some((127, Some(121)));
    for (level, viewer, wanted) in [
        ("5.1", offer("str0m"), free),
        ("3.1", bound("42e01f", "640034"), free),
        ("3", bound("42e01f", "640034"), free),
        ("1b", bound("42e01f", "640034"), free),
        // High's level suffices, that of the better profile does not.
        ("4", bound("42e01f", "640034"), high),
        // None does: it is sent all the same.
        ("4", bound("42e01f", "64001f"), free),
    ] {
        let fits = fit(&of_level(level), &viewer);
        assert_eq!(fits, wanted, "{level}");
        assert_eq!(pass(&auto(&[of_level(level)], &viewer).video), fits);
    }
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
    let choice = auto(&[stereo], &offer("chromium")).audio;
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
    let silent = auto(&tracks, &video_only);
    assert_eq!(
        (pass(&silent.video).is_some(), &silent.audio),
        (true, &Choice::Absent)
    );
    assert_eq!(silent.refusal(false), None);

    let nothing = auto(&tracks[1..], &video_only);
    assert_eq!(
        nothing.refusal(false).map(|problem| problem.status),
        Some(422)
    );
    assert!(auto(&[], &offer("chromium")).refusal(false).is_some());
}

#[test]
fn a_viewer_with_no_codec_that_could_be_made_is_refused() {
    let text = offer_text("chromium").replace(" opus/", " speex/");
    let choice = auto(&[audio(Codec::Aac)], &Offer::parse(&text).unwrap()).audio;
    assert!(
        matches!(&choice, Choice::Refuse { why } if why.contains("AAC")),
        "{choice:?}"
    );
}
