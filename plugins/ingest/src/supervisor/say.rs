//! Says what the sources do, and why.

use std::time::{Duration, Instant};

use sluice_core::SourceUri;
use sluice_core::redial::{Action, Failure, RedialState};

use super::Supervisor;
use crate::announce::{Notice, Word};
use crate::failure::Fault;
use crate::knock::Knock;
use crate::words;

impl Supervisor {
    /// Keeps the words for a failure that the machine found by itself, before its dial is hung up.
    pub(super) fn note_silence(&mut self, action: Action) {
        let hung_up = match action {
            Action::HangUp { source } | Action::Dial { source, .. } => Some(source),
            Action::GiveUp | Action::Probe { .. } | Action::SwitchTo { .. } => None,
        };
        let Some(line) = self.active.as_ref().filter(|_| hung_up.is_some()) else {
            return;
        };
        let source = line.dial.source;
        if matches!(action, Action::HangUp { source: gone } if gone != source) {
            return;
        }
        let (arrived, attempt) = (line.arrived.is_some(), line.attempt);
        let Some(uri) = self.uri(source) else { return };
        let fault = if arrived {
            Fault::new(Failure::Stalled, words::silent(uri, self.settings.stall))
        } else {
            Fault::new(
                Failure::Timeout,
                words::unanswered(uri, self.settings.connect),
            )
        };
        if arrived {
            self.announce(Word::Stalled, source, attempt, fault.reason.clone(), None);
        }
        self.note(fault, source);
    }

    pub(super) fn note(&mut self, fault: Fault, source: usize) {
        self.announcer.note(&fault, self.uri(source));
        self.fault = Some(fault);
    }

    /// Says what is waited for, and knocks meanwhile.
    pub(super) fn announce_wait(&mut self, now: Instant) {
        let RedialState::Waiting {
            source,
            until,
            attempt,
            failure,
        } = self.redial.state()
        else {
            return;
        };
        let reason = self
            .fault
            .as_ref()
            .map(|fault| fault.reason.clone())
            .unwrap_or_default();
        let word = Word::waiting_after(failure);
        self.announce(
            word,
            source,
            attempt,
            reason,
            Some(until.saturating_duration_since(now)),
        );
        let away = matches!(
            failure,
            Failure::Lost | Failure::Unreachable | Failure::Timeout
        );
        self.knock = match self.uri(source) {
            Some(uri) if away => Knock::start(source, uri, self.sender.clone()),
            Some(_) | None => None,
        };
    }

    pub(super) fn announce(
        &self,
        word: Word,
        source: usize,
        attempt: u32,
        reason: String,
        retry_in: Option<Duration>,
    ) {
        let uri = self
            .uri(source)
            .map(ToString::to_string)
            .unwrap_or_default();
        self.announcer.say(&Notice {
            word,
            uri,
            source,
            attempt,
            reason,
            retry_in,
        });
    }

    pub(super) fn uri(&self, source: usize) -> Option<&SourceUri> {
        self.sources.get(source)?.first()
    }
}
