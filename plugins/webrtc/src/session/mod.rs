//! One viewer's session, or that of a server that we push to: from the offer to its end.

mod around_fec;
mod build;
mod close;
mod invite;
mod join;
mod push;
mod reports;
mod stats;
mod trickle;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, OnceLock, Weak};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::WebRTCPeerConnectionState as ConnectionState;
use parking_lot::Mutex;
use sluice_core::sdp::{Part, Role};
use sluice_core::whep::{CloseReason, Session as Machine};
use sluice_core::{Codec, Fingerprint, Kind, SessionId};

use crate::fanout::Member;
use crate::peer::{Peer, Places, Signals};
use crate::producer::Producer;
use crate::renditions::Held;
use crate::viewers::ViewerEvent;

use build::Built;
pub(crate) use invite::invite;
pub(crate) use join::{join, plan_of};
pub(crate) use push::{Outgoing, push};

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Answered; ICE and DTLS are on their way.
    Connecting,
    /// Connected, and the certificate fits; media may flow.
    Verified,
    /// The first key frame was sent, so long after the offer.
    Playing { first_picture: Duration },
    /// No media any more; its elements are being taken down.
    Closing,
    /// Nothing is left of it.
    Closed,
}

/// Whom media go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Who asked for them.
    Viewer,
    /// A server that we asked to take them.
    Target,
}

impl Audience {
    /// Says who went, and why.
    fn ended(self, reason: CloseReason) -> String {
        match self {
            Self::Viewer => reason.of(Role::Viewer),
            Self::Target => reason.of_target(),
        }
    }
}

type Waiter = Box<dyn FnOnce() + Send>;

struct State {
    phase: Phase,
    /// Called when the session is closed.
    waiters: Vec<Waiter>,
    machine: Machine,
}

/// What a session begins with.
struct Beginning {
    audience: Audience,
    member: Arc<Member>,
    built: Built,
    codecs: Vec<Codec>,
    /// What was chosen for it and why, in words.
    plan: Vec<(Kind, String)>,
    /// The rendition that it is sent.
    rendition: Held,
    machine: Machine,
    places: Places,
    /// Known from the beginning where the viewer offers.
    certificate: Option<Fingerprint>,
    /// What we offer, where we do.
    invited: Vec<Part>,
    signals: Option<Signals>,
    /// It would take pictures, and there were none.
    wants_pictures: bool,
    created: Instant,
}

/// One viewer's or target's session.
pub(crate) struct Session {
    id: SessionId,
    audience: Audience,
    /// Of the tracks that the viewer is sent.
    codecs: Vec<Codec>,
    /// What was chosen for it and why, in words.
    plan: Vec<(Kind, String)>,
    /// The rendition that it is sent; until it is closed.
    rendition: Mutex<Held>,
    producer: Weak<Producer>,
    member: Arc<Member>,
    /// What the viewer's certificate must hash to, by its offer or answer.
    certificate: OnceLock<Fingerprint>,
    /// What we offered, where we did.
    invited: Vec<Part>,
    /// Who carries its signalling, where that stays open.
    signals: Option<Signals>,
    /// It would take pictures, and there were none.
    wants_pictures: bool,
    places: Places,
    created: Instant,
    state: Mutex<State>,
    peer: Peer,
    key_frames_wanted: AtomicU64,
    /// Frames that went around the FEC elements as one list.
    lists_around_fec: Arc<AtomicU64>,
}

static SESSIONS: LazyLock<Mutex<Vec<Weak<Session>>>> = LazyLock::new(Mutex::default);

/// Closes sessions that are overdue. Called by the ticker.
pub(crate) fn look(now: Instant) {
    let sessions: Vec<_> = {
        let mut sessions = SESSIONS.lock();
        sessions.retain(|session| session.strong_count() > 0);
        sessions.iter().filter_map(Weak::upgrade).collect()
    };
    for session in sessions {
        if let Some(reason) = session.overdue(now) {
            session.end(reason);
        }
    }
}

impl Session {
    /// Gives the session's name.
    pub(crate) const fn id(&self) -> &SessionId {
        &self.id
    }

    /// Says whom media go to.
    pub(crate) const fn audience(&self) -> Audience {
        self.audience
    }

    /// Says whether the viewer is sent this track.
    pub(crate) fn plays(&self, track: usize) -> bool {
        self.member.lanes.iter().any(|lane| lane.track == track)
    }

    /// Says whether the viewer takes pictures, but came when there were none.
    pub(crate) const fn wants_pictures(&self) -> bool {
        self.wants_pictures
    }

    /// Says whether the viewer is still on its way.
    pub(crate) fn is_connecting(&self) -> bool {
        self.state.lock().phase == Phase::Connecting
    }

    /// Takes note that the first key frame was sent.
    pub(crate) fn on_playing(&self) {
        let first_picture = self.created.elapsed();
        {
            let mut state = self.state.lock();
            if state.phase != Phase::Verified {
                return;
            }
            state.phase = Phase::Playing { first_picture };
        }
        if self.audience == Audience::Target {
            tracing::debug!(session = %self.id, ?first_picture, "pictures are pushed");
            return;
        }
        tracing::info!(viewer = %self.id, ?first_picture, "viewer plays");
        if let Some(producer) = self.producer.upgrade() {
            producer.tell(ViewerEvent::Playing {
                id: self.id.clone(),
                first_picture,
            });
        }
    }

    /// Puts a built pipeline under watch.
    fn new(producer: &Arc<Producer>, beginning: Beginning) -> Arc<Self> {
        let Beginning {
            audience,
            member,
            built,
            codecs,
            plan,
            rendition,
            machine,
            places,
            certificate,
            invited,
            signals,
            wants_pictures,
            created,
        } = beginning;
        let session = Arc::new(Self {
            id: member.id.clone(),
            audience,
            codecs,
            plan,
            rendition: Mutex::new(rendition),
            producer: Arc::downgrade(producer),
            member,
            certificate: certificate.map_or_else(OnceLock::new, OnceLock::from),
            invited,
            signals,
            wants_pictures,
            places,
            created,
            state: Mutex::new(State {
                phase: Phase::Connecting,
                waiters: Vec::new(),
                machine,
            }),
            peer: built.peer,
            lists_around_fec: Arc::clone(&built.ways.taken),
            key_frames_wanted: AtomicU64::new(0),
        });
        SESSIONS.lock().push(Arc::downgrade(&session));
        session.watch_connection();
        session.watch_key_frame_requests();
        session
    }

    /// Gives the entity tag of the ICE session.
    fn etag(&self) -> String {
        self.state.lock().machine.etag()
    }

    fn watch_connection(self: &Arc<Self>) {
        let session = Arc::downgrade(self);
        self.peer.on_connection(move |state| {
            if let Some(session) = session.upgrade() {
                session.on_connection_state(state);
            }
        });
    }

    fn on_connection_state(self: &Arc<Self>, state: ConnectionState) {
        tracing::debug!(viewer = %self.id, ?state, "connection");
        match state {
            ConnectionState::Connected => self.on_connected(),
            // A target that never was there was not lost.
            ConnectionState::Failed
                if self.audience == Audience::Target && self.is_connecting() =>
            {
                self.end(CloseReason::NotConnected);
            }
            ConnectionState::Failed => self.end(CloseReason::Failed),
            ConnectionState::Closed => self.end(CloseReason::Left),
            // Disconnected may become connected again; the silence is counted.
            ConnectionState::New
            | ConnectionState::Connecting
            | ConnectionState::Disconnected
            | _ => {}
        }
    }

    fn on_connected(self: &Arc<Self>) {
        let certificate = self.certificate.get();
        if !certificate.is_some_and(|named| self.peer.is_who_it_said(named)) {
            tracing::warn!(viewer = %self.id, "the certificate is not the one that its description named");
            self.end(CloseReason::WrongFingerprint);
            return;
        }
        {
            let mut state = self.state.lock();
            if state.phase != Phase::Connecting {
                return;
            }
            state.phase = Phase::Verified;
            state.machine.on_connected(Instant::now());
        }
        self.watch_goodbye();
        self.watch_reports();
        self.tell_latency();
        let session = Arc::downgrade(self);
        self.peer.once_handshake_left(move || {
            if let Some(session) = session.upgrade() {
                session.enter();
            }
        });
    }

    /// Lets media flow.
    fn enter(&self) {
        let Some(fanout) = self.producer.upgrade().and_then(|p| p.fanout()) else {
            return;
        };
        // Held, so that who closes the session comes later, and takes it out again.
        let state = self.state.lock();
        if let Some(exit) = self.peer.rtp_exit() {
            self.member.set_exit(exit);
        }
        if let Some(choked) = self.peer.choked() {
            self.member.watch_choke(choked);
        }
        if state.phase == Phase::Verified {
            fanout.join(self.member.clone());
        }
        drop(state);
    }

    fn end(self: &Arc<Self>, reason: CloseReason) {
        self.close(&self.audience.ended(reason));
    }

    fn watch_goodbye(self: &Arc<Self>) {
        let session = Arc::downgrade(self);
        self.peer.on_goodbye(move || {
            if let Some(session) = session.upgrade() {
                session.end(CloseReason::Left);
            }
        });
    }

    /// Without a latency the rtpsession knows no running time, and its sender reports would say nothing of
    /// how sound and pictures belong together. Buffers leave when they come: it is zero.
    fn tell_latency(&self) {
        let pad = self
            .peer
            .inner("rtpsession")
            .and_then(|rtpsession| rtpsession.static_pad("send_rtp_src"));
        if let Some(pad) = pad {
            pad.send_event(gst::event::Latency::new(gst::ClockTime::ZERO));
        }
    }

    fn watch_key_frame_requests(self: &Arc<Self>) {
        for lane in self.member.lanes.iter().filter(|lane| lane.video) {
            let session = Arc::downgrade(self);
            let track = lane.track;
            lane.pad
                .add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_pad, info| {
                    let is_request = info
                        .event()
                        .is_some_and(|event| gst_video::ForceKeyUnitEvent::is(event));
                    if is_request && let Some(session) = session.upgrade() {
                        session.on_key_frame_wanted(track);
                    }
                    gst::PadProbeReturn::Ok
                });
        }
    }

    fn on_key_frame_wanted(&self, track: usize) {
        self.key_frames_wanted.fetch_add(1, Relaxed);
        if let Some(fanout) = self.producer.upgrade().and_then(|p| p.fanout()) {
            fanout.want_key_frame(track, self.id.clone());
        }
    }

    fn hear(&self) {
        self.state.lock().machine.on_heard(Instant::now());
    }

    fn overdue(&self, now: Instant) -> Option<CloseReason> {
        let mut state = self.state.lock();
        match self.member.sent.flowing_since(now) {
            // A run of media that has just begun gives the viewer its time to report.
            Some(flowing) => state.machine.on_heard(flowing),
            // While the source is silent, so may the viewer be.
            None => state.machine.on_heard(now),
        }
        state.machine.handle_timeout(now)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
