//! What the threads of one transcoder hand to each other. Every queue here has a limit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use sluice_core::transcode::{Backlog, Bounds};

use super::stage::Stage;

/// Two seconds cover the start of any decoder; what waits longer is too late for live pictures. A group that is handed over at
/// once may have many pictures.
const INPUT: Bounds = Bounds {
    units: 4096,
    bytes: 32 << 20,
    span: Duration::from_secs(2),
};

/// Without a clock upstream, the source waits at so many.
const INPUT_WITHOUT_CLOCK: usize = 8;

/// Decoded pictures that wait for the encoder.
const FRAMES: usize = 4;

/// Encoded pictures that wait for downstream; a sink that plays by the clock holds up many.
const PACKETS: usize = 256;
const PACKETS_WITHOUT_CLOCK: usize = 16;

/// Times inside are this much later than running time: pictures before the segment stay positive.
pub(super) const BASE: gst::ClockTime = gst::ClockTime::from_seconds(3_600);

/// What comes in.
pub(super) enum Input {
    Caps(gst::Caps),
    Picture(gst::Buffer),
    Eos,
}

/// What a stage, or the thread that builds one, tells the engine.
pub(super) enum Notice {
    Built(u64, Result<Stage, String>),
    Failed(u64, String),
    Ended(u64),
    Flush,
}

/// What goes out.
pub(super) enum Output {
    Packet(gst::Caps, gst::Buffer),
    Eos,
}

/// What the property `stats` tells.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) frames_in: u64,
    pub(super) frames_out: u64,
    pub(super) dropped: u64,
    pub(super) failures: u64,
    pub(super) encoder: Option<&'static str>,
    pub(super) decoder: Option<&'static str>,
}

/// What is asked of the encoder.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// A key frame.
    pub(super) key: bool,
    /// A key frame came out.
    pub(super) made_key: bool,
    /// Another bitrate, in kbit/s.
    pub(super) bitrate: Option<u32>,
}

/// Whether pictures are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    Flushing,
    /// For good.
    Stopped,
}

/// How far a new decoder is in taking over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handover {
    /// It has given a picture that counts.
    Done,
    /// It has given none.
    New,
    /// It has given none but those that the one before it gave.
    CatchesUp,
}

/// A decoded picture.
pub(super) struct Frame {
    pub(super) caps: gst::Caps,
    pub(super) buffer: gst::Buffer,
    /// The first one of a decoder.
    pub(super) fresh: bool,
}

pub(super) struct Mail {
    pub(super) input: Backlog<Input>,
    pub(super) frames: VecDeque<Frame>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) notices: VecDeque<Notice>,
    pub(super) counts: Counts,
    /// The stages whose output counts; what an abandoned one still gives is dropped.
    pub(super) decoder: u64,
    pub(super) encoder: u64,
    /// The newest decoded picture.
    pub(super) shown: Option<gst::ClockTime>,
    pub(super) handover: Handover,
    pub(super) requests: Requests,
    /// The source follows a clock: too much is dropped, never held up.
    pub(super) live: bool,
    door: Door,
    /// What downstream said last, if it refused.
    pub(super) refused: Option<gst::FlowError>,
    woken: bool,
    /// Nothing goes out before the next key frame: downstream is too slow, or the encoder is new.
    pub(super) torn: bool,
}

/// The mail and who waits for it.
pub(super) struct Post {
    began: Instant,
    mail: Mutex<Mail>,
    engine: Condvar,
    output: Condvar,
    room: Condvar,
}

impl Post {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            mail: Mutex::new(Mail {
                input: Backlog::new(INPUT),
                frames: VecDeque::new(),
                outputs: VecDeque::new(),
                notices: VecDeque::new(),
                counts: Counts::default(),
                decoder: 0,
                encoder: 0,
                shown: None,
                handover: Handover::Done,
                requests: Requests::default(),
                live: true,
                door: Door::Open,
                refused: None,
                woken: false,
                torn: false,
            }),
            engine: Condvar::new(),
            output: Condvar::new(),
            room: Condvar::new(),
        }
    }

    /// Reads or changes the mail, and wakes the engine. Nothing in `change` may call GStreamer.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut Mail) -> R) -> R {
        let mut mail = self.mail.lock();
        let result = change(&mut mail);
        mail.woken = true;
        self.engine.notify_one();
        result
    }

    /// Reads without waking anyone.
    pub(super) fn peek<R>(&self, read: impl FnOnce(&mut Mail) -> R) -> R {
        read(&mut self.mail.lock())
    }

    /// Waits until someone woke the engine, or the deadline; `None` when it must stop.
    pub(super) fn wait(&self, deadline: Instant) -> Option<()> {
        let mut mail = self.mail.lock();
        while !mail.woken && mail.door != Door::Stopped {
            if self.engine.wait_until(&mut mail, deadline).timed_out() {
                break;
            }
        }
        mail.woken = false;
        (mail.door != Door::Stopped).then_some(())
    }

    /// Takes one picture from the source; says whether pictures are useless until the next key frame. Blocks
    /// only if the source follows no clock.
    pub(super) fn on_picture(
        &self,
        buffer: gst::Buffer,
        key: bool,
    ) -> Result<bool, gst::FlowError> {
        let mut mail = self.mail.lock();
        while !mail.live
            && mail.door == Door::Open
            && mail.refused.is_none()
            && mail.input.len() >= INPUT_WITHOUT_CLOCK
        {
            self.room.wait(&mut mail);
        }
        if mail.door != Door::Open {
            return Err(gst::FlowError::Flushing);
        }
        // Told once: downstream may have been linked meanwhile.
        if let Some(refused) = mail.refused.take() {
            return Err(refused);
        }
        let bytes = buffer.size();
        // By when it came: a group of pictures that is handed over at once is not late.
        let time = Some(self.began.elapsed());
        let before = mail.input.dropped();
        mail.counts.frames_in += 1;
        mail.input
            .push(Input::Picture(buffer), key, bytes.max(1), time);
        let dropped = mail.input.dropped() - before;
        mail.counts.dropped += dropped;
        mail.woken = true;
        self.engine.notify_one();
        Ok(mail.input.is_torn() || (mail.counts.frames_in == 1 && !key))
    }

    /// Takes one decoded picture of the decoder `id`; the oldest one goes if the encoder is too slow.
    pub(super) fn on_frame(&self, id: Option<u64>, caps: gst::Caps, buffer: gst::Buffer) {
        self.with(|mail| {
            if id.is_some_and(|id| id != mail.decoder) {
                return;
            }
            let catches_up = mail.handover == Handover::CatchesUp;
            if catches_up && buffer.pts().is_some() && buffer.pts() <= mail.shown {
                return;
            }
            mail.shown = buffer.pts();
            let fresh = std::mem::replace(&mut mail.handover, Handover::Done) != Handover::Done;
            mail.frames.push_back(Frame {
                caps,
                buffer,
                fresh,
            });
            if mail.live && mail.frames.len() > FRAMES {
                let gone = mail.frames.pop_front();
                if let Some(next) = mail.frames.front_mut() {
                    next.fresh |= gone.is_some_and(|gone| gone.fresh);
                }
                mail.counts.dropped += 1;
            }
        });
    }

    /// Takes one encoded picture of the encoder `id`.
    pub(super) fn on_packet(&self, id: u64, caps: gst::Caps, buffer: gst::Buffer) {
        let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        self.with(|mail| {
            if id != mail.encoder {
                return;
            }
            if mail.outputs.len() >= PACKETS {
                mail.torn = true;
            }
            mail.torn &= !(key && mail.outputs.len() < PACKETS);
            if mail.torn {
                mail.counts.dropped += 1;
                return;
            }
            mail.requests.made_key |= key;
            mail.counts.frames_out += 1;
            mail.outputs.push_back(Output::Packet(caps, buffer));
        });
        self.output.notify_one();
    }

    /// Puts the end of the stream behind what waits to go out.
    pub(super) fn on_end(&self) {
        self.with(|mail| mail.outputs.push_back(Output::Eos));
        self.output.notify_one();
    }

    /// Waits for what goes out next; `None` when the element stops.
    pub(super) fn next_output(&self) -> Option<Output> {
        let mut mail = self.mail.lock();
        loop {
            if mail.door == Door::Stopped {
                return None;
            }
            if let Some(output) = mail.outputs.pop_front() {
                mail.woken = true;
                self.engine.notify_one();
                return Some(output);
            }
            self.output.wait(&mut mail);
        }
    }

    /// Says that the source may go on, if it waits.
    pub(super) fn made_room(&self) {
        self.room.notify_all();
    }

    /// Ends all waiting for good.
    pub(super) fn stop(&self) {
        self.with(|mail| mail.door = Door::Stopped);
        self.output.notify_all();
        self.room.notify_all();
    }

    /// Forgets all pictures; the door says whether more are refused.
    pub(super) fn flush(&self, door: Door) {
        self.with(|mail| {
            if mail.door != Door::Stopped {
                mail.door = door;
            }
            mail.input.clear();
            mail.frames.clear();
            mail.outputs.clear();
            mail.refused = None;
            mail.notices.push_back(Notice::Flush);
        });
        self.room.notify_all();
    }
}

impl Mail {
    /// Says whether the decoder may make another picture.
    pub(super) fn has_room_for_frame(&self) -> bool {
        self.live || self.frames.len() < FRAMES
    }

    /// Says whether the encoder may make another picture.
    pub(super) fn has_room_for_packet(&self) -> bool {
        self.live || self.outputs.len() < PACKETS_WITHOUT_CLOCK
    }
}
