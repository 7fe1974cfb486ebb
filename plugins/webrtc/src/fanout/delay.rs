//! How late frames are: from the packetiser until the last viewer was sent them.

use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::queue::Queue;

#[derive(Debug, Default)]
struct State {
    /// Since when the frame that is being sent waits.
    sending: Option<Instant>,
    /// Of the frames that were sent since it was asked last.
    longest: Duration,
}

/// What one fan-out says of it.
pub(super) struct Delay {
    queue: Arc<Queue>,
    state: Mutex<State>,
}

static WATCHED: LazyLock<Mutex<Vec<Weak<Delay>>>> = LazyLock::new(Mutex::default);

impl Delay {
    /// Makes one that [`take`] looks at.
    pub(super) fn watched(queue: &Arc<Queue>) -> Arc<Self> {
        let delay = Arc::new(Self::new(queue));
        WATCHED.lock().push(Arc::downgrade(&delay));
        delay
    }

    fn new(queue: &Arc<Queue>) -> Self {
        Self {
            queue: Arc::clone(queue),
            state: Mutex::default(),
        }
    }

    /// Takes note that a frame is being sent which waits since then.
    pub(super) fn begin(&self, since: Instant) {
        self.state.lock().sending = Some(since);
    }

    /// Takes note that all viewers were sent it.
    pub(super) fn end(&self, now: Instant) {
        let mut state = self.state.lock();
        if let Some(since) = state.sending.take() {
            state.longest = state.longest.max(now.saturating_duration_since(since));
        }
    }

    /// Gives the longest delay since it was asked last; a frame that is still on its way counts, and one that waits.
    fn take(&self, now: Instant) -> Duration {
        let waits = self.queue.oldest();
        let mut state = self.state.lock();
        let longest = std::mem::take(&mut state.longest);
        let open = state.sending.into_iter().chain(waits);
        let open = open.map(|since| now.saturating_duration_since(since));
        open.fold(longest, Duration::max)
    }
}

/// Gives the longest delay of all fan-outs since it was asked last.
pub(crate) fn take(now: Instant) -> Duration {
    let mut watched = WATCHED.lock();
    watched.retain(|delay| delay.strong_count() > 0);
    let all: Vec<_> = watched.iter().filter_map(Weak::upgrade).collect();
    drop(watched);
    let delays = all.iter().map(|delay| delay.take(now));
    delays.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packetize::Frame;

    #[test]
    fn what_was_sent_what_is_being_sent_and_what_waits_count() {
        let queue = Arc::new(Queue::default());
        let (delay, start) = (Delay::new(&queue), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        delay.begin(at(0));
        delay.end(at(30));
        delay.begin(at(20));
        delay.end(at(25));
        assert_eq!(delay.take(at(100)), Duration::from_millis(30));
        assert_eq!(delay.take(at(100)), Duration::ZERO);
        delay.begin(at(100));
        assert_eq!(delay.take(at(900)), Duration::from_millis(800));
        delay.end(at(1000));
        assert_eq!(delay.take(at(1000)), Duration::from_millis(900));
        assert!(queue.push_frame(Frame {
            track: 0,
            packets: Vec::new(),
            at: Duration::ZERO,
            video: true,
            key: true,
            gap: false,
            bytes: 0,
        }));
        let later = Instant::now() + Duration::from_secs(7);
        assert!(delay.take(later) >= Duration::from_secs(7));
    }
}
