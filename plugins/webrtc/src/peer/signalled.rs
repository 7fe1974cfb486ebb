//! What a session has in addition whose signalling stays open: it may offer itself, and candidates go both ways
//! while ICE is at work (RFC 8838).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use gst::prelude::*;
use sluice_core::sdp::invitation::completed;
use sluice_core::sdp::offer::for_webrtcbin;
use sluice_core::sdp::{AnswerEdit, Handshake, Part, Setup, tellable};
use sluice_core::{Candidate, Fingerprint};

use super::{Certificate, Peer, negotiate};
use crate::transport::Transport;

/// Candidates of ours that are told: more than a machine with many addresses has.
const MOST_CANDIDATES: u32 = 100;

/// What a session tells the one who carries its signalling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A candidate of ours.
    Candidate {
        /// Which section it is for.
        mline: u32,
        /// As `candidate:…`.
        candidate: String,
    },
    /// The session is over.
    Ended {
        /// In words.
        why: String,
    },
}

/// Where a session's signals go. Called from any thread; must not block.
#[derive(Clone)]
pub struct Signals(Arc<dyn Fn(Signal) + Send + Sync>);

impl Signals {
    /// Makes it of what is to be done with each.
    pub fn new(act: impl Fn(Signal) + Send + Sync + 'static) -> Self {
        Self(Arc::new(act))
    }

    /// Tells one.
    pub(crate) fn tell(&self, signal: Signal) {
        (self.0)(signal);
    }
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signals")
    }
}

impl Peer {
    /// Offers what its pads carry; candidates follow by themselves. Blocks, for about ten milliseconds.
    pub(crate) fn offer(
        &self,
        parts: &[Part],
        certificate: &Certificate,
        transport: &Transport,
    ) -> Result<String, String> {
        let offer = negotiate::offer(&self.webrtcbin)?;
        let edit = self.trickling(Handshake::Open, Some(certificate), transport);
        Ok(sluice_core::sdp::finish(&completed(&offer, parts), &edit))
    }

    /// Offers what its pads carry, with all candidates. Blocks until they are gathered, some seconds at most.
    pub(crate) fn offer_whole(
        &self,
        parts: &[Part],
        certificate: &Certificate,
        transport: &Transport,
    ) -> Result<String, String> {
        let offer = negotiate::offer_whole(&self.webrtcbin)?;
        let fingerprint = Some(Fingerprint::sha256(certificate.fingerprint));
        let edit = self.edit(Handshake::Open, fingerprint, transport);
        Ok(sluice_core::sdp::finish(&completed(&offer, parts), &edit))
    }

    /// Takes the answer to our offer. Blocks for some milliseconds.
    pub(crate) fn accept(&self, answer: &str) -> Result<(), String> {
        negotiate::accept(&self.webrtcbin, &for_webrtcbin(answer))
    }

    /// Answers an offer at once; candidates follow by themselves. Blocks, for about ten milliseconds.
    pub(crate) fn answer_trickling(
        &self,
        offer: &str,
        setup: Setup,
        certificate: &Certificate,
        transport: &Transport,
    ) -> Result<String, String> {
        let handshake = setup.into();
        let answer = negotiate::answer_trickling(&self.webrtcbin, offer, handshake)?;
        let edit = self.trickling(handshake, Some(certificate), transport);
        Ok(sluice_core::sdp::finish(&answer, &edit))
    }

    /// Tells our candidates as they are found. To be called before there are any.
    pub(crate) fn tell_candidates(&self, transport: &Transport, signals: &Signals) {
        let edit = self.trickling(Handshake::Theirs, None, transport);
        let signals = signals.clone();
        let told = AtomicU32::new(0);
        self.webrtcbin
            .connect("on-ice-candidate", false, move |values| {
                let mline = values.get(1)?.get::<u32>().ok()?;
                let candidate = values.get(2)?.get::<Option<String>>().ok()??;
                for candidate in tellable(&candidate, &edit) {
                    if told.fetch_add(1, Relaxed) < MOST_CANDIDATES {
                        signals.tell(Signal::Candidate { mline, candidate });
                    }
                }
                None
            });
    }

    /// Says how descriptions are mended whose candidates follow by themselves.
    fn trickling(
        &self,
        handshake: Handshake,
        certificate: Option<&Certificate>,
        transport: &Transport,
    ) -> AnswerEdit {
        let fingerprint = certificate.map(|ours| Fingerprint::sha256(ours.fingerprint));
        AnswerEdit {
            trickles: true,
            ..self.edit(handshake, fingerprint, transport)
        }
    }

    /// Takes a candidate of the peer, if it is a place that we may send to. Does not wait.
    pub(crate) fn add_candidate(&self, mline: u32, text: &str) {
        let candidate = Candidate::parse(text).filter(Candidate::usable);
        if let Some(candidate) = candidate {
            self.webrtcbin
                .emit_by_name::<()>("add-ice-candidate", &[&mline, &candidate.to_string()]);
        }
    }
}
