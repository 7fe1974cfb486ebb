//! What webrtcbin calls of an ICE agent, in C. The one file of the transport with foreign functions.
//!
//! What must hold, and is measured on GStreamer 1.22, 1.26 and 1.28 (ICE.md): the class and instance structs keep their
//! size, new members come out of padding (I6); every entry is filled, since webrtcbin asserts each (I5); pointers that
//! come in are alive for the call, and are what this agent gave out before.

#![expect(
    unsafe_code,
    reason = "the bindings have no traits for these classes, whose vtable is public C"
)]

use std::ffi::{CStr, CString, c_char, c_uint};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

use gst::glib;
use gst::glib::ffi::{GFALSE, GTRUE, gboolean, gpointer};
use gst::glib::translate::{ToGlibPtr as _, from_glib_none};
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::ffi;
use sluice_core::ice_lite::Credentials;

use super::agent::{Agent, Stream, Transport, imp};
use super::elements::{IceSink, IceSrc};

/// webrtcbin's function for candidates, with its argument, which is webrtcbin itself (I13).
#[derive(Clone, Copy)]
pub(in crate::transport) struct OnCandidate {
    callback: unsafe extern "C" fn(*mut ffi::GstWebRTCICE, c_uint, *const c_char, gpointer),
    data: usize,
}

/// Since then webrtcbin owns what `add_stream` returns; before, it borrows (I2).
const OWNS_STREAMS: (u32, u32, u32, u32) = (1, 26, 10, 0);

/// Since then `add_candidate` has a promise; before, that argument is whatever the register holds (I7).
const PROMISES: (u32, u32, u32, u32) = (1, 24, 0, 0);

/// Says whether webrtcbin takes a reference to its agent. From 1.22 to 1.28.6 it takes none, yet drops one when it is
/// disposed of (I1). Tried once, with an agent of its own, so that it is right for each version to come.
fn takes_reference() -> bool {
    static TAKES: OnceLock<bool> = OnceLock::new();
    *TAKES.get_or_init(|| {
        let agent: Agent = glib::Object::new();
        agent.imp().is_trial.store(true, Relaxed);
        let before = agent.ref_count();
        let built = gst::ElementFactory::make("webrtcbin")
            .property("ice-agent", agent.upcast_ref::<gst_webrtc::WebRTCICE>())
            .build();
        let takes = agent.ref_count() > before;
        if built.is_ok() && !takes {
            give_reference(&agent);
        }
        takes
    })
}

/// Adds the reference that webrtcbin drops.
fn give_reference(agent: &Agent) {
    // SAFETY: the object is alive, and the reference is webrtcbin's to drop.
    unsafe { glib::gobject_ffi::g_object_ref(agent.as_ptr().cast()) };
}

/// Fills in the public members that subclasses own.
pub(super) fn fill(stream: &Stream, id: u32, transport: &Transport, src: &IceSrc, sink: &IceSink) {
    // SAFETY: all objects are new, nobody else has seen them, and their instance structs begin with the C ones (their
    // parents'). webrtcbin borrows both elements; `imp::Transport` keeps them as long as the transport.
    unsafe {
        (*stream.as_ptr().cast::<ffi::GstWebRTCICEStream>()).stream_id = id;
        let transport = transport.as_ptr().cast::<ffi::GstWebRTCICETransport>();
        (*transport).role = ffi::GST_WEBRTC_ICE_ROLE_CONTROLLED;
        (*transport).src = src.upcast_ref::<gst::Element>().as_ptr();
        (*transport).sink = sink.upcast_ref::<gst::Element>().as_ptr();
    }
}

/// Tells webrtcbin a candidate, as `a=candidate:…`.
pub(super) fn tell(agent: &Agent, told: OnCandidate, stream: &Stream, candidate: &str) {
    let Ok(candidate) = CString::new(candidate) else {
        return;
    };
    // SAFETY: webrtcbin has set both, and is alive: it is the one that asks for candidates at this moment. It copies
    // the text.
    unsafe {
        let id = (*stream.as_ptr().cast::<ffi::GstWebRTCICEStream>()).stream_id;
        let agent = agent.as_ptr().cast();
        (told.callback)(agent, id, candidate.as_ptr(), told.data as gpointer);
    }
}

// SAFETY: the class struct keeps its size from 1.22 to 1.28, and every entry that webrtcbin asserts is filled.
unsafe impl IsSubclassable<imp::Agent> for gst_webrtc::WebRTCICE {
    fn class_init(class: &mut glib::Class<Self>) {
        Self::parent_class_init::<imp::Agent>(class);
        let class = class.as_mut();
        class.add_stream = Some(add_stream);
        class.find_transport = Some(find_transport);
        class.gather_candidates = Some(gather_candidates);
        class.add_candidate = Some(add_candidate);
        class.set_local_credentials = Some(set_local_credentials);
        class.set_remote_credentials = Some(set_remote_credentials);
        class.add_turn_server = Some(add_turn_server);
        class.set_is_controller = Some(set_is_controller);
        class.get_is_controller = Some(get_is_controller);
        class.set_force_relay = Some(set_force_relay);
        class.set_stun_server = Some(set_server);
        class.get_stun_server = Some(get_server);
        class.set_turn_server = Some(set_server);
        class.get_turn_server = Some(get_server);
        class.set_http_proxy = Some(set_server);
        class.get_http_proxy = Some(get_server);
        class.set_tos = Some(set_tos);
        class.set_on_ice_candidate = Some(set_on_ice_candidate);
        class.get_local_candidates = Some(get_candidates);
        class.get_remote_candidates = Some(get_candidates);
        class.get_selected_pair = Some(get_selected_pair);
        class.close = Some(close);
    }
}

// SAFETY: webrtcbin calls none of the stream's own entries, only the agent's.
unsafe impl IsSubclassable<imp::Stream> for gst_webrtc::WebRTCICEStream {}
// SAFETY: as for the stream.
unsafe impl IsSubclassable<imp::Transport> for gst_webrtc::WebRTCICETransport {}

/// # Safety
///
/// The pointer is an agent of ours; so it is in each entry, which only agents of this class have.
unsafe fn agent(ice: *mut ffi::GstWebRTCICE) -> Agent {
    // SAFETY: by the contract above; a reference is taken.
    unsafe { from_glib_none(ice.cast::<<imp::Agent as ObjectSubclass>::Instance>()) }
}

/// # Safety
///
/// The pointer is one that `add_stream` gave out.
unsafe fn stream(stream: *mut ffi::GstWebRTCICEStream) -> Stream {
    // SAFETY: by the contract above; the agent keeps it, and a reference is taken.
    unsafe { from_glib_none(stream.cast::<<imp::Stream as ObjectSubclass>::Instance>()) }
}

/// # Safety
///
/// Both are texts that end with NUL, or null.
unsafe fn credentials(ufrag: *const c_char, password: *const c_char) -> Option<Credentials> {
    if ufrag.is_null() || password.is_null() {
        return None;
    }
    // SAFETY: by the contract above.
    let (ufrag, password) = unsafe { (CStr::from_ptr(ufrag), CStr::from_ptr(password)) };
    Some(Credentials {
        ufrag: ufrag.to_str().ok()?.to_owned(),
        password: password.to_str().ok()?.to_owned(),
    })
}

unsafe extern "C" fn add_stream(
    ice: *mut ffi::GstWebRTCICE,
    id: c_uint,
) -> *mut ffi::GstWebRTCICEStream {
    // SAFETY: an entry of our class.
    let agent = unsafe { agent(ice) };
    let Some(stream) = agent.add_stream(id) else {
        return std::ptr::null_mut();
    };
    let stream = stream.upcast_ref::<gst_webrtc::WebRTCICEStream>();
    if gst::version() >= OWNS_STREAMS {
        stream.to_glib_full()
    } else {
        // The agent keeps it.
        stream.to_glib_none().0
    }
}

unsafe extern "C" fn find_transport(
    _: *mut ffi::GstWebRTCICE,
    raw: *mut ffi::GstWebRTCICEStream,
    _: ffi::GstWebRTCICEComponent,
) -> *mut ffi::GstWebRTCICETransport {
    // SAFETY: a stream of ours.
    let stream = unsafe { stream(raw) };
    match stream.transport() {
        // The caller owns what it gets (I3).
        Some(transport) => transport
            .upcast_ref::<gst_webrtc::WebRTCICETransport>()
            .to_glib_full(),
        None => std::ptr::null_mut(),
    }
}

unsafe extern "C" fn gather_candidates(
    ice: *mut ffi::GstWebRTCICE,
    raw: *mut ffi::GstWebRTCICEStream,
) -> gboolean {
    // SAFETY: an agent and a stream of ours.
    let (agent, stream) = unsafe { (agent(ice), stream(raw)) };
    agent.gather(&stream);
    GTRUE
}

unsafe extern "C" fn add_candidate(
    ice: *mut ffi::GstWebRTCICE,
    raw: *mut ffi::GstWebRTCICEStream,
    candidate: *const c_char,
    promise: *mut gst::ffi::GstPromise,
) {
    // No text is the end of candidates.
    if !candidate.is_null() {
        // SAFETY: an agent and a stream of ours, and a C text.
        let (agent, stream, text) = unsafe { (agent(ice), stream(raw), CStr::from_ptr(candidate)) };
        if let Ok(text) = text.to_str() {
            agent.on_candidate(&stream, text);
        }
    }
    if gst::version() >= PROMISES && !promise.is_null() {
        // SAFETY: a promise that webrtcbin keeps; no reply structure.
        unsafe { gst::ffi::gst_promise_reply(promise, std::ptr::null_mut()) };
    }
}

unsafe extern "C" fn set_local_credentials(
    _: *mut ffi::GstWebRTCICE,
    raw: *mut ffi::GstWebRTCICEStream,
    ufrag: *const c_char,
    password: *const c_char,
) -> gboolean {
    // SAFETY: a stream of ours, and C texts.
    let (stream, ours) = unsafe { (stream(raw), credentials(ufrag, password)) };
    match (stream.session(), ours) {
        (Some(session), Some(ours)) => {
            session.set_ours(ours);
            GTRUE
        }
        (Some(_) | None, Some(_) | None) => GFALSE,
    }
}

unsafe extern "C" fn set_remote_credentials(
    _: *mut ffi::GstWebRTCICE,
    raw: *mut ffi::GstWebRTCICEStream,
    ufrag: *const c_char,
    password: *const c_char,
) -> gboolean {
    // SAFETY: a stream of ours, and C texts.
    let (stream, theirs) = unsafe { (stream(raw), credentials(ufrag, password)) };
    match (stream.session(), theirs) {
        (Some(session), Some(theirs)) => {
            session.set_theirs(theirs);
            GTRUE
        }
        (Some(_) | None, Some(_) | None) => GFALSE,
    }
}

unsafe extern "C" fn set_on_ice_candidate(
    ice: *mut ffi::GstWebRTCICE,
    callback: ffi::GstWebRTCICEOnCandidateFunc,
    data: gpointer,
    _: glib::ffi::GDestroyNotify,
) {
    // SAFETY: an entry of our class.
    let agent = unsafe { agent(ice) };
    let told = callback.map(|callback| OnCandidate {
        callback,
        data: data as usize,
    });
    let is_new = told.is_some();
    let before = std::mem::replace(&mut *agent.imp().on_candidate.lock(), told);
    // webrtcbin calls this while it is constructed, once: from then on the agent is its own (I9).
    if is_new && before.is_none() && !agent.imp().is_trial.load(Relaxed) && !takes_reference() {
        give_reference(&agent);
    }
}

unsafe extern "C" fn close(ice: *mut ffi::GstWebRTCICE, promise: *mut gst::ffi::GstPromise) {
    // SAFETY: an entry of our class.
    let agent = unsafe { agent(ice) };
    // Its locks may be held.
    agent.shut();
    if !promise.is_null() {
        // SAFETY: a promise that webrtcbin keeps (I5); no reply structure.
        unsafe { gst::ffi::gst_promise_reply(promise, std::ptr::null_mut()) };
    }
}

/// Relays are the peer's affair: we answer from where we are asked.
unsafe extern "C" fn add_turn_server(_: *mut ffi::GstWebRTCICE, _: *const c_char) -> gboolean {
    GFALSE
}

unsafe extern "C" fn set_is_controller(_: *mut ffi::GstWebRTCICE, _: gboolean) {}

unsafe extern "C" fn get_is_controller(_: *mut ffi::GstWebRTCICE) -> gboolean {
    GFALSE
}

unsafe extern "C" fn set_force_relay(_: *mut ffi::GstWebRTCICE, _: gboolean) {}

unsafe extern "C" fn set_server(_: *mut ffi::GstWebRTCICE, _: *const c_char) {}

unsafe extern "C" fn get_server(_: *mut ffi::GstWebRTCICE) -> *mut c_char {
    std::ptr::null_mut()
}

unsafe extern "C" fn set_tos(
    _: *mut ffi::GstWebRTCICE,
    _: *mut ffi::GstWebRTCICEStream,
    _: c_uint,
) {
}

unsafe extern "C" fn get_candidates(
    _: *mut ffi::GstWebRTCICE,
    _: *mut ffi::GstWebRTCICEStream,
) -> *mut *mut ffi::GstWebRTCICECandidateStats {
    // SAFETY: a list with nothing before its NULL, which the caller frees (I22).
    unsafe { glib::ffi::g_malloc0(size_of::<gpointer>()).cast() }
}

unsafe extern "C" fn get_selected_pair(
    _: *mut ffi::GstWebRTCICE,
    _: *mut ffi::GstWebRTCICEStream,
    _: *mut *mut ffi::GstWebRTCICECandidateStats,
    _: *mut *mut ffi::GstWebRTCICECandidateStats,
) -> gboolean {
    GFALSE
}
