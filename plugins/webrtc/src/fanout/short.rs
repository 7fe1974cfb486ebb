//! Past what webrtcbin has between its pad and its RTP session, where nothing in there has anything to do.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use gst::glib;

/// Where the lists of one track may go in at once, as soon as that is known.
#[derive(Debug, Default)]
pub(crate) struct ShortWay {
    entrance: OnceLock<glib::WeakRef<gst::Pad>>,
    /// Lists that went it; all tracks of a session count together.
    pub(crate) taken: Arc<AtomicU64>,
}

impl ShortWay {
    /// Makes one that is not known yet.
    pub(crate) fn new(taken: &Arc<AtomicU64>) -> Self {
        Self {
            entrance: OnceLock::new(),
            taken: Arc::clone(taken),
        }
    }

    /// Says where it is: lists may be pushed from this pad.
    pub(crate) fn open(&self, entrance: glib::WeakRef<gst::Pad>) {
        self.entrance.get_or_init(|| entrance);
    }

    /// Gives it for a list that goes now, and counts that.
    pub(super) fn take(&self) -> Option<gst::Pad> {
        let pad = self.entrance.get()?.upgrade()?;
        self.taken.fetch_add(1, Relaxed);
        Some(pad)
    }
}
