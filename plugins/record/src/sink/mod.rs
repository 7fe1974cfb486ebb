//! `sluicerecordsink`: encoded tracks in, files on disk.
//!
//! The streaming threads only put frames into a bounded queue. A thread of the element's own merges the
//! tracks, cuts them at key frames as core says, and feeds one private pipeline for each segment
//! (docs/adr/0011). Nothing that a disk does is an error of the element: it is said in messages and `stats`.

use gst::glib;
use gst::prelude::*;

mod imp;
mod settings;

pub(crate) use settings::Settings;

glib::wrapper! {
    /// The element; make it with `gst::ElementFactory::make("sluicerecordsink")`.
    pub struct RecordSink(ObjectSubclass<imp::RecordSink>) @extends gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "sluicerecordsink",
        gst::Rank::NONE,
        RecordSink::static_type(),
    )
}
