//! The first half: from the source to decoded pictures.

use std::time::Instant;

use sluice_core::transcode::{Memory, decoding};

use super::{Engine, Source};
use crate::ranking;
use crate::video::chain;
use crate::video::mail::Input;

impl Engine {
    /// Hands the decoder what it can take; true if there may be more to do at once.
    pub(super) fn feed_decoder(&mut self, now: Instant) -> bool {
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

    pub(super) fn build_decoder(&mut self, now: Instant) {
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
}
