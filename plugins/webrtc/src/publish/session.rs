//! One publisher's session: from its offer to its end.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::WebRTCPeerConnectionState as ConnectionState;
use parking_lot::{Condvar, Mutex};
use sluice_core::sdp::Role;
use sluice_core::whep::{CloseReason, Session as Machine};
use sluice_core::whip::{Accepted, DEADLINES, Layers};
use sluice_core::{KeyFrameGate, Kind, Offer, Problem, SessionId};

use super::gate::Gate;
use super::layers::ask;
use super::outlet::{Gathering, Line};
use super::{Ingress, unpack};
use crate::peer::{self, Peer, Places, Signals};
use crate::publishers::PublisherInfo;
use crate::viewers::{Patched, no_session};

/// Key frames cost the publisher's line: one a second serves all who wait for one.
const KEY_FRAMES: Duration = Duration::from_secs(1);

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Answered; ICE and DTLS are on their way.
    Connecting,
    /// The certificate fits; media flow.
    Live,
    /// No media any more; its elements are being taken down.
    Closing,
    /// Nothing is left of it.
    Closed,
}

pub(super) type Waiter = Box<dyn FnOnce() + Send>;

pub(super) struct State {
    pub(super) phase: Phase,
    /// Called when the session is closed.
    pub(super) waiters: Vec<Waiter>,
    pub(super) machine: Machine,
    key_frames: KeyFrameGate,
    /// Streaming threads that are adding elements just now.
    pub(super) building: usize,
    /// webrtcbin's pad of the pictures, or of each layer: where a request for a key frame goes.
    pub(super) video: Vec<(Option<usize>, gst::Pad)>,
    pub(super) layers: Layers,
    /// Where all layers go.
    pub(super) line: Option<Arc<Line>>,
}

/// What a session begins with.
pub(super) struct Beginning<'a> {
    pub(super) id: SessionId,
    pub(super) offer: &'a Offer,
    pub(super) accepted: Vec<Accepted>,
    pub(super) peer: Peer,
    pub(super) gate: Arc<Gate>,
    pub(super) tag: [u8; 12],
    pub(super) signals: Option<Signals>,
    pub(super) created: Instant,
}

/// One publisher's session.
pub(crate) struct Publisher {
    id: SessionId,
    pub(super) ingress: Weak<Ingress>,
    accepted: Vec<Accepted>,
    places: Places,
    pub(super) peer: Peer,
    pub(super) gate: Arc<Gate>,
    gathering: Arc<Gathering>,
    /// Who carries its signalling, where that stays open.
    pub(super) signals: Option<Signals>,
    created: Instant,
    pub(super) state: Mutex<State>,
    pub(super) built: Condvar,
    pub(super) key_frames_asked: AtomicU64,
}

impl Publisher {
    /// Puts a pipeline that has not started under watch.
    pub(super) fn new(ingress: &Arc<Ingress>, beginning: Beginning<'_>) -> Arc<Self> {
        let Beginning {
            id,
            offer,
            accepted,
            peer,
            gate,
            tag,
            signals,
            created,
        } = beginning;
        let session = Arc::new(Self {
            id,
            ingress: Arc::downgrade(ingress),
            gathering: Arc::new(Gathering::new(accepted.len())),
            accepted,
            places: Places::of(offer),
            peer,
            gate,
            signals,
            created,
            state: Mutex::new(State {
                phase: Phase::Connecting,
                waiters: Vec::new(),
                machine: Machine::new(offer, tag, DEADLINES, created),
                key_frames: KeyFrameGate::new(KEY_FRAMES),
                building: 0,
                video: Vec::new(),
                layers: Layers::default(),
                line: None,
            }),
            built: Condvar::new(),
            key_frames_asked: AtomicU64::new(0),
        });
        session.watch();
        session
    }

    /// Gives the session's name.
    pub(crate) const fn id(&self) -> &SessionId {
        &self.id
    }

    /// Gives the entity tag of the ICE session.
    pub(super) fn etag(&self) -> String {
        self.state.lock().machine.etag()
    }

    /// Gives who waits until all tracks are known.
    pub(super) const fn gathering(&self) -> &Arc<Gathering> {
        &self.gathering
    }

    fn watch(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        self.gate.on_verdict(move |fits| {
            if let Some(session) = weak.upgrade() {
                session.on_verdict(fits);
            }
        });
        let weak = Arc::downgrade(self);
        self.peer.on_connection(move |state| {
            if let Some(session) = weak.upgrade() {
                session.on_connection_state(state);
            }
        });
        let weak = Arc::downgrade(self);
        self.peer.webrtcbin.connect_pad_added(move |_, pad| {
            if let Some(session) = weak.upgrade() {
                session.on_pad(pad);
            }
        });
    }

    fn on_connection_state(self: &Arc<Self>, state: ConnectionState) {
        tracing::debug!(publisher = %self.id, ?state, "connection");
        match state {
            // The first packet may have asked already.
            ConnectionState::Connected => {
                self.gate
                    .is_open(|| self.peer.is_who_it_said(self.gate.offered()));
            }
            ConnectionState::Failed => self.close(&CloseReason::Failed.of(Role::Publisher)),
            ConnectionState::Closed => self.close(&CloseReason::Left.of(Role::Publisher)),
            // Disconnected may become connected again; the silence is counted.
            ConnectionState::New
            | ConnectionState::Connecting
            | ConnectionState::Disconnected
            | _ => {}
        }
    }

    /// Called once, maybe from a streaming thread.
    fn on_verdict(self: &Arc<Self>, fits: bool) {
        if !fits {
            tracing::warn!(publisher = %self.id, "the certificate is not the one that the offer named");
            // Its handshake may end, so that it knows whom it has met; the gate lets nothing through meanwhile.
            let session = Arc::downgrade(self);
            self.peer.once_handshake_left(move || {
                if let Some(session) = session.upgrade() {
                    session.close(&CloseReason::WrongFingerprint.of(Role::Publisher));
                }
            });
            return;
        }
        {
            let mut state = self.state.lock();
            if state.phase != Phase::Connecting {
                return;
            }
            state.phase = Phase::Live;
            state.machine.on_connected(Instant::now());
        }
        tracing::info!(publisher = %self.id, "publisher is there");
        let weak = Arc::downgrade(self);
        self.peer.on_goodbye(move || {
            if let Some(session) = weak.upgrade() {
                session.close(&CloseReason::Left.of(Role::Publisher));
            }
        });
        if let Some(ingress) = self.ingress.upgrade() {
            ingress.on_verified(self);
        }
    }

    /// A track's packets are about to flow. Called from a streaming thread.
    fn on_pad(self: &Arc<Self>, pad: &gst::Pad) {
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        let pt = peer::payload_type(pad);
        let mut accepted = self.accepted.iter();
        let Some(accepted) = accepted.find(|one| Some(one.pt) == pt) else {
            tracing::warn!(publisher = %self.id, pt, "a pad of no section that was taken");
            return;
        };
        let Some(ingress) = self.ingress.upgrade() else {
            return;
        };
        let (pipeline, codec) = (&self.peer.pipeline, accepted.codec);
        let layered = !accepted.rids.is_empty();
        let layer = layered.then(|| self.state.lock().layers.add(Instant::now()));
        let outlet = ingress.outlet();
        let built = self.while_open(|| unpack::build(pipeline, pad, codec, layer, self, outlet));
        match built {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::error!(publisher = %self.id, error, "a track cannot be taken");
                self.close(&error);
                return;
            }
            None => return,
        }
        if accepted.codec.kind() == Kind::Video {
            {
                let mut state = self.state.lock();
                // A stream that takes the place of another one.
                state.video.retain(|_| layered);
                state.video.push((layer, pad.clone()));
            }
            // What came before this cannot be decoded alone.
            self.want_key_frame(Instant::now());
        }
    }

    /// Runs `build`, which adds elements; not once the session is being closed.
    fn while_open<T>(&self, build: impl FnOnce() -> T) -> Option<T> {
        {
            let mut state = self.state.lock();
            if matches!(state.phase, Phase::Closing | Phase::Closed) {
                return None;
            }
            state.building += 1;
        }
        let built = build();
        self.state.lock().building -= 1;
        self.built.notify_all();
        Some(built)
    }

    /// Takes note that all tracks are known.
    pub(super) fn on_gathered(&self) {
        if let Some(ingress) = self.ingress.upgrade() {
            ingress.on_gathered(self);
        }
    }

    /// Asks for a key frame, at once or as soon as a second has passed since the last request. Does not block.
    pub(super) fn want_key_frame(&self, now: Instant) {
        let at_once = self.state.lock().key_frames.on_request(now);
        if at_once {
            self.ask_for_key_frame();
        }
    }

    /// Takes note of a key frame: whoever waited for one is served.
    pub(super) fn on_key_frame(&self) {
        self.state.lock().key_frames.on_key_frame(Instant::now());
    }

    fn ask_for_key_frame(&self) {
        // Before one of them goes out, all layers are asked.
        let pads = {
            let state = self.state.lock();
            let taken = state.layers.taken();
            let pads = state.video.iter();
            let pads = pads.filter(|(layer, _)| taken.is_none() || *layer == taken);
            pads.map(|(_, pad)| pad.clone()).collect::<Vec<_>>()
        };
        for pad in pads {
            self.key_frames_asked.fetch_add(1, Relaxed);
            ask(pad);
        }
    }

    /// Moves time on. Called by the ticker.
    pub(super) fn on_time(self: &Arc<Self>, now: Instant) {
        let (ask, over) = {
            let mut state = self.state.lock();
            if let Some(heard) = self.gate.heard() {
                state.machine.on_heard(heard);
            }
            (
                state.key_frames.handle_timeout(now),
                state.machine.handle_timeout(now),
            )
        };
        if ask {
            self.ask_for_key_frame();
        }
        if let Some(reason) = over {
            self.close(&reason.of(Role::Publisher));
        }
    }

    /// Takes a PATCH; the session goes on whatever it was.
    ///
    /// # Errors
    ///
    /// 404, 415, 428, 412, 400 and 413 as RFC 9725, 4.3 has them; 422 or 500 for an ICE restart that cannot be done.
    pub(crate) fn patch(
        &self,
        content_type: Option<&str>,
        if_match: Option<&str>,
        body: &str,
    ) -> Result<Patched, Problem> {
        let patch = {
            let state = self.state.lock();
            if matches!(state.phase, Phase::Closing | Phase::Closed) {
                return Err(no_session());
            }
            state.machine.on_patch(content_type, if_match, body)?
        };
        let ingress = self.ingress.upgrade().ok_or_else(no_session)?;
        let transport = ingress.settings().transport;
        self.peer
            .patch(&self.places, &transport, &patch, |fragment| {
                self.state.lock().machine.on_restarted(fragment)
            })
    }

    /// Takes a candidate of the publisher. Does not wait.
    pub(crate) fn add_candidate(&self, mline: u32, candidate: &str) {
        if !matches!(self.state.lock().phase, Phase::Closing | Phase::Closed) {
            self.peer.add_candidate(mline, candidate);
        }
    }

    /// Gives what is known of the publisher.
    pub(crate) fn info(&self) -> PublisherInfo {
        let phase = self.state.lock().phase;
        let counted = self.gate.counted();
        let codec = |kind| {
            let mut codecs = self.accepted.iter().map(|one| one.codec);
            codecs
                .find(|codec| codec.kind() == kind)
                .map(|codec| codec.label())
        };
        PublisherInfo {
            id: self.id.to_string(),
            state: match phase {
                Phase::Connecting => "connecting",
                Phase::Live => "live",
                Phase::Closing | Phase::Closed => "closing",
            },
            since_s: self.created.elapsed().as_secs(),
            codec_video: codec(Kind::Video),
            codec_audio: codec(Kind::Audio),
            bytes_received: counted.bytes,
            packets_received: counted.packets,
            packets_refused: counted.refused,
            packets_inauthentic: self.peer.inauthentic(),
            key_frames_asked: self.key_frames_asked.load(Relaxed),
            layers: self.layers(),
        }
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
