//! What the element says of itself: `stats` and messages.

use std::collections::BTreeMap;

use gst::glib;
use gst::prelude::*;
use parking_lot::Mutex;

/// What it does right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Doing {
    /// No key frame has come yet.
    #[default]
    Idle,
    /// The last seconds are kept, and nothing is written.
    Armed,
    Recording,
    /// The disk is too slow: frames are dropped.
    Dropping,
    /// The disk does not take anything; it is tried again.
    Failed,
}

impl Doing {
    const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Armed => "armed",
            Self::Recording => "recording",
            Self::Dropping => "dropping",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Default)]
struct Numbers {
    doing: Doing,
    reason: Option<String>,
    location: Option<String>,
    frames: u64,
    bytes: u64,
    dropped: u64,
    segments: u64,
    /// Why, by track.
    left_out: BTreeMap<usize, String>,
}

/// Shared by the element, its queue and its threads.
pub(crate) struct Report {
    element: glib::WeakRef<gst::Element>,
    numbers: Mutex<Numbers>,
}

impl Report {
    pub(crate) fn new(element: &gst::Element) -> Self {
        Self {
            element: element.downgrade(),
            numbers: Mutex::default(),
        }
    }

    pub(crate) fn kept(&self, bytes: usize) {
        let mut numbers = self.numbers.lock();
        numbers.frames += 1;
        numbers.bytes += bytes as u64;
    }

    pub(crate) fn dropped(&self) {
        self.numbers.lock().dropped += 1;
    }

    /// Takes note that a track is recorded, or why it is not; what is new is said aloud.
    pub(crate) fn leaves_out(&self, track: usize, why: Option<&str>) {
        let structure = {
            let mut numbers = self.numbers.lock();
            let before = match why {
                Some(why) => numbers.left_out.insert(track, why.to_owned()),
                None => numbers.left_out.remove(&track),
            };
            if before.as_deref() == why {
                return;
            }
            numbers.structure("sluice-record")
        };
        self.post(structure);
    }

    /// Says a state aloud, if it is another one than before.
    pub(crate) fn is(&self, doing: Doing, reason: Option<&str>, location: Option<&str>) {
        let structure = {
            let mut numbers = self.numbers.lock();
            let same = numbers.doing == doing && numbers.reason.as_deref() == reason;
            if same && (location.is_none() || numbers.location.as_deref() == location) {
                return;
            }
            numbers.doing = doing;
            numbers.reason = reason.map(str::to_owned);
            if let Some(location) = location {
                numbers.location = Some(location.to_owned());
            }
            numbers.structure("sluice-record")
        };
        self.post(structure);
    }

    pub(crate) fn finished(&self, location: &str, bytes: u64) {
        self.numbers.lock().segments += 1;
        self.post(
            gst::Structure::builder("sluice-recorded")
                .field("location", location)
                .field("bytes", bytes)
                .build(),
        );
    }

    pub(crate) fn repaired(&self, location: &str, playable: bool) {
        self.post(
            gst::Structure::builder("sluice-repaired")
                .field("location", location)
                .field("playable", playable)
                .build(),
        );
    }

    pub(crate) fn eos(&self) {
        if let Some(element) = self.element.upgrade() {
            let message = gst::message::Eos::builder().src(&element).build();
            self.say(&element, message);
        }
    }

    pub(crate) fn stats(&self) -> gst::Structure {
        self.numbers.lock().structure("sluice-record-stats")
    }

    fn post(&self, structure: gst::Structure) {
        if let Some(element) = self.element.upgrade() {
            let message = gst::message::Element::builder(structure)
                .src(&element)
                .build();
            self.say(&element, message);
        }
    }

    fn say(&self, element: &gst::Element, message: gst::Message) {
        if element.post_message(message).is_err() {
            gst::debug!(gst::CAT_DEFAULT, obj = element, "no bus to tell");
        }
    }
}

impl Numbers {
    fn structure(&self, name: &'static str) -> gst::Structure {
        gst::Structure::builder(name)
            .field("state", self.doing.name())
            .field("reason", self.reason.as_deref())
            .field("location", self.location.as_deref())
            .field("frames", self.frames)
            .field("bytes", self.bytes)
            .field("dropped", self.dropped)
            .field("segments", self.segments)
            .field("left-out", gst::Array::new(self.left_out.values()))
            .build()
    }
}
