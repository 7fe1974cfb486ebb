//! PATCH requests of a session: trickle fragments with their headers.

use std::collections::BTreeSet;
use std::time::Instant;

use sluice_core::sdp::FragmentMedia;
use sluice_core::sdp::fragment::{CONTENT_TYPE, LARGEST};
use sluice_core::whep::{Deadlines, Patch, Session};
use sluice_core::{Offer, TrickleFragment};

use super::{check_lines, check_problem, has_controls};

/// Whose session it is; the entity tag at its beginning is `"AAAAAAAAAAAAAAAA-0"`.
const OFFER: &str = include_str!("../../../plugins/core/testdata/offer-firefox-153.sdp");

/// Between two requests of one input.
const NEXT: &str = "\n---\n";

/// The input is some requests: headers, an empty line, and the fragment. Without `Content-Type` it is a
/// fragment's.
pub(super) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let offer = match Offer::parse(OFFER) {
        Ok(offer) => offer,
        Err(error) => panic!("{error}"),
    };
    let mut session = Session::new(&offer, [0; 12], Deadlines::default(), Instant::now());
    let mut credentials = (offer.ice_ufrag, offer.ice_pwd);
    for request in text.split(NEXT) {
        let (headers, body) = request.split_once("\n\n").unwrap_or(("", request));
        let header = |wanted: &str| {
            let mut lines = headers.lines().filter_map(|line| line.split_once(": "));
            lines
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value)
        };
        let kind = header("content-type").or(Some(CONTENT_TYPE));
        let etag = session.etag();
        match session.on_patch(kind, header("if-match"), body) {
            Err(problem) => check_problem(&problem, &[400, 412, 413, 415, 428]),
            Ok(Patch::Trickle(fragment)) => {
                check(&fragment, body);
                let same = |said: &Option<String>, known: &str| {
                    said.as_deref().is_none_or(|said| said == known)
                };
                assert!(same(&fragment.ice_ufrag, &credentials.0));
                assert!(same(&fragment.ice_pwd, &credentials.1));
            }
            Ok(Patch::Restart(fragment)) => {
                check(&fragment, body);
                assert!(matches!(
                    header("if-match").map(str::trim),
                    Some("*" | "\"*\"")
                ));
                assert_ne!(session.on_restarted(&fragment), etag);
                let new = fragment.ice_ufrag.zip(fragment.ice_pwd);
                credentials = new.unwrap_or_else(|| panic!("a restart to nothing"));
                let old = session.on_patch(Some(CONTENT_TYPE), Some(&etag), body);
                assert_eq!(old.map_err(|problem| problem.status), Err(412));
            }
        }
    }
}

fn check(fragment: &TrickleFragment, body: &str) {
    assert!(body.len() <= LARGEST);
    assert_eq!(fragment.ice_ufrag.is_some(), fragment.ice_pwd.is_some());
    let candidates = fragment.candidates();
    // No candidate can be written in less.
    assert!(candidates.len() <= body.len() / 24);
    let mut places = BTreeSet::new();
    for (mid, candidate) in &candidates {
        assert!(candidate.usable(), "{candidate}");
        assert!(!has_controls(&candidate.to_string()), "{candidate:?}");
        assert!(!mid.is_some_and(has_controls));
        let place = (&candidate.address, candidate.port, candidate.component);
        assert!(places.insert(place), "{candidate} twice");
    }
    let written = fragment.to_string();
    check_lines(&written);
    // Candidates that are of no use leave their place behind, which cannot be written.
    let mut fragment = fragment.clone();
    let said = |media: &FragmentMedia| !media.head.is_empty() || !media.candidates.is_empty();
    fragment.media.retain(said);
    let says = !fragment.media.is_empty() || fragment.ice_ufrag.is_some() || fragment.ends();
    if says && !written.is_empty() {
        assert_eq!(TrickleFragment::parse(&written).as_ref(), Ok(&fragment));
    }
}
