//! The thread that owns an element's dials: it does what `sluice_core::Redial` decides.

mod act;
mod say;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sluice_core::redial::{Failure, Redial, RedialConfig};
use sluice_core::{Kind, SourceUri};

use crate::announce::{Announcer, Word};
use crate::dial::Dial;
use crate::failure::Fault;
use crate::knock::Knock;
use crate::outlet::Outlet;
use crate::report::DialEvent;
use crate::source::Settings;
use crate::words;

/// How often the tracks' flow is looked at, at most and at least.
const LEAST_LOOK: Duration = Duration::from_millis(50);
const MOST_LOOK: Duration = Duration::from_millis(500);
/// How long a source may send without a key frame (or whatever else makes its tracks known).
const KEY_PATIENCE: Duration = Duration::from_secs(45);
/// How long a better source may take to its first key frame before the worse one is dropped all the same.
const SUCCESSION: Duration = Duration::from_secs(12);
/// How often in a row a camera is dialled again that sends sound, but none of the pictures that it announced; then
/// its sound is better than nothing.
const BLIND_REDIALS: u32 = 2;
/// How long stopping waits for teardowns; a dead camera's goes on by itself after that.
const GRACE: Duration = Duration::from_secs(2);
/// A dial that is called by others waits as long as it takes.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What the supervisor is told. Its queue is bounded; senders wait for room.
#[derive(Debug)]
pub(crate) enum Input {
    /// The element plays with this clock and base time.
    Play {
        clock: gst::Clock,
        base: gst::ClockTime,
    },
    /// The element pauses: a live source then gives nothing.
    Pause,
    /// The stream shall end.
    Finish,
    /// The element stops; the thread ends.
    Quit,
    /// A dial has news.
    Dial { dial: u64, event: DialEvent },
    /// The port of a source that was away is open.
    Reachable { source: usize },
    /// An event for the source, from downstream.
    Upstream {
        kind: Kind,
        index: u32,
        event: gst::Event,
    },
}

/// How many inputs may wait.
pub(crate) const INPUTS: usize = 128;

/// Numbers dials over all elements: late news of an old dial must not be taken for a new one's.
static DIALS: AtomicU64 = AtomicU64::new(1);

/// The supervisor's state. It is moved into its thread.
pub(crate) struct Supervisor {
    settings: Settings,
    /// What can be dialled, in order: one URI each, or one playlist.
    sources: Vec<Vec<SourceUri>>,
    outlet: Arc<Outlet>,
    announcer: Announcer,
    sender: SyncSender<Input>,
    redial: Redial,
    timing: Option<(gst::Clock, gst::ClockTime)>,
    active: Option<Line>,
    probe: Option<Line>,
    /// What played before, until the active dial has a key frame; and since when it should have.
    outgoing: Option<(Line, Instant)>,
    knock: Option<Knock>,
    /// Sources whose RTP does not arrive over UDP.
    over_tcp: HashSet<usize>,
    leaving: Vec<JoinHandle<()>>,
    /// Why the last dial failed.
    fault: Option<Fault>,
    /// How often in a row the pictures did not come.
    blind_redials: u32,
}

/// A dial and how far it is.
struct Line {
    dial: Dial,
    attempt: u32,
    arrived: Option<Instant>,
    announced: bool,
}

impl Supervisor {
    /// Makes a supervisor that waits for `Input::Play`.
    pub(crate) fn new(
        settings: Settings,
        outlet: Arc<Outlet>,
        announcer: Announcer,
        sender: SyncSender<Input>,
    ) -> Self {
        let sources = settings.sources();
        let called = matches!(sources.as_slice(), [only] if only.iter().any(words::is_called));
        let config = RedialConfig {
            stall: settings.stall,
            connect: if called { FOREVER } else { settings.connect },
            ..RedialConfig::default()
        };
        let redial = Redial::new(config, sources.len(), seed());
        Self {
            settings,
            sources,
            outlet,
            announcer,
            sender,
            redial,
            timing: None,
            active: None,
            probe: None,
            outgoing: None,
            knock: None,
            over_tcp: HashSet::new(),
            leaving: Vec::new(),
            fault: None,
            blind_redials: 0,
        }
    }

    /// Runs until `Input::Quit`.
    pub(crate) fn run(mut self, inbox: &Receiver<Input>) {
        loop {
            match self.receive(inbox) {
                Ok(Input::Quit) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(input) => self.on_input(input),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look();
            self.leaving.retain(|thread| !thread.is_finished());
        }
        self.hang_up_all();
        self.see_off(inbox);
    }

    fn receive(&self, inbox: &Receiver<Input>) -> Result<Input, RecvTimeoutError> {
        let now = Instant::now();
        let due = self
            .redial
            .poll_timeout()
            .map(|due| due.saturating_duration_since(now));
        let look = self
            .active
            .as_ref()
            .or(self.probe.as_ref())
            .map(|_| self.time_to_look());
        match due.into_iter().chain(look).min() {
            Some(wait) if self.timing.is_some() => inbox.recv_timeout(wait),
            Some(_) | None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// How often what flows is looked at: a stall is seen a tenth too late at most.
    fn time_to_look(&self) -> Duration {
        (self.settings.stall / 10).clamp(LEAST_LOOK, MOST_LOOK)
    }

    fn on_input(&mut self, input: Input) {
        let now = Instant::now();
        match input {
            Input::Play { clock, base } => {
                self.outlet.play(clock.clone(), base);
                self.timing = Some((clock, base));
                let action = self.redial.start(now);
                self.obey(action, now);
            }
            Input::Pause => {
                self.timing = None;
                self.hang_up_all();
            }
            Input::Finish => {
                self.timing = None;
                self.hang_up_all();
                self.outlet.end();
            }
            Input::Dial { dial, event } => self.on_dial(dial, event, now),
            Input::Reachable { source } => {
                if let Some(action) = self.redial.on_reachable(source, now) {
                    self.obey(action, now);
                }
            }
            Input::Upstream { kind, index, event } => {
                if let Some(line) = &self.active {
                    line.dial.send_upstream(kind, index, event);
                }
            }
            Input::Quit => {}
        }
    }

    fn on_dial(&mut self, id: u64, event: DialEvent, now: Instant) {
        let is_probe = self.probe.as_ref().is_some_and(|line| line.dial.id == id);
        let Some(line) = (if is_probe {
            self.probe.as_mut()
        } else {
            self.active.as_mut()
        }) else {
            return;
        };
        if line.dial.id != id {
            return;
        }
        let source = line.dial.source;
        match event {
            DialEvent::Arrived => line.arrived = Some(now),
            DialEvent::Gathered if is_probe => {
                if let Some(action) = self.redial.on_probe_ok(source, now) {
                    self.obey(action, now);
                }
            }
            DialEvent::Gathered => self.on_gathered(now),
            DialEvent::FellBackToTcp => {
                self.over_tcp.insert(source);
            }
            DialEvent::TookOver => self.hang_up_outgoing(),
            DialEvent::Ended if self.ends_for_good() => self.finish(source),
            DialEvent::Ended => {
                let subject = self
                    .uri(source)
                    .map_or("The source", |uri| words::subject(uri.scheme()));
                self.on_fault(
                    id,
                    Fault::new(Failure::Ended, format!("{subject} ended the stream.")),
                    now,
                );
            }
            DialEvent::Failed(fault) => self.on_fault(id, fault, now),
            DialEvent::Gone => {}
        }
    }

    fn on_gathered(&mut self, now: Instant) {
        let Some(line) = &mut self.active else { return };
        // The next item of a playlist is no news.
        if std::mem::replace(&mut line.announced, true) {
            return;
        }
        let (source, attempt) = (line.dial.source, line.attempt);
        self.redial.on_connected(source, now);
        self.fault = None;
        self.announce(Word::Running, source, attempt, String::new(), None);
    }

    /// A dial broke: hang it up, and ask what comes next.
    fn on_fault(&mut self, id: u64, fault: Fault, now: Instant) {
        if self.probe.as_ref().is_some_and(|line| line.dial.id == id) {
            let source = self.hang_up_probe();
            let next =
                source.and_then(|source| self.redial.on_probe_failed(source, fault.failure, now));
            self.obey_all(next, now);
            return;
        }
        let Some(source) = self.hang_up_active() else {
            return;
        };
        let (failure, retry_after) = (fault.failure, fault.retry_after);
        self.note(fault, source);
        let next = self.redial.on_failed(source, failure, now);
        if let Some(wait) = retry_after {
            self.redial.hold(source, now + wait);
        }
        if next.is_none() {
            self.announce_wait(now);
        }
        self.obey_all(next, now);
    }

    /// Tells the machine how the tracks flow, and does what is due.
    fn look(&mut self) {
        if self.timing.is_none() {
            return;
        }
        let now = Instant::now();
        let flow = self
            .active
            .as_ref()
            .filter(|line| line.arrived.is_some())
            .and_then(|line| {
                line.dial
                    .last_flow(now)
                    .or(line.arrived)
                    .map(|at| (line.dial.source, at))
            });
        if let Some((source, at)) = flow {
            self.redial.on_buffer(source, at);
        }
        if self
            .outgoing
            .as_ref()
            .is_some_and(|(_, since)| now.saturating_duration_since(*since) > SUCCESSION)
        {
            self.outlet
                .activate(self.active.as_ref().map(|line| line.dial.id));
            self.hang_up_outgoing();
        }
        if let Some(fault) = self.keyless(now) {
            self.on_fault(fault.0, fault.1, now);
        }
        if let Some(fault) = self.blind(now) {
            self.blind_redials += 1;
            self.on_fault(fault.0, fault.1, now);
        }
        while let Some(action) = self.redial.handle_timeout(now) {
            self.note_silence(action);
            self.obey(action, now);
        }
    }

    /// Finds an active dial that sends, but never what makes its tracks known.
    fn keyless(&self, now: Instant) -> Option<(u64, Fault)> {
        let line = self.active.as_ref()?;
        let since = line.arrived?;
        let lost = !line.dial.is_gathered() && now.saturating_duration_since(since) > KEY_PATIENCE;
        let uri = self.uri(line.dial.source)?;
        lost.then(|| {
            let reason = format!("{} sends no key frame.", words::subject(uri.scheme()));
            (line.dial.id, Fault::new(Failure::Timeout, reason))
        })
    }

    /// Finds an active camera that sends sound, but nothing of the pictures that it announced.
    fn blind(&mut self, now: Instant) -> Option<(u64, Fault)> {
        let line = self.active.as_ref()?;
        if !line.dial.is_gathered() {
            return None;
        }
        if !line.dial.is_blind() {
            self.blind_redials = 0;
            return None;
        }
        let late = now.saturating_duration_since(line.arrived?) > self.settings.stall;
        let fault = (
            line.dial.id,
            Fault::new(Failure::Stalled, words::blind(self.settings.stall)),
        );
        (late && self.blind_redials < BLIND_REDIALS).then_some(fault)
    }

    /// Waits for teardowns, a while.
    fn see_off(mut self, inbox: &Receiver<Input>) {
        let deadline = Instant::now() + GRACE;
        while self.leaving.iter().any(|thread| !thread.is_finished()) {
            // A dial's last word wakes this; its thread ends right after it.
            let left = deadline
                .saturating_duration_since(Instant::now())
                .min(Duration::from_millis(20));
            if left.is_zero() {
                self.announcer.log_leftover(self.leaving.len());
                return;
            }
            inbox.recv_timeout(left).map(drop).unwrap_or_default();
        }
        for thread in self.leaving.drain(..) {
            if thread.join().is_err() {
                self.announcer.log_leftover(1);
            }
        }
    }
}

/// Spreads the redials of many elements over time.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        Err(_) => DIALS.load(Ordering::Relaxed),
    }
}
