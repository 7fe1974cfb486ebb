//! The bounded queue between the streaming threads and the writer.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex};
use sluice_core::Kind;

/// Half a minute of 8 Mbit/s.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Frames go on in batches of this length. Each wakes five threads on its way to the file: one by one, that takes more time than
/// all the rest of a recording.
const BATCH: Duration = Duration::from_millis(100);

/// A batch of so many bytes goes on at once.
const BATCH_BYTES: usize = 1024 * 1024;

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
    Expect(usize, Kind),
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
    /// When what waits goes on, if it waits.
    due: Option<Instant>,
    /// What is in here goes on now.
    draining: bool,
}

impl Inside {
    /// Gives the next order if it is time for it, or when that will be.
    fn next(&mut self, now: Instant) -> Result<Order, Option<Instant>> {
        self.draining |= self.due.is_some_and(|due| due <= now);
        if self.draining
            && let Some(order) = self.orders.pop_front()
        {
            if let Order::Frame(frame) = &order {
                self.bytes = self.bytes.saturating_sub(frame.buffer.size());
            }
            return Ok(order);
        }
        if self.orders.is_empty() {
            self.draining = false;
            self.due = None;
        }
        Err(self.due)
    }
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
        let first = inside.due.is_none();
        let at_once = (wait || inside.bytes >= BATCH_BYTES) && !inside.draining;
        inside.draining |= at_once;
        inside.due.get_or_insert_with(|| Instant::now() + BATCH);
        drop(inside);
        if first || at_once {
            self.filled.notify_one();
        }
        Pushed::Taken
    }

    /// Gives an order that is not a frame; there are few of them.
    pub(crate) fn order(&self, order: Order) {
        let mut inside = self.inside.lock();
        inside.orders.push_back(order);
        inside.draining = true;
        drop(inside);
        self.filled.notify_one();
    }

    /// Takes no more frames, and lets go who waits.
    pub(crate) fn close(&self) {
        self.inside.lock().closed = true;
        self.drained.notify_all();
    }

    /// Gives the next order, if it is time for it.
    pub(crate) fn next(&self) -> Option<Order> {
        let order = self.inside.lock().next(Instant::now()).ok();
        if order.is_some() {
            self.drained.notify_all();
        }
        order
    }

    /// Waits for the next order. Frames come in batches, 0.1 s after the first of them; with any other order at once.
    pub(crate) fn pop(&self) -> Order {
        let mut inside = self.inside.lock();
        loop {
            match inside.next(Instant::now()) {
                Ok(order) => {
                    self.drained.notify_all();
                    return order;
                }
                Err(None) => self.filled.wait(&mut inside),
                Err(Some(due)) => drop(self.filled.wait_until(&mut inside, due)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(size: usize) -> Frame {
        Frame {
            track: 0,
            kind: Kind::Video,
            buffer: gst::Buffer::with_size(size).unwrap(),
            caps: gst::Caps::new_empty_simple("video/x-h264"),
            key: true,
            pts: 0,
            dts: None,
            wall: SystemTime::UNIX_EPOCH,
        }
    }

    /// What comes out at `now`, and when the next one will.
    fn out(queue: &Queue, now: Instant) -> (usize, Option<Instant>) {
        let mut inside = queue.inside.lock();
        let mut count = 0;
        loop {
            match inside.next(now) {
                Ok(_) => count += 1,
                Err(due) => return (count, due),
            }
        }
    }

    #[test]
    fn frames_wait_for_their_batch_and_all_else_does_not() {
        gst::init().unwrap();
        let queue = Queue::default();
        let start = Instant::now();
        for _ in 0..3 {
            queue.push(frame(10), true, false);
        }
        let (none, due) = out(&queue, start);
        let due = due.unwrap();
        assert_eq!(none, 0);
        assert!(due >= start + BATCH && due <= Instant::now() + BATCH);
        assert_eq!(out(&queue, due), (3, None));

        queue.push(frame(10), true, false);
        queue.order(Order::Expect(1, Kind::Audio));
        assert_eq!(out(&queue, start), (2, None));
        queue.push(frame(BATCH_BYTES), true, false);
        assert_eq!(out(&queue, start), (1, None));
        // From a file, as fast as it can be.
        queue.push(frame(10), true, true);
        assert_eq!(out(&queue, start), (1, None));
    }
}
