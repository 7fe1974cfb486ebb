//! The element's messages about its publisher, in the same words as `sluicesrc` about its sources.

use std::sync::Arc;

use gst::glib;
use gst::prelude::*;
use parking_lot::Mutex;

/// Posts `sluice-source` on the element's bus, and keeps the last one for the property `state`.
pub(crate) struct Announcer {
    element: glib::WeakRef<gst::Element>,
    last: Arc<Mutex<Option<gst::Structure>>>,
}

impl Announcer {
    /// Makes an announcer that has said nothing.
    pub(super) fn new(element: &gst::Element) -> Self {
        Self {
            element: element.downgrade(),
            last: Arc::default(),
        }
    }

    /// Gives the last message.
    pub(super) fn last(&self) -> Option<gst::Structure> {
        self.last.lock().clone()
    }

    /// Says that there is no publisher.
    pub(super) fn absent(&self, reason: &str) {
        self.say("absent", reason);
    }

    /// Says that a publisher is there, but not all of its tracks yet.
    pub(super) fn connecting(&self) {
        self.say("connecting", "");
    }

    /// Says that its tracks flow.
    pub(super) fn running(&self) {
        self.say("running", "");
    }

    fn say(&self, state: &str, reason: &str) {
        let structure = gst::Structure::builder("sluice-source")
            .field("state", state)
            .field("uri", "publisher")
            .field("source", 0_u32)
            .field("attempt", 0_u32)
            .field("reason", reason)
            .field("retry-in-ms", 0_u64)
            .build();
        *self.last.lock() = Some(structure.clone());
        let Some(element) = self.element.upgrade() else {
            return;
        };
        let message = gst::message::Element::builder(structure)
            .src(&element)
            .build();
        if element.post_message(message).is_err() {
            tracing::debug!("no bus: nobody listens");
        }
        element.notify("state");
    }
}
