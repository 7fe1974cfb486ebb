//! The element inside `sluicetranscode` that turns video into one codec.
//!
//! The source's thread only puts pictures into a queue. An engine moves them through a decoder and an
//! encoder, which have pipelines and threads of their own, and the source pad's task sends on what comes out.

use std::sync::LazyLock;

use gst::glib;
use gst::subclass::prelude::*;

mod chain;
mod engine;
mod imp;
mod mail;
mod output;
mod slot;
mod stage;

pub(crate) use chain::{Wanted, decode, encode, make};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sluicetranscode-video",
        gst::DebugColorFlags::empty(),
        Some("Sluice transcoder of video"),
    )
});

glib::wrapper! {
    /// The element; not registered, since only the bin knows its contract.
    pub struct Video(ObjectSubclass<imp::Video>) @extends gst::Element, gst::Object;
}

impl Video {
    pub(crate) fn new(wanted: Wanted) -> Self {
        let video: Self = glib::Object::new();
        video.imp().set_wanted(wanted);
        video
    }

    /// Sets another bitrate in kbit/s, while it runs.
    pub(crate) fn set_bitrate(&self, kbps: u32) {
        self.imp().set_bitrate(kbps);
    }

    /// Gives what the property `stats` tells.
    pub(crate) fn stats(&self) -> gst::Structure {
        self.imp().stats()
    }

    /// Gives the factories of encoder and decoder, while they run.
    pub(crate) fn codecs(&self) -> (Option<&'static str>, Option<&'static str>) {
        self.imp().codecs()
    }
}

/// What `stats` tells before anything ran, and for tracks that pass.
pub(crate) fn no_stats() -> gst::Structure {
    imp::structure(&mail::Counts::default())
}
