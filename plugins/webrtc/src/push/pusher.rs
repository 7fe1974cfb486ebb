//! A push's thread: asks core when to dial, and does it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gst::prelude::*;
use sluice_core::link::IceServer;
use sluice_core::redial::{Action, Failure, Redial, RedialConfig};
use sluice_core::relay::{self, Refusal};
use sluice_core::{Codec, Kind};

use super::attempt::{Attempt, Told};
use super::state::{note, sentence};
use super::{Push, PushState};
use crate::producer::{Offered, Producer, tracks_of};
use crate::session::Outgoing;

/// News that may wait. A session sends a handful in its life; when it is full, what is not told is found out by a
/// later look.
pub(super) const NEWS: usize = 64;

/// How long a target may take from the first request to media.
const CONNECT: Duration = Duration::from_secs(20);

/// How often a push is looked at that runs, or waits for its source.
const LOOK: Duration = Duration::from_secs(1);

/// How often one is that is on its way.
const LOOK_SOON: Duration = Duration::from_millis(100);

/// How long the ends of sessions are waited for when the element stops.
const GRACE: Duration = Duration::from_secs(4);

/// Numbers attempts, so that late news from one that was hung up does no harm.
static ATTEMPTS: AtomicU64 = AtomicU64::new(1);

/// What the thread is told.
pub(super) enum News {
    /// Tracks came, went or changed.
    Tracks,
    /// An attempt came to something.
    Told(u64, Told),
    /// The element stops.
    Quit,
}

pub(super) struct Pusher {
    pub(super) element: gst::glib::WeakRef<gst::Element>,
    producer: Weak<Producer>,
    pub(super) push: Push,
    sender: SyncSender<News>,
    pub(super) redial: Redial,
    /// The tracks that are pushed, by the producer's numbers; `None` while they are not known.
    pushed: Option<Vec<(usize, Codec)>>,
    /// What the target does not take.
    left_out: Vec<Kind>,
    /// What is not pushed, and why; sentences.
    pub(super) note: Option<String>,
    /// What the target named in its latest answer.
    servers: Vec<IceServer>,
    pub(super) attempt: Option<Attempt>,
    leaving: Vec<JoinHandle<()>>,
}

impl Pusher {
    pub(super) fn new(
        element: &gst::Element,
        producer: &Arc<Producer>,
        push: Push,
        sender: SyncSender<News>,
    ) -> Self {
        let config = RedialConfig {
            // The session itself knows when its peer is silent.
            stall: CONNECT,
            connect: CONNECT,
            ..RedialConfig::default()
        };
        let mut seed = [0; 8];
        // Without randomness all targets are dialled at the same moments; no more than that.
        if getrandom::fill(&mut seed).is_err() {
            seed = [7; 8];
        }
        Self {
            element: element.downgrade(),
            producer: Arc::downgrade(producer),
            push,
            sender,
            redial: Redial::new(config, 1, u64::from_ne_bytes(seed)),
            pushed: None,
            left_out: Vec::new(),
            note: None,
            servers: Vec::new(),
            attempt: None,
            leaving: Vec::new(),
        }
    }

    /// Runs until `News::Quit`.
    pub(super) fn run(mut self, inbox: &Receiver<News>) {
        loop {
            match self.receive(inbox) {
                Ok(News::Quit) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(News::Tracks) => self.on_tracks(),
                Ok(News::Told(id, told)) => self.on_told(id, told),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look();
            self.leaving.retain(|thread| !thread.is_finished());
        }
        self.hang_up();
        self.see_off();
        self.say(PushState::Idle, None, 0, None);
    }

    fn receive(&self, inbox: &Receiver<News>) -> Result<News, RecvTimeoutError> {
        let now = Instant::now();
        let look = match &self.attempt {
            Some(attempt) if !attempt.runs => LOOK_SOON,
            Some(_) | None => LOOK,
        };
        let due = self.pushed.as_ref().and(self.redial.poll_timeout());
        let wait = due.map_or(look, |due| due.saturating_duration_since(now).min(look));
        inbox.recv_timeout(wait)
    }

    /// Begins anew when other tracks are to be pushed. That is not the target's fault: it is asked at once.
    fn on_tracks(&mut self) {
        let Some(pushed) = &self.pushed else { return };
        let known = self.producer.upgrade().map(|producer| producer.tracks());
        let tracks = known.unwrap_or_default();
        let parts = outgoing(&tracks, &self.left_out);
        if numbers(&tracks, &parts) != *pushed {
            self.hang_up();
            self.pushed = None;
            self.left_out.clear();
            self.say(PushState::Idle, None, 0, None);
        }
    }

    fn on_told(&mut self, id: u64, told: Told) {
        let now = Instant::now();
        if self.attempt.as_ref().is_none_or(|attempt| attempt.id != id) {
            return;
        }
        match told {
            Told::Answered(servers) => self.servers = servers,
            Told::LeftOut(kinds) => {
                self.hang_up();
                self.left_out.extend(kinds);
                self.dial(now);
            }
            Told::Refused(refusal) => self.on_failed(&refusal, now),
            Told::Lost(why) => {
                // Perhaps it takes all of it the next time.
                self.left_out.clear();
                // What came over the source may have ended it; then this is no failure.
                self.on_tracks();
                if self.pushed.is_some() {
                    self.on_failed(&Refusal::new(Failure::Lost, sentence(&why)), now);
                }
            }
        }
    }

    fn on_failed(&mut self, refusal: &Refusal, now: Instant) {
        self.hang_up();
        let action = self.redial.on_failed(0, refusal.failure, now);
        if let Some(wait) = refusal.retry_after {
            self.redial.hold(0, now + wait);
        }
        self.tell_state(Some(refusal.reason.clone()));
        self.obey(action, now);
    }

    /// Does what time has made due.
    fn look(&mut self) {
        let now = Instant::now();
        if self.pushed.is_none() {
            if self.is_settled(now) {
                self.pushed = Some(Vec::new());
                let action = self.redial.start(now);
                self.obey(Some(action), now);
            }
            return;
        }
        let attempt = self.attempt.as_mut();
        let session = attempt.as_ref().and_then(|attempt| attempt.session());
        if let Some(attempt) = attempt
            && session.is_some_and(|session| session.is_verified())
        {
            let news = !std::mem::replace(&mut attempt.runs, true);
            self.redial.on_buffer(0, now);
            if news {
                self.tell_state(None);
            }
        }
        while let Some(action) = self.redial.handle_timeout(now) {
            self.obey(Some(action), now);
        }
    }

    fn is_settled(&self, now: Instant) -> bool {
        self.producer
            .upgrade()
            .is_some_and(|producer| producer.is_ready(now).is_ok() && producer.time().is_some())
    }

    fn obey(&mut self, action: Option<Action>, now: Instant) {
        match action {
            Some(Action::Dial { .. }) => {
                self.hang_up();
                self.dial(now);
            }
            Some(Action::HangUp { .. }) => {
                self.hang_up();
                self.tell_state(Some(format!(
                    "The target took no media within {} s.",
                    CONNECT.as_secs()
                )));
            }
            Some(Action::GiveUp) => {
                self.hang_up();
                self.tell_state(None);
            }
            // There is one target: nothing better to probe.
            Some(Action::Probe { .. } | Action::SwitchTo { .. }) | None => {}
        }
    }

    fn dial(&mut self, now: Instant) {
        let Some(producer) = self.producer.upgrade() else {
            return;
        };
        let tracks = producer.tracks();
        let found = outgoing(&tracks, &self.left_out);
        self.pushed = Some(numbers(&tracks, &found));
        self.note = note(&found.obstacles, &self.left_out);
        if found.parts.is_empty() {
            let nothing = || "The source has nothing that can be pushed.".to_owned();
            let reason = self.note.clone().unwrap_or_else(nothing);
            self.on_failed(&Refusal::new(Failure::Unsupported, reason), now);
            return;
        }
        let outgoing = Outgoing {
            tracks,
            parts: found.parts,
        };
        let id = ATTEMPTS.fetch_add(1, Relaxed);
        let sender = self.sender.clone();
        let tell = move |told| {
            if sender.try_send(News::Told(id, told)).is_err() {
                tracing::debug!("a push's news found no room");
            }
        };
        let (target, servers) = (self.push.target.clone(), self.servers.clone());
        match Attempt::start(id, producer, outgoing, target, servers, tell) {
            Ok(attempt) => {
                self.attempt = Some(attempt);
                self.tell_state(None);
            }
            Err(error) => {
                let reason = format!("The system gives no thread to push with: {error}.");
                self.on_failed(&Refusal::new(Failure::Lost, reason), now);
            }
        }
    }

    /// Ends the session, on a thread of its own: the target and the elements may take their time.
    fn hang_up(&mut self) {
        let Some(attempt) = self.attempt.take() else {
            return;
        };
        let spawned = std::thread::Builder::new()
            .name("sluice-push-end".to_owned())
            .spawn(move || attempt.end());
        match spawned {
            Ok(thread) => self.leaving.push(thread),
            Err(error) => tracing::error!(%error, "no thread to end a push; it stays"),
        }
    }

    fn see_off(&mut self) {
        let deadline = Instant::now() + GRACE;
        for thread in self.leaving.drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            if !thread.is_finished() {
                tracing::warn!("a push's end takes too long; it is left behind");
            } else if thread.join().is_err() {
                tracing::error!("a push's end panicked");
            }
        }
    }
}

fn outgoing(tracks: &[Offered], left_out: &[Kind]) -> relay::Outgoing {
    relay::outgoing(&tracks_of(tracks), left_out)
}

/// What is pushed, by the producer's numbers.
fn numbers(tracks: &[Offered], outgoing: &relay::Outgoing) -> Vec<(usize, Codec)> {
    let parts = outgoing.parts.iter();
    let known = parts.filter_map(|part| Some((tracks.get(part.track)?.id, part.codec)));
    known.collect()
}
