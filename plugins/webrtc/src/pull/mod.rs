//! `sluicewhepsrc`: one stream of another WHEP server, as RTP.

mod gate;
mod imp;
mod session;
mod settings;

use gst::glib;
use gst::prelude::*;

glib::wrapper! {
    /// Asks a WHEP server for its tracks, once: who wants redials uses `sluicesrc uri=whep://…`.
    pub struct WhepSrc(ObjectSubclass<imp::WhepSrc>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "sluicewhepsrc",
        gst::Rank::NONE,
        WhepSrc::static_type(),
    )
}
