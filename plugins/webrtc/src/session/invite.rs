//! A session in which we offer, and the viewer answers.

use std::sync::Arc;
use std::time::Instant;

use sluice_core::sdp::{Part, Reply};
use sluice_core::whep::{Deadlines, Session as Machine};
use sluice_core::{Kind, Problem, SessionId, invitation};

use super::build::{self, Section};
use super::join::{lanes, sentences, tracks};
use super::{Audience, Beginning, Phase, Session};
use crate::fanout::{Class, Member};
use crate::peer::{
    Places, Side, Signals, Time, make_session, our_certificate, random_names, unavailable,
};
use crate::producer::{Offered, Producer, tracks_of};
use crate::renditions::{Held, for_anyone, render};
use crate::viewers::{Invited, no_session};

/// What the blocking part needs.
struct Order {
    id: SessionId,
    tag: [u8; 12],
    producer: Arc<Producer>,
    parts: Vec<Part>,
    sections: Vec<Section>,
    plan: Vec<(Kind, String)>,
    rendition: Held,
    time: Time,
    signals: Signals,
    created: Instant,
}

/// Makes a session and offers it: each kind's best track, as it is.
///
/// # Errors
///
/// 422 when the path has nothing that can be offered, 503 when this side cannot.
pub(crate) async fn invite(producer: Arc<Producer>, signals: Signals) -> Result<Invited, Problem> {
    let created = Instant::now();
    let offered = tracks(&producer)?;
    let plan = for_anyone(&producer, &offered);
    let sentences = plan
        .as_ref()
        .map(|plan| sentences(plan, &offered))
        .unwrap_or_default();
    let (offered, rendition) = match plan {
        Some(plan) => render(&producer, offered, &plan).await?,
        None => (offered, None),
    };
    let parts = invitation(&tracks_of(&offered))?;
    let numbered = parts.iter().enumerate();
    let sections = numbered.filter_map(|(mline, part)| section(mline, part, &offered));
    let time = producer
        .time()
        .ok_or_else(|| unavailable("the source is not playing yet"))?;
    let (id, tag) = random_names()?;
    let order = Order {
        id,
        tag,
        sections: sections.collect(),
        parts,
        plan: sentences,
        rendition,
        producer,
        time,
        signals,
        created,
    };
    make_session(
        move || order.run(),
        |session| session.close("the viewer did not wait for its offer"),
    )
    .await
}

/// Gives what webrtcbin needs for one part of our offer.
pub(super) fn section(mline: usize, part: &Part, offered: &[Offered]) -> Option<Section> {
    let offered = offered.get(part.track)?;
    let video = part.kind() == Kind::Video;
    Some(Section {
        mline,
        track: offered.id,
        video,
        encoding_name: part.codec.encoding_name()?,
        clock_rate: part.codec.clock_rate(),
        channels: part.channels(),
        ssrc: offered.ssrc,
        // webrtcbin offers RTX with it, and Chromium takes no sound with a second SSRC: it refuses the offer.
        nack: video,
        again: None,
        fmtp: part.fmtp.clone(),
        // No header extensions: the payload types are ours and tell the sections apart.
        class: Class {
            payload_type: part.pt,
            mid: None,
        },
    })
}

impl Order {
    /// Builds, offers, and lets the session live. Blocks.
    fn run(self) -> Result<(Arc<Session>, Invited), Problem> {
        let failed = |error: String| {
            tracing::error!(viewer = %self.id, error, "no session");
            unavailable("the session could not be built; see the gateway's log")
        };
        let certificate = our_certificate().map_err(failed)?;
        let transport = self.producer.limits().transport;
        let built = build::build(
            &self.time,
            &transport,
            Side::Offers,
            certificate,
            &self.sections,
        )
        .map_err(failed)?;
        let beginning = Beginning {
            audience: Audience::Viewer,
            member: Member::new(self.id.clone(), lanes(&self.sections, &built)),
            built,
            codecs: self.parts.iter().map(|part| part.codec).collect(),
            plan: self.plan.clone(),
            rendition: self.rendition.clone(),
            machine: Machine::invited(self.tag, Deadlines::default(), self.created),
            places: Places {
                mids: Vec::new(),
                transport: 0,
            },
            certificate: None,
            invited: self.parts.clone(),
            signals: Some(self.signals.clone()),
            // It has not said what it takes, and may not come again.
            wants_pictures: false,
            created: self.created,
        };
        let session = Session::new(&self.producer, beginning);
        self.producer.add_session(&session);
        session.peer.tell_candidates(&transport, &self.signals);
        let offer = session
            .peer
            .offer(&self.parts, certificate, &transport)
            .map_err(failed)
            .inspect_err(|_problem| session.close("it could not be offered"))?;
        let id = self.id.clone();
        Ok((session, Invited { id, offer }))
    }
}

impl Session {
    /// Takes the answer to our offer. Blocks for some milliseconds. A session whose answer cannot be taken is
    /// closed.
    ///
    /// # Errors
    ///
    /// 400 to 422 when the answer is at fault or takes not all that was offered, 404 when the session is over,
    /// 503 when this side cannot.
    pub(crate) fn accept(self: &Arc<Self>, answer: &str) -> Result<(), Problem> {
        self.agree(answer).inspect_err(|problem| {
            let detail = &problem.detail;
            self.close(&format!("its answer could not be taken: {detail}"));
        })
    }

    fn agree(&self, answer: &str) -> Result<(), Problem> {
        if matches!(self.state.lock().phase, Phase::Closing | Phase::Closed) {
            return Err(no_session());
        }
        let reply = Reply::parse(answer, &self.invited)?;
        // Before webrtcbin knows where the viewer is: it must not be connected without having been looked at.
        if self.certificate.set(reply.fingerprint).is_err() {
            let sentence = "this session has its answer already";
            return Err(Problem::new(409, sentence));
        }
        self.peer.accept(answer).map_err(|error| {
            tracing::error!(viewer = %self.id, error, "the answer was not taken");
            unavailable("the answer could not be taken; see the gateway's log")
        })
    }

    /// Takes a candidate of the viewer. Does not wait.
    pub(crate) fn add_candidate(&self, mline: u32, candidate: &str) {
        if !matches!(self.state.lock().phase, Phase::Closing | Phase::Closed) {
            self.peer.add_candidate(mline, candidate);
        }
    }
}
