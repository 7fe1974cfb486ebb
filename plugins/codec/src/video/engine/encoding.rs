//! The second half: from decoded pictures to what goes out.

use std::time::{Duration, Instant};

use super::Engine;
use crate::video::chain;
use crate::video::mail::Mail;

impl Engine {
    /// Hands the encoder what it can take; true if there may be more to do at once.
    pub(super) fn feed_encoder(&mut self, now: Instant) -> bool {
        let head = self
            .post
            .peek(|mail| mail.frames.front().map(|frame| frame.caps.clone()));
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
        let Some(frame) = frame else {
            return false;
        };
        if frame.fresh {
            // It has little to do with what came before.
            stage.force_key(frame.buffer.pts());
        }
        let time = frame.buffer.pts().map_or(Duration::ZERO, Duration::from);
        if self.decimate.takes(time) {
            self.encode.push(frame.buffer);
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
    pub(super) fn end_encoder(&mut self, now: Instant) -> bool {
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

    pub(super) fn set_bitrate(&mut self, now: Instant) {
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
}
