//! Timestamps that go on, over loops, redials and sources that jump.

#[cfg(test)]
mod tests;
mod track;

use self::track::{Epoch, TrackClock, moved};

pub use self::track::{Mapped, Stamp};

/// Where a new epoch lands on the running time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Exactly where the last sample of all tracks ended: a file that loops, the next of a playlist.
    Seamless,
    /// At this running time, in ns, or where the last epoch ended if that is later: after a redial, so
    /// that the gap is as long as the outage.
    At(u64),
    /// As it is: the source stamps with running time already. Moved only if it would go back.
    AsIs,
}

/// Maps the timestamps of one dial after another onto one running time that never goes back.
///
/// An epoch is what shares one clock: one dial, one round of a loop. All tracks of an epoch are moved by
/// the same offset, so sound and picture stay together; the first sample decides it, unless `on_segment`
/// told the epoch's origin. Inside an epoch, DTS that jump back, or ahead by more than ten seconds, get a
/// new offset, which the other tracks take over when they jump too. All times are ns.
#[derive(Debug, Clone)]
pub struct Timeline {
    start: Start,
    /// In the source's time: what lands at the epoch's start.
    origin: Option<u64>,
    /// What is added to the source's times; the newest one, from the latest jump on.
    offset: Option<i128>,
    tracks: Vec<TrackClock>,
    /// Where all that was mapped ends.
    end: u64,
    /// Whether there was an epoch before this one.
    later: bool,
}

impl Timeline {
    /// Makes a timeline whose first epoch lands as `start` says.
    pub const fn new(start: Start) -> Self {
        Self {
            start,
            origin: None,
            offset: None,
            tracks: Vec::new(),
            end: 0,
            later: false,
        }
    }

    /// Begins a new epoch: a new dial, a new round, the next file.
    pub fn begin(&mut self, start: Start) {
        self.later = self.end > 0;
        self.start = start;
        self.origin = None;
        self.offset = None;
        for track in &mut self.tracks {
            track.leave_epoch();
        }
    }

    /// Tells which of the source's times is the epoch's origin: a segment's start.
    ///
    /// It counts until the first sample of the epoch; without it, that sample is the origin.
    pub const fn on_segment(&mut self, origin: u64) {
        self.origin = Some(origin);
    }

    /// Maps a sample. Within a track the result's DTS always rises; without DTS, the PTS do, but for frames
    /// that come in another order than shown.
    pub fn map(&mut self, track: usize, stamp: Stamp) -> Mapped {
        let offset = self.offset.unwrap_or_else(|| self.first_offset(stamp));
        let epoch = Epoch {
            offset,
            begin: moved(self.origin.unwrap_or(0), offset),
            lead: self.end,
            breaks: !self.later || self.start != Start::Seamless,
        };
        if track >= self.tracks.len() {
            self.tracks.resize_with(track + 1, TrackClock::default);
        }
        let Some(clock) = self.tracks.get_mut(track) else {
            // Not reached: the list was made long enough.
            return Mapped::default();
        };
        let (mapped, shared) = clock.map(stamp, epoch);
        // A sample without a time cannot decide the offset for those that have one.
        if stamp.order().is_some() {
            self.offset = Some(shared);
        }
        self.end = self.end.max(clock.end());
        mapped
    }

    /// Gives the running time at which all that was mapped ends.
    pub const fn end(&self) -> u64 {
        self.end
    }

    fn first_offset(&self, stamp: Stamp) -> i128 {
        let origin = i128::from(self.origin.or(stamp.earliest()).unwrap_or(0));
        let end = i128::from(self.end);
        match self.start {
            Start::Seamless => end - origin,
            Start::At(at) => end.max(i128::from(at)) - origin,
            Start::AsIs => {
                let first = i128::from(stamp.earliest().unwrap_or(0));
                (end - first).max(0)
            }
        }
    }
}
