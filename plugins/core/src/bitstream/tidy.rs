//! Takes parameter sets out of the middle of an access unit, and puts together what was split there.
//!
//! `rtph264pay config-interval=-1`, and what is built on it, repeats SPS and PPS before each slice of a key frame.
//! Behind the first slice they say nothing new, but depayloaders and parsers take them for the next access unit and
//! split the frame in two: half a picture. `rtph264depay` 1.22 does so when each of them has a packet of its own.

use crate::track::Codec;

/// More parts than these are no frame of a codec: a picture of 4320 lines has 270 rows of macroblocks.
const MOST_PARTS: usize = 512;

/// What NAL units of a codec mean.
struct Syntax {
    codec: Codec,
    unit_type: fn(u8) -> u8,
    is_slice: fn(u8) -> bool,
    is_header: fn(u8) -> bool,
}

const SYNTAXES: &[Syntax] = &[
    Syntax {
        codec: Codec::H264,
        unit_type: |byte| byte & 0x1f,
        is_slice: |unit| (1..=5).contains(&unit),
        // SPS, PPS, access unit delimiter.
        is_header: |unit| (7..=9).contains(&unit),
    },
    Syntax {
        codec: Codec::H265,
        unit_type: |byte| (byte >> 1) & 0x3f,
        is_slice: |unit| unit < 32,
        // VPS, SPS, PPS, access unit delimiter.
        is_header: |unit| (32..=35).contains(&unit),
    },
];

/// Puts the parts of a key frame together. `U` is whatever holds a part.
#[derive(Debug)]
pub struct Parts<U> {
    /// Parts of a frame whose end has not come, and their time.
    held: Vec<U>,
    time: Option<u64>,
}

/// What leaves [`Parts`], in this order; empty lists are nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Frames<U> {
    /// The parts of an earlier frame, which was complete after all.
    pub earlier: Vec<U>,
    /// The parts of the frame that is complete with this one.
    pub now: Vec<U>,
}

impl<U> Default for Parts<U> {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            time: None,
        }
    }
}

impl<U> Parts<U> {
    /// Takes what a depayloader gives: its time in any unit, whether it can be decoded by itself, and whether the
    /// packet that ended it said that the frame ends (the marker of RFC 6184, section 5.1).
    ///
    /// A key frame without its marker waits for the next part: a stream without any markers has its key
    /// frames one frame later. At most 512 parts wait, whatever they say of their time.
    pub fn on_part(&mut self, part: U, time: Option<u64>, is_key: bool, ends: bool) -> Frames<U> {
        let goes_on = !self.held.is_empty() && self.time == time;
        let earlier = if goes_on {
            Vec::new()
        } else {
            std::mem::take(&mut self.held)
        };
        self.time = time;
        self.held.push(part);
        let waits = !ends && (is_key || goes_on) && time.is_some() && self.held.len() < MOST_PARTS;
        let now = if waits {
            Vec::new()
        } else {
            std::mem::take(&mut self.held)
        };
        Frames { earlier, now }
    }
}

/// Gives the access unit without headers after its first slice; `None` if there are none, or if the codec has
/// no NAL units.
pub fn without_late_headers(codec: Codec, unit: &[u8]) -> Option<Vec<u8>> {
    let syntax = SYNTAXES.iter().find(|syntax| syntax.codec == codec)?;
    let starts = starts(unit);
    let ends = starts.iter().skip(1).copied().chain([unit.len()]);
    let mut seen_slice = false;
    let mut kept: Option<Vec<u8>> = None;
    for (&start, end) in starts.iter().zip(ends) {
        let nal = unit.get(start..end)?;
        let header = nal
            .iter()
            .position(|byte| *byte == 1)
            .and_then(|one| nal.get(one + 1));
        let kind = header.map(|byte| (syntax.unit_type)(*byte));
        seen_slice |= kind.is_some_and(syntax.is_slice);
        let late = seen_slice && kind.is_some_and(syntax.is_header);
        match (&mut kept, late) {
            (None, true) => kept = Some(unit.get(..start)?.to_vec()),
            (Some(kept), false) => kept.extend_from_slice(nal),
            (None, false) | (Some(_), true) => {}
        }
    }
    kept
}

/// Finds where each NAL unit's start code begins, a fourth zero byte included.
fn starts(unit: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    for (at, window) in unit.windows(3).enumerate() {
        if window == [0, 0, 1] {
            let long = at > 0 && unit.get(at - 1) == Some(&0);
            starts.push(if long { at - 1 } else { at });
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2];
    const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 3];
    const SLICE: &[u8] = &[0, 0, 1, 0x65, 9, 9, 0, 0, 3];

    #[test]
    fn parameter_sets_after_the_first_slice_go_and_nothing_else() {
        let unit = [SPS, PPS, SLICE, SPS, PPS, SLICE].concat();
        let tidy = without_late_headers(Codec::H264, &unit).unwrap();
        assert_eq!(tidy, [SPS, PPS, SLICE, SLICE].concat());
    }

    #[test]
    fn the_parts_of_a_key_frame_come_together() {
        let mut parts = Parts::default();
        let (key, delta) = (true, false);
        let frames = |earlier: &[u8], now: &[u8]| Frames {
            earlier: earlier.to_vec(),
            now: now.to_vec(),
        };
        assert_eq!(parts.on_part(1, Some(0), key, false), frames(&[], &[]));
        assert_eq!(parts.on_part(2, Some(0), key, false), frames(&[], &[]));
        assert_eq!(
            parts.on_part(3, Some(0), key, true),
            frames(&[], &[1, 2, 3])
        );
        assert_eq!(parts.on_part(4, Some(33), delta, true), frames(&[], &[4]));
        assert_eq!(parts.on_part(5, Some(66), delta, false), frames(&[], &[5]));
    }

    #[test]
    fn a_frame_that_never_ends_does_not_fill_the_memory() {
        let mut parts = Parts::default();
        let mut all = Vec::new();
        for n in 0..2000 {
            let frames = parts.on_part(n, Some(0), true, false);
            all.extend(frames.earlier);
            all.extend(frames.now);
            assert!(n + 1 - all.len() < MOST_PARTS);
        }
        assert!(all.is_sorted() && all.len() >= 1024, "{}", all.len());
    }

    #[test]
    fn a_stream_without_markers_loses_no_frame() {
        let mut parts = Parts::default();
        let mut all = Vec::new();
        for (n, is_key) in [true, false, false, true, true, false]
            .into_iter()
            .enumerate()
        {
            let frames = parts.on_part(n, Some(n as u64 * 33), is_key, false);
            all.extend(frames.earlier);
            all.extend(frames.now);
        }
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
        // Without a time nothing can be known to belong together.
        assert_eq!(parts.on_part(6, None, true, false).now, [6]);
    }

    #[test]
    fn a_tidy_unit_is_not_copied() {
        let unit = [SPS, PPS, SLICE, SLICE].concat();
        assert_eq!(without_late_headers(Codec::H264, &unit), None);
        assert_eq!(without_late_headers(Codec::H264, &[]), None);
        assert_eq!(without_late_headers(Codec::Vp8, &unit), None);
    }
}
