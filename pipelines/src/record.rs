//! What records a route, as the gateway sees it.

use std::sync::Arc;

use gst::prelude::*;
use parking_lot::Mutex;

use crate::error::RouteError;
use crate::graph::Branches;
use crate::watch::{strings, text};

/// Starts and stops a route's recorder, and says how it is. All clones are the same one.
#[derive(Debug, Clone)]
pub struct Recorder {
    branches: Arc<Branches>,
    /// One start or stop at a time: each takes several steps.
    turn: Arc<Mutex<()>>,
}

/// How a recorder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordStatus {
    /// In one word: `off`, `armed` (the last seconds are kept for the next start), `idle` (no key frame has come yet), `recording`, `dropping` (the disk is too slow) or `failed` (it is
    /// tried again by itself).
    pub state: String,
    /// Why it does not record; one sentence.
    pub reason: Option<String>,
    /// The file that is written, or was the last one.
    pub file: Option<String>,
    /// Why tracks are left out, a sentence each.
    pub left_out: Vec<String>,
    /// Frames written since the recording started.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that were not written: the disk was full, gone or too slow, or no key frame had come yet.
    pub dropped: u64,
    /// Files that were finished.
    pub segments: u64,
}

impl Default for RecordStatus {
    fn default() -> Self {
        Self {
            state: "off".to_owned(),
            reason: None,
            file: None,
            left_out: Vec::new(),
            frames: 0,
            bytes: 0,
            dropped: 0,
            segments: 0,
        }
    }
}

impl Recorder {
    pub(crate) fn new(branches: Arc<Branches>) -> Self {
        Self {
            branches,
            turn: Arc::default(),
        }
    }

    pub(crate) fn branches(&self) -> &Branches {
        &self.branches
    }

    /// Starts to record with the next key frame; nothing happens if it records already. May block for some milliseconds.
    ///
    /// # Errors
    /// When an element is missing, or the route is gone.
    pub fn start(&self) -> Result<(), RouteError> {
        let _turn = self.turn.lock();
        self.branches.begin(true)
    }

    /// Ends the recording, and waits until its file is whole: as long as the disk takes.
    pub fn stop(&self) {
        let _turn = self.turn.lock();
        self.branches.end();
        // A recorder of its own for what comes: this one is gone with its file.
        if let Err(error) = self.branches.arm() {
            tracing::warn!(%error, "nothing is kept for the next recording");
        }
    }

    /// Begins to keep the last seconds, if that is wanted.
    pub(crate) fn arm(&self) -> Result<(), RouteError> {
        let _turn = self.turn.lock();
        self.branches.arm()
    }

    /// Says how it is. Does not block.
    #[must_use]
    pub fn status(&self) -> RecordStatus {
        let Some(sink) = self.branches.sink() else {
            return RecordStatus::default();
        };
        let stats: gst::Structure = sink.property("stats");
        let text = |name| text(&stats, name);
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
