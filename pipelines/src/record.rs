//! What records a route, as the gateway sees it.

use gst::prelude::*;

use crate::watch::strings;

/// Asks a route's recorder how it is.
#[derive(Debug, Clone)]
pub struct Recorder {
    sink: gst::Element,
}

/// How a recorder is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordStatus {
    /// In one word: `idle` (no key frame has come yet), `recording`, `dropping` (the disk is too slow) or `failed` (it is tried
    /// again by itself).
    pub state: String,
    /// Why it does not record; one sentence.
    pub reason: Option<String>,
    /// The file that is written, or was the last one.
    pub file: Option<String>,
    /// Why tracks are left out, a sentence each.
    pub left_out: Vec<String>,
    /// Frames written since the route started.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that were not written: the disk was full, gone or too slow, or no key frame had come yet.
    pub dropped: u64,
    /// Files that were finished.
    pub segments: u64,
}

impl Recorder {
    pub(crate) const fn new(sink: gst::Element) -> Self {
        Self { sink }
    }

    pub(crate) const fn sink(&self) -> &gst::Element {
        &self.sink
    }

    /// Says how it is. Does not block.
    #[must_use]
    pub fn status(&self) -> RecordStatus {
        let stats: gst::Structure = self.sink.property("stats");
        let text = |name| stats.get::<Option<String>>(name).ok().flatten();
        let number = |name| stats.get::<u64>(name).unwrap_or_default();
        RecordStatus {
            state: text("state").unwrap_or_default(),
            reason: text("reason"),
            file: text("location"),
            left_out: strings(&stats, "left-out"),
            frames: number("frames"),
            bytes: number("bytes"),
            dropped: number("dropped"),
            segments: number("segments"),
        }
    }
}
