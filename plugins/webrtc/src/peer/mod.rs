//! One webrtcbin in a pipeline of its own, set as its defaults should be: what the sessions of viewers and of
//! publishers have in common.

mod certificate;
mod farewell;
mod flight;
mod negotiate;
mod nice;
mod nice_agent;
mod restart;
pub(crate) mod rtcp;
mod signalled;
mod verify;
mod warm;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use gst::glib;
use gst::prelude::*;
use gst_webrtc::{WebRTCBundlePolicy, WebRTCPeerConnectionState as ConnectionState};
use parking_lot::Mutex;
use sluice_core::sdp::{AnswerEdit, Handshake, Setup};
use sluice_core::{Fingerprint, Problem, SessionId};

use crate::transport::{Agent, FanOut, ICE_SINK, Transport, take_over};
use crate::worker;

pub(crate) use certificate::{Certificate, ours as our_certificate};
pub(crate) use negotiate::with_formats;
pub use signalled::{Signal, Signals};
pub(crate) use warm::{warm_up, warmed_up};

/// The shortest jitter buffer, in milliseconds. `rtpjitterbuffer` without any takes each packet that does not come at
/// the very moment it was reckoned for as lost (measured on 1.22 on loopback: 22 of 600 frames came out).
pub(crate) const LEAST_LATENCY_MS: u32 = 20;

/// The clock that a session shares with its element, so that running times mean the same.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    pub(crate) clock: gst::Clock,
    pub(crate) base_time: gst::ClockTime,
}

impl Time {
    /// Gives the clock and base time of an element that plays.
    pub(crate) fn of(element: &gst::Element) -> Option<Self> {
        Some(Self {
            clock: element.clock()?,
            base_time: element.base_time()?,
        })
    }
}

/// Which side of the negotiation we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The peer has offered.
    Answers {
        /// It is a lite agent (RFC 8445, 2.5): it sends no checks.
        peer_is_lite: bool,
    },
    /// We do.
    Offers,
}

/// The sections of an offer, for candidates that name one.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Names, in the offer's order.
    pub(crate) mids: Vec<String>,
    /// The section whose transport carries all.
    pub(crate) transport: usize,
}

impl Places {
    /// Reads them out of an offer.
    pub(crate) fn of(offer: &sluice_core::Offer) -> Self {
        Self {
            mids: offer.media.iter().map(|media| media.mid.clone()).collect(),
            transport: offer.transport_index().unwrap_or(0),
        }
    }
}

/// A webrtcbin and its pipeline.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) pipeline: gst::Pipeline,
    pub(crate) webrtcbin: gst::Element,
    /// Our own ICE agent; `None` where libnice does it.
    ice: Option<Agent>,
    /// Held while ICE is being restarted.
    restarts: Arc<Mutex<()>>,
    last_flight: flight::LastFlight,
    /// Lists of packets that we encrypted ourselves.
    pub(crate) lists_encrypted: Arc<AtomicU64>,
}

impl Peer {
    /// Makes a pipeline that is not started yet. `latency_ms` is how long late packets are waited for.
    pub(crate) fn new(
        time: &Time,
        transport: &Transport,
        side: Side,
        certificate: &'static Certificate,
        latency_ms: u32,
    ) -> Result<Self, String> {
        let ice = match side {
            Side::Answers { peer_is_lite } => transport.agent(peer_is_lite)?,
            Side::Offers => None,
        };
        let pipeline = gst::Pipeline::new();
        pipeline.use_clock(Some(&time.clock));
        pipeline.set_base_time(time.base_time);
        pipeline.set_start_time(gst::ClockTime::NONE);
        let peer = Self {
            pipeline,
            webrtcbin: make_webrtcbin(transport, ice.as_ref(), certificate, latency_ms)?,
            ice,
            restarts: Arc::default(),
            last_flight: flight::LastFlight::default(),
            lists_encrypted: Arc::default(),
        };
        let last_flight = peer.last_flight.clone();
        let ours = peer
            .ice
            .clone()
            .filter(|_| transport.fan_out == FanOut::Auto);
        let (ours, taken) = (
            ours.map(|ice| ice.downgrade()),
            peer.lists_encrypted.clone(),
        );
        peer.on_inner_element(move |element, factory| match factory {
            "nicesink" | ICE_SINK => {
                if let Some(sink) = element.static_pad("sink") {
                    last_flight.watch(&sink);
                }
            }
            "dtlssrtpdec" => rtcp::watch_entry(element),
            "srtpenc" => {
                if let Some(ours) = ours.as_ref().and_then(glib::WeakRef::upgrade) {
                    take_over(element, &ours, &taken);
                }
            }
            _ => {}
        });
        peer.pipeline
            .add(&peer.webrtcbin)
            .map_err(|error| error.to_string())?;
        Ok(peer)
    }

    /// Starts it. Blocks for a state change.
    pub(crate) fn start(&self) -> Result<(), String> {
        self.pipeline
            .set_state(gst::State::Playing)
            .map(drop)
            .map_err(|error| {
                self.stop();
                error.to_string()
            })
    }

    /// Ends it for good.
    pub(crate) fn stop(&self) {
        if let Some(ice) = &self.ice {
            ice.hush();
        }
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(%error, "a session's pipeline did not stop");
        }
        // After what still had to be sent.
        if let Some(ice) = &self.ice {
            ice.shut();
        }
    }

    /// Answers an offer, whose `setup` says who begins the DTLS handshake; all of it blocks, for about ten
    /// milliseconds.
    pub(crate) fn answer(
        &self,
        offer: &str,
        setup: Setup,
        certificate: &Certificate,
        transport: &Transport,
    ) -> Result<String, String> {
        let handshake = setup.into();
        let answer = negotiate::answer(&self.webrtcbin, offer, handshake)?;
        let fingerprint = Some(Fingerprint::sha256(certificate.fingerprint));
        let edit = self.edit(handshake, fingerprint, transport);
        Ok(sluice_core::sdp::finish(&answer, &edit))
    }

    /// Says how webrtcbin's answer is mended.
    fn edit(
        &self,
        handshake: Handshake,
        fingerprint: Option<Fingerprint>,
        transport: &Transport,
    ) -> AnswerEdit {
        AnswerEdit {
            stream: "sluice".to_owned(),
            fingerprint,
            announce: transport.hosts.clone(),
            tcp: transport.tcp,
            lite: self.ice.is_some(),
            handshake,
            trickles: false,
        }
    }

    /// Gives the answer again, but for its DTLS: that a restart of ICE leaves alone.
    fn local_description(&self, transport: &Transport) -> Option<String> {
        let answer = negotiate::local_description(&self.webrtcbin).ok()?;
        let edit = self.edit(Handshake::Theirs, None, transport);
        Some(sluice_core::sdp::finish(&answer, &edit))
    }

    /// Calls `act` with each element that comes to be deep in webrtcbin, and the name of its factory.
    pub(crate) fn on_inner_element(
        &self,
        act: impl Fn(&gst::Element, &str) + Send + Sync + 'static,
    ) {
        on_inner_element(&self.webrtcbin, act);
    }

    /// Calls `act` with each new state of the connection.
    pub(crate) fn on_connection(&self, act: impl Fn(ConnectionState) + Send + Sync + 'static) {
        self.webrtcbin
            .connect_notify(Some("connection-state"), move |webrtcbin, _| {
                act(webrtcbin.property("connection-state"));
            });
    }

    /// Calls `act` as soon as media do not overtake our side of the DTLS handshake, on a thread that sends; it
    /// must not block.
    pub(crate) fn once_handshake_left(&self, act: impl FnOnce() + Send + 'static) {
        self.last_flight.then(act);
    }

    /// Calls `act` at the peer's `close_notify`. webrtcbin's own connection state does not follow it. To be
    /// called once the peer is connected.
    pub(crate) fn on_goodbye(&self, act: impl Fn() + Send + Sync + 'static) {
        on_goodbye(&self.webrtcbin, act);
    }

    /// Says whether the certificate that the peer showed is the one that its offer named.
    pub(crate) fn is_who_it_said(&self, offered: &Fingerprint) -> bool {
        self.inner("dtlsdec")
            .is_some_and(|dtlsdec| verify::is_peer(&dtlsdec, offered))
    }

    /// Gives how many SRTP and SRTCP packets libsrtp did not take: sent again, or changed on the way.
    pub(crate) fn inauthentic(&self) -> u64 {
        let stats = self.inner("srtpdec");
        let stats = stats.map(|srtpdec| srtpdec.property::<gst::Structure>("stats"));
        let dropped = stats.and_then(|stats| stats.get::<u32>("recv-drop-count").ok());
        dropped.unwrap_or_default().into()
    }

    /// Gives the last pad that takes RTP, in front of its encryption: packets that are pushed there go past the rtpsession.
    pub(crate) fn rtp_exit(&self) -> Option<gst::Pad> {
        let pads = self.inner("srtpenc")?.sink_pads();
        pads.into_iter()
            .find(|pad| pad.name().starts_with("rtp_sink_"))
    }

    /// Gives what is set when the peer's connection had no room for packets; `None` with libnice, which does not say.
    pub(crate) fn choked(&self) -> Option<Arc<AtomicBool>> {
        self.ice.as_ref()?.choked()
    }

    /// Finds an element deep in webrtcbin; with everything bundled there is one of each.
    pub(crate) fn inner(&self, factory: &str) -> Option<gst::Element> {
        find(self.webrtcbin.downcast_ref::<gst::Bin>()?, factory)
    }
}

/// Makes a webrtcbin, set as its defaults should be.
pub(crate) fn make_webrtcbin(
    transport: &Transport,
    ice: Option<&Agent>,
    certificate: &'static Certificate,
    latency_ms: u32,
) -> Result<gst::Element, String> {
    let webrtcbin = gst::ElementFactory::make("webrtcbin")
        .property("bundle-policy", WebRTCBundlePolicy::MaxBundle)
        .property("latency", latency_ms);
    let webrtcbin = match ice {
        Some(agent) => agent.webrtcbin(webrtcbin),
        None => webrtcbin.build(),
    };
    let webrtcbin =
        webrtcbin.map_err(|_missing| "the element webrtcbin is not installed".to_owned())?;
    if ice.is_none() {
        nice_agent::set_up(&webrtcbin, transport);
    }
    on_inner_element(&webrtcbin, move |element, factory| match factory {
        "dtlssrtpdec" => element.set_property("pem", &certificate.pem),
        // A buffer with a time ahead of the clock would hold up the fan-out thread; the fan-out
        // itself paces what is cached, and live buffers are never early.
        "clocksync" => element.set_property("sync", false),
        _ => {}
    });
    Ok(webrtcbin)
}

/// Calls `act` with each element that comes to be deep in a webrtcbin, and the name of its factory.
pub(crate) fn on_inner_element(
    webrtcbin: &gst::Element,
    act: impl Fn(&gst::Element, &str) + Send + Sync + 'static,
) {
    let Some(bin) = webrtcbin.downcast_ref::<gst::Bin>() else {
        return;
    };
    bin.connect_deep_element_added(move |_webrtcbin, _parent, element| {
        // Elements of no plugin, as our own agent has them, are known by their class.
        match element.factory() {
            Some(factory) => act(element, &factory.name()),
            None => act(element, element.type_().name()),
        }
    });
}

/// Calls `act` at the peer's `close_notify`; once connected.
pub(crate) fn on_goodbye(webrtcbin: &gst::Element, act: impl Fn() + Send + Sync + 'static) {
    let Some(dtlsdec) = webrtcbin
        .downcast_ref::<gst::Bin>()
        .and_then(|bin| find(bin, "dtlsdec"))
    else {
        return;
    };
    dtlsdec.connect_notify(Some("connection-state"), move |dtlsdec, _| {
        let state = dtlsdec.property_value("connection-state");
        let closed = glib::EnumValue::from_value(&state)
            .is_some_and(|(_class, state)| state.nick() == "closed");
        if closed {
            act();
        }
    });
}

/// Offers what a webrtcbin's transceivers want, as webrtcbin writes it, with all candidates. Blocks.
pub(crate) fn offer_whole(webrtcbin: &gst::Element) -> Result<String, String> {
    negotiate::offer_whole(webrtcbin)
}

/// Takes the answer to such an offer. Blocks for some milliseconds.
pub(crate) fn accept(webrtcbin: &gst::Element, answer: &str) -> Result<(), String> {
    negotiate::accept(webrtcbin, answer)
}

/// Finds an element deep in a bin.
pub(crate) fn find(bin: &gst::Bin, factory: &str) -> Option<gst::Element> {
    let mut elements = bin.iterate_recurse();
    while let Ok(Some(element)) = elements.next() {
        if element.factory().is_some_and(|f| f.name() == factory) {
            return Some(element);
        }
    }
    None
}

/// Gives the payload type of what comes out of a source pad of webrtcbin. The transceiver that 1.22 gives a pad is the
/// wrong one at times, when sound and pictures come at the same moment (measured on a busy machine: one of 20
/// publishers); the pad of rtpbin behind it is named after the stream, `recv_rtp_src_SESSION_SSRC_PT`.
pub(crate) fn payload_type(pad: &gst::Pad) -> Option<u8> {
    let behind = pad.downcast_ref::<gst::GhostPad>()?.target()?;
    behind.name().rsplit('_').next()?.parse().ok()
}

/// Says whether the peer at the other end of a `dtlssrtpdec` showed the certificate that its offer named.
pub(crate) fn is_who_it_said(dtlssrtpdec: &gst::Element, offered: &Fingerprint) -> bool {
    let dtlsdec = dtlssrtpdec
        .downcast_ref::<gst::Bin>()
        .and_then(|bin| find(bin, "dtlsdec"));
    dtlsdec.is_some_and(|dtlsdec| verify::is_peer(&dtlsdec, offered))
}

/// Lets a worker make a session, and waits for it. `unwanted` closes one whose client did not wait.
pub(crate) async fn make_session<S: Send + 'static, T: Send + 'static>(
    run: impl FnOnce() -> Result<(S, T), Problem> + Send + 'static,
    unwanted: impl FnOnce(S) + Send + 'static,
) -> Result<T, Problem> {
    let (reply, made) = tokio::sync::oneshot::channel();
    worker::run(move || {
        if let Err(Ok((session, _))) = reply.send(run()) {
            unwanted(session);
        }
    });
    let (_session, joined) = made
        .await
        .map_err(|_panicked| Problem::new(500, "the session could not be built"))??;
    Ok(joined)
}

/// Gives a session its name, and 12 bytes for its entity tag.
pub(crate) fn random_names() -> Result<(SessionId, [u8; 12]), Problem> {
    let (mut id, mut tag) = ([0; 16], [0; 12]);
    getrandom::fill(&mut id)
        .and_then(|()| getrandom::fill(&mut tag))
        .map_err(|_error| unavailable("this machine has no randomness"))?;
    Ok((SessionId::from_random(id), tag))
}

/// Says that this side cannot, at this moment.
pub(crate) fn unavailable(sentence: &str) -> Problem {
    Problem::new(503, sentence).retry_after(std::time::Duration::from_secs(2))
}
