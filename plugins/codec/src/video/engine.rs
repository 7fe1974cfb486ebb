//! Moves pictures from the source through decoder and encoder, and replaces what fails.
//!
//! One thread owns both halves. It never blocks: what can (a device that opens, a library that stops) is
//! done on threads that can be left behind.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use sluice_core::KeyFrameGate;
use sluice_core::transcode::{Decimate, Decoder, Decoding, Encoder, Memory, Replay, decoding};

use super::chain::{self, Wanted};
use super::mail::{Input, Mail, Notice, Post};
use super::slot::{News, Slot};
use super::stage::Side;
use crate::ranking;

/// How often the halves are looked at when nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// Key frames on request are at least so far apart.
const KEY_GAP: Duration = Duration::from_millis(500);

/// How long a stop waits for elements that hang.
const FINISH: Duration = Duration::from_secs(1);

/// Most units and bytes that are kept for a new decoder: 12 s at 25 pictures a second.
const REPLAY: (usize, usize) = (300, 16 << 20);

/// What comes from the source.
#[derive(Debug, Clone)]
enum Source {
    Raw(gst::Caps),
    Coded(&'static Decoding, gst::Caps),
}

pub(super) struct Engine {
    post: Arc<Post>,
    element: glib::WeakRef<super::Video>,
    wanted: Wanted,
    next_id: u64,
    source: Option<Source>,
    decode: Slot<Decoder>,
    replay: Replay<gst::Buffer>,
    /// What a new decoder gets first.
    again: VecDeque<gst::Buffer>,
    /// Why the last one failed.
    reason: Option<String>,
    /// What the encoder was made for.
    raw: Option<gst::Caps>,
    encode: Slot<Encoder>,
    keys: KeyFrameGate,
    decimate: Decimate,
    ending: bool,
    gave_up: bool,
}

impl Engine {
    pub(super) fn new(post: Arc<Post>, element: &super::Video, wanted: Wanted) -> Self {
        Self {
            post,
            element: element.downgrade(),
            wanted,
            next_id: 0,
            source: None,
            decode: Slot::new(Side::Decode),
            replay: Replay::new(REPLAY.0, REPLAY.1),
            again: VecDeque::new(),
            reason: None,
            raw: None,
            encode: Slot::new(Side::Encode),
            keys: KeyFrameGate::new(KEY_GAP),
            decimate: Decimate::new(wanted.limits.framerate),
            ending: false,
            gave_up: false,
        }
    }

    /// Runs until the element stops.
    pub(super) fn run(mut self) {
        if let Some(codec) = self.wanted.codec {
            self.encode.set_candidates(ranking::encoders(codec));
        }
        loop {
            let now = Instant::now();
            self.on_notices(now);
            self.on_time(now);
            self.on_requests(now);
            while self.feed_decoder(now) {}
            while self.feed_encoder(now) {}
            let tick = now + TICK;
            let until = self.keys.poll_timeout().map_or(tick, |due| due.min(tick));
            if self.post.wait(until).is_none() {
                break;
            }
        }
        let until = Instant::now() + FINISH;
        self.decode.finish(until);
        self.encode.finish(until);
    }

    fn on_notices(&mut self, now: Instant) {
        while let Some(notice) = self.post.peek(|mail| mail.notices.pop_front()) {
            match notice {
                Notice::Built(id, built) if id % 2 == 0 => {
                    let news = self.decode.on_built(id, built, now);
                    self.on_decoder(news);
                }
                Notice::Built(id, built) => {
                    let news = self.encode.on_built(id, built, now);
                    self.on_encoder(news);
                }
                Notice::Failed(id, reason) => {
                    let news = self.decode.on_failed(id, reason.clone());
                    self.on_decoder(news);
                    let news = self.encode.on_failed(id, reason);
                    self.on_encoder(news);
                }
                Notice::Ended(id) => {
                    let news = self.decode.on_ended(id);
                    self.on_decoder(news);
                    let news = self.encode.on_ended(id);
                    self.on_encoder(news);
                }
                Notice::Flush => {
                    self.decode.abandon();
                    self.encode.abandon();
                    self.ending = false;
                    self.replay.clear();
                    self.again.clear();
                    self.post.peek(|mail| (mail.decoder, mail.encoder) = (0, 0));
                }
            }
        }
    }

    fn on_time(&mut self, now: Instant) {
        let news = self.decode.on_time(now);
        self.on_decoder(news);
        let news = self.encode.on_time(now);
        self.on_encoder(news);
    }

    fn on_requests(&mut self, now: Instant) {
        let (made_key, wants_key, bitrate) = self.post.peek(|mail| {
            let made = std::mem::take(&mut mail.made_key);
            let wants = std::mem::take(&mut mail.wants_key);
            (made, wants, mail.new_bitrate.take())
        });
        if made_key {
            self.keys.on_key_frame(now);
        }
        let asked = wants_key && self.keys.on_request(now);
        let due = self.keys.handle_timeout(now);
        if (asked || due)
            && let Some(stage) = self.encode.running()
        {
            stage.force_key();
        }
        if let Some(kbps) = bitrate {
            self.wanted.limits.bitrate_kbps = kbps;
            self.set_bitrate(now);
        }
    }

    fn set_bitrate(&mut self, now: Instant) {
        let (Some(row), Some(stage)) = (self.encode.candidate(), self.encode.running()) else {
            return;
        };
        let limits = &self.wanted.limits;
        let picture = self
            .raw
            .as_ref()
            .and_then(|caps| chain::picture(caps.structure(0)?));
        let took = row.rate_is_live
            && picture.is_some_and(|picture| {
                let keys = picture.key_frames(limits);
                chain::tune(&stage.codec, &row, picture.bitrate_kbps(limits), keys)
            });
        if !took {
            // The next picture makes a new encoder, which has the new rate.
            self.encode.drain(now);
        }
    }

    /// Hands the decoder what it can take; true if there may be more to do at once.
    fn feed_decoder(&mut self, now: Instant) -> bool {
        enum Head {
            None,
            Caps(gst::Caps),
            Picture,
            Eos,
        }
        if !self.again.is_empty()
            && let Some(stage) = self.decode.running()
        {
            let room = stage.has_room() && self.post.peek(|mail| mail.has_room_for_frame());
            if room && let Some(buffer) = self.again.pop_front() {
                self.decode.push(buffer);
            }
            return room;
        }
        let head = self.post.peek(|mail| match mail.input.front() {
            None => Head::None,
            Some(Input::Caps(caps)) => Head::Caps(caps.clone()),
            Some(Input::Picture(_)) => Head::Picture,
            Some(Input::Eos) => Head::Eos,
        });
        match head {
            Head::None => {
                if self.decode.is_idle() && !self.gave_up {
                    self.build_decoder(now);
                }
                false
            }
            Head::Caps(caps) => self.on_caps(&caps, now),
            Head::Picture => self.on_picture(now),
            Head::Eos if self.decode.is_idle() => {
                self.ending = true;
                self.source = None;
                self.pop();
                true
            }
            Head::Eos => {
                if self.decode.running().is_some() {
                    self.decode.drain(now);
                }
                false
            }
        }
    }

    fn pop(&self) -> Option<Input> {
        let input = self.post.peek(|mail| mail.input.pop());
        self.post.made_room();
        input
    }

    fn on_caps(&mut self, caps: &gst::Caps, now: Instant) -> bool {
        let Some(structure) = caps.structure(0) else {
            self.pop();
            return true;
        };
        let new = if structure.name() == "video/x-raw" {
            Some(Source::Raw(caps.clone()))
        } else {
            decoding(structure.name(), structure.get("mpegversion").ok())
                .map(|row| Source::Coded(row, caps.clone()))
        };
        let Some(new) = new else {
            self.pop();
            let media = structure.name();
            self.give_up(&format!("video of type {media} cannot be decoded"));
            return true;
        };
        if let (Some(Source::Coded(old, _)), Source::Coded(row, _)) = (&self.source, &new)
            && old.codec == row.codec
        {
            // The decoder itself takes another size or other parameter sets.
            match (self.decode.running(), self.decode.is_idle()) {
                (Some(stage), _) => stage.set_caps(caps),
                (None, true) => {}
                (None, false) => return false,
            }
            self.source = Some(new);
            self.replay.clear();
            self.pop();
            return true;
        }
        if self.decode.running().is_some() {
            self.decode.drain(now);
        }
        if !self.decode.is_idle() {
            return false;
        }
        if let Source::Coded(row, _) = &new {
            self.decode.set_candidates(ranking::decoders(row));
            self.replay.clear();
            self.again.clear();
        }
        self.source = Some(new);
        self.pop();
        true
    }

    fn on_picture(&mut self, now: Instant) -> bool {
        match &self.source {
            _ if self.gave_up => {
                self.pop();
                true
            }
            None => {
                self.pop();
                true
            }
            Some(Source::Raw(caps)) => {
                if !self.post.peek(|mail| mail.has_room_for_frame()) {
                    return false;
                }
                if let Some(Input::Picture(buffer)) = self.pop() {
                    self.post.on_frame(None, caps.clone(), buffer);
                }
                true
            }
            Some(Source::Coded(..)) => {
                let Some(stage) = self.decode.running() else {
                    if self.decode.is_idle() {
                        self.build_decoder(now);
                    }
                    return false;
                };
                if !stage.has_room() || !self.post.peek(|mail| mail.has_room_for_frame()) {
                    return false;
                }
                if let Some(Input::Picture(buffer)) = self.pop() {
                    let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
                    self.replay.on_unit(&buffer, key, buffer.size());
                    self.decode.push(buffer);
                }
                true
            }
        }
    }

    fn build_decoder(&mut self, now: Instant) {
        let Some(Source::Coded(row, caps)) = self.source.clone() else {
            return;
        };
        let Some(decoder) = self.decode.candidate() else {
            let label = row.codec.label();
            let sentence = match &self.reason {
                Some(reason) => format!("no decoder of this machine plays this {label}: {reason}"),
                None => format!(
                    "no decoder for {label} is installed; install {}",
                    row.package
                ),
            };
            self.give_up(&sentence);
            return;
        };
        let memory = self
            .encode
            .candidate()
            .map_or(Memory::System, |encoder| encoder.memory);
        let id = self.id(0);
        self.post.peek(|mail| mail.decoder = id);
        let make = move || chain::decode(row, &decoder, &caps, memory);
        self.decode.build(id, &self.post, make, now);
    }

    /// Hands the encoder what it can take; true if there may be more to do at once.
    fn feed_encoder(&mut self, now: Instant) -> bool {
        let head = self
            .post
            .peek(|mail| mail.frames.front().map(|(caps, _)| caps.clone()));
        let Some(caps) = head else {
            return self.end_encoder(now);
        };
        if self.gave_up {
            self.post.peek(|mail| mail.frames.clear());
            return false;
        }
        if self.encode.is_idle() {
            self.build_encoder(caps, now);
            return false;
        }
        let Some(stage) = self.encode.running() else {
            return false;
        };
        if self.raw.as_ref() != Some(&caps) {
            self.encode.drain(now);
            return false;
        }
        if !stage.has_room() {
            return false;
        }
        let frame = self.post.peek(|mail: &mut Mail| {
            if mail.has_room_for_packet() {
                mail.frames.pop_front()
            } else {
                None
            }
        });
        let Some((_, buffer)) = frame else {
            return false;
        };
        let time = buffer.pts().map_or(Duration::ZERO, Duration::from);
        if self.decimate.takes(time) {
            self.encode.push(buffer);
        }
        // The decoder may have waited for the room.
        self.post.with(|_| ());
        true
    }

    fn build_encoder(&mut self, caps: gst::Caps, now: Instant) {
        let Some(row) = self.encode.candidate() else {
            let codec = self.wanted.codec.map_or("video", |codec| codec.label());
            let sentence = match &self.reason {
                Some(reason) => format!("no encoder for {codec} works on this machine: {reason}"),
                None => format!(
                    "no encoder for {codec} is installed; install gstreamer1.0-plugins-good, -bad and -ugly"
                ),
            };
            self.give_up(&sentence);
            return;
        };
        let id = self.id(1);
        self.raw = Some(caps.clone());
        self.post
            .peek(|mail| (mail.encoder, mail.torn) = (id, true));
        let limits = self.wanted.limits;
        let make = move || chain::encode(&row, &caps, &limits);
        self.encode.build(id, &self.post, make, now);
    }

    /// With the source at its end and nothing left to encode, what the encoder has goes out.
    fn end_encoder(&mut self, now: Instant) -> bool {
        if !self.ending {
            return false;
        }
        if self.encode.running().is_some() {
            self.encode.drain(now);
        } else if self.encode.is_idle() {
            self.ending = false;
            self.post.on_end();
        }
        false
    }

    /// Decoders have even numbers, encoders odd ones; none has 0.
    const fn id(&mut self, odd: u64) -> u64 {
        self.next_id += 2;
        self.next_id + odd
    }

    fn on_decoder(&mut self, news: News) {
        let factory = self.decode.running().map(|stage| stage.factory);
        match news {
            News::None => {}
            News::Started => {
                gst::info!(super::CAT, "decodes with {factory:?}");
                self.post.peek(|mail| mail.counts.decoder = factory);
            }
            News::Ended => self.post.peek(|mail| mail.counts.decoder = None),
            News::Failed(reason) => {
                self.again = self.replay.units();
                self.post
                    .peek(|mail| mail.catches_up = !self.again.is_empty());
                self.on_failure("decoder", reason);
            }
        }
    }

    fn on_encoder(&mut self, news: News) {
        let factory = self.encode.running().map(|stage| stage.factory);
        match news {
            News::None => {}
            News::Started => {
                gst::info!(super::CAT, "encodes with {factory:?}");
                // It begins with a key frame, which serves whoever asks meanwhile.
                self.keys.on_request(Instant::now());
                self.post.peek(|mail| mail.counts.encoder = factory);
            }
            News::Ended => {}
            News::Failed(reason) => self.on_failure("encoder", reason),
        }
    }

    fn on_failure(&mut self, what: &str, reason: String) {
        let name = self.post.peek(|mail| {
            mail.counts.failures += 1;
            if what == "encoder" {
                mail.encoder = 0;
                mail.counts.encoder.take()
            } else {
                mail.decoder = 0;
                mail.counts.decoder.take()
            }
        });
        gst::warning!(super::CAT, "the {what} {name:?} is replaced: {reason}");
        self.reason = Some(reason);
    }

    fn give_up(&mut self, sentence: &str) {
        if self.gave_up {
            return;
        }
        self.gave_up = true;
        if let Some(element) = self.element.upgrade() {
            gst::element_error!(element, gst::StreamError::CodecNotFound, ("{sentence}"));
        }
    }
}
