//! Which layer of simulcast goes out: the best that flows, changed at its key frames only.
//!
//! The names of layers say nothing of their sizes, and browsers list them in any order: what counts is what came. A
//! sender whose line gets narrow stops its best layer without a word, and starts it again when it can.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::bitstream::Size;

/// So long, and for so many frames, must another layer have flowed alone until the one that goes out counts as
/// stopped. Of a still screen there is a frame a second at most.
const STOPPED: (Duration, u32) = (Duration::from_secs(1), 5);

/// A pause that ends a run of frames.
const PAUSE: Duration = Duration::from_secs(3);

/// So long must a better layer have flowed until it is taken.
const STEADY: Duration = Duration::from_millis(500);

/// The same for one that stopped before; doubled each time, so that a line at its limit does not change viewers'
/// pictures all the time.
const STEADY_AGAIN: Duration = Duration::from_secs(4);

/// The most of that.
const MOST_STEADY: Duration = Duration::from_secs(32);

/// A layer that was shown for so long is trusted again.
const TRUSTED: Duration = Duration::from_secs(60);

/// How often a layer is asked for the key frame that it is waited for.
const ASK: Duration = Duration::from_secs(1);

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// It goes out.
    pub goes_out: bool,
    /// It is the first of another layer than the frame before.
    pub changes: bool,
    /// This layer must be asked for a key frame.
    pub ask: Option<usize>,
}

/// What is known of one layer.
#[derive(Debug, Clone, Copy)]
pub struct Layer {
    /// Of its pictures, once known.
    pub size: Option<Size>,
    /// Of its last frame.
    last: Option<Instant>,
    /// Since when it has flowed without a pause.
    since: Instant,
    /// Its frames since the last one of the layer that goes out.
    alone: u32,
    /// How often it stopped while it went out.
    stops: u32,
    /// When it was last asked for a key frame.
    asked: Option<Instant>,
}

impl Layer {
    fn pixels(&self) -> u64 {
        let size = self.size;
        size.map_or(0, |size| u64::from(size.width) * u64::from(size.height))
    }

    /// Says whether it has flowed since less than a pause ago.
    pub fn flows(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now < last + PAUSE)
    }

    fn is_steady(&self, now: Instant) -> bool {
        let wanted = match self.stops {
            0 => STEADY,
            stops => (STEADY_AGAIN * 2_u32.pow((stops - 1).min(4))).min(MOST_STEADY),
        };
        self.flows(now) && now >= self.since + wanted
    }
}

/// The layers of one section, by the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    all: Vec<Layer>,
    /// What goes out, and since when.
    taken: Option<(usize, Instant)>,
}

impl Layers {
    /// Makes place for one more layer; gives its number.
    pub fn add(&mut self, now: Instant) -> usize {
        self.all.push(Layer {
            size: None,
            last: None,
            since: now,
            alone: 0,
            stops: 0,
            asked: None,
        });
        self.all.len() - 1
    }

    /// Gives all of them.
    pub fn all(&self) -> &[Layer] {
        &self.all
    }

    /// Gives the number of the one that goes out.
    pub fn taken(&self) -> Option<usize> {
        self.taken.map(|(layer, _)| layer)
    }

    /// Takes a whole frame. `size` is what is known of the layer's pictures.
    pub fn on_frame(
        &mut self,
        layer: usize,
        size: Option<Size>,
        is_key: bool,
        now: Instant,
    ) -> Step {
        let Some(one) = self.all.get_mut(layer) else {
            return Step::default();
        };
        if !one.flows(now) {
            one.since = now;
        }
        one.last = Some(now);
        one.size = size.or(one.size);
        one.alone = one.alone.saturating_add(1);
        let has_stopped = self.has_stopped(now);
        let wanted = self.wanted(layer, has_stopped, now);
        let changes = is_key && wanted == Some(layer);
        if changes {
            self.take(layer, has_stopped, now);
        }
        if self.taken() == Some(layer) {
            self.all.iter_mut().for_each(|one| one.alone = 0);
        }
        Step {
            goes_out: self.taken() == Some(layer),
            changes,
            ask: wanted.filter(|_| !changes).and_then(|to| self.ask(to, now)),
        }
    }

    /// Says whether another layer flows, and the one that goes out does not.
    fn has_stopped(&self, now: Instant) -> bool {
        let (span, frames) = STOPPED;
        let current = self.taken().and_then(|taken| self.all.get(taken));
        let silent_since = current.and_then(|current| current.last);
        silent_since.is_some_and(|silent| {
            self.all
                .iter()
                .any(|other| other.alone >= frames && now >= silent.max(other.since) + span)
        })
    }

    /// Says which other layer should go out, if any. `layer` has just sent a frame.
    fn wanted(&self, layer: usize, has_stopped: bool, now: Instant) -> Option<usize> {
        let Some(taken) = self.taken() else {
            // Whatever comes first is better than nothing.
            return Some(layer);
        };
        let current = self.all.get(taken)?;
        // Several may have stopped together.
        let enough = self.all.iter().map(|one| one.alone).max()? / 2;
        let others = self.all.iter().enumerate().filter(|(number, other)| {
            *number != taken
                && if has_stopped {
                    other.alone > enough
                } else {
                    other.is_steady(now) && other.pixels() > current.pixels()
                }
        });
        others
            .max_by_key(|(_, other)| other.pixels())
            .map(|(number, _)| number)
    }

    fn take(&mut self, layer: usize, has_stopped: bool, now: Instant) {
        let before = self.taken.replace((layer, now));
        let left = before.and_then(|(left, since)| Some((self.all.get_mut(left)?, since)));
        let Some((left, since)) = left.filter(|_| has_stopped) else {
            // Left for a better one, it has done nothing wrong.
            return;
        };
        if now >= since + TRUSTED {
            left.stops = 0;
        }
        left.stops += 1;
        left.since = now;
    }

    fn ask(&mut self, layer: usize, now: Instant) -> Option<usize> {
        let one = self.all.get_mut(layer)?;
        if one.asked.is_some_and(|at| now < at + ASK) {
            return None;
        }
        one.asked = Some(now);
        Some(layer)
    }
}
