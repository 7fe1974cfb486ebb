//! The heads of fragments: which frames they have, and where those stand.

use std::ops::Range;

use super::Header;
use crate::record::contents::{number, word};
use crate::record::fragments::find;

/// One frame of a fragment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// How long it is shown, in its track's units.
    pub duration: u32,
    /// Its bytes.
    pub size: u32,
    /// What depends on what (`sample_flags`).
    pub flags: u32,
    /// How much later than decoded it is shown.
    pub later: i32,
}

impl Sample {
    /// Says whether decoding can begin with it.
    pub const fn is_key(self) -> bool {
        self.flags & 0x0001_0000 == 0
    }
}

/// Frames of one track that stand in a row in a fragment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// The track's place among the header's.
    pub track: usize,
    /// When the first one is decoded, in the track's units.
    pub begin: u64,
    /// Where the first one stands in the file.
    pub at: u64,
    /// The frames.
    pub samples: Vec<Sample>,
}

impl Run {
    /// When the last frame ends, in the track's units.
    pub fn end(&self) -> u64 {
        let lasts = self.samples.iter().map(|one| u64::from(one.duration));
        self.begin.saturating_add(lasts.sum())
    }
}

/// Reads the head of a fragment (the box `moof`), which stands at `at` in the file. What is wrong is left out.
pub fn runs(moof: &[u8], at: u64, header: &Header) -> Vec<Run> {
    let mut all = Vec::new();
    for inside in find(moof, 0..moof.len(), b"moof") {
        for traf in find(moof, inside.clone(), b"traf") {
            all.extend(of_track(moof, traf, at, header).unwrap_or_default());
        }
    }
    all
}

fn of_track(moof: &[u8], traf: Range<usize>, at: u64, header: &Header) -> Option<Vec<Run>> {
    let inner = |kind| find(moof, traf.clone(), kind).into_iter().next();
    let head = moof.get(inner(b"tfhd")?)?;
    let id = word(head, 4)?;
    let place = header.tracks.iter().position(|track| track.id == id)?;
    let flags = word(head, 0)? & 0x00FF_FFFF;
    let mut defaults = header.tracks.get(place)?.defaults;
    let mut base = at;
    let mut next = 8;
    let mut optional = |bit: u32, bytes: usize| {
        let value = (flags & bit != 0).then(|| number(head, next, bytes));
        next += if value.is_some() { bytes } else { 0 };
        value.flatten()
    };
    if let Some(offset) = optional(0x1, 8) {
        base = offset;
    }
    optional(0x2, 4);
    for (bit, slot) in [
        (0x8, &mut defaults.duration),
        (0x10, &mut defaults.size),
        (0x20, &mut defaults.flags),
    ] {
        if let Some(value) = optional(bit, 4) {
            *slot = u32::try_from(value).ok()?;
        }
    }
    let time = moof.get(inner(b"tfdt")?)?;
    let mut begin = number(time, 4, if *time.first()? == 1 { 8 } else { 4 })?;
    let mut found = Vec::new();
    for range in find(moof, traf.clone(), b"trun") {
        let (offset, samples) = samples(moof.get(range)?, defaults)?;
        let run = Run {
            track: place,
            begin,
            at: base.checked_add_signed(offset.into())?,
            samples,
        };
        begin = run.end();
        found.push(run);
    }
    Some(found)
}

/// Where a run's data begins, from its fragment's base, and its frames.
fn samples(trun: &[u8], defaults: Sample) -> Option<(i32, Vec<Sample>)> {
    let flags = word(trun, 0)? & 0x00FF_FFFF;
    let count = word(trun, 4)?;
    let mut at = 8;
    let mut field = |bit: u32| {
        let value = (flags & bit != 0).then(|| word(trun, at));
        at += if value.is_some() { 4 } else { 0 };
        value
    };
    let offset = field(0x1).map_or(Some(0), |value| value)?;
    let first = field(0x4);
    let mut samples = Vec::new();
    for index in 0..count {
        let mut sample = defaults;
        if let (0, Some(first)) = (index, first) {
            sample.flags = first?;
        }
        if let Some(duration) = field(0x100) {
            sample.duration = duration?;
        }
        if let Some(size) = field(0x200) {
            sample.size = size?;
        }
        if let Some(flags) = field(0x400) {
            sample.flags = flags?;
        }
        if let Some(later) = field(0x800) {
            sample.later = later?.cast_signed();
        }
        // Without any field of its own, a count alone could ask for any memory.
        if index > 1_000_000 {
            return None;
        }
        samples.push(sample);
    }
    Some((offset.cast_signed(), samples))
}
