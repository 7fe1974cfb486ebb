//! `sluicetranscode`: one track in, one track out that viewers can play.
//!
//! Opus and (with `keep-g711`) G.711 pass as they are; any other audio becomes Opus, 48 kHz stereo in
//! 20 ms frames with in-band FEC (RFC 7587). Video passes, or becomes what `video-codec` says. The decision
//! is made on the caps and made again when they change in mid-stream.

use gst::glib;
use gst::prelude::*;

mod imp;
mod settings;

glib::wrapper! {
    /// The element; make it with `gst::ElementFactory::make("sluicetranscode")`.
    pub struct Transcode(ObjectSubclass<imp::Transcode>) @extends gst::Bin, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "sluicetranscode",
        gst::Rank::NONE,
        Transcode::static_type(),
    )
}
