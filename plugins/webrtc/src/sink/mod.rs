//! `sluicewhepsink`: one producer, many WHEP viewers.

mod forward;
mod hold;
mod imp;
mod input;
mod judge;
mod settings;
mod signals;

pub(crate) use judge::Seen;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use std::sync::Arc;

use crate::push::{Push, Target};
use crate::renditions::Renditions;
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

    /// Sets what makes renditions for viewers who cannot play a track as it is; without, they are refused.
    pub fn render_with(&self, renditions: Arc<dyn Renditions>) {
        self.imp().producer().set_renditions(renditions);
    }

    /// Says whether anybody watches, is about to, or is pushed to. While nobody does, nothing is made into packets.
    pub fn is_watched(&self) -> bool {
        self.imp().producer().is_watched()
    }

    /// Sets whom to push to, and gives a handle for each; in place of the property `forward`, and in READY or NULL only.
    pub fn push_to(&self, targets: Vec<Target>) -> Vec<Push> {
        self.imp().push_to(targets)
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
