//! How a push is, in words: for its handle, and on the element's bus.

use std::sync::Arc;
use std::time::Instant;

use gst::prelude::*;
use sluice_core::Kind;
use sluice_core::redial::{RedialState, Retry};

use super::PushState;
use super::attempt::Attempt;
use super::pusher::Pusher;

impl Pusher {
    /// Says what the machine is doing. A reason stays until media flow.
    pub(super) fn tell_state(&self, reason: Option<String>) {
        match self.redial.state() {
            RedialState::Connecting { attempt, .. } => {
                self.say(PushState::Connecting, reason, attempt, None);
            }
            RedialState::Running { .. } => {
                self.say(PushState::Running, self.note.clone(), 1, None);
            }
            RedialState::Waiting {
                until,
                attempt,
                failure,
                ..
            } => {
                let state = match failure.retry() {
                    Retry::Soon => PushState::Waiting,
                    Retry::Slowly | Retry::Never => PushState::Failed,
                };
                self.say(state, reason, attempt, Some(until));
            }
            RedialState::GaveUp { .. } => self.say(PushState::Failed, reason, 0, None),
        }
    }

    pub(super) fn say(
        &self,
        state: PushState,
        reason: Option<String>,
        attempt: u32,
        retry_at: Option<Instant>,
    ) {
        let now = Instant::now();
        let session = self.attempt.as_ref().and_then(Attempt::session);
        let reason = {
            let mut shared = self.push.shared.lock();
            shared.state = state;
            shared.attempt = attempt;
            shared.retry_at = retry_at;
            shared.session = session.as_ref().map(Arc::downgrade).unwrap_or_default();
            let running = state == PushState::Running;
            shared.since = running.then(|| shared.since.unwrap_or(now));
            // Dialling again keeps the reason: it is still why nothing is sent.
            if running || state == PushState::Idle || reason.is_some() {
                shared.reason = reason;
            }
            shared.reason.clone()
        };
        let Some(element) = self.element.upgrade() else {
            return;
        };
        let retry_in = retry_at.map_or(0, |at| {
            let wait = at.saturating_duration_since(now).as_millis();
            u64::try_from(wait).unwrap_or(u64::MAX)
        });
        let structure = gst::Structure::builder("sluice-push")
            .field("state", state.name())
            .field("location", self.push.target())
            .field("attempt", attempt)
            .field("reason", reason)
            .field("retry-in-ms", retry_in)
            .build();
        let message = gst::message::Element::builder(structure)
            .src(&element)
            .build();
        if element.post_message(message).is_err() {
            tracing::debug!("no bus: nobody listens");
        }
    }
}

/// Says what is not pushed, and why.
pub(super) fn note(obstacles: &[String], left_out: &[Kind]) -> Option<String> {
    let refused = left_out.iter();
    let refused = refused.map(|kind| format!("The target does not take the {kind}."));
    let all: Vec<_> = obstacles
        .iter()
        .map(|what| sentence(what))
        .chain(refused)
        .collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// Makes a sentence of a clause about the target, or of what else ended a session.
pub(super) fn sentence(clause: &str) -> String {
    let clause = clause.trim_end_matches('.');
    let end = if clause.ends_with('?') { "" } else { "." };
    match clause.strip_prefix("the ") {
        Some(rest) => format!("The {rest}{end}"),
        None => format!("The session ended: {clause}{end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_session_is_said_in_a_sentence() {
        for (clause, said) in [
            ("the target left", "The target left."),
            ("the target is there; is it?", "The target is there; is it?"),
            (
                "its connection is broken",
                "The session ended: its connection is broken.",
            ),
        ] {
            assert_eq!(sentence(clause), said);
        }
        let obstacles = ["the source sends H.265, but browsers do not".to_owned()];
        assert_eq!(
            note(&obstacles, &[Kind::Audio]).unwrap(),
            "The source sends H.265, but browsers do not. The target does not take the audio."
        );
        assert_eq!(note(&[], &[]), None);
    }
}
