//! The element's pads, and what every frame goes through on its way to them: timestamps, pacing, caps.

mod pads;

use std::sync::Arc;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use parking_lot::{Condvar, Mutex};
use sluice_core::timeline::{Mapped, Stamp, Start, Timeline};
use sluice_core::{Drift, Kind};

use self::pads::Slot;
use crate::feed::{Feed, Held, Pace};
use crate::line::Line;
use crate::source::{CAT, SluiceSrc};

/// How late a recording's frame may be before the timeline is moved on (a slow server, a suspended machine).
const TOO_LATE: u64 = 1_000_000_000;

/// Added to a sender's own timestamps: frames may be decoded before their segment begins, and the timeline
/// counts from zero.
const BIAS: u64 = 3600 * 1_000_000_000;

/// Where all dials of an element end. Lock order: this state is taken alone, never across a push.
pub(crate) struct Outlet {
    element: glib::WeakRef<SluiceSrc>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The dial whose frames go out; others are only counted.
    active: Option<u64>,
    /// A dial that becomes the active one at its next key frame.
    next: Option<u64>,
    /// The clock and base time that the element plays with.
    clock: Option<(gst::Clock, gst::ClockTime)>,
    /// The dial and item that the timeline's epoch belongs to.
    epoch: Option<(u64, u64)>,
    timeline: Timeline,
    /// Of the epoch, if its sender has a clock of its own.
    drift: Drift,
    slots: Vec<Slot>,
    group: gst::GroupId,
}

impl Outlet {
    /// Makes an outlet without pads.
    pub(crate) fn new(element: &SluiceSrc) -> Self {
        Self {
            element: element.downgrade(),
            state: Mutex::new(State {
                active: None,
                next: None,
                clock: None,
                epoch: None,
                timeline: Timeline::new(Start::AsIs),
                drift: Drift::default(),
                slots: Vec::new(),
                group: gst::GroupId::next(),
            }),
            changed: Condvar::new(),
        }
    }

    /// Starts to play with this clock.
    pub(crate) fn play(&self, clock: gst::Clock, base: gst::ClockTime) {
        self.state.lock().clock = Some((clock, base));
    }

    /// Lets the frames of `dial` out, and no others.
    pub(crate) fn activate(&self, dial: Option<u64>) {
        let mut state = self.state.lock();
        state.active = dial;
        state.next = None;
        drop(state);
        self.changed.notify_all();
    }

    /// Lets `dial` take over at its next key frame: until then the frames of the active one go out.
    pub(crate) fn succeed(&self, dial: u64) {
        self.state.lock().next = Some(dial);
    }

    /// Warns on the element's log and bus.
    pub(crate) fn warn(&self, text: &str) {
        if let Some(element) = self.element.upgrade() {
            gst::warning!(CAT, obj = element, "{text}");
            gst::element_warning!(element, gst::StreamError::CodecNotFound, ("{text}"));
        }
    }

    /// Takes one parsed frame: waits for its time, and pushes it. Blocks the line's streaming thread. Where that thread
    /// brings all lines, frames wait in a list until all lines are known.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        feed: &Feed,
        line: &Arc<Line>,
        sample: &gst::Sample,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if !feed.is_in_one_thread() {
            return self.deliver_one(feed, line, sample);
        }
        match feed.hold(line, sample) {
            Held::Passed => self.deliver_one(feed, line, sample),
            Held::Kept => Ok(gst::FlowSuccess::Ok),
            Held::Released(all) => {
                for (line, sample) in all {
                    self.deliver_one(feed, &line, &sample)?;
                }
                Ok(gst::FlowSuccess::Ok)
            }
            Held::Closed => Err(gst::FlowError::Flushing),
        }
    }

    fn deliver_one(
        self: &Arc<Self>,
        feed: &Feed,
        line: &Line,
        sample: &gst::Sample,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps_owned()) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let raw = source_stamp(sample, buffer, feed.pace);
        if let Some(pts) = raw.pts {
            line.set_latest(pts);
        }
        // From here on the line waits for others (its turn, its time, downstream): that is no stall.
        line.set_pushing(true);
        let flow = self.pass(feed, line, buffer, &caps, raw);
        line.set_pushing(false);
        flow
    }

    fn pass(
        self: &Arc<Self>,
        feed: &Feed,
        line: &Line,
        buffer: &gst::BufferRef,
        caps: &gst::Caps,
        raw: Stamp,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if !feed.gather(line) {
            return Err(gst::FlowError::Flushing);
        }
        if !self.is_active(feed) && !self.takes_over(feed, line, buffer) {
            line.set_joined(false);
            return Ok(gst::FlowSuccess::Ok);
        }
        let begins = !line.is_joined();
        if begins
            && line.kind == Kind::Video
            && buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
        {
            return Ok(gst::FlowSuccess::Ok);
        }
        self.send(feed, line, buffer, caps, raw, begins)
    }

    fn send(
        self: &Arc<Self>,
        feed: &Feed,
        line: &Line,
        buffer: &gst::BufferRef,
        caps: &gst::Caps,
        raw: Stamp,
        begins: bool,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        feed.open_once(|lines| self.open(feed, lines));
        let Some(stamp) = self.stamp(feed, line, raw) else {
            return Err(gst::FlowError::Flushing);
        };
        if feed.pace == Pace::Recorded && !self.wait_until(feed, stamp.dts.unwrap_or(stamp.pts)) {
            return Err(gst::FlowError::Flushing);
        }
        let mut buffer = buffer.copy();
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(stamp.pts));
            buffer.set_dts(stamp.dts.map(gst::ClockTime::from_nseconds));
            // An item that follows another has no gap before it, whatever its demuxer says.
            match (begins, feed.item) {
                (true, 0) => buffer.set_flags(gst::BufferFlags::DISCONT),
                (true, _) => buffer.unset_flags(gst::BufferFlags::DISCONT),
                (false, _) => {}
            }
        }
        line.set_joined(true);
        self.push(feed, line, buffer, caps)
    }

    /// Makes the feed the active one if it waits for that and this frame can begin a picture.
    fn takes_over(&self, feed: &Feed, line: &Line, buffer: &gst::BufferRef) -> bool {
        if self.state.lock().next != Some(feed.dial) {
            return false;
        }
        let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let pictures = feed.lines().iter().any(|line| line.kind == Kind::Video);
        if !key || (pictures && line.kind == Kind::Audio) {
            return false;
        }
        self.activate(Some(feed.dial));
        feed.took_over();
        true
    }

    fn is_active(&self, feed: &Feed) -> bool {
        self.state.lock().active == Some(feed.dial)
    }

    /// Maps a frame's timestamps to running time; the feed's first frame begins an epoch. `None` for a frame of
    /// a dial that was left meanwhile.
    fn stamp(&self, feed: &Feed, line: &Line, raw: Stamp) -> Option<Mapped> {
        let track = track_of(line);
        let mut state = self.state.lock();
        if state.active != Some(feed.dial) {
            return None;
        }
        let now = state.now();
        if state.epoch != Some((feed.dial, feed.item)) {
            // Each line waits with its first frame in hand: the earliest of them is the epoch's origin.
            let origin = feed.lines().iter().filter_map(|line| line.latest()).min();
            let start = state.start_of(feed, now);
            state.timeline.begin(start);
            if let Some(origin) = origin {
                state.timeline.on_segment(origin);
            }
            state.epoch = Some((feed.dial, feed.item));
            state.drift = Drift::default();
        }
        let stamp = state.timeline.map(track, raw);
        Some(match feed.pace {
            Pace::Clock => stamp,
            Pace::Arrival => {
                let by = state
                    .drift
                    .on_frame(signed(stamp.dts.unwrap_or(stamp.pts)), signed(now));
                Mapped {
                    pts: stamp.pts.saturating_add_signed(by),
                    dts: stamp.dts.map(|dts| dts.saturating_add_signed(by)),
                    ..stamp
                }
            }
            Pace::Recorded if now > stamp.dts.unwrap_or(stamp.pts).saturating_add(TOO_LATE) => {
                state.timeline.begin(Start::At(now));
                state.timeline.map(track, raw)
            }
            Pace::Recorded => stamp,
        })
    }

    /// Waits until the element's running time is `due`; false when the frame is not wanted any more.
    fn wait_until(&self, feed: &Feed, due: u64) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.active != Some(feed.dial) || feed.is_closed() {
                return false;
            }
            let ahead = due.saturating_sub(state.now());
            if ahead == 0 {
                return true;
            }
            // The clock may run at another speed than ours: look again at least twice a second.
            let ahead = Duration::from_nanos(ahead).min(Duration::from_millis(500));
            self.changed.wait_for(&mut state, ahead);
        }
    }

    /// Wakes the lines of a closed feed.
    pub(crate) fn wake(&self) {
        // Taking the lock orders this after a waiter's check.
        drop(self.state.lock());
        self.changed.notify_all();
    }
}

impl State {
    /// The element's running time, in nanoseconds.
    fn now(&self) -> u64 {
        self.clock.as_ref().map_or(0, |(clock, base)| {
            clock.time().saturating_sub(*base).nseconds()
        })
    }

    /// Where an epoch begins on the output's timeline.
    fn start_of(&self, feed: &Feed, now: u64) -> Start {
        match (feed.pace, self.epoch) {
            (Pace::Recorded, Some((dial, _))) if dial == feed.dial => Start::Seamless,
            (Pace::Recorded | Pace::Arrival, _) => Start::At(now),
            (Pace::Clock, _) => Start::AsIs,
        }
    }
}

/// Times of 292 years and more are as good as one another.
fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

/// Numbers a line among all of the element's pads.
fn track_of(line: &Line) -> usize {
    let index = usize::try_from(line.index).unwrap_or(usize::MAX / 2);
    index
        .saturating_mul(2)
        .saturating_add(usize::from(line.kind == Kind::Audio))
}

/// Gives a frame's timestamps as running time of the child pipeline.
fn source_stamp(sample: &gst::Sample, buffer: &gst::BufferRef, pace: Pace) -> Stamp {
    let segment = sample
        .segment()
        .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
    let bias = if pace == Pace::Clock { 0 } else { BIAS };
    // x264enc shifts its timestamps, and its segment, by 1000 hours (F18): running time has neither.
    let running = |at: Option<gst::ClockTime>| {
        segment?
            .to_running_time_full(at?)
            .map(|signed| match signed {
                gst::Signed::Positive(at) => bias.saturating_add(at.nseconds()),
                gst::Signed::Negative(at) => bias.saturating_sub(at.nseconds()),
            })
    };
    let dts = running(buffer.dts());
    Stamp {
        pts: running(buffer.pts()).or(dts),
        dts,
        duration: buffer.duration().map(gst::ClockTime::nseconds),
    }
}
