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
use sluice_core::transcode::{Decimate, Decoder, Decoding, Encoder, Replay};

use super::chain::Wanted;
use super::mail::{Handover, Notice, Post};
use super::slot::{News, Slot};
use super::stage::Side;
use super::{CAT, Video};
use crate::ranking;

mod decoding;
mod encoding;

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
    element: glib::WeakRef<Video>,
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
    pub(super) fn new(post: Arc<Post>, element: &Video, wanted: Wanted) -> Self {
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
                    let news = self.decode.on_failed(id, reason.clone(), now);
                    self.on_decoder(news);
                    let news = self.encode.on_failed(id, reason, now);
                    self.on_encoder(news);
                }
                Notice::Ended(id) => {
                    let news = self.decode.on_ended(id, now);
                    self.on_decoder(news);
                    let news = self.encode.on_ended(id, now);
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
        let requests = self.post.peek(|mail| std::mem::take(&mut mail.requests));
        if requests.made_key {
            self.keys.on_key_frame(now);
        }
        let asked = requests.key && self.keys.on_request(now);
        let due = self.keys.handle_timeout(now);
        if (asked || due)
            && let Some(stage) = self.encode.running()
        {
            stage.force_key(None);
        }
        if let Some(kbps) = requests.bitrate {
            self.wanted.limits.bitrate_kbps = kbps;
            self.set_bitrate(now);
        }
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
                gst::info!(CAT, "decodes with {factory:?}");
                self.post.peek(|mail| {
                    mail.counts.decoder = factory;
                    if mail.handover == Handover::Done {
                        mail.handover = Handover::New;
                    }
                });
            }
            News::Ended => self.post.peek(|mail| mail.counts.decoder = None),
            News::Failed(reason) => {
                self.again = self.replay.units();
                if !self.again.is_empty() {
                    self.post.peek(|mail| mail.handover = Handover::CatchesUp);
                }
                self.on_failure("decoder", reason);
            }
        }
    }

    fn on_encoder(&mut self, news: News) {
        let factory = self.encode.running().map(|stage| stage.factory);
        match news {
            News::None => {}
            News::Started => {
                gst::info!(CAT, "encodes with {factory:?}");
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
        gst::warning!(CAT, "the {what} {name:?} is replaced: {reason}");
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
