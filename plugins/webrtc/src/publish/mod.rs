//! Publishers: what the element and its `Publishers` handles share.

mod announce;
mod close;
mod gate;
mod layers;
mod order;
mod outlet;
mod pads;
mod session;
mod unpack;
mod whole;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::whip::{Entry, Policy, Stage};
use sluice_core::{Kind, Problem, SessionId};

use crate::peer::{self, Time};
use crate::transport::Transport;

pub(crate) use announce::Announcer;
pub(crate) use order::publish;
pub(crate) use outlet::Outlet;
pub(crate) use session::Publisher;
pub(crate) use unpack::caps;

/// What the user sets.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) transport: Transport,
    pub(crate) policy: Policy,
    /// How long late packets are waited for.
    pub(crate) latency_ms: u32,
}

struct State {
    settings: Settings,
    stage: Stage,
    sessions: BTreeMap<SessionId, Arc<Publisher>>,
    running: bool,
}

/// One element's publishers.
pub(crate) struct Ingress {
    element: glib::WeakRef<gst::Element>,
    state: Mutex<State>,
    outlet: Arc<Outlet>,
    announcer: Announcer,
}

/// What waits for a publisher, in words.
const ABSENT: &str = "Waiting for a publisher.";

static ALL: LazyLock<Mutex<Vec<Weak<Ingress>>>> = LazyLock::new(Mutex::default);

/// Closes sessions that are overdue, and asks for the key frames that had to wait. Called by the ticker.
pub(crate) fn look(now: Instant) {
    let all: Vec<_> = {
        let mut all = ALL.lock();
        all.retain(|ingress| ingress.strong_count() > 0);
        all.iter().filter_map(Weak::upgrade).collect()
    };
    for session in all.iter().flat_map(|ingress| ingress.sessions()) {
        session.on_time(now);
    }
}

/// Says whether there is anything to look at.
pub(crate) fn is_watched() -> bool {
    ALL.lock().iter().any(|ingress| ingress.strong_count() > 0)
}

impl Ingress {
    /// Makes one without publishers.
    pub(crate) fn new(element: &gst::Element) -> Arc<Self> {
        let ingress = Arc::new(Self {
            element: element.downgrade(),
            state: Mutex::new(State {
                settings: Settings {
                    transport: Transport::default(),
                    policy: Policy::default(),
                    latency_ms: 0,
                },
                stage: Stage::default(),
                sessions: BTreeMap::new(),
                running: false,
            }),
            outlet: Arc::new(Outlet::new(element)),
            announcer: Announcer::new(element),
        });
        ALL.lock().push(Arc::downgrade(&ingress));
        ingress
    }

    /// Begins to take publishers.
    pub(crate) fn start(&self, settings: Settings) {
        {
            let mut state = self.state.lock();
            state.stage = Stage::new(settings.policy);
            state.settings = settings;
            state.running = true;
        }
        peer::warm_up();
        crate::ticker::start();
        self.announcer.absent(ABSENT);
    }

    /// Closes all publishers. Blocks until they are gone, for a second or two at most.
    pub(crate) fn stop(&self) {
        let ran = std::mem::replace(&mut self.state.lock().running, false);
        if ran {
            peer::warmed_up();
        }
        let (done, all) = std::sync::mpsc::channel::<()>();
        for session in self.sessions() {
            let done = done.clone();
            session.close_then("the path is going away", move || drop(done));
        }
        drop(done);
        // Ends when the last sender is dropped.
        let _disconnected_or_late = all.recv_timeout(Duration::from_secs(2));
        self.outlet.clear();
    }

    /// Gives the element's clock and base time, if it plays.
    pub(crate) fn time(&self) -> Option<Time> {
        Time::of(&self.element.upgrade()?)
    }

    /// Gives the settings as they were at the start.
    pub(crate) fn settings(&self) -> Settings {
        self.state.lock().settings.clone()
    }

    /// Gives where all publishers' frames go.
    pub(crate) const fn outlet(&self) -> &Arc<Outlet> {
        &self.outlet
    }

    /// Gives the last message `sluice-source`.
    pub(crate) fn last_notice(&self) -> Option<gst::Structure> {
        self.announcer.last()
    }

    /// Takes an offer's session onto the stage.
    fn admit(&self, id: &SessionId) -> Result<(), Problem> {
        let mut state = self.state.lock();
        if !state.running {
            return Err(peer::unavailable("this path takes no publishers yet"));
        }
        state.stage.on_offer(id.clone())
    }

    /// Forgets a session that did not come about.
    fn dismiss(&self, id: &SessionId) {
        self.state.lock().stage.on_closed(id);
    }

    /// Takes a session in; `false` if the element has stopped meanwhile.
    fn add(&self, session: &Arc<Publisher>) -> bool {
        let mut state = self.state.lock();
        if state.running {
            state.sessions.insert(session.id().clone(), session.clone());
        }
        state.running
    }

    /// Takes note that a publisher is who it said. Called from its streaming thread; does not block.
    fn on_verified(&self, session: &Arc<Publisher>) {
        let entry = self.state.lock().stage.on_verified(session.id());
        match entry {
            Entry::Live { instead_of } => {
                self.outlet.activate(Some(session.id().clone()));
                self.announcer.connecting();
                let replaced = instead_of.and_then(|id| self.session(&id));
                if let Some(replaced) = replaced {
                    replaced.close("another publisher took its place");
                }
            }
            Entry::TooLate => session.close("another publisher was faster"),
        }
    }

    /// Takes note that all tracks of a publisher are known.
    fn on_gathered(&self, session: &Publisher) {
        if self.state.lock().stage.live() == Some(session.id()) {
            self.outlet.tell_tracks();
            self.announcer.running();
        }
    }

    /// Lets a session go.
    fn remove(&self, id: &SessionId, why: &str) {
        let (known, was_live) = {
            let mut state = self.state.lock();
            (
                state.sessions.remove(id).is_some(),
                state.stage.on_closed(id),
            )
        };
        if was_live {
            self.outlet.deactivate(id);
            self.announcer
                .absent(&format!("{ABSENT} The last one is gone: {why}."));
        }
        tracing::debug!(publisher = %id, known, was_live, "removed");
    }

    /// Asks the publisher for a key frame. Does not block.
    pub(crate) fn want_key_frame(&self) {
        let live = {
            let state = self.state.lock();
            let live = state.stage.live();
            live.and_then(|id| state.sessions.get(id).cloned())
        };
        if let Some(session) = live {
            session.want_key_frame(Instant::now());
        }
    }

    /// Finds a session.
    pub(crate) fn session(&self, id: &SessionId) -> Option<Arc<Publisher>> {
        self.state.lock().sessions.get(id).cloned()
    }

    /// Gives all sessions.
    pub(crate) fn sessions(&self) -> Vec<Arc<Publisher>> {
        self.state.lock().sessions.values().cloned().collect()
    }

    /// Gives the publisher whose media go out.
    pub(crate) fn live(&self) -> Option<Arc<Publisher>> {
        let state = self.state.lock();
        state.sessions.get(state.stage.live()?).cloned()
    }
}

impl std::fmt::Debug for Ingress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingress").finish_non_exhaustive()
    }
}

/// Gives the name of the pad of a kind: a publisher has one track of each.
const fn pad_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Video => "video_0",
        Kind::Audio => "audio_0",
    }
}
