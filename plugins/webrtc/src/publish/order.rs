//! From a publisher's offer to its session.

use std::sync::Arc;
use std::time::Instant;

use gst::prelude::*;
use gst_webrtc::{WebRTCRTPTransceiver, WebRTCRTPTransceiverDirection};
use sluice_core::sdp::Role;
use sluice_core::whip::{Accepted, accept, reduced, with_layers};
use sluice_core::{Codec, Offer, Problem, SessionId};

use super::gate::Gate;
use super::session::{Beginning, Publisher};
use super::{Ingress, Settings};
use crate::peer::{
    Peer, Side, Signals, Time, make_session, our_certificate, random_names, unavailable,
    with_formats,
};
use crate::viewers::Joined;

/// What the blocking part needs.
struct Order {
    id: SessionId,
    tag: [u8; 12],
    ingress: Arc<Ingress>,
    settings: Settings,
    offer: Offer,
    accepted: Vec<Accepted>,
    text: String,
    time: Time,
    signals: Option<Signals>,
    created: Instant,
}

/// Makes a session out of a publisher's offer. With `signals`, candidates of ours are not in the answer, but
/// follow it.
///
/// # Errors
///
/// 400 to 422 when the offer is at fault, 409 when there is a publisher and the policy refuses a second one,
/// 503 when this side cannot.
pub(crate) async fn publish(
    ingress: Arc<Ingress>,
    text: &str,
    signals: Option<Signals>,
) -> Result<Joined, Problem> {
    let created = Instant::now();
    let offer = Offer::parse_as(Role::Publisher, text)?;
    let accepted = accept(&offer)?;
    let time = ingress
        .time()
        .ok_or_else(|| unavailable("this path is not playing yet"))?;
    let (id, tag) = random_names()?;
    ingress.admit(&id)?;
    let order = Order {
        id,
        tag,
        settings: ingress.settings(),
        ingress,
        text: reduced(text, &accepted),
        offer,
        accepted,
        time,
        signals,
        created,
    };
    make_session(
        move || order.run(),
        |session| session.close("it did not wait for its answer"),
    )
    .await
}

impl Order {
    /// Builds, negotiates, and lets the session live. Blocks.
    fn run(self) -> Result<(Arc<Publisher>, Joined), Problem> {
        let ingress = self.ingress.clone();
        let id = self.id.clone();
        // A session that is in the list goes through its own close; this is for what never got there.
        self.build().inspect_err(|_problem| ingress.dismiss(&id))
    }

    fn build(self) -> Result<(Arc<Publisher>, Joined), Problem> {
        let id = self.id.clone();
        let failed = |error: String| {
            tracing::error!(publisher = %id, error, "no session");
            unavailable("the session could not be built; see the gateway's log")
        };
        let certificate = our_certificate().map_err(failed)?;
        let transport = self.settings.transport.clone();
        let peer = Peer::new(
            &self.time,
            &transport,
            Side::Answers {
                peer_is_lite: self.offer.lite,
            },
            certificate,
            self.settings.latency_ms,
        )
        .map_err(failed)?;
        let gate = Gate::new(self.offer.fingerprint.clone(), &self.accepted);
        let guarded = gate.clone();
        peer.on_inner_element(move |element, factory| {
            if factory == "dtlssrtpdec" {
                guarded.guard(element);
            }
        });
        let session = Publisher::new(
            &self.ingress,
            Beginning {
                id: self.id.clone(),
                offer: &self.offer,
                accepted: self.accepted.clone(),
                peer,
                gate,
                tag: self.tag,
                signals: self.signals.clone(),
                created: self.created,
            },
        );
        // In the list before the answer is known to anyone: it may connect before the reply is read.
        if !self.ingress.add(&session) {
            return Err(unavailable("this path is being stopped"));
        }
        let given_up = |_problem: &Problem| session.close("it could not be answered");
        session.peer.start().map_err(failed).inspect_err(given_up)?;
        for accepted in &self.accepted {
            add_transceiver(&session.peer.webrtcbin, accepted);
        }
        let (peer, setup) = (&session.peer, self.offer.setup);
        let answer = match &self.signals {
            Some(signals) => {
                peer.tell_candidates(&transport, signals);
                peer.answer_trickling(&self.text, setup, certificate, &transport)
            }
            None => peer.answer(&self.text, setup, certificate, &transport),
        };
        let answer = answer.map_err(failed).inspect_err(given_up)?;
        let formats = self.accepted.iter();
        let formats = formats.filter(|one| matches!(one.codec, Codec::H264 | Codec::H265));
        let formats: Vec<_> = formats.map(|one| (one.pt, one.fmtp.as_str())).collect();
        let joined = Joined {
            id: self.id.clone(),
            answer: with_layers(&with_formats(&answer, &formats), &self.accepted),
            etag: session.etag(),
            link: Vec::new(),
        };
        Ok((session, joined))
    }
}

/// Without a transceiver of ours webrtcbin answers, but asks for no lost packet again and takes no
/// retransmissions. Its caps have what the answer must have; anything else keeps it from fitting (F5).
fn add_transceiver(webrtcbin: &gst::Element, accepted: &Accepted) {
    let clock_rate = i32::try_from(accepted.codec.clock_rate()).unwrap_or(i32::MAX);
    let mut caps = gst::Caps::builder("application/x-rtp")
        .field("media", accepted.codec.kind().label())
        .field("encoding-name", accepted.encoding_name)
        .field("payload", i32::from(accepted.pt))
        .field("clock-rate", clock_rate);
    for (id, uri) in &accepted.extensions {
        // With transport-wide sequence numbers the rtpsession reports their arrival, and publishers adapt.
        caps = caps.field(format!("extmap-{id}"), *uri);
    }
    let caps = caps.build();
    let transceiver = webrtcbin.emit_by_name::<WebRTCRTPTransceiver>(
        "add-transceiver",
        &[&WebRTCRTPTransceiverDirection::Recvonly, &caps],
    );
    // Off by default (F4).
    transceiver.set_property("do-nack", true);
}
