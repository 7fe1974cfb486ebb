//! One track of one dial: what is known of it, and whether it flows.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::Kind;

/// Stands for "no timestamp yet".
const UNSET: u64 = u64::MAX;

/// A track between its demuxer and the element's pad.
pub(crate) struct Line {
    pub(crate) kind: Kind,
    /// Counts the tracks of this kind within the dial: the number of the element's pad.
    pub(crate) index: u32,
    origin: Instant,
    /// Nanoseconds since `origin`, plus one; zero means that nothing came yet.
    last: AtomicU64,
    known: AtomicBool,
    joined: AtomicBool,
    pushing: AtomicBool,
    ended: AtomicBool,
    latest: AtomicU64,
    sink: Mutex<glib::WeakRef<gst::Pad>>,
}

impl Line {
    /// Makes a line on which nothing has arrived.
    pub(crate) fn new(kind: Kind, index: u32) -> Self {
        Self {
            kind,
            index,
            origin: Instant::now(),
            last: AtomicU64::new(0),
            known: AtomicBool::new(false),
            joined: AtomicBool::new(false),
            pushing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            latest: AtomicU64::new(UNSET),
            sink: Mutex::new(glib::WeakRef::new()),
        }
    }

    /// Gives the name of the element's pad for this line.
    pub(crate) fn pad_name(&self) -> String {
        format!("{}_{}", self.kind.label(), self.index)
    }

    /// Notes that data arrived from the source; says whether these were the first.
    pub(crate) fn touch(&self) -> bool {
        let ns = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX - 1);
        self.last.swap(ns + 1, Ordering::Relaxed) == 0
    }

    /// Tells when data last arrived. A line that downstream holds up, or that has ended, counts as flowing:
    /// neither is the source's fault.
    pub(crate) fn last_flow(&self, now: Instant) -> Option<Instant> {
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            _ if self.is_pushing() || self.ended.load(Ordering::Relaxed) => Some(now),
            ns => Some(self.origin + Duration::from_nanos(ns - 1)),
        }
    }

    /// Says whether anything ever arrived.
    pub(crate) fn has_flowed(&self) -> bool {
        self.last.load(Ordering::Relaxed) > 0
    }

    /// Notes that the line's caps are known.
    pub(crate) fn set_known(&self) {
        self.known.store(true, Ordering::Release);
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    /// Notes whether the line's frames have begun to reach the element's pad.
    pub(crate) fn set_joined(&self, joined: bool) {
        self.joined.store(joined, Ordering::Relaxed);
    }

    pub(crate) fn is_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// Notes that a frame is on its way downstream, or waits for its time.
    pub(crate) fn set_pushing(&self, pushing: bool) {
        self.pushing.store(pushing, Ordering::Relaxed);
        if !pushing {
            self.touch();
        }
    }

    pub(crate) fn is_pushing(&self) -> bool {
        self.pushing.load(Ordering::Relaxed)
    }

    pub(crate) fn set_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Notes the presentation time, by the source, of the frame in hand.
    pub(crate) fn set_latest(&self, ns: u64) {
        self.latest.store(ns, Ordering::Relaxed);
    }

    pub(crate) fn latest(&self) -> Option<u64> {
        Some(self.latest.load(Ordering::Relaxed)).filter(|ns| *ns != UNSET)
    }

    /// Remembers where events enter that go towards the source.
    pub(crate) fn set_sink(&self, pad: &gst::Pad) {
        self.sink.lock().set(Some(pad));
    }

    /// Gives the caps that the source sends, once they are known.
    pub(crate) fn caps(&self) -> Option<gst::Caps> {
        self.sink.lock().upgrade()?.current_caps()
    }

    /// Sends an event towards the source. Does not wait for its effect.
    pub(crate) fn send_upstream(&self, event: gst::Event) -> bool {
        let pad = self.sink.lock().upgrade();
        pad.is_some_and(|pad| pad.push_event(event))
    }
}
