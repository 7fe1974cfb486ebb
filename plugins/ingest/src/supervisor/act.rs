//! Does what the machine decided: dials, hangs up, switches over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sluice_core::SourceUri;
use sluice_core::redial::Action;

use super::{DIALS, Line, Supervisor};
use crate::announce::Word;
use crate::dial::{Dial, Order};
use crate::report::Reports;
use crate::source::Transport;
use crate::words;

impl Supervisor {
    pub(super) fn obey_all(&mut self, action: Option<Action>, now: Instant) {
        if let Some(action) = action {
            self.obey(action, now);
        }
        while let Some(action) = self.redial.handle_timeout(now) {
            self.note_silence(action);
            self.obey(action, now);
        }
    }

    pub(super) fn obey(&mut self, action: Action, now: Instant) {
        match action {
            Action::Dial { source, attempt } => {
                self.hang_up_all();
                let reason = self.fault.as_ref().map_or_else(
                    || self.uri(source).map(words::awaited).unwrap_or_default(),
                    |fault| fault.reason.clone(),
                );
                self.announce(Word::Connecting, source, attempt, reason, None);
                self.active = self.dial(source, attempt);
                self.outlet
                    .activate(self.active.as_ref().map(|line| line.dial.id));
            }
            Action::Probe { source } => self.probe = self.dial(source, 1),
            Action::SwitchTo { .. } => self.switch_to(now),
            Action::HangUp { source } => {
                if self
                    .probe
                    .as_ref()
                    .is_some_and(|line| line.dial.source == source)
                {
                    self.hang_up_probe();
                } else {
                    self.hang_up_active();
                    self.announce_wait(now);
                }
            }
            Action::GiveUp => {
                self.hang_up_all();
                let source = self.sources.len().saturating_sub(1);
                let fault = self.fault.clone();
                let reason = fault.map_or_else(
                    || "No source can be played.".to_owned(),
                    |fault| fault.reason,
                );
                self.announcer.give_up(&reason);
                self.announce(Word::Failed, source, 0, reason, None);
            }
        }
    }

    pub(super) fn dial(&mut self, source: usize, attempt: u32) -> Option<Line> {
        let (clock, base) = self.timing.clone()?;
        let over_tcp =
            self.settings.transport == Transport::Auto && self.over_tcp.contains(&source);
        let order = Order {
            items: self.sources.get(source)?.clone(),
            repeat: self.settings.repeat,
            latency: self.settings.latency,
            transport: if over_tcp {
                Transport::Tcp
            } else {
                self.settings.transport
            },
            ca_file: self.settings.ca_file.clone(),
            fingerprint: self.settings.fingerprint.clone(),
            connect: self.settings.connect,
            stun_server: self.settings.stun_server.clone(),
            burst: self.settings.burst.clone(),
            clock,
            base,
        };
        let id = DIALS.fetch_add(1, Ordering::Relaxed);
        let reports = Reports::new(self.sender.clone(), id);
        match Dial::start(source, order, Arc::clone(&self.outlet), &reports) {
            Ok(dial) => Some(Line {
                dial,
                attempt,
                arrived: None,
                announced: false,
            }),
            Err(fault) => {
                // The machine's own deadline for a dial handles a machine without threads.
                self.fault = Some(fault);
                None
            }
        }
    }

    pub(super) fn switch_to(&mut self, now: Instant) {
        let Some(probe) = self.probe.take() else {
            return;
        };
        self.hang_up_outgoing();
        self.outlet.succeed(probe.dial.id);
        self.outgoing = self.active.take().map(|line| (line, now));
        self.active = Some(Line {
            arrived: Some(now),
            ..probe
        });
        self.on_gathered(now);
    }

    pub(super) fn hang_up_all(&mut self) {
        self.outlet.activate(None);
        self.hang_up_active();
        self.hang_up_probe();
        self.knock = None;
    }

    pub(super) fn hang_up_outgoing(&mut self) {
        if let Some((line, _)) = self.outgoing.take() {
            self.leaving.push(line.dial.hang_up());
        }
    }

    pub(super) fn hang_up_active(&mut self) -> Option<usize> {
        self.hang_up_outgoing();
        let line = self.active.take()?;
        let source = line.dial.source;
        self.leaving.push(line.dial.hang_up());
        Some(source)
    }

    pub(super) fn hang_up_probe(&mut self) -> Option<usize> {
        let line = self.probe.take()?;
        let source = line.dial.source;
        self.leaving.push(line.dial.hang_up());
        Some(source)
    }

    pub(super) fn finish(&mut self, source: usize) {
        let subject = self
            .uri(source)
            .map_or("The source", |uri| words::subject(uri.scheme()));
        let reason = format!("{subject} was played to its end.");
        self.timing = None;
        self.hang_up_all();
        self.announce(Word::Failed, source, 0, reason, None);
        self.outlet.end();
    }

    /// Says whether the end of the source is the end of the stream: a recording with nothing after it.
    pub(super) fn ends_for_good(&self) -> bool {
        use sluice_core::Scheme;
        let recorded =
            |uri: &SourceUri| matches!(uri.scheme(), Scheme::File | Scheme::Http | Scheme::Https);
        !self.settings.repeat
            && matches!(self.sources.as_slice(), [only] if only.iter().all(recorded))
    }
}
