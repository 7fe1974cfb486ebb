//! Routes: Sluice's elements, linked into running pipelines.
//!
//! No GStreamer type leaves this crate: the gateway sees [`Route`], [`Event`] and [`RouteState`].

mod error;
mod explain;
mod graph;
mod record;
mod rendition;
mod require;
mod rewrite;
mod route;
mod slots;
mod spec;
mod state;
mod thumbnail;
mod watch;

use std::sync::OnceLock;

pub use error::{InitError, RouteError};
pub use explain::explain;
pub use gstsluicecodec::probe;
pub use gstsluicerecord::local_offset;
pub use record::{RecordStatus, Recorder};
pub use rendition::{RenditionStatus, Renditions};
pub use require::{Missing, missing};
pub use rewrite::{RewriteError, rewrite};
pub use route::Route;
pub use slots::Slots;
pub use spec::{
    ForwardTarget, RecordSpec, RouteSpec, RtspTransport, SecondPublisher, TlsTrust, TranscodeSpec,
    TransportSpec,
};
pub use state::{Event, RouteState};
pub use thumbnail::{ThumbnailError, thumbnail};

/// A plugin's way to register itself in this process.
type Register = fn() -> Result<(), gst::glib::BoolError>;

/// Starts GStreamer and registers Sluice's own elements; the second call and later ones do nothing.
///
/// # Errors
/// When GStreamer itself cannot start, or an element of ours cannot be registered.
pub fn init() -> Result<(), InitError> {
    static DONE: OnceLock<Result<(), InitError>> = OnceLock::new();
    DONE.get_or_init(|| {
        gst::init().map_err(|cause| InitError::Gstreamer(cause.to_string()))?;
        let plugins: [(&'static str, Register); 4] = [
            ("sluiceingest", gstsluiceingest::plugin_register_static),
            ("sluicecodec", gstsluicecodec::plugin_register_static),
            ("sluicewebrtc", gstsluicewebrtc::plugin_register_static),
            ("sluicerecord", gstsluicerecord::plugin_register_static),
        ];
        for (plugin, register) in plugins {
            register().map_err(|_| InitError::Register { plugin })?;
        }
        Ok(())
    })
    .clone()
}
