//! Offer in and answer out, or the other way round. All of it blocks, for about ten milliseconds.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{WebRTCICEGatheringState, WebRTCSDPType, WebRTCSessionDescription};
use sluice_core::sdp::Handshake;

/// Longest time for all of it; a dead STUN server must not delay the answer by more.
const BUDGET: Duration = Duration::from_secs(5);

/// Longest wait for candidates; what is there by then is in the answer.
const GATHERING: Duration = Duration::from_secs(2);

/// Sets the offer, makes the answer, gathers, and gives webrtcbin's description with its candidates.
pub(super) fn answer(
    webrtcbin: &gst::Element,
    offer: &str,
    handshake: Handshake,
) -> Result<String, String> {
    let deadline = Instant::now() + BUDGET;
    gathered(webrtcbin, || respond(webrtcbin, offer, handshake, deadline))
}

/// Does what begins the gathering of candidates, waits for them, and gives webrtcbin's description with them.
fn gathered(
    webrtcbin: &gst::Element,
    begin: impl FnOnce() -> Result<String, String>,
) -> Result<String, String> {
    let (gathered, gathering_ends) = mpsc::sync_channel(1);
    let watch = webrtcbin.connect_notify(Some("ice-gathering-state"), move |webrtcbin, _| {
        let state = webrtcbin.property::<WebRTCICEGatheringState>("ice-gathering-state");
        if state == WebRTCICEGatheringState::Complete {
            // The receiver may be gone already.
            let _sent = gathered.try_send(());
        }
    });
    begin()?;
    if gathering_ends.recv_timeout(GATHERING).is_err() {
        tracing::warn!("gathering candidates did not end in time");
    }
    webrtcbin.disconnect(watch);
    local_description(webrtcbin)
}

/// Gives webrtcbin's description with its candidates.
pub(super) fn local_description(webrtcbin: &gst::Element) -> Result<String, String> {
    let local = webrtcbin
        .property::<Option<WebRTCSessionDescription>>("local-description")
        .ok_or("webrtcbin has no local description")?;
    local.sdp().as_text().map_err(|error| error.to_string())
}

/// Sets the offer and makes the answer; what is gathered later is told by `on-ice-candidate`.
pub(super) fn answer_trickling(
    webrtcbin: &gst::Element,
    offer: &str,
    handshake: Handshake,
) -> Result<String, String> {
    respond(webrtcbin, offer, handshake, Instant::now() + BUDGET)
}

/// Makes an offer; what is gathered later is told by `on-ice-candidate`.
pub(super) fn offer(webrtcbin: &gst::Element) -> Result<String, String> {
    let deadline = Instant::now() + BUDGET;
    let offer = create(webrtcbin, "create-offer", "offer", deadline)?;
    let text = offer.sdp().as_text().map_err(|error| error.to_string())?;
    call(webrtcbin, "set-local-description", offer.into(), deadline)?;
    Ok(text)
}

/// Makes an offer, gathers, and gives it with its candidates.
pub(super) fn offer_whole(webrtcbin: &gst::Element) -> Result<String, String> {
    gathered(webrtcbin, || offer(webrtcbin))
}

/// Sets the answer to what `offer` gave.
pub(super) fn accept(webrtcbin: &gst::Element, answer: &str) -> Result<(), String> {
    let deadline = Instant::now() + BUDGET;
    let answer = description(WebRTCSDPType::Answer, answer)?.into();
    call(webrtcbin, "set-remote-description", answer, deadline).map(drop)
}

/// Sets the offer, makes the answer and sets it too.
fn respond(
    webrtcbin: &gst::Element,
    offer: &str,
    handshake: Handshake,
    deadline: Instant,
) -> Result<String, String> {
    let offer = description(WebRTCSDPType::Offer, offer)?.into();
    call(webrtcbin, "set-remote-description", offer, deadline)?;
    let answer = create(webrtcbin, "create-answer", "answer", deadline)?;
    let text = answer.sdp().as_text().map_err(|error| error.to_string())?;
    // webrtcbin would always begin. The peer's ClientHello comes with its first packet; ours would wait for a
    // round trip, and some peers take seconds over it (F8).
    let setup = format!("a=setup:{}", handshake.setup());
    let text = text.replace("a=setup:active", &setup);
    let answer = description(WebRTCSDPType::Answer, &text)?.into();
    call(webrtcbin, "set-local-description", answer, deadline)?;
    Ok(text)
}

/// Lets webrtcbin make a description, which is the field `name` of its reply.
fn create(
    webrtcbin: &gst::Element,
    action: &str,
    name: &str,
    deadline: Instant,
) -> Result<WebRTCSessionDescription, String> {
    let options = None::<gst::Structure>.to_value();
    let reply = call(webrtcbin, action, options, deadline)?;
    reply
        .and_then(|reply| reply.get::<WebRTCSessionDescription>(name).ok())
        .ok_or_else(|| format!("webrtcbin made no {name}"))
}

fn description(kind: WebRTCSDPType, text: &str) -> Result<WebRTCSessionDescription, String> {
    let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes())
        .map_err(|_error| "GStreamer cannot parse the session description".to_owned())?;
    Ok(WebRTCSessionDescription::new(kind, sdp))
}

/// Emits one of webrtcbin's actions and waits for its promise.
fn call(
    webrtcbin: &gst::Element,
    action: &str,
    argument: gst::glib::Value,
    deadline: Instant,
) -> Result<Option<gst::Structure>, String> {
    let (done, reply) = mpsc::sync_channel(1);
    let promise = gst::Promise::with_change_func(move |reply| {
        let reply = match reply {
            Ok(reply) => Ok(reply.map(ToOwned::to_owned)),
            Err(error) => Err(format!("{error:?}")),
        };
        // The receiver is gone if the deadline has passed.
        let _sent = done.try_send(reply);
    });
    webrtcbin.emit_by_name_with_values(action, &[argument, promise.to_value()]);
    let left = deadline.saturating_duration_since(Instant::now());
    let reply = reply
        .recv_timeout(left)
        .map_err(|_timeout| format!("webrtcbin did not reply to {action}"))?
        .map_err(|error| format!("webrtcbin: {action}: {error}"))?;
    match reply
        .as_ref()
        .and_then(|reply| reply.get::<gst::glib::Error>("error").ok())
    {
        Some(error) => Err(format!("webrtcbin: {action}: {error}")),
        None => Ok(reply),
    }
}

/// webrtcbin leaves H.264's profile out of the answer, and without it a profile is meant that the offer's
/// payload type may not have: the offer's own words are repeated. `formats` has payload types and these words.
pub(crate) fn with_formats(answer: &str, formats: &[(u8, &str)]) -> String {
    let mut out = String::with_capacity(answer.len() + 64);
    for line in answer.lines() {
        let format = formats.iter().find(|(payload_type, words)| {
            !words.is_empty() && line.starts_with(&format!("a=fmtp:{payload_type} "))
        });
        match format {
            Some((payload_type, words)) => out.push_str(&format!("a=fmtp:{payload_type} {words}")),
            None => out.push_str(line),
        }
        out.push_str("\r\n");
    }
    out
}
