//! A session in which we offer, and another server answers: it gets what viewers get, from the same packets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_core::relay::Answer;
use sluice_core::sdp::Part;
use sluice_core::whep::{Deadlines, Session as Machine};

use super::build;
use super::invite::section;
use super::join::lanes;
use super::{Audience, Beginning, Phase, Session};
use crate::fanout::Member;
use crate::peer::{Places, Side, Signals, our_certificate, random_names};
use crate::producer::{Offered, Producer};
use crate::transport::Transport;

/// What is offered to a server.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// One of each kind at most.
    pub(crate) tracks: Vec<Offered>,
    /// How they are offered, in the same order.
    pub(crate) parts: Vec<Part>,
}

/// A server that takes media reports on them every few seconds. Silence this long means that it is gone.
const SILENCE: Duration = Duration::from_secs(15);

/// Makes a session and its offer, with all candidates. Blocks until they are gathered, some seconds at most; `signals`
/// are told the end.
///
/// # Errors
///
/// What this side cannot, for the log.
pub(crate) fn push(
    producer: &Arc<Producer>,
    outgoing: &Outgoing,
    transport: &Transport,
    connect: Duration,
    signals: Signals,
) -> Result<(Arc<Session>, String), String> {
    let created = Instant::now();
    let time = producer.time().ok_or("the source is not playing yet")?;
    let (id, tag) = random_names().map_err(|problem| problem.detail)?;
    let parts = outgoing.parts.iter().enumerate();
    let sections: Vec<_> = parts
        .filter_map(|(mline, part)| section(mline, part, &outgoing.tracks))
        .collect();
    let certificate = our_certificate()?;
    let built = build::build(&time, transport, Side::Offers, certificate, &sections)?;
    let deadlines = Deadlines {
        connect,
        silence: SILENCE,
    };
    let beginning = Beginning {
        audience: Audience::Target,
        member: Member::new(id, lanes(&sections, &built)),
        built,
        codecs: outgoing.parts.iter().map(|part| part.codec).collect(),
        plan: Vec::new(),
        rendition: None,
        machine: Machine::invited(tag, deadlines, created),
        places: Places {
            mids: Vec::new(),
            transport: 0,
        },
        certificate: None,
        invited: outgoing.parts.clone(),
        signals: Some(signals),
        // The pusher begins anew by itself when there are other tracks.
        wants_pictures: false,
        created,
    };
    let session = Session::new(producer, beginning);
    producer.add_session(&session);
    let offer = session
        .peer
        .offer_whole(&outgoing.parts, certificate, transport)
        .inspect_err(|_error| session.close("it could not be offered"))?;
    Ok((session, offer))
}

impl Session {
    /// Takes a server's answer, which was checked. Blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// What webrtcbin does not like about it, for the log.
    pub(crate) fn take_answer(&self, answer: &Answer) -> Result<(), String> {
        // Before webrtcbin knows where the server is: it must not be connected without having been looked at.
        if self.certificate.set(answer.fingerprint.clone()).is_err() {
            return Err("the session has its answer already".to_owned());
        }
        self.peer.accept(&answer.text)
    }

    /// Says whether media may flow.
    pub(crate) fn is_verified(&self) -> bool {
        matches!(
            self.state.lock().phase,
            Phase::Verified | Phase::Playing { .. }
        )
    }

    /// Gives the packets that were sent, and the bytes of their RTP payload.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.member.sent.packets(), self.member.sent.bytes())
    }
}
