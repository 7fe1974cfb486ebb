//! ICE restart by libnice itself: webrtcbin 1.22 to 1.28 keeps its credentials through every renegotiation.
//!
//! The one file with foreign functions. libnice's objects are reference counted and lock themselves; what must
//! hold is said at each call.

#![expect(unsafe_code, reason = "libnice has no maintained binding")]

use std::ffi::{CString, c_char, c_int, c_uint};

use gst::glib;
use gst::glib::object::ObjectType;
use gst::glib::translate::from_glib_full;
use gst::prelude::*;
use sluice_core::ice_lite::Credentials;

/// webrtcbin makes one stream for a bundle, libnice numbers them from 1; a few more, should that change.
const STREAMS: std::ops::RangeInclusive<c_uint> = 1..=4;

type NiceAgent = glib::gobject_ffi::GObject;

// SAFETY: the signatures are those of <nice/agent.h>; `gboolean` and `gint` are `int`, `guint` is `unsigned int`.
// All three are in every libnice of the last ten years (0.1.6 and later).
#[link(name = "nice")]
unsafe extern "C" {
    fn nice_agent_restart_stream(agent: *mut NiceAgent, stream: c_uint) -> c_int;
    fn nice_agent_set_remote_credentials(
        agent: *mut NiceAgent,
        stream: c_uint,
        ufrag: *const c_char,
        pwd: *const c_char,
    ) -> c_int;
    fn nice_agent_get_local_credentials(
        agent: *mut NiceAgent,
        stream: c_uint,
        ufrag: *mut *mut c_char,
        pwd: *mut *mut c_char,
    ) -> c_int;
}

/// A `NiceAgent`, as webrtcbin's own ICE agent has it.
#[derive(Debug)]
pub(super) struct Agent(glib::Object);

impl Agent {
    /// Finds it; `None` if ICE is done by something else.
    pub(super) fn of(webrtcbin: &gst::Element) -> Option<Self> {
        let ice = webrtcbin.property::<Option<glib::Object>>("ice-agent")?;
        let pspec = ice.find_property("agent")?;
        let agent = ice
            .property_value(pspec.name())
            .get::<Option<glib::Object>>();
        let agent = agent.ok().flatten()?;
        (agent.type_().name() == "NiceAgent").then_some(Self(agent))
    }

    /// Begins anew with the peer's new credentials, and gives ours. The pair that was selected goes on
    /// carrying media until there is a new one (RFC 8445, section 9).
    pub(super) fn restart(&self, theirs: &Credentials) -> Option<Credentials> {
        let ufrag = CString::new(theirs.ufrag.as_str()).ok()?;
        let pwd = CString::new(theirs.password.as_str()).ok()?;
        let stream = STREAMS
            .into_iter()
            .find(|stream| self.local(*stream).is_some())?;
        // SAFETY: `self.0` is a NiceAgent (looked at in `of`), alive as long as `self`; the texts end with NUL and
        // are copied by the callee; the stream is one that the agent has just given credentials for.
        let restarted = unsafe {
            nice_agent_restart_stream(self.as_ptr(), stream) != 0
                && nice_agent_set_remote_credentials(
                    self.as_ptr(),
                    stream,
                    ufrag.as_ptr(),
                    pwd.as_ptr(),
                ) != 0
        };
        restarted.then(|| self.local(stream)).flatten()
    }

    fn local(&self, stream: c_uint) -> Option<Credentials> {
        let (mut ufrag, mut pwd) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: as above; for a stream that there is not, it gives FALSE and sets neither.
        let known = unsafe {
            nice_agent_get_local_credentials(self.as_ptr(), stream, &raw mut ufrag, &raw mut pwd)
        };
        if known == 0 || ufrag.is_null() || pwd.is_null() {
            return None;
        }
        // SAFETY: two texts that end with NUL, allocated for the caller, who frees them.
        let (ufrag, pwd): (glib::GString, glib::GString) =
            unsafe { (from_glib_full(ufrag), from_glib_full(pwd)) };
        Some(Credentials {
            ufrag: ufrag.into(),
            password: pwd.into(),
        })
    }

    fn as_ptr(&self) -> *mut NiceAgent {
        self.0.as_ptr()
    }
}
