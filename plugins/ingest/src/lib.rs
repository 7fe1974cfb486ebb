//! Sluice source element: any source URI as parsed, still encoded tracks.
#![allow(missing_docs, reason = "element glue; contracts stand where they matter")]

use gst::glib;

fn plugin_init(_plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Ok(())
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
