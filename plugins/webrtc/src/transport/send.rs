//! What a session sends: single packets at once, large frames in parts.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use sluice_core::ice_lite::{Place, Protocol};
use sluice_core::pacing::parts;

use super::pacer;
use super::session::Session;

/// A part of a large frame.
pub(super) struct Train {
    ssrc: Option<[u8; 4]>,
    bytes: Vec<u8>,
    lengths: Vec<usize>,
    due: Instant,
}

/// Gives the stream that packets are of; SRTP leaves it readable.
fn ssrc_of(bytes: &[u8]) -> Option<[u8; 4]> {
    bytes.get(8..)?.first_chunk().copied()
}

impl Session {
    /// Sends one packet; drops it while there is nowhere to send to. Never waits for longer than a moment.
    pub(super) fn send(&self, packet: &[u8]) {
        let path = *self.path.lock();
        if let Some(place) = path {
            self.mux.send(place, packet);
        }
    }

    /// Sends packets that lie one behind the other in `bytes`; what is much, in parts over a short time.
    pub(super) fn send_train(&self, bytes: &[u8], lengths: &[usize]) {
        let Some(place) = *self.path.lock() else {
            return;
        };
        let mut waiting = self.waiting.lock();
        // Another stream's packets have an order of their own.
        if waiting
            .front()
            .is_some_and(|train| train.ssrc == ssrc_of(bytes))
        {
            waiting
                .drain(..)
                .for_each(|train| self.send_now(place, &train.bytes, &train.lengths));
        }
        let span = match place.protocol {
            Protocol::Udp => pacer::span(),
            // It has a pace of its own.
            Protocol::Tcp(_) => Duration::ZERO,
        };
        let parts = parts(lengths, span);
        let [first, later @ ..] = parts.as_slice() else {
            return;
        };
        if later.is_empty() || !waiting.is_empty() {
            self.send_now(place, bytes, lengths);
            return;
        }
        let now = Instant::now();
        let (head, mut lengths) = lengths.split_at(first.packets.min(lengths.len()));
        let (head_bytes, mut bytes) = bytes.split_at(head.iter().sum::<usize>().min(bytes.len()));
        self.send_now(place, head_bytes, head);
        for part in later {
            let (these, rest) = lengths.split_at(part.packets.min(lengths.len()));
            let (train, rest_bytes) = bytes.split_at(these.iter().sum::<usize>().min(bytes.len()));
            waiting.push_back(Train {
                ssrc: ssrc_of(train),
                bytes: train.to_vec(),
                lengths: these.to_vec(),
                due: now + part.after,
            });
            (lengths, bytes) = (rest, rest_bytes);
        }
        drop(waiting);
        let times = later.iter().map(|part| now + part.after);
        let paced = self.me.upgrade().is_some_and(|me| pacer::at(times, &me));
        if !paced {
            self.send_parts(|_due| true);
        }
    }

    /// Sends the part of a large frame whose time has come; nothing, if it has left already because more came.
    pub(super) fn send_part(&self) {
        let now = Instant::now();
        self.send_parts(|due| due <= now);
    }

    fn send_parts(&self, is_due: impl Fn(Instant) -> bool) {
        let path = *self.path.lock();
        let mut waiting = self.waiting.lock();
        while waiting.front().is_some_and(|train| is_due(train.due)) {
            if let (Some(train), Some(place)) = (waiting.pop_front(), path) {
                self.send_now(place, &train.bytes, &train.lengths);
            }
        }
    }

    fn send_now(&self, place: Place, bytes: &[u8], lengths: &[usize]) {
        if !self.mux.send_train(place, bytes, lengths) {
            self.choked.store(true, Relaxed);
        }
    }
}
