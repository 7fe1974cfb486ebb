//! The bounded queue between the streaming threads and the writer.

use std::collections::VecDeque;
use std::time::SystemTime;

use parking_lot::{Condvar, Mutex};
use sluice_core::Kind;

/// Half a minute of 8 Mbit/s.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// One frame as it came, in running time.
pub(crate) struct Frame {
    pub(crate) track: usize,
    pub(crate) kind: Kind,
    pub(crate) buffer: gst::Buffer,
    pub(crate) caps: gst::Caps,
    pub(crate) key: bool,
    /// Nanoseconds; a picture may be decoded before time begins.
    pub(crate) pts: i64,
    pub(crate) dts: Option<i64>,
    pub(crate) wall: SystemTime,
}

impl Frame {
    pub(crate) fn at(&self) -> i64 {
        self.dts.unwrap_or(self.pts)
    }
}

pub(crate) enum Order {
    Frame(Frame),
    /// A track is there, and will have frames.
    Expect(usize),
    /// A track has ended.
    Ended(usize),
    /// Write what comes, and what is kept from before; or keep it.
    Record(bool),
    /// A track cannot be recorded: nobody waits for it.
    LeftOut(usize),
    /// A segment could not be written on.
    Failed {
        serial: u64,
        reason: String,
    },
    Stop,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    Taken,
    /// There is no room for it.
    Dropped,
    /// The recorder is being stopped.
    Closed,
}

#[derive(Default)]
struct Inside {
    orders: VecDeque<Order>,
    bytes: usize,
    /// Frames are dropped until a key frame finds room.
    dropping: bool,
    closed: bool,
}

/// Holds at most 32 MiB of frames. When it is full, frames are dropped up to a key frame that finds it half
/// empty; or the streaming thread waits, if the user wants that.
#[derive(Default)]
pub(crate) struct Queue {
    inside: Mutex<Inside>,
    filled: Condvar,
    drained: Condvar,
}

impl Queue {
    /// Takes a frame, or not. `leads`: a segment may begin with it.
    pub(crate) fn push(&self, frame: Frame, leads: bool, wait: bool) -> Pushed {
        let size = frame.buffer.size();
        let mut inside = self.inside.lock();
        while wait && !inside.closed && inside.bytes > 0 && inside.bytes + size > MOST_BYTES {
            self.drained.wait(&mut inside);
        }
        if inside.closed {
            return Pushed::Closed;
        }
        if inside.dropping && leads && frame.key && inside.bytes < MOST_BYTES / 2 {
            inside.dropping = false;
        }
        if inside.dropping || (inside.bytes > 0 && inside.bytes + size > MOST_BYTES) {
            inside.dropping = true;
            return Pushed::Dropped;
        }
        inside.bytes += size;
        inside.orders.push_back(Order::Frame(frame));
        drop(inside);
        self.filled.notify_one();
        Pushed::Taken
    }

    /// Gives an order that is not a frame; there are few of them.
    pub(crate) fn order(&self, order: Order) {
        self.inside.lock().orders.push_back(order);
        self.filled.notify_one();
    }

    /// Takes no more frames, and lets go who waits.
    pub(crate) fn close(&self) {
        self.inside.lock().closed = true;
        self.drained.notify_all();
    }

    /// Waits for the next order.
    pub(crate) fn pop(&self) -> Order {
        let mut inside = self.inside.lock();
        loop {
            if let Some(order) = inside.orders.pop_front() {
                if let Order::Frame(frame) = &order {
                    inside.bytes = inside.bytes.saturating_sub(frame.buffer.size());
                    self.drained.notify_all();
                }
                return order;
            }
            self.filled.wait(&mut inside);
        }
    }
}
