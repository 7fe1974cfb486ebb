//! RTP past GStreamer's `srtpenc`: encrypted frame by frame with its own key, and sent straight to the session's port, one
//! call per train of packets.
//!
//! Probes on `srtpenc`'s own pads: no factory is replaced, and SRTCP and unknown ciphers stay with it. All RTP of the
//! session comes by here, retransmissions too, so that each stream has one roll-over counter (ICE.md, I21). Once it works, packets
//! are taken where they leave the RTP session already: between are only pads of bins, four a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use gst::glib;
use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::srtp::{Sender, Tag};

use super::agent::Agent;
use super::session::Session;
use crate::pads::{is_of, origin};
use crate::probe::{PACKETS, swallow};

/// The encoder of one session, once DTLS has given a key that it can use; and where packets are put together.
#[derive(Default)]
struct State {
    sender: Option<Sender>,
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

/// What takes the packets of one session, wherever they come by.
struct Taker {
    state: Mutex<State>,
    agent: glib::WeakRef<Agent>,
    session: OnceLock<Arc<Session>>,
    taken: Arc<AtomicU64>,
    /// They are taken where they leave the RTP session, or that was not found.
    moved: AtomicBool,
}

/// Takes the RTP of `srtpenc` over, and counts what it took: lists, or packets that came alone.
pub(crate) fn take_over(srtpenc: &gst::Element, agent: &Agent, taken: &Arc<AtomicU64>) {
    let taker = Arc::new(Taker {
        state: Mutex::default(),
        agent: agent.downgrade(),
        session: OnceLock::new(),
        taken: Arc::clone(taken),
        moved: AtomicBool::new(false),
    });
    let keyed = Arc::clone(&taker);
    srtpenc.connect_notify(Some("key"), move |srtpenc, _| {
        keyed.state.lock().sender = sender(srtpenc);
    });
    // webrtcbin asks for the pads before it adds the element: `pad-added` comes for later ones only (I18).
    let watch = move |pad: &gst::Pad| {
        if pad.name().starts_with("rtp_sink_") {
            watch(pad, &taker);
        }
    };
    for pad in srtpenc.sink_pads() {
        watch(&pad);
    }
    srtpenc.connect_pad_added(move |_srtpenc, pad| watch(pad));
}

fn watch(pad: &gst::Pad, taker: &Arc<Taker>) {
    let taker = Arc::clone(taker);
    pad.add_probe(PACKETS, move |pad, info| {
        let taken = taker.take(info);
        if taken == gst::PadProbeReturn::Handled
            && !taker.moved.swap(true, Relaxed)
            && let Some(origin) = origin(pad)
            && let Some(session) = origin.parent_element()
            && is_of(&session, "rtpsession")
        {
            let taker = Arc::clone(&taker);
            origin.add_probe(PACKETS, move |_origin, info| taker.take(info));
        }
        taken
    });
}

impl Taker {
    /// Takes packets; or leaves them to `srtpenc`.
    fn take(&self, info: &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn {
        let session = match self.session.get() {
            Some(session) => session,
            None => match self.agent.upgrade().and_then(|agent| agent.session()) {
                Some(found) => self.session.get_or_init(|| found),
                None => return gst::PadProbeReturn::Ok,
            },
        };
        let mut state = self.state.lock();
        let State {
            sender: Some(sender),
            bytes,
            lengths,
        } = &mut *state
        else {
            return gst::PadProbeReturn::Ok;
        };
        bytes.clear();
        lengths.clear();
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => add(buffer, sender, bytes, lengths),
            Some(gst::PadProbeData::BufferList(list)) => {
                for buffer in list.iter() {
                    add(buffer, sender, bytes, lengths);
                }
            }
            Some(_) | None => return gst::PadProbeReturn::Ok,
        }
        self.taken.fetch_add(1, Relaxed);
        session.send_train(bytes, lengths);
        swallow(info)
    }
}

/// Puts a packet behind the others, encrypted.
fn add(
    buffer: &gst::BufferRef,
    sender: &mut Sender,
    bytes: &mut Vec<u8>,
    lengths: &mut Vec<usize>,
) {
    let start = bytes.len();
    for memory in buffer.iter_memories() {
        match memory.map_readable() {
            Ok(memory) => bytes.extend_from_slice(&memory),
            Err(_error) => {
                bytes.truncate(start);
                return;
            }
        }
    }
    if sender.protect(bytes, start) {
        lengths.push(bytes.len() - start);
    }
}

/// Makes an encoder with the key that `srtpenc` has, if it can use its cipher.
fn sender(srtpenc: &gst::Element) -> Option<Sender> {
    let nick = |property: &str| {
        let value = srtpenc.property_value(property);
        glib::EnumValue::from_value(&value).map(|(_class, value)| value.nick().to_owned())
    };
    if nick("rtp-cipher").as_deref() != Some("aes-128-icm") {
        return None;
    }
    let tag = match nick("rtp-auth")?.as_str() {
        "hmac-sha1-80" => Tag::Bits80,
        "hmac-sha1-32" => Tag::Bits32,
        _ => return None,
    };
    let key = srtpenc.property::<Option<gst::Buffer>>("key")?;
    let key = key.map_readable().ok()?;
    Sender::new(&key, tag)
}
