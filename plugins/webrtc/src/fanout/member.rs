//! A viewer as the fan-out sees it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sluice_core::{Outgoing, SessionId};

use super::headers::{Again, Class};
use super::short::ShortWay;

/// One track on its way to one viewer.
#[derive(Debug)]
pub(crate) struct Lane {
    /// The producer's track.
    pub(crate) track: usize,
    /// Whether it begins with a key frame.
    pub(crate) video: bool,
    /// Of the RTP timestamps, in Hz.
    pub(crate) clock_rate: u32,
    /// Of its packets.
    pub(crate) ssrc: u32,
    /// What of it was sent.
    pub(crate) sent: Passed,
    /// How its packets look.
    pub(crate) looks: Looks,
    /// How they look when we send them again; `None` where webrtcbin does, or nobody.
    pub(crate) again: Option<Again>,
    /// The sink pad of the viewer's webrtcbin.
    pub(crate) pad: gst::Pad,
    /// Past most of that webrtcbin.
    pub(crate) short: Arc<ShortWay>,
}

/// How a lane's packets look, until its viewer reports on them and behind that.
///
/// By a report block the viewer says that it knows where the stream belongs: it needs no MID any more, as it is with libwebrtc's senders.
/// That is 8 bytes a packet; and viewers whose offers differ in nothing but the names of their sections share their packets.
#[derive(Debug)]
pub(crate) struct Looks {
    named: Class,
    plain: Class,
    known: AtomicBool,
}

impl Looks {
    /// Makes those of a stream of which the viewer has not heard yet.
    pub(crate) fn new(named: Class) -> Self {
        Self {
            plain: Class {
                mid: None,
                ..named.clone()
            },
            named,
            known: AtomicBool::new(false),
        }
    }

    /// Takes note that the viewer has reported on the stream.
    pub(crate) fn on_report(&self) {
        self.known.store(true, Relaxed);
    }

    /// Gives how the packets look that are sent now.
    pub(super) fn now(&self) -> &Class {
        if self.known.load(Relaxed) {
            &self.plain
        } else {
            &self.named
        }
    }
}

/// What was sent of one track.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Passed {
    /// Counts one frame.
    pub(super) fn add(&self, packets: usize, bytes: usize) {
        self.packets.fetch_add(packets as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Gives what was counted.
    pub(crate) fn so_far(&self) -> Outgoing {
        Outgoing {
            packets: self.packets.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}

/// What was sent to a viewer, and when.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    bytes: AtomicU64,
    packets: AtomicU64,
    /// The uninterrupted run of sending: its begin and its latest packet.
    run: Mutex<Option<(Instant, Instant)>>,
}

/// A pause in sending after which a new run begins.
const PAUSE: Duration = Duration::from_secs(5);

impl Sent {
    /// Counts one frame.
    pub(super) fn add(&self, packets: usize, bytes: usize, now: Instant) {
        self.packets.fetch_add(packets as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        let mut run = self.run.lock();
        *run = match *run {
            Some((begin, last)) if now.saturating_duration_since(last) < PAUSE => {
                Some((begin, now))
            }
            Some(_) | None => Some((now, now)),
        };
    }

    /// Gives the bytes of RTP payload.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Gives the packets.
    pub(crate) fn packets(&self) -> u64 {
        self.packets.load(Relaxed)
    }

    /// Says since when media has been flowing; `None` while it is not.
    pub(crate) fn flowing_since(&self, now: Instant) -> Option<Instant> {
        let run = *self.run.lock();
        run.filter(|(_, last)| now.saturating_duration_since(*last) < PAUSE)
            .map(|(begin, _)| begin)
    }
}

/// A viewer in the fan-out.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its session.
    pub(crate) id: SessionId,
    /// Its tracks.
    pub(crate) lanes: Vec<Lane>,
    /// Counters.
    pub(crate) sent: Sent,
    evicted: AtomicBool,
    /// Whether it is sent key frames alone.
    thinned: AtomicBool,
    /// Set by its transport when its connection (TCP) had no room for packets.
    choked: OnceLock<Arc<AtomicBool>>,
    /// Frames that were left out for that.
    left_out: AtomicU64,
    /// Packets that it wants again: the lane, and the sequence number.
    lost: Mutex<Vec<(usize, u16)>>,
    /// Where packets leave that are sent again.
    exit: OnceLock<gst::Pad>,
    /// Packets that were sent again.
    again: AtomicU64,
}

/// Packets that a viewer may wait for at a time; what is more was lost for good.
const MOST_LOST: usize = 1024;

impl Member {
    /// Makes a viewer that is in no fan-out yet.
    pub(crate) fn new(id: SessionId, lanes: Vec<Lane>) -> Arc<Self> {
        Arc::new(Self {
            id,
            lanes,
            sent: Sent::default(),
            evicted: AtomicBool::new(false),
            thinned: AtomicBool::new(false),
            choked: OnceLock::new(),
            left_out: AtomicU64::new(0),
            lost: Mutex::default(),
            exit: OnceLock::new(),
            again: AtomicU64::new(0),
        })
    }

    /// Makes every push into this viewer return at once, the one under way too. Never blocks for long:
    /// flush-start is not serialised with the data.
    pub(crate) fn evict(&self) {
        if !self.evicted.swap(true, Relaxed) {
            for lane in &self.lanes {
                use gst::prelude::*;
                lane.pad.send_event(gst::event::FlushStart::new());
            }
        }
    }

    /// Sends key frames alone from the next frame on, with the sound; or all from the next key frame on.
    pub(crate) fn thin(&self, thinned: bool) {
        self.thinned.store(thinned, Relaxed);
    }

    /// Says whether it is sent key frames alone.
    pub(crate) fn is_thinned(&self) -> bool {
        self.thinned.load(Relaxed)
    }

    /// Sets where its transport says that its connection had no room for packets. Only the first call counts.
    pub(crate) fn watch_choke(&self, choked: Arc<AtomicBool>) {
        let _known = self.choked.set(choked);
    }

    /// Says whether its connection had no room for packets since it was asked last.
    pub(super) fn take_choke(&self) -> bool {
        // Read first: nearly always it is not set, and a read keeps the line shared.
        let choked = self.choked.get();
        choked.is_some_and(|choked| choked.load(Relaxed) && choked.swap(false, Relaxed))
    }

    /// Counts a frame that was left out for it.
    pub(super) fn count_left_out(&self, frames: usize) {
        self.left_out.fetch_add(frames as u64, Relaxed);
    }

    /// Gives the frames that were left out because its connection had no room.
    pub(crate) fn frames_left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }

    /// Sets where packets leave that are sent again. Only the first call counts.
    pub(crate) fn set_exit(&self, exit: gst::Pad) {
        let _known = self.exit.set(exit);
    }

    /// Gives where packets leave that are sent again.
    pub(super) fn exit(&self) -> Option<&gst::Pad> {
        self.exit.get()
    }

    /// Takes note of packets that the viewer has lost; `true` if the fan-out does not know that there are any.
    pub(super) fn ask_again(&self, lane: usize, sequences: &[u16]) -> bool {
        let mut lost = self.lost.lock();
        let first = lost.is_empty();
        let room = MOST_LOST.saturating_sub(lost.len());
        lost.extend(sequences.iter().take(room).map(|number| (lane, *number)));
        first && !lost.is_empty()
    }

    /// Gives the packets that the viewer has lost.
    pub(super) fn take_lost(&self) -> Vec<(usize, u16)> {
        std::mem::take(&mut *self.lost.lock())
    }

    /// Counts packets that were sent again.
    pub(super) fn count_again(&self, packets: usize) {
        self.again.fetch_add(packets as u64, Relaxed);
    }

    /// Gives the packets that were sent again.
    pub(crate) fn packets_again(&self) -> u64 {
        self.again.load(Relaxed)
    }

    /// Says whether `evict` was called.
    pub(crate) fn is_evicted(&self) -> bool {
        self.evicted.load(Relaxed)
    }
}
