//! One attempt: an offer to the server, its answer, and what becomes of the connection.

use std::sync::Arc;

use gst::prelude::*;
use gst_webrtc::{
    WebRTCPeerConnectionState as ConnectionState, WebRTCRTPTransceiver,
    WebRTCRTPTransceiverDirection,
};
use sluice_core::relay::{Direction, Refusal, check_answer, finish_offer};
use sluice_core::sdp::offer::for_webrtcbin;
use sluice_core::{Failure, Fingerprint, Kind};

use super::gate::{Gate, guard};
use super::settings::Settings;
use crate::peer::{self, our_certificate};
use crate::relay::{Client, Remote};

/// A format that is asked for: payload type (ours to choose), encoding name, clock rate.
type Wanted = (u8, &'static str, i32);

/// What is asked for: formats by kind, the ones that most viewers play first.
const WANTED: &[(Kind, &[Wanted])] = &[
    (
        Kind::Video,
        &[
            (96, "H264", 90_000),
            (98, "VP8", 90_000),
            (100, "VP9", 90_000),
            (102, "AV1", 90_000),
        ],
    ),
    (
        Kind::Audio,
        &[
            (111, "OPUS", 48_000),
            (0, "PCMU", 8_000),
            (8, "PCMA", 8_000),
        ],
    ),
];

/// What an attempt comes to.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// The server answered; so many tracks will come.
    Answered { tracks: usize },
    /// There is no session.
    Refused(Refusal),
    /// There was one; a sentence says what happened.
    Lost(String),
}

type Tell = Arc<dyn Fn(Told) + Send + Sync>;

/// A session that is asked for, or runs.
pub(super) struct Session {
    pub(super) webrtcbin: gst::Element,
    settings: Settings,
    gate: Arc<Gate>,
    remote: Arc<Remote>,
    tell: Tell,
}

impl Session {
    /// Makes the element that media come out of; nothing is asked yet. What comes of it goes to `tell`, from threads of
    /// GStreamer: it must not block.
    pub(super) fn new(
        settings: Settings,
        tell: impl Fn(Told) + Send + Sync + 'static,
    ) -> Result<Arc<Self>, String> {
        let certificate = our_certificate()?;
        let latency_ms = settings.latency_ms.max(peer::LEAST_LATENCY_MS);
        let webrtcbin = peer::make_webrtcbin(&settings.transport(), None, certificate, latency_ms)?;
        let session = Arc::new(Self {
            webrtcbin,
            settings,
            gate: Arc::default(),
            remote: Arc::default(),
            tell: Arc::new(tell),
        });
        let gate = session.gate.clone();
        peer::on_inner_element(&session.webrtcbin, move |element, factory| {
            if factory == "dtlssrtpdec" {
                peer::rtcp::watch_entry(element);
                guard(&gate, element);
            }
        });
        session.watch_connection();
        Ok(session)
    }

    /// Asks the server, on a thread of its own: it may take its time. To be called once webrtcbin is started.
    pub(super) fn ask(self: &Arc<Self>) {
        let session = self.clone();
        let spawned = std::thread::Builder::new()
            .name("sluice-pull".to_owned())
            .spawn(move || {
                if let Err(refusal) = session.negotiate() {
                    session.tell(Told::Refused(refusal));
                }
            });
        if let Err(error) = spawned {
            let reason = format!("The system gives no thread for a session: {error}.");
            self.tell(Told::Refused(Refusal::new(Failure::Lost, reason)));
        }
    }

    /// Ends the session at the server. Blocks for a request, one second at most. Nothing is told afterwards.
    pub(super) fn hang_up(&self) {
        self.gate.shut();
        self.remote.end();
    }

    fn tell(&self, told: Told) {
        if !self.remote.is_over() {
            (self.tell)(told);
        }
    }

    fn negotiate(&self) -> Result<(), Refusal> {
        let direction = Direction::Pull;
        let fingerprint = our_certificate().map_err(|error| not_built(&error))?;
        let fingerprint = Fingerprint::sha256(fingerprint.fingerprint);
        for (kind, formats) in WANTED {
            want(&self.webrtcbin, *kind, formats);
        }
        let offer = peer::offer_whole(&self.webrtcbin).map_err(|error| not_built(&error))?;
        // And no section of a bundle says that it is refused, as webrtcbin has it.
        let offer = for_webrtcbin(&offer);
        let offer = finish_offer(&offer, direction, &fingerprint);
        let endpoint = self
            .settings
            .endpoint()
            .map_err(|what| Refusal::new(Failure::NotFound, what))?;
        let ca_file = self.settings.ca_file.as_deref();
        let client = Client::new(direction, ca_file, self.settings.timeout)?;
        let created = client.post(&endpoint, &offer)?;
        if !self.remote.made(client, created.session) {
            return Ok(());
        }
        let answer = check_answer(&offer, &created.answer, direction).map_err(|what| {
            let subject = direction.subject();
            Refusal::new(Failure::NotFound, format!("{subject} {what}."))
        })?;
        tracing::debug!(codecs = answer.codecs.join(", "), "answered");
        // Before webrtcbin knows where the server is: nothing may come that was not looked at.
        self.gate.expect(answer.fingerprint);
        let tracks = answer.codecs.len();
        self.tell(Told::Answered { tracks });
        peer::accept(&self.webrtcbin, &answer.text).map_err(|error| not_built(&error))
    }

    fn watch_connection(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        self.webrtcbin
            .connect_notify(Some("connection-state"), move |webrtcbin, _| {
                if let Some(session) = weak.upgrade() {
                    session.on_connection(webrtcbin.property("connection-state"));
                }
            });
    }

    fn on_connection(self: &Arc<Self>, state: ConnectionState) {
        if state == ConnectionState::Failed {
            self.lose("is not reached with media (ICE or DTLS failed); are its UDP ports open?");
        }
        if state != ConnectionState::Connected {
            return;
        }
        let bin = self.webrtcbin.downcast_ref::<gst::Bin>();
        let decoder = bin.and_then(|bin| peer::find(bin, "dtlssrtpdec"));
        if !decoder.is_some_and(|decoder| self.gate.check(&decoder)) {
            self.gate.shut();
            self.lose("showed another certificate than its answer named; the connection was ended");
            return;
        }
        let weak = Arc::downgrade(self);
        peer::on_goodbye(&self.webrtcbin, move || {
            if let Some(session) = weak.upgrade() {
                session.lose("ended the session");
            }
        });
    }

    /// Tells of the end, in a sentence about the server.
    fn lose(&self, what: &str) {
        let subject = Direction::Pull.subject();
        self.tell(Told::Lost(format!("{subject} {what}.")));
    }
}

/// Asks for one kind, in any of these formats.
fn want(webrtcbin: &gst::Element, kind: Kind, formats: &[Wanted]) {
    let mut caps = gst::Caps::builder_full();
    for (payload, name, clock_rate) in formats {
        let format = gst::Structure::builder("application/x-rtp")
            .field("media", kind.label())
            .field("encoding-name", *name)
            .field("payload", i32::from(*payload))
            .field("clock-rate", *clock_rate)
            // RFC 7587, 7: always two channels, whatever is in them.
            .field_if("encoding-params", "2", *name == "OPUS");
        caps = caps.structure(format.build());
    }
    let transceiver = webrtcbin.emit_by_name::<WebRTCRTPTransceiver>(
        "add-transceiver",
        &[&WebRTCRTPTransceiverDirection::Recvonly, &caps.build()],
    );
    // Off by default (F4).
    transceiver.set_property("do-nack", true);
}

fn not_built(error: &str) -> Refusal {
    tracing::error!(error, "no session to pull with");
    let reason = "The session could not be built; see the log.";
    Refusal::new(Failure::Lost, reason)
}
