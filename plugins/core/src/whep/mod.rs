//! One session, a viewer's or a publisher's: what its requests mean, and when it is over.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::problem::Problem;
use crate::sdp::fragment::{CONTENT_TYPE, TrickleFragment};
use crate::sdp::offer::{Offer, Role};

/// How long a session is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From the POST until the peer is connected.
    pub connect: Duration,
    /// Without RTP, RTCP or consent from a connected peer.
    pub silence: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            silence: Duration::from_secs(30),
        }
    }
}

/// Why a session is over. The words complete the sentence "the viewer …" or "the publisher …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// It was never reached.
    #[error("did not connect in time")]
    NotConnected,
    /// It was not heard any more.
    #[error("fell silent")]
    Silent,
    /// It said goodbye (DELETE, or DTLS).
    #[error("left")]
    Left,
    /// Its certificate is not the one that its offer named.
    #[error("showed a certificate that does not fit its offer")]
    WrongFingerprint,
    /// The transport broke.
    #[error("lost its connection")]
    Failed,
    /// What is sent does not come through, for long.
    #[error("has a network that cannot carry the stream")]
    Congested,
    /// It could not keep up.
    #[error("was too slow")]
    TooSlow,
    /// The gateway or the path goes away.
    #[error("was sent away, since the path was stopped")]
    Stopped,
}

impl CloseReason {
    /// Says who went, and why: "the viewer fell silent".
    pub fn of(self, role: Role) -> String {
        format!("the {} {self}", role.label())
    }

    /// The same of a server that we push to.
    pub fn of_target(self) -> String {
        let words = match self {
            Self::NotConnected => {
                "answered, but no way for media was found (ICE or DTLS failed); are its UDP ports open?"
            }
            Self::Silent => "does not report any more",
            Self::Left => "ended the session",
            Self::WrongFingerprint => {
                "showed another certificate than its answer named; the connection was ended"
            }
            Self::Failed => "is not reached any more: media stopped in both directions",
            Self::TooSlow => "was too slow",
            Self::Congested => "lost too much of what it was sent",
            Self::Stopped => "was left, since the path was stopped",
        };
        format!("the target {words}")
    }
}

/// What a PATCH asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// Take these candidates; answer 204 without an `ETag`.
    Trickle(TrickleFragment),
    /// Restart ICE with these credentials; then call `on_restarted` and answer 200.
    Restart(TrickleFragment),
}

/// One session, from the POST to its end.
#[derive(Debug, Clone)]
pub struct Session {
    deadlines: Deadlines,
    /// Random; with the count of restarts it makes the entity tag.
    tag: String,
    restarts: u32,
    ice_ufrag: String,
    ice_pwd: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting { until: Instant },
    Connected { heard: Instant },
    Closed { reason: CloseReason },
}

impl Session {
    /// Begins a session with the offer's ICE credentials; `tag` is random.
    pub fn new(offer: &Offer, tag: [u8; 12], deadlines: Deadlines, now: Instant) -> Self {
        Self {
            deadlines,
            tag: URL_SAFE_NO_PAD.encode(tag),
            restarts: 0,
            ice_ufrag: offer.ice_ufrag.clone(),
            ice_pwd: offer.ice_pwd.clone(),
            state: State::Connecting {
                until: now + deadlines.connect,
            },
        }
    }

    /// Begins a session in which we have offered: the peer's ICE credentials are not known yet.
    pub fn invited(tag: [u8; 12], deadlines: Deadlines, now: Instant) -> Self {
        Self {
            deadlines,
            tag: URL_SAFE_NO_PAD.encode(tag),
            restarts: 0,
            ice_ufrag: String::new(),
            ice_pwd: String::new(),
            state: State::Connecting {
                until: now + deadlines.connect,
            },
        }
    }

    /// Gives the strong entity tag of the ICE session, with its quotes.
    pub fn etag(&self) -> String {
        format!("\"{}-{}\"", self.tag, self.restarts)
    }

    /// Decides what a PATCH means.
    ///
    /// # Errors
    ///
    /// 404 for a session that is over, 415, 428, 412, 400, 413 as RFC 9725, 4.3 wants them; the session
    /// goes on in every case.
    pub fn on_patch(
        &self,
        content_type: Option<&str>,
        if_match: Option<&str>,
        body: &str,
    ) -> Result<Patch, Problem> {
        if let State::Closed { .. } = self.state {
            return Err(Problem::new(
                404,
                "there is no such session; POST an offer for a new one",
            ));
        }
        if !is_fragment(content_type) {
            return Err(Problem::new(
                415,
                format!("a session takes {CONTENT_TYPE} only; POST an offer for a new session"),
            ));
        }
        let Some(if_match) = if_match else {
            return Err(Problem::new(
                428,
                "the PATCH has no If-Match; send the ETag of the POST's answer, or * to restart ICE",
            ));
        };
        let matched = Match::of(if_match, &self.etag());
        if matched == Match::Nothing {
            return Err(Problem::new(
                412,
                "If-Match is not the session's current ETag; send * to restart ICE",
            ));
        }
        let fragment = TrickleFragment::parse(body)?;
        if !self.is_restart(&fragment) {
            return Ok(Patch::Trickle(fragment));
        }
        if matched == Match::Anything {
            Ok(Patch::Restart(fragment))
        } else {
            Err(Problem::new(
                412,
                "the fragment has new ICE credentials, so it is a restart; send it with If-Match: *",
            ))
        }
    }

    /// Takes note that ICE was restarted with the peer's new credentials; gives the new entity tag.
    pub fn on_restarted(&mut self, fragment: &TrickleFragment) -> String {
        if let (Some(ufrag), Some(pwd)) = (&fragment.ice_ufrag, &fragment.ice_pwd) {
            self.ice_ufrag.clone_from(ufrag);
            self.ice_pwd.clone_from(pwd);
        }
        self.restarts = self.restarts.saturating_add(1);
        self.etag()
    }

    /// Takes note that ICE and DTLS are up and that the certificate was checked.
    pub fn on_connected(&mut self, now: Instant) {
        if let State::Connecting { .. } = self.state {
            self.state = State::Connected { heard: now };
        }
    }

    /// Takes note of anything that only a living peer sends: RTCP, RTP, consent.
    pub fn on_heard(&mut self, now: Instant) {
        if let State::Connected { heard } = &mut self.state {
            *heard = now.max(*heard);
        }
    }

    /// Ends the session; only the first reason counts.
    pub fn on_close(&mut self, reason: CloseReason) {
        if !matches!(self.state, State::Closed { .. }) {
            self.state = State::Closed { reason };
        }
    }

    /// Says when `handle_timeout` wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { until } => Some(until),
            State::Connected { heard } => Some(heard + self.deadlines.silence),
            State::Closed { .. } => None,
        }
    }

    /// Moves time on; gives the reason when the session is over because of it.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<CloseReason> {
        let due = self.poll_timeout().is_some_and(|due| now >= due);
        let reason = match self.state {
            State::Connecting { .. } if due => CloseReason::NotConnected,
            State::Connected { .. } if due => CloseReason::Silent,
            State::Connecting { .. } | State::Connected { .. } | State::Closed { .. } => {
                return None;
            }
        };
        self.on_close(reason);
        Some(reason)
    }

    /// Says whether the peer is connected.
    pub const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }

    /// Gives the reason of its end, once it is over.
    pub const fn closed(&self) -> Option<CloseReason> {
        match self.state {
            State::Closed { reason } => Some(reason),
            State::Connecting { .. } | State::Connected { .. } => None,
        }
    }

    /// Other credentials than the current ones make a restart.
    fn is_restart(&self, fragment: &TrickleFragment) -> bool {
        let other =
            |new: &Option<String>, current: &str| new.as_deref().is_some_and(|new| new != current);
        other(&fragment.ice_ufrag, &self.ice_ufrag) || other(&fragment.ice_pwd, &self.ice_pwd)
    }
}

/// Says whether a content type is a fragment's, in any case and with any parameters.
fn is_fragment(content_type: Option<&str>) -> bool {
    content_type
        .and_then(|text| text.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(CONTENT_TYPE))
}

/// What an `If-Match` fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Current,
    Anything,
    Nothing,
}

impl Match {
    fn of(if_match: &str, etag: &str) -> Self {
        let mut tags = if_match.split(',').map(str::trim);
        // RFC 9725's own example quotes the star.
        if matches!(if_match.trim(), "*" | "\"*\"") {
            Self::Anything
        } else if tags.any(|tag| tag == etag) {
            Self::Current
        } else {
            Self::Nothing
        }
    }
}
