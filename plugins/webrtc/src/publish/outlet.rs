//! The element's pads, and what every frame goes through on its way to them: whose it is, its time, its caps.
//!
//! The pads and their timestamps outlive publishers, so that viewers stay while one goes and another comes.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use parking_lot::{Condvar, Mutex};
use sluice_core::bitstream::Size;
use sluice_core::timeline::{Mapped, Stamp, Start, Timeline};
use sluice_core::whip::Steady;
use sluice_core::{Kind, SessionId};

use super::pads::Slot;
use super::session::Publisher;

/// How long known tracks wait for the others, so that the pads appear together.
const GRACE: Duration = Duration::from_millis(1500);

/// One track of one publisher.
pub(super) struct Line {
    pub(super) kind: Kind,
    id: SessionId,
    session: Weak<Publisher>,
    gathering: Arc<Gathering>,
    /// Whether its caps are known.
    known: Mutex<bool>,
    /// Whether its frames have begun to leave.
    joined: Mutex<bool>,
    steady: Mutex<Steady>,
    /// Held by the layer whose frame is being taken, where there are several.
    turn: Turn,
}

impl Line {
    /// Says whether it is this line's publisher whose frames go out.
    pub(super) fn is_active(&self, state: &State) -> bool {
        state.active.as_ref() == Some(&self.id)
    }
}

/// Lets one layer's thread after the other in: a frame of the layer before must not follow the first of the next.
#[derive(Default)]
struct Turn {
    taken: Mutex<bool>,
    changed: Condvar,
}

/// Gives the turn back when dropped.
struct Turned<'a>(&'a Turn);

impl Turn {
    /// Waits until nobody else has it: for as long as a push takes.
    fn take(&self) -> Turned<'_> {
        let mut taken = self.taken.lock();
        self.changed.wait_while(&mut taken, |taken| *taken);
        *taken = true;
        Turned(self)
    }
}

impl Drop for Turned<'_> {
    fn drop(&mut self) {
        *self.0.taken.lock() = false;
        self.0.changed.notify_one();
    }
}

/// The wait until the caps of all tracks of a publisher are known.
pub(super) struct Gathering {
    expected: usize,
    state: Mutex<Gathered>,
    changed: Condvar,
}

#[derive(Default)]
struct Gathered {
    known: usize,
    since: Option<Instant>,
    done: bool,
    closed: bool,
}

impl Gathering {
    /// Waits for so many tracks.
    pub(super) fn new(expected: usize) -> Self {
        Self {
            expected,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Wakes every line, which then gives up.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until all are known or the grace is over; blocks the line's own thread. `None` when the session is
    /// closed, else whether this call was the one that ended the wait.
    fn wait(&self, is_new: bool) -> Option<bool> {
        let mut state = self.state.lock();
        state.known += usize::from(is_new);
        let until = *state.since.get_or_insert_with(Instant::now) + GRACE;
        loop {
            if state.closed {
                return None;
            }
            if state.done {
                return Some(false);
            }
            if state.known >= self.expected || Instant::now() >= until {
                state.done = true;
                drop(state);
                self.changed.notify_all();
                return Some(true);
            }
            self.changed.wait_until(&mut state, until);
        }
    }
}

/// Where all publishers of an element end. Lock order: this state is taken alone, never across a push.
pub(crate) struct Outlet {
    pub(super) element: glib::WeakRef<gst::Element>,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

pub(super) struct State {
    /// Whose frames go out; those of others are dropped.
    active: Option<SessionId>,
    /// Whose epoch of the timeline it is.
    epoch: Option<SessionId>,
    timeline: Timeline,
    pub(super) slots: Vec<Slot>,
    pub(super) group: gst::GroupId,
}

impl Outlet {
    /// Makes an outlet without pads.
    pub(super) fn new(element: &gst::Element) -> Self {
        Self {
            element: element.downgrade(),
            state: Mutex::new(State {
                active: None,
                epoch: None,
                timeline: Timeline::new(Start::AsIs),
                slots: Vec::new(),
                group: gst::GroupId::next(),
            }),
            changed: Condvar::new(),
        }
    }

    /// Makes a line for one track of a publisher.
    pub(super) fn line(&self, kind: Kind, session: &Arc<Publisher>) -> Line {
        Line {
            kind,
            id: session.id().clone(),
            session: Arc::downgrade(session),
            gathering: session.gathering().clone(),
            known: Mutex::default(),
            joined: Mutex::default(),
            steady: Mutex::default(),
            turn: Turn::default(),
        }
    }

    /// Lets the frames of this publisher out, and no others.
    pub(super) fn activate(&self, id: Option<SessionId>) {
        self.state.lock().active = id;
        self.changed.notify_all();
    }

    /// Lets nothing of this publisher out any more.
    pub(super) fn deactivate(&self, id: &SessionId) {
        {
            let mut state = self.state.lock();
            if state.active.as_ref() == Some(id) {
                state.active = None;
            }
        }
        self.changed.notify_all();
    }

    /// Takes one parsed frame and pushes it, if it is of the layer that goes out. Blocks the streaming thread.
    pub(super) fn deliver(
        self: &Arc<Self>,
        line: &Line,
        layer: Option<usize>,
        sample: &gst::Sample,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let delta = buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let _turn = layer.map(|_| line.turn.take());
        let mut changes = false;
        if let Some(layer) = layer {
            let session = line.session.upgrade().ok_or(gst::FlowError::Flushing)?;
            let step = session.on_layer_frame(layer, size(caps), !delta);
            if !step.goes_out {
                return Ok(gst::FlowSuccess::Ok);
            }
            changes = step.changes;
        }
        let begins = !*line.joined.lock();
        if begins && line.kind == Kind::Video && delta {
            return Ok(gst::FlowSuccess::Ok);
        }
        if line.kind == Kind::Video
            && !delta
            && let Some(session) = line.session.upgrade()
        {
            session.on_key_frame();
        }
        self.gather(line, caps)?;
        let raw = {
            let mut steady = line.steady.lock();
            if changes {
                steady.on_other_layer();
            }
            steady.on_frame(source_stamp(sample, buffer))
        };
        let Some(stamp) = self.stamp(line, raw) else {
            return Err(gst::FlowError::Flushing);
        };
        let mut buffer = buffer.copy();
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(stamp.pts));
            buffer.set_dts(stamp.dts.map(gst::ClockTime::from_nseconds));
            if begins || changes {
                buffer.set_flags(gst::BufferFlags::DISCONT);
            }
        }
        *line.joined.lock() = true;
        self.push(line, buffer, caps)
    }

    /// Adds the line's pad, and waits for the other tracks'.
    fn gather(self: &Arc<Self>, line: &Line, caps: &gst::CapsRef) -> Result<(), gst::FlowError> {
        let is_new = !std::mem::replace(&mut *line.known.lock(), true);
        if is_new && line.is_active(&self.state.lock()) {
            self.add_pad(line.kind, caps);
        }
        match line.gathering.wait(is_new) {
            Some(true) => {
                if let Some(session) = line.session.upgrade() {
                    session.on_gathered();
                }
                Ok(())
            }
            Some(false) => Ok(()),
            None => Err(gst::FlowError::Flushing),
        }
    }

    /// Maps a frame's timestamps; a publisher's first frame begins an epoch. `None` for a frame of a publisher
    /// that is not wanted (any more).
    fn stamp(&self, line: &Line, raw: Stamp) -> Option<Mapped> {
        let mut state = self.state.lock();
        if !line.is_active(&state) {
            return None;
        }
        if state.epoch.as_ref() != Some(&line.id) {
            // webrtcbin stamps with the running time of the clock that it shares with the element.
            state.timeline.begin(Start::AsIs);
            state.epoch = Some(line.id.clone());
        }
        Some(
            state
                .timeline
                .map(usize::from(line.kind == Kind::Audio), raw),
        )
    }
}

impl State {
    /// Forgets all that was pushed.
    pub(super) fn begin_anew(&mut self) -> Vec<Slot> {
        self.timeline = Timeline::new(Start::AsIs);
        self.epoch = None;
        self.active = None;
        std::mem::take(&mut self.slots)
    }
}

/// Gives the size of a track's pictures, where its caps say it.
fn size(caps: &gst::CapsRef) -> Option<Size> {
    let caps = caps.structure(0)?;
    let number = |name| u32::try_from(caps.get::<i32>(name).ok()?).ok();
    Some(Size {
        width: number("width")?,
        height: number("height")?,
    })
}

/// Gives a frame's timestamps as running time.
fn source_stamp(sample: &gst::Sample, buffer: &gst::BufferRef) -> Stamp {
    let segment = sample
        .segment()
        .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
    let running = |at: Option<gst::ClockTime>| {
        let at = segment?.to_running_time(at?);
        at.map(gst::ClockTime::nseconds)
    };
    let dts = running(buffer.dts());
    Stamp {
        pts: running(buffer.pts()).or(dts),
        dts,
        duration: buffer.duration().map(gst::ClockTime::nseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_wait_for_each_other_and_one_of_them_tells() {
        let gathering = Arc::new(Gathering::new(2));
        let other = gathering.clone();
        let first = std::thread::spawn(move || other.wait(true));
        let second = gathering.wait(true);
        let told = [first.join().unwrap(), second];
        assert_eq!(told.iter().filter(|one| **one == Some(true)).count(), 1);
        assert_eq!(gathering.wait(false), Some(false));
    }

    #[test]
    fn a_track_that_never_comes_is_waited_for_a_moment_only() {
        let gathering = Gathering::new(2);
        let since = Instant::now();
        assert_eq!(gathering.wait(true), Some(true));
        assert!(since.elapsed() >= GRACE);
    }

    #[test]
    fn a_closed_session_waits_for_nothing() {
        let gathering = Gathering::new(2);
        gathering.close();
        assert_eq!(gathering.wait(true), None);
    }
}
