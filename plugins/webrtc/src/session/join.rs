//! From an offer to a session.

use std::sync::Arc;
use std::time::Instant;

use sluice_core::sdp::offer::for_webrtcbin;
use sluice_core::sdp::{OfferedMedia, Repair, with_repairs};
use sluice_core::whep::{Deadlines, Session as Machine};
use sluice_core::whip::MID;
use sluice_core::{Choice, Codec, Kind, Offer, Plan, Problem, SessionId, Track, fit, plan};

use super::build::{self, Built, Section};
use super::{Audience, Beginning, Session};
use crate::fanout::{Again, Class, Lane, Looks, Member, Passed};
use crate::peer::{
    Places, Side, Signals, Time, make_session, our_certificate, random_names, unavailable,
    with_formats,
};
use crate::producer::{Offered, Producer, tracks_of};
use crate::renditions::{Held, render, running};
use crate::transport::FanOut;
use crate::viewers::{Chosen, Joined};

/// Sessions of one producer that may be on their way at a time: each holds a port and six threads, and
/// one that never connects does so for 30 s.
const CONNECTING: usize = 64;

/// What the blocking part needs.
struct Order {
    id: SessionId,
    tag: [u8; 12],
    producer: Arc<Producer>,
    offer: Offer,
    text: String,
    sections: Vec<Section>,
    codecs: Vec<Codec>,
    plan: Vec<(Kind, String)>,
    rendition: Held,
    time: Time,
    signals: Option<Signals>,
    created: Instant,
}

/// Makes a session out of an offer. With `signals`, candidates of ours are not in the answer, but follow it.
///
/// # Errors
///
/// 400 to 422 when the offer is at fault or cannot be served, 503 when this side cannot.
pub(crate) async fn join(
    producer: Arc<Producer>,
    text: &str,
    signals: Option<Signals>,
) -> Result<Joined, Problem> {
    let created = Instant::now();
    let offer = Offer::parse(text)?;
    let offered = tracks(&producer)?;
    let plan = planned(&producer, &offered, &offer);
    if let Some(problem) = plan.refusal(producer.renditions().is_some()) {
        return Err(problem);
    }
    let sentences = sentences(&plan, &offered);
    let (offered, rendition) = render(&producer, offered, &plan).await?;
    let resends = producer.limits().transport.fan_out == FanOut::Auto;
    let (sections, codecs) = sections(&offered, &offer, &plan, resends)?;
    let time = producer
        .time()
        .ok_or_else(|| unavailable("the source is not playing yet"))?;
    let (id, tag) = random_names()?;
    let order = Order {
        id,
        tag,
        producer,
        // mDNS names and TCP would only keep libnice busy.
        text: for_webrtcbin(text),
        offer,
        sections,
        codecs,
        plan: sentences,
        rendition,
        time,
        signals,
        created,
    };
    make_session(
        move || order.run(),
        |session| session.close("the client did not wait for its answer"),
    )
    .await
}

/// Gives the tracks that a further viewer can get.
pub(super) fn tracks(producer: &Producer) -> Result<Vec<Offered>, Problem> {
    let tracks = producer.tracks();
    if tracks.is_empty() {
        return Err(unavailable("the source has sent no pictures or sound yet"));
    }
    let limit = producer.limits().max_viewers as usize;
    if limit > 0 && producer.count() >= limit {
        return Err(unavailable(
            "there are as many viewers as this path may have",
        ));
    }
    crate::load::admit()?;
    if producer.connecting() >= CONNECTING {
        return Err(unavailable(
            "too many viewers are connecting at this moment",
        ));
    }
    Ok(tracks)
}

/// Gives the viewer's lanes in the fan-out.
pub(super) fn lanes(sections: &[Section], built: &Built) -> Vec<Lane> {
    let lanes = sections.iter().zip(&built.pads);
    let lanes = lanes.map(|(section, pad)| Lane {
        track: section.track,
        video: section.video,
        clock_rate: section.clock_rate,
        ssrc: section.ssrc,
        sent: Passed::default(),
        looks: Looks::new(section.class.clone()),
        again: section.again,
        pad: pad.clone(),
        short: built.ways.of(pad),
    });
    lanes.collect()
}

/// Decides what a viewer with this offer gets.
fn planned(producer: &Producer, offered: &[Offered], offer: &Offer) -> Plan {
    let tracks = tracks_of(offered);
    let renditions = producer.renditions();
    let policy = renditions.as_ref().map(|makes| makes.policy());
    let running = renditions.map(|makes| running(&*makes, offered));
    let running = running.unwrap_or_default();
    plan(&tracks, offer, &policy.unwrap_or_default(), &running)
}

pub(super) fn sentences(plan: &Plan, offered: &[Offered]) -> Vec<(Kind, String)> {
    let tracks = tracks_of(offered);
    let of = |kind, choice: &Choice| Some((kind, choice.sentence(&tracks)?));
    let kinds = [of(Kind::Video, &plan.video), of(Kind::Audio, &plan.audio)];
    kinds.into_iter().flatten().collect()
}

/// Says what a viewer with this offer would get: pictures and sound.
///
/// # Errors
///
/// 400 to 422 when the offer is at fault, 503 when the source has sent nothing yet.
pub(crate) fn plan_of(producer: &Producer, text: &str) -> Result<(Chosen, Chosen), Problem> {
    let offer = Offer::parse(text)?;
    let offered = producer.tracks();
    if offered.is_empty() {
        return Err(unavailable("the source has sent no pictures or sound yet"));
    }
    let plan = planned(producer, &offered, &offer);
    let tracks = tracks_of(&offered);
    let chosen = |choice: &Choice| Chosen {
        choice: choice.name(),
        codec: match choice {
            Choice::PassThrough { track, .. } => {
                tracks.get(*track).map(|track| track.codec.label())
            }
            Choice::Transcode { to, .. } => Some(to.label()),
            Choice::Refuse { .. } | Choice::Absent => None,
        },
        running: matches!(choice, Choice::Transcode { running: true, .. }),
        sentence: choice.sentence(&tracks),
    };
    Ok((chosen(&plan.video), chosen(&plan.audio)))
}

/// Decides which track goes into which section of the offer. A rendition stands in the place of the track that it was made of.
fn sections(
    offered: &[Offered],
    offer: &Offer,
    plan: &Plan,
    resends: bool,
) -> Result<(Vec<Section>, Vec<Codec>), Problem> {
    let mut sections = Vec::new();
    let mut codecs = Vec::new();
    for (kind, choice) in [(Kind::Video, &plan.video), (Kind::Audio, &plan.audio)] {
        let (Choice::PassThrough { track, .. } | Choice::Transcode { track, .. }) = choice else {
            continue;
        };
        let media = offer
            .media_of(kind)
            .and_then(|media| Some((offer.index_of(&media.mid)?, media)));
        if let (Some((mline, media)), Some(offered)) = (media, offered.get(*track)) {
            let (pt, rtx) = fit(&offered.track, offer).ok_or_else(|| unfit(&offered.track))?;
            codecs.push(offered.track.codec);
            let again = rtx.filter(|_| resends).map(|payload_type| Again {
                payload_type,
                // Streams' numbers are random: no other one is its neighbour.
                ssrc: offered.ssrc ^ 1,
            });
            let section = section(mline, media, offered, pt);
            sections.extend(section.map(|section| Section { again, ..section }));
        }
    }
    sections.sort_by_key(|section| section.mline);
    Ok((sections, codecs))
}

/// The track became another one while the viewer waited for it.
fn unfit(track: &Track) -> Problem {
    let detail = track.detail();
    unavailable(&format!(
        "the pictures are {} ({detail}) by now, which this offer does not take; offer anew",
        track.codec
    ))
}

fn section(mline: usize, media: &OfferedMedia, offered: &Offered, pt: u8) -> Option<Section> {
    let codec = offered.track.codec;
    let mut codecs = media.codecs.iter();
    Some(Section {
        mline,
        track: offered.id,
        video: codec.kind() == Kind::Video,
        encoding_name: codec.encoding_name()?,
        clock_rate: codec.clock_rate(),
        channels: None,
        ssrc: offered.ssrc,
        nack: true,
        again: None,
        fmtp: codecs
            .find(|codec| codec.pt == pt)
            .map(|codec| codec.fmtp.clone())
            .unwrap_or_default(),
        class: Class {
            payload_type: pt,
            mid: media.short_extension(MID).map(|id| (id, media.mid.clone())),
        },
    })
}

impl Order {
    /// What webrtcbin's answer does not say of retransmissions, because it does not do them.
    fn repairs(&self) -> Vec<Repair> {
        let ours = self.sections.iter().filter_map(|section| {
            let again = section.again?;
            Some(Repair {
                payload_type: section.class.payload_type,
                rtx: again.payload_type,
                clock_rate: section.clock_rate,
                ssrc: section.ssrc,
                rtx_ssrc: again.ssrc,
            })
        });
        ours.collect()
    }

    /// Builds, negotiates, and lets the session live. Blocks.
    fn run(self) -> Result<(Arc<Session>, Joined), Problem> {
        let failed = |error: String| {
            tracing::error!(viewer = %self.id, error, "no session");
            unavailable("the session could not be built; see the gateway's log")
        };
        let certificate = our_certificate().map_err(failed)?;
        let transport = self.producer.limits().transport;
        let side = Side::Answers {
            peer_is_lite: self.offer.lite,
        };
        let built = build::build(&self.time, &transport, side, certificate, &self.sections)
            .map_err(failed)?;
        let lanes = lanes(&self.sections, &built);
        let beginning = Beginning {
            audience: Audience::Viewer,
            member: Member::new(self.id.clone(), lanes),
            built,
            codecs: self.codecs.clone(),
            plan: self.plan.clone(),
            rendition: self.rendition.clone(),
            machine: Machine::new(&self.offer, self.tag, Deadlines::default(), self.created),
            places: Places::of(&self.offer),
            certificate: Some(self.offer.fingerprint.clone()),
            invited: Vec::new(),
            signals: self.signals.clone(),
            wants_pictures: self.offer.media_of(Kind::Video).is_some()
                && !self.sections.iter().any(|section| section.video),
            created: self.created,
        };
        // In the list before the answer is known to anyone: it may connect before the reply is read.
        let session = Session::new(&self.producer, beginning);
        self.producer.add_session(&session);
        let (peer, setup) = (&session.peer, self.offer.setup);
        let answer = match &self.signals {
            Some(signals) => {
                peer.tell_candidates(&transport, signals);
                peer.answer_trickling(&self.text, setup, certificate, &transport)
            }
            None => peer.answer(&self.text, setup, certificate, &transport),
        };
        let answer = answer
            .map_err(failed)
            .inspect_err(|_problem| session.close("it could not be answered"))?;
        let formats = self.sections.iter();
        let formats = formats.filter(|section| matches!(section.encoding_name, "H264" | "H265"));
        let formats: Vec<_> = formats
            .map(|section| (section.class.payload_type, section.fmtp.as_str()))
            .collect();
        let joined = Joined {
            id: self.id.clone(),
            answer: with_formats(&with_repairs(&answer, &self.repairs()), &formats),
            etag: session.etag(),
            link: Vec::new(),
        };
        Ok((session, joined))
    }
}
