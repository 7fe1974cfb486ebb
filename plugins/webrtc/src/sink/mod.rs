//! `sluicewhepsink`: one producer, many WHEP viewers.

mod imp;
mod input;
mod judge;
mod settings;
mod signals;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::viewers::Viewers;

glib::wrapper! {
    /// Takes encoded tracks and serves them to any number of WebRTC viewers.
    pub struct WhepSink(ObjectSubclass<imp::WhepSink>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

impl WhepSink {
    /// Gives a handle to its viewers. It may be kept longer than the element; then it finds nobody.
    pub fn viewers(&self) -> Viewers {
        self.imp().viewers()
    }
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "sluicewhepsink",
        gst::Rank::NONE,
        WhepSink::static_type(),
    )
}
