//! Sluice WebRTC elements: one producer, many WHEP viewers, pushed on by WHIP; one WHIP publisher; one WHEP server.
#![allow(
    missing_docs,
    reason = "element glue; contracts stand where they matter"
)]

mod actions;
mod fanout;
pub mod http;
mod listen;
mod load;
mod own_server;
mod packetize;
mod pads;
mod peer;
mod probe;
mod producer;
mod publish;
mod publishers;
mod pull;
mod push;
mod relay;
mod renditions;
mod session;
mod sink;
mod source;
mod ticker;
mod transport;
mod viewers;
mod worker;

pub use load::{Load, load, refuse_above};
pub use peer::{Signal, Signals};
pub use publishers::{PublishedLayer, PublisherInfo, Publishers};
pub use pull::WhepSrc;
pub use push::{Push, PushState, PushStatus, Target};
pub use renditions::{FIRST_RENDITION, Lease, Renditions};
pub use sink::WhepSink;
pub use source::{PublisherPolicy, WhipSrc};
pub use transport::{
    Agent as IceAgent, FanOut, Ice, MOST_RECEIVE_THREADS, PortStatus, Transport, TurnServer,
    configure, interfaces, open as open_port, pace, ports, receive_with,
};
pub use viewers::{Chosen, Invited, Joined, KeyFrame, Patched, ViewerEvent, ViewerInfo, Viewers};

use gst::glib;
use gst::prelude::*;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    // Other languages find it by its name.
    IceAgent::ensure_type();
    sink::register(plugin)?;
    source::register(plugin)?;
    pull::register(plugin)
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
