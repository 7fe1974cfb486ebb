//! Sluice source element: any source URI as parsed, still encoded tracks.
#![allow(
    missing_docs,
    reason = "element glue; contracts stand where they matter"
)]

mod announce;
mod branch;
mod burst;
mod dial;
mod elements;
mod failure;
mod feed;
mod guard;
mod interleaved;
mod knock;
mod line;
mod outlet;
mod report;
mod route;
mod source;
mod supervisor;
mod tidy;
mod words;

use gst::glib;

pub use source::{SluiceSrc, Transport};

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    source::register(plugin)
}

gst::plugin_define!(
    sluiceingest,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    "https://sluice.invalid",
    env!("BUILD_REL_DATE")
);
