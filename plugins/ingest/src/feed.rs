//! What one child pipeline brings: its lines, and the wait until all of them are known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use sluice_core::Kind;

use crate::line::Line;
use crate::report::{DialEvent, Reports};

/// How long known tracks wait for the others, so that the pads appear together.
const GRACE: Duration = Duration::from_secs(2);

/// How much may be held until all tracks are known, where they come in one thread: two seconds of 128 Mbit/s.
const MOST_HELD: usize = 32 << 20;

/// Where a feed's timestamps come from, and so how they become running time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// They already are running time (RTSP, capture devices, the known picture).
    Clock,
    /// The sender's own clock, arriving in real time (MPEG-TS over the network).
    Arrival,
    /// A recording: frames are held back until they are due.
    Recorded,
}

/// The tracks of one child pipeline. Lock order: this state is taken alone.
pub(crate) struct Feed {
    pub(crate) dial: u64,
    /// Counts the items of a dial; each is an epoch of the timeline.
    pub(crate) item: u64,
    pub(crate) pace: Pace,
    reports: Reports,
    /// The source said that it has pictures.
    promised: AtomicBool,
    /// One thread brings all lines: none of them may wait for another.
    in_one_thread: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    lines: Vec<Arc<Line>>,
    skipped: Vec<String>,
    /// Pads and demuxers that may still bring lines.
    pending: usize,
    first_known: Option<Instant>,
    /// What came before all lines were known, if it comes in one thread.
    held: Vec<(Arc<Line>, gst::Sample)>,
    held_bytes: usize,
    gathered: bool,
    opening: Opening,
    /// False while the item before this one still plays.
    turn: bool,
    closed: bool,
    arrived: bool,
    /// Streaming threads that are adding elements just now.
    building: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    Not,
    Busy,
    Done,
}

/// What became of a sample before all lines were known.
pub(crate) enum Held {
    /// It waits.
    Kept,
    /// All lines are known, and nothing waits.
    Passed,
    /// All lines have become known: what waited, with this one at its end.
    Released(Vec<(Arc<Line>, gst::Sample)>),
    /// The feed was closed.
    Closed,
}

impl Feed {
    /// Makes a feed without lines. `turn` is false for an item that waits for the one before it.
    pub(crate) fn new(item: u64, pace: Pace, turn: bool, reports: Reports) -> Self {
        Self {
            dial: reports.dial(),
            item,
            pace,
            reports,
            promised: AtomicBool::new(false),
            in_one_thread: AtomicBool::new(false),
            state: Mutex::new(State {
                lines: Vec::new(),
                skipped: Vec::new(),
                pending: 0,
                first_known: None,
                held: Vec::new(),
                held_bytes: 0,
                gathered: false,
                opening: Opening::Not,
                turn,
                closed: false,
                arrived: false,
                building: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Adds a line; its number follows from those of its kind before it.
    pub(crate) fn add_line(&self, kind: Kind) -> Arc<Line> {
        let mut state = self.state.lock();
        let before = state.lines.iter().filter(|line| line.kind == kind).count();
        let line = Arc::new(Line::new(kind, u32::try_from(before).unwrap_or(u32::MAX)));
        state.lines.push(Arc::clone(&line));
        line
    }

    pub(crate) fn lines(&self) -> Vec<Arc<Line>> {
        self.state.lock().lines.clone()
    }

    /// Notes a track that is left out.
    pub(crate) fn skip(&self, name: String) {
        self.state.lock().skipped.push(name);
    }

    pub(crate) fn skipped(&self) -> Vec<String> {
        self.state.lock().skipped.clone()
    }

    /// Notes that the source has said that it has pictures.
    pub(crate) fn promise_pictures(&self) {
        self.promised.store(true, Relaxed);
    }

    /// Says whether pictures were promised, but none has ever arrived.
    pub(crate) fn is_blind(&self) -> bool {
        let state = self.state.lock();
        let mut pictures = state.lines.iter().filter(|line| line.kind == Kind::Video);
        self.promised.load(Relaxed) && !pictures.any(|line| line.has_flowed())
    }

    /// Notes that something may still bring lines.
    pub(crate) fn expect_more(&self) {
        self.state.lock().pending += 1;
    }

    /// Ends what `expect_more` began. Says whether that leaves a source without any track to carry.
    pub(crate) fn expect_no_more(&self) -> bool {
        let mut state = self.state.lock();
        state.pending = state.pending.saturating_sub(1);
        let barren = state.pending == 0 && state.lines.is_empty() && !state.closed;
        drop(state);
        self.changed.notify_all();
        barren
    }

    /// Notes that data arrived on a line.
    pub(crate) fn touch(&self, line: &Line) {
        if line.touch() {
            self.arrive();
        }
    }

    /// Notes that the source has begun to send.
    pub(crate) fn arrive(&self) {
        let first = !std::mem::replace(&mut self.state.lock().arrived, true);
        if first {
            self.reports.send(DialEvent::Arrived);
        }
    }

    /// Notes that this feed's frames go out in place of another's.
    pub(crate) fn took_over(&self) {
        self.reports.send(DialEvent::TookOver);
    }

    pub(crate) fn has_arrived(&self) -> bool {
        self.state.lock().arrived
    }

    pub(crate) fn is_gathered(&self) -> bool {
        self.state.lock().gathered
    }

    /// Notes that one thread brings all lines.
    pub(crate) fn come_in_one_thread(&self) {
        self.in_one_thread.store(true, Relaxed);
    }

    pub(crate) fn is_in_one_thread(&self) -> bool {
        self.in_one_thread.load(Relaxed)
    }

    /// Keeps a sample until all lines are known, where waiting would keep the others away. Then gives all that was kept, in
    /// the order in which it came, and after it this one.
    pub(crate) fn hold(&self, line: &Arc<Line>, sample: &gst::Sample) -> Held {
        line.set_known();
        let mut state = self.state.lock();
        if state.closed {
            return Held::Closed;
        }
        if state.gathered {
            return Held::Passed;
        }
        let since = *state.first_known.get_or_insert_with(Instant::now);
        state.held_bytes += sample.buffer().map_or(0, gst::BufferRef::size);
        state.held.push((Arc::clone(line), sample.clone()));
        if !state.all_known() && since.elapsed() < GRACE && state.held_bytes < MOST_HELD {
            return Held::Kept;
        }
        state.gathered = true;
        let held = std::mem::take(&mut state.held);
        drop(state);
        self.changed.notify_all();
        self.reports.send(DialEvent::Gathered);
        Held::Released(held)
    }

    /// Waits until all lines are known (or a grace is over) and it is this item's turn. Blocks the line's
    /// streaming thread; false means that the feed was closed meanwhile.
    pub(crate) fn gather(&self, line: &Line) -> bool {
        line.set_known();
        let mut state = self.state.lock();
        let since = *state.first_known.get_or_insert_with(Instant::now);
        loop {
            if state.closed {
                return false;
            }
            if !state.gathered && (state.all_known() || since.elapsed() >= GRACE) {
                state.gathered = true;
                drop(state);
                self.changed.notify_all();
                self.reports.send(DialEvent::Gathered);
                state = self.state.lock();
                continue;
            }
            if state.gathered && state.turn {
                return true;
            }
            let limit = if state.gathered {
                None
            } else {
                Some(since + GRACE)
            };
            match limit {
                Some(limit) => {
                    self.changed.wait_until(&mut state, limit);
                }
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// Runs `open` once for the feed, with the lines known so far; other lines wait until it is through.
    pub(crate) fn open_once(&self, open: impl FnOnce(&[Arc<Line>])) {
        let mut state = self.state.lock();
        while state.opening == Opening::Busy {
            self.changed.wait(&mut state);
        }
        if state.opening == Opening::Done {
            return;
        }
        state.opening = Opening::Busy;
        let lines: Vec<_> = state
            .lines
            .iter()
            .filter(|line| line.is_known())
            .cloned()
            .collect();
        drop(state);
        open(&lines);
        self.state.lock().opening = Opening::Done;
        self.changed.notify_all();
    }

    /// Lets the next item play: the one before it has ended.
    pub(crate) fn give_turn(&self) {
        self.state.lock().turn = true;
        self.changed.notify_all();
    }

    /// Wakes every waiting line, which then gives up.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Runs `build`, which adds elements, in a streaming thread; not once the feed is closed.
    pub(crate) fn while_open<T>(&self, build: impl FnOnce() -> T) -> Option<T> {
        {
            let mut state = self.state.lock();
            if state.closed {
                return None;
            }
            state.building += 1;
        }
        let built = build();
        self.state.lock().building -= 1;
        self.changed.notify_all();
        Some(built)
    }

    /// Waits, after `close`, until nothing adds elements any more. A pipeline that is shut down meanwhile
    /// deadlocks: one thread holds the new element's state and wants the stream, the other has the stream and
    /// wants the state.
    pub(crate) fn wait_built(&self) {
        let deadline = Instant::now() + GRACE;
        let mut state = self.state.lock();
        while state.building > 0 && Instant::now() < deadline {
            self.changed.wait_until(&mut state, deadline);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }
}

impl State {
    fn all_known(&self) -> bool {
        self.pending == 0 && self.lines.iter().all(|line| line.is_known())
    }
}
