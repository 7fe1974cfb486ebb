//! Offers of viewers and publishers, and answers to our offers.

use std::net::{IpAddr, Ipv4Addr};

use sluice_core::sdp::invitation::completed;
use sluice_core::sdp::offer::for_webrtcbin;
use sluice_core::sdp::{AnswerEdit, Handshake, OfferedMedia, Reply, Role, finish, renewed};
use sluice_core::whip::{Accepted, MID, TWCC, accept, reduced, with_layers};
use sluice_core::{
    AudioFormat, Candidate, Choice, Codec, Fingerprint, Kind, Offer, Policy, Track,
    TrickleFragment, VideoFormat, invitation, plan,
};

use super::{check_lines, check_problem, has_controls};

const REFUSALS: &[u16] = &[400, 413, 422];

/// The input is a description.
pub(super) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    for role in [Role::Viewer, Role::Publisher] {
        match Offer::parse_as(role, text) {
            Ok(offer) => taken(role, text, &offer),
            Err(error) => check_problem(&error.into(), REFUSALS),
        }
    }
    as_answer(text);
}

fn taken(role: Role, text: &str, offer: &Offer) {
    check_offer(offer);
    let clean = for_webrtcbin(text);
    check_clean(&clean);
    assert!(clean.len() <= text.len() * 2);
    assert_eq!(for_webrtcbin(&clean), clean);
    assert_eq!(Offer::parse_as(role, &clean).as_ref(), Ok(offer), "{clean}");
    match role {
        Role::Viewer => viewed(offer),
        Role::Publisher => published(text, offer),
    }
}

fn check_offer(offer: &Offer) {
    assert!((1..=32).contains(&offer.media.len()));
    let shown = offer.fingerprint.to_string();
    assert_eq!(
        Fingerprint::parse(&shown).as_ref(),
        Some(&offer.fingerprint)
    );
    check_credentials(&offer.ice_ufrag, &offer.ice_pwd);
    for (index, media) in offer.media.iter().enumerate() {
        assert_eq!(offer.index_of(&media.mid), Some(index));
        check_media(media);
    }
    let transport = offer.transport_index().and_then(|at| offer.media.get(at));
    assert!(transport.is_some_and(|media| !media.port_zero));
}

fn check_media(media: &OfferedMedia) {
    assert!(!media.mid.is_empty() && !has_controls(&media.mid));
    assert!(media.codecs.len() <= 128 && media.extmap.len() <= 255);
    for codec in &media.codecs {
        assert!(codec.pt < 128 && codec.clock_rate > 0);
        assert!(!has_controls(&codec.encoding_name) && !has_controls(&codec.fmtp));
    }
    assert!(media.extmap.iter().all(|(_, uri)| !has_controls(uri)));
}

fn check_credentials(ufrag: &str, pwd: &str) {
    let is_ice = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    assert!((4..=256).contains(&ufrag.len()) && ufrag.chars().all(is_ice));
    assert!((22..=256).contains(&pwd.len()) && pwd.chars().all(is_ice));
}

/// Nothing is left that webrtcbin should not see.
fn check_clean(text: &str) {
    check_lines(text);
    for value in text
        .lines()
        .filter_map(|line| line.strip_prefix("a=candidate:"))
    {
        let candidate = Candidate::parse(value);
        assert!(
            candidate.is_some_and(|candidate| candidate.usable()),
            "{value}"
        );
    }
}

/// Tracks as sources have them.
fn sources() -> [Vec<Track>; 4] {
    let video = |codec, profile: Option<&str>| {
        let profile = profile.map(str::to_owned);
        Track::video(
            codec,
            VideoFormat {
                profile,
                ..VideoFormat::default()
            },
        )
    };
    let audio = |codec| Track::audio(codec, AudioFormat::default());
    [
        vec![video(Codec::H264, Some("high")), audio(Codec::Opus)],
        vec![audio(Codec::Pcma), video(Codec::Vp9, Some("2"))],
        vec![
            video(Codec::H265, None),
            video(Codec::Av1, Some("main")),
            audio(Codec::Aac),
        ],
        vec![video(Codec::Vp8, None)],
    ]
}

fn viewed(offer: &Offer) {
    for tracks in sources() {
        let plan = plan(&tracks, offer, &Policy::default(), &[]);
        for (kind, choice) in [(Kind::Video, &plan.video), (Kind::Audio, &plan.audio)] {
            check_choice(kind, choice, &tracks, offer);
        }
        if let Some(refusal) = plan.refusal(false) {
            check_problem(&refusal, REFUSALS);
        }
    }
}

/// What is sent as it is has the codec of the payload type that it is sent under.
fn check_choice(kind: Kind, choice: &Choice, tracks: &[Track], offer: &Offer) {
    let Choice::PassThrough { track, pt, rtx } = choice else {
        return;
    };
    let codecs = offer.media_of(kind).map(|media| &media.codecs);
    let codec = codecs.and_then(|codecs| codecs.iter().find(|codec| codec.pt == *pt));
    let codec = codec.unwrap_or_else(|| panic!("{pt} was not offered"));
    let track = tracks[*track].codec;
    assert_eq!(track.kind(), kind);
    assert_eq!(Codec::from_encoding_name(&codec.encoding_name), Some(track));
    assert_eq!(codec.clock_rate, track.clock_rate());
    assert_eq!(codec.rtx, *rtx);
}

fn published(text: &str, offer: &Offer) {
    let accepted = match accept(offer) {
        Ok(accepted) => accepted,
        Err(problem) => return check_problem(&problem, &[422]),
    };
    let wanted = offer.media.iter().filter(|media| !media.port_zero);
    assert_eq!(accepted.len(), wanted.count());
    let less = reduced(text, &accepted);
    check_clean(&less);
    assert_eq!(reduced(&less, &accepted), less);
    let seen = match Offer::parse_as(Role::Publisher, &less) {
        Ok(seen) => seen,
        Err(error) => panic!("{error}: {less}"),
    };
    let one_layer = accepted.iter().cloned().map(without_layers).collect();
    assert_eq!(accept(&seen), Ok(one_layer), "{less}");
    check_layers(&with_layers(&less, &accepted), &accepted);
    let transport = |offer: &Offer| {
        let index = offer.transport_index();
        (
            index,
            offer.ice_ufrag.clone(),
            offer.ice_pwd.clone(),
            offer.setup,
        )
    };
    assert_eq!(transport(&seen), transport(offer));
    assert_eq!(seen.fingerprint, offer.fingerprint);
    for one in &accepted {
        check_reduced(one, &seen.media[one.mline]);
    }
}

/// webrtcbin knows nothing of simulcast, and is told nothing of it.
fn without_layers(mut taken: Accepted) -> Accepted {
    taken.rids.clear();
    taken
        .extensions
        .retain(|(_, uri)| [MID, TWCC].contains(uri));
    taken
}

/// An answer names the layers that are taken, and no others.
fn check_layers(answer: &str, accepted: &[Accepted]) {
    check_lines(answer);
    for (mline, section) in answer.split("\r\nm=").skip(1).enumerate() {
        let Some(taken) = accepted.iter().find(|taken| taken.mline == mline) else {
            continue;
        };
        assert!(taken.rids.len() <= 8 && taken.rids.len() != 1);
        let named = section.matches("\r\na=rid:").count();
        assert_eq!(named, taken.rids.len(), "{section}");
        let simulcast = section.matches("\r\na=simulcast:recv ").count();
        assert_eq!(simulcast, usize::from(named > 0), "{section}");
    }
}

/// Of a section that is taken, webrtcbin sees what is taken and nothing else.
fn check_reduced(taken: &Accepted, seen: &OfferedMedia) {
    assert_eq!(seen.mid, taken.mid);
    assert_eq!(taken.codec.kind(), seen.kind);
    let codecs: Vec<_> = seen
        .codecs
        .iter()
        .map(|codec| (codec.pt, codec.rtx))
        .collect();
    assert_eq!(codecs, [(taken.pt, taken.rtx)]);
    for extension in &seen.extmap {
        let known = taken
            .extensions
            .iter()
            .any(|(id, uri)| (*id, *uri) == (extension.0, &extension.1));
        assert!(known, "{extension:?}");
    }
}

/// The input as the answer to an offer of ours, and as a description of webrtcbin, which repeats what a peer sent.
fn as_answer(text: &str) {
    for tracks in sources() {
        let Ok(parts) = invitation(&tracks) else {
            continue;
        };
        match Reply::parse(text, &parts) {
            Ok(reply) => check_credentials(&reply.ice_ufrag, &reply.ice_pwd),
            Err(error) => check_problem(&error.into(), REFUSALS),
        }
        let whole = completed(text, &parts);
        let added = ["a=fmtp:", "a=rtcp-fb:"].map(|line| whole.matches(line).count() * 128);
        assert!(whole.len() <= text.len() * 2 + 2 + added.iter().sum::<usize>());
        assert_eq!(completed(&whole, &parts), whole);
    }
    finished(text);
    if let Some(reply) = renewed(text, "abcd", "0123456789012345678901") {
        check_lines(&reply);
        if let Ok(fragment) = TrickleFragment::parse(&reply) {
            assert_eq!(fragment.ice_ufrag.as_deref(), Some("abcd"));
            assert!(fragment.ends());
        }
    }
}

fn finished(text: &str) {
    let plain = AnswerEdit {
        stream: "sluice".to_owned(),
        fingerprint: Some(Fingerprint::sha256([7; 32])),
        announce: Vec::new(),
        tcp: true,
        lite: false,
        handshake: Handshake::Theirs,
        trickles: false,
    };
    let once = finish(text, &plain);
    if once == text {
        return;
    }
    check_lines(&once);
    check_sections(&once);
    let announcing = AnswerEdit {
        announce: vec![IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7))],
        ..plain.clone()
    };
    let more = finish(text, &announcing);
    check_lines(&more);
    assert!(more.len() <= 3 * once.len());
    let trickling = AnswerEdit {
        trickles: true,
        ..plain
    };
    let less = finish(text, &trickling);
    check_lines(&less);
    assert!(less.len() <= once.len());
}

/// Of every section that is not refused the peer begins the handshake, and one end of candidates is said.
fn check_sections(text: &str) {
    let mut ends = 0;
    let sections = text.split("\r\nm=").skip(1);
    let refused = |section: &str| {
        let line = section.lines().next().unwrap_or_default();
        let port = line.split_ascii_whitespace().nth(1);
        port == Some("0") && !section.lines().any(|line| line == "a=bundle-only")
    };
    let all_refused = sections.clone().all(refused);
    for section in sections.filter(|section| !refused(section)) {
        let mut setups = section.lines().filter(|line| line.starts_with("a=setup:"));
        assert!(setups.all(|line| line == "a=setup:passive"), "{section}");
        let ends_here = section
            .lines()
            .filter(|line| *line == "a=end-of-candidates");
        let count = ends_here.count();
        assert!(count <= 1, "{section}");
        ends += count;
    }
    assert_eq!(ends == 0, all_refused, "{text}");
}
