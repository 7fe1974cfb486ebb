//! The element's messages about its sources.

use std::sync::Arc;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::SourceUri;
use sluice_core::redial::{Failure, Retry};

use crate::failure::Fault;
use crate::source::{CAT, SluiceSrc};

/// What a source does, as the message's `state` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Connecting,
    Running,
    Waiting,
    Stalled,
    Failed,
}

impl Word {
    /// Waiting is for what may pass by itself; what a person has to mend has failed, though it is tried again.
    pub(crate) fn waiting_after(failure: Failure) -> Self {
        match failure.retry() {
            Retry::Soon => Self::Waiting,
            Retry::Slowly | Retry::Never => Self::Failed,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stalled => "stalled",
            Self::Failed => "failed",
        }
    }
}

/// One message `sluice-source`.
pub(crate) struct Notice {
    pub(crate) word: Word,
    /// Redacted.
    pub(crate) uri: String,
    pub(crate) source: usize,
    pub(crate) attempt: u32,
    pub(crate) reason: String,
    pub(crate) retry_in: Option<Duration>,
}

/// Posts notices on the element's bus, and keeps the last one for the property `state`.
#[derive(Clone)]
pub(crate) struct Announcer {
    element: glib::WeakRef<SluiceSrc>,
    last: Arc<Mutex<Option<gst::Structure>>>,
}

impl Announcer {
    /// Makes an announcer that has said nothing.
    pub(crate) fn new(element: &SluiceSrc) -> Self {
        Self {
            element: element.downgrade(),
            last: Arc::default(),
        }
    }

    /// Gives the last notice.
    pub(crate) fn last(&self) -> Option<gst::Structure> {
        self.last.lock().clone()
    }

    /// Posts a notice.
    pub(crate) fn say(&self, notice: &Notice) {
        let retry_in = notice.retry_in.map_or(0, |wait| {
            u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
        });
        let structure = gst::Structure::builder("sluice-source")
            .field("state", notice.word.as_str())
            .field("uri", &notice.uri)
            .field("source", u32::try_from(notice.source).unwrap_or(u32::MAX))
            .field("attempt", notice.attempt)
            .field("reason", &notice.reason)
            .field("retry-in-ms", retry_in)
            .build();
        *self.last.lock() = Some(structure.clone());
        let Some(element) = self.element.upgrade() else {
            return;
        };
        gst::info!(CAT, obj = element, "{structure}");
        let message = gst::message::Element::builder(structure)
            .src(&element)
            .build();
        if element.post_message(message).is_err() {
            gst::debug!(CAT, obj = element, "no bus: nobody listens");
        }
        element.notify("state");
    }

    /// Warns of a failure that a person has to mend.
    pub(crate) fn note(&self, fault: &Fault, uri: Option<&SourceUri>) {
        let Some(element) = self.element.upgrade() else {
            return;
        };
        let uri = uri.map(ToString::to_string).unwrap_or_default();
        gst::debug!(CAT, obj = element, "{uri}: {fault:?}");
        if fault.failure.retry() == Retry::Slowly {
            gst::element_warning!(
                element,
                gst::ResourceError::OpenRead,
                ("{}", fault.reason),
                ["{uri}"]
            );
        }
    }

    /// Says, as an error, that nothing more is tried.
    pub(crate) fn give_up(&self, reason: &str) {
        if let Some(element) = self.element.upgrade() {
            gst::element_error!(element, gst::ResourceError::Failed, ("{reason}"));
        }
    }

    /// Notes that teardowns go on after the element has stopped.
    pub(crate) fn log_leftover(&self, count: usize) {
        if let Some(element) = self.element.upgrade() {
            gst::warning!(
                CAT,
                obj = element,
                "{count} dials are still being torn down"
            );
        }
    }
}
