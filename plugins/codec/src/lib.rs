//! Sluice codec elements: `sluicetranscode` passes a track through, or turns it into what viewers play.
#![allow(
    missing_docs,
    reason = "element glue; contracts stand where they matter"
)]

use gst::glib;

mod audio;
mod codec;
pub mod probe;
mod property;
mod ranking;
mod transcode;
mod video;

pub use codec::VideoCodec;
pub use ranking::{Ranking, can_encode, set_ranking};

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    transcode::register(plugin)
}

gst::plugin_define!(
    sluicecodec,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    "https://gstreamer.freedesktop.org",
    env!("BUILD_REL_DATE")
);
