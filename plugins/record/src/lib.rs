//! Sluice's recorder: `sluicerecordsink` writes tracks into files that survive a crash.
#![allow(
    missing_docs,
    reason = "element glue; contracts stand where they matter"
)]

use gst::glib;

mod gather;
mod keeper;
mod leftovers;
mod mend;
mod queue;
mod segment;
mod sink;
mod state;
mod track;
mod writer;

pub use writer::local_offset;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    sink::register(plugin)
}

gst::plugin_define!(
    sluicerecord,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    "https://gstreamer.freedesktop.org",
    env!("BUILD_REL_DATE")
);
