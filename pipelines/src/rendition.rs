//! Renditions, as the gateway sees them.

use std::sync::Arc;

use gst::prelude::*;
use sluice_core::Codec;

use crate::graph::RouteRenditions;
use crate::watch::text;

/// The renditions of a route. All clones are the same one; it does not keep the route alive.
#[derive(Debug, Clone)]
pub struct Renditions {
    route: Arc<RouteRenditions>,
}

impl Renditions {
    pub(crate) const fn new(route: Arc<RouteRenditions>) -> Self {
        Self { route }
    }

    /// Says which there are, and how each is. Does not block.
    #[must_use]
    pub fn status(&self) -> Vec<RenditionStatus> {
        self.route.status()
    }
}

/// How a rendition of a route's pictures is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenditionStatus {
    /// What the pictures are made into.
    pub codec: Codec,
    /// The encoder's GStreamer factory, once it runs.
    pub encoder: Option<String>,
    /// The decoder's GStreamer factory, once it runs.
    pub decoder: Option<String>,
    /// Sessions that are sent it.
    pub viewers: usize,
    /// Frames of the source that came in.
    pub frames_in: u64,
    /// Frames that went out.
    pub frames_out: u64,
    /// Frames that were left out, since the machine was too slow.
    pub dropped: u64,
    /// Decoders and encoders that failed and were replaced.
    pub failures: u64,
}

impl RenditionStatus {
    pub(crate) fn read(codec: Codec, viewers: usize, transcode: &gst::Element) -> Self {
        let stats: gst::Structure = transcode.property("stats");
        let text = |name| text(&stats, name);
        let number = |name| stats.get::<u64>(name).unwrap_or_default();
        Self {
            codec,
            encoder: text("encoder"),
            decoder: text("decoder"),
            viewers,
            frames_in: number("frames-in"),
            frames_out: number("frames-out"),
            dropped: number("dropped"),
            failures: number("failures"),
        }
    }
}
