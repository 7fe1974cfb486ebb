//! The element: pads that the reader's thread makes, and the states that begin and end that thread.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::Mutex;

use super::reader::{Call, Reader};
use crate::source::CAT;

/// Lock order: each is taken alone.
#[derive(Default)]
pub(crate) struct Interleaved {
    call: Mutex<Option<Call>>,
    reader: Mutex<Option<Reader>>,
}

impl Interleaved {
    /// Sets what to call. Once, before the element starts.
    pub(super) fn set_call(&self, call: Call) {
        *self.call.lock() = Some(call);
    }

    fn start(&self) -> Result<(), gst::StateChangeError> {
        let call = self.call.lock().take().ok_or(gst::StateChangeError)?;
        let reader = Reader::start(call, self.obj().clone()).map_err(|error| {
            gst::error!(CAT, imp = self, "no thread for a camera: {error}");
            gst::StateChangeError
        })?;
        *self.reader.lock() = Some(reader);
        Ok(())
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Interleaved {
    const NAME: &'static str = "SluiceInterleaved";
    type Type = super::Interleaved;
    type ParentType = gst::Element;
}

impl ObjectImpl for Interleaved {
    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_element_flags(gst::ElementFlags::SOURCE);
    }
}

impl GstObjectImpl for Interleaved {}

impl ElementImpl for Interleaved {
    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: std::sync::LazyLock<Vec<gst::PadTemplate>> =
            std::sync::LazyLock::new(|| {
                let caps = gst::Caps::new_empty_simple("application/x-rtp");
                gst::PadTemplate::new(
                    "src_%u",
                    gst::PadDirection::Src,
                    gst::PadPresence::Sometimes,
                    &caps,
                )
                .into_iter()
                .collect()
            });
        TEMPLATES.as_ref()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        use gst::StateChange::{PausedToReady, PlayingToPaused, ReadyToPaused};
        let ended = if transition == PausedToReady {
            self.reader.lock().take()
        } else {
            None
        };
        if let Some(reader) = &ended {
            reader.stop();
        }
        let success = self.parent_change_state(transition)?;
        if let Some(reader) = ended {
            // The pads are shut: nothing that the thread pushes is taken any more.
            reader.join();
        }
        if transition == ReadyToPaused {
            self.start()?;
        }
        if transition == ReadyToPaused || transition == PlayingToPaused {
            return Ok(gst::StateChangeSuccess::NoPreroll);
        }
        Ok(success)
    }
}
