use super::*;
use crate::testing::{ms, offer, origin};

const S: Duration = Duration::from_secs(1);
const CANDIDATE: &str = "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 50000 typ host\r\n";
const RESTART: &str = "a=ice-ufrag:newU\r\na=ice-pwd:newpwdnewpwdnewpwdnewpwd\r\n";

fn session(now: Instant) -> Session {
    Session::new(
        &offer("chromium"),
        *b"0123456789ab",
        Deadlines::default(),
        now,
    )
}

fn patch(session: &Session, if_match: Option<&str>, body: &str) -> Result<Patch, u16> {
    session
        .on_patch(Some("application/trickle-ice-sdpfrag"), if_match, body)
        .map_err(|problem| problem.status)
}

#[test]
fn the_entity_tag_is_strong_and_quoted() {
    let etag = session(origin()).etag();
    assert!(
        etag.starts_with('"') && etag.ends_with('"') && etag.len() > 16,
        "{etag}"
    );
}

#[test]
fn candidates_need_the_current_entity_tag() {
    let session = session(origin());
    let etag = session.etag();
    let list = format!("\"other\", {etag}");
    for (if_match, status) in [
        (Some(etag.as_str()), 204),
        (Some(&list), 204),
        (Some("*"), 204),
        (None, 428),
        (Some("\"other\""), 412),
        (Some(&format!("W/{etag}")), 412),
        (Some(etag.trim_matches('"')), 412),
        (Some(""), 412),
    ] {
        let result = patch(&session, if_match, CANDIDATE);
        assert_eq!(
            result.as_ref().err().copied().unwrap_or(204),
            status,
            "{if_match:?}"
        );
        if let Ok(patch) = result {
            assert!(matches!(patch, Patch::Trickle(fragment) if fragment.candidates().len() == 1));
        }
    }
}

#[test]
fn only_fragments_are_taken() {
    let session = session(origin());
    let etag = session.etag();
    for (content_type, status) in [
        (Some("application/trickle-ice-sdpfrag"), 204),
        (Some("Application/Trickle-ICE-sdpfrag; charset=utf-8"), 204),
        (Some("application/sdp"), 415),
        (Some(""), 415),
        (None, 415),
    ] {
        let result = session.on_patch(content_type, Some(&etag), CANDIDATE);
        assert_eq!(
            result.map_or_else(|problem| problem.status, |_| 204),
            status,
            "{content_type:?}"
        );
    }
    assert_eq!(patch(&session, Some(&etag), "nonsense"), Err(400));
    assert_eq!(
        patch(&session, Some(&etag), &"a=x\n".repeat(10_000)),
        Err(413)
    );
}

#[test]
fn new_credentials_are_a_restart_and_need_a_star() {
    let mut session = session(origin());
    let etag = session.etag();
    assert_eq!(patch(&session, Some(&etag), RESTART), Err(412));
    assert_eq!(patch(&session, None, RESTART), Err(428));
    for star in ["*", "\"*\""] {
        assert!(
            matches!(patch(&session, Some(star), RESTART), Ok(Patch::Restart(_))),
            "{star}"
        );
    }
    let fragment = TrickleFragment::parse(RESTART).unwrap();
    let renewed = session.on_restarted(&fragment);
    assert_ne!(renewed, etag);
    assert_eq!(renewed, session.etag());
    assert_eq!(patch(&session, Some(&etag), CANDIDATE), Err(412));
    // The new credentials are the current ones from here on.
    let with_credentials = format!("{RESTART}{CANDIDATE}");
    assert!(matches!(
        patch(&session, Some(&renewed), &with_credentials),
        Ok(Patch::Trickle(_))
    ));
}

#[test]
fn a_viewer_that_never_connects_is_closed_after_thirty_seconds() {
    let start = origin();
    let mut session = session(start);
    assert_eq!(session.poll_timeout(), Some(start + 30 * S));
    assert_eq!(session.handle_timeout(start + ms(29_999)), None);
    // Packets before the certificate was checked are no sign of our viewer.
    session.on_heard(start + 20 * S);
    assert_eq!(
        session.handle_timeout(start + 30 * S),
        Some(CloseReason::NotConnected)
    );
    assert_eq!(session.poll_timeout(), None);
    assert_eq!(session.handle_timeout(start + 60 * S), None);
}

#[test]
fn a_silent_viewer_is_closed_thirty_seconds_after_it_was_heard() {
    let start = origin();
    let mut session = session(start);
    session.on_connected(start + 1 * S);
    assert!(session.is_connected());
    for second in 1..100 {
        session.on_heard(start + second * S);
        assert_eq!(session.handle_timeout(start + second * S), None);
    }
    assert_eq!(session.poll_timeout(), Some(start + 129 * S));
    assert_eq!(
        session.handle_timeout(start + 129 * S),
        Some(CloseReason::Silent)
    );
    assert_eq!(session.closed(), Some(CloseReason::Silent));
}

#[test]
fn a_closed_session_is_gone_and_keeps_its_first_reason() {
    let start = origin();
    let mut session = session(start);
    session.on_close(CloseReason::Left);
    session.on_close(CloseReason::Failed);
    session.on_connected(start);
    assert_eq!(session.closed(), Some(CloseReason::Left));
    assert_eq!(patch(&session, Some(&session.etag()), CANDIDATE), Err(404));
    assert_eq!(session.poll_timeout(), None);
}
