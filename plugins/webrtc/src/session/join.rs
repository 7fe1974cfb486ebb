//! From an offer to a session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::interim::plan::{Choice, plan};
use super::interim::sdp::{AnswerEdit, Offer, OfferedMedia, finish};
use sluice_core::{Codec, Kind, Problem, SessionId, Track};

use super::build::{self, Section, TWCC, Time};
use super::trickle::Trickle;
use super::{Session, certificate, negotiate};
use crate::fanout::{Class, Lane, Member};
use crate::producer::{Offered, Producer};
use crate::viewers::Joined;
use crate::worker;

/// URI of the header extension that names the section of a packet (RFC 8843, 15.1).
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// What the blocking part needs.
struct Order {
    id: SessionId,
    producer: Arc<Producer>,
    offer: Offer,
    text: String,
    sections: Vec<Section>,
    codecs: Vec<Codec>,
    time: Time,
    created: Instant,
}

/// Makes a session out of an offer.
///
/// # Errors
///
/// 400 to 422 when the offer is at fault or cannot be served, 503 when this side cannot.
pub(crate) async fn join(producer: Arc<Producer>, text: &str) -> Result<Joined, Problem> {
    let created = Instant::now();
    let offer = Offer::parse(text).map_err(|error| Problem::new(error.status, error.sentence))?;
    let tracks = producer.tracks();
    if tracks.is_empty() {
        return Err(unavailable("The source has no tracks yet."));
    }
    let limit = producer.limits().max_viewers as usize;
    if limit > 0 && producer.count() >= limit {
        return Err(unavailable("There are as many viewers as are allowed."));
    }
    let (sections, codecs) = sections(&tracks, &offer)?;
    let (clock, base_time) = producer
        .time()
        .ok_or_else(|| unavailable("The source is not playing yet."))?;
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|_error| unavailable("There is no randomness."))?;
    let order = Order {
        id: SessionId::from_random(bits),
        producer,
        offer,
        text: text.to_owned(),
        sections,
        codecs,
        time: Time { clock, base_time },
        created,
    };
    let (reply, made) = tokio::sync::oneshot::channel();
    worker::run(move || {
        let made = order.run();
        if let Err(Ok((session, _))) = reply.send(made) {
            session.close("the client did not wait for its answer");
        }
    });
    let (_session, joined) = made
        .await
        .map_err(|_panicked| Problem::new(500, "The session could not be built."))??;
    Ok(joined)
}

fn unavailable(sentence: &str) -> Problem {
    Problem::new(503, sentence).retry_after(Duration::from_secs(2))
}

/// Decides which track goes into which section of the offer.
fn sections(
    offered: &[Offered],
    offer: &Offer,
) -> Result<(Vec<Section>, Vec<Codec>), Problem> {
    let tracks: Vec<Track> = offered.iter().map(|track| track.track.clone()).collect();
    let plan = plan(&tracks, offer);
    if let Some(problem) = plan.refusal() {
        return Err(problem);
    }
    let mut sections = Vec::new();
    let mut codecs = Vec::new();
    for (kind, choice) in [(Kind::Video, &plan.video), (Kind::Audio, &plan.audio)] {
        let Choice::PassThrough { track, pt, .. } = choice else {
            continue;
        };
        let media = offer
            .media
            .iter()
            .enumerate()
            .find(|(_, media)| media.kind == Some(kind) && !media.port_zero);
        if let (Some((mline, media)), Some(offered)) = (media, offered.get(*track)) {
            codecs.push(offered.track.codec);
            sections.extend(section(mline, media, offered, *pt));
        }
    }
    if sections.is_empty() {
        return Err(Problem::new(
            422,
            "Nothing of the source fits into this offer.",
        ));
    }
    sections.sort_by_key(|section| section.mline);
    Ok((sections, codecs))
}

fn section(mline: usize, media: &OfferedMedia, offered: &Offered, pt: u8) -> Option<Section> {
    let codec = offered.track.codec;
    let extension = |uri: &str| {
        let mut extmap = media.extmap.iter();
        extmap.find(|(_, known)| known == uri).map(|(id, _)| *id)
    };
    Some(Section {
        mline,
        track: offered.id,
        video: codec.kind() == Kind::Video,
        encoding_name: codec.encoding_name()?,
        clock_rate: codec.clock_rate(),
        ssrc: offered.ssrc,
        class: Class {
            payload_type: pt,
            mid: extension(MID).map(|id| (id, media.mid.clone())),
            twcc: extension(TWCC),
        },
    })
}

impl Order {
    /// Builds, negotiates, and lets the session live. Blocks.
    fn run(self) -> Result<(Arc<Session>, Joined), Problem> {
        let failed = |error: String| {
            tracing::error!(viewer = %self.id, error, "no session");
            unavailable("The session could not be built; see the gateway's log.")
        };
        let certificate = certificate::ours().map_err(failed)?;
        let transport = self.producer.limits().transport;
        let built = build::build(&self.time, &transport, certificate, &self.sections)
            .map_err(failed)?;
        let lanes = self.sections.iter().zip(&built.pads);
        let lanes = lanes
            .map(|(section, pad)| Lane {
                track: section.track,
                video: section.video,
                clock_rate: section.clock_rate,
                class: section.class.clone(),
                pad: pad.clone(),
            })
            .collect();
        let member = Member::new(self.id.clone(), lanes);
        let trickle = Trickle::new(&self.offer, self.created);
        let etag = trickle.etag();
        // In the list before the answer is known to anyone: it may connect before the reply is read.
        let session = Session::new(
            self.id.clone(),
            &self.producer,
            built,
            member,
            self.codecs.clone(),
            self.offer.fingerprint.clone(),
            trickle,
            self.created,
        );
        self.producer.add_session(&session);
        let answer = negotiate::answer(&session.webrtcbin, &self.text)
            .map_err(failed)
            .inspect_err(|_problem| session.close("it could not be answered"))?;
        let edit = AnswerEdit {
            fingerprint: certificate.fingerprint,
            ..AnswerEdit::default()
        };
        let joined = Joined {
            id: self.id.clone(),
            answer: finish(&answer, &edit),
            etag,
            link: Vec::new(),
        };
        Ok((session, joined))
    }
}
