//! Sluice WebRTC elements: one producer, many WHEP viewers.
#![allow(
    missing_docs,
    reason = "element glue; contracts stand where they matter"
)]

mod fanout;
pub mod http;
mod listen;
mod packetize;
mod producer;
mod session;
mod sink;
mod ticker;
mod transport;
mod viewers;
mod worker;

pub use sink::WhepSink;
pub use transport::{Transport, configure};
pub use viewers::{Joined, KeyFrame, Patched, ViewerEvent, ViewerInfo, Viewers};

use gst::glib;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    sink::register(plugin)
}

gst::plugin_define!(
    sluicewebrtc,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    "https://sluice.invalid",
    env!("BUILD_REL_DATE")
);
