//! Can this video be passed through? Browsers show garbage when pictures come in another order than shown, and combs when they
//! are made of fields.

use sluice_core::{Codec, Sps, h264, h265};

/// Frames without a B-slice after which a stream that does not say is taken to have none.
const ENOUGH: u32 = 4;

/// What was seen of a track's pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// They come in another order than shown.
    pub(crate) reorders: bool,
    /// They may be made of fields.
    pub(crate) interlaced: bool,
}

/// Watches one video track.
#[derive(Debug, Default)]
pub(super) struct Judge {
    frames: u32,
    /// What the parameter sets say.
    said: Option<bool>,
    reorders: Option<bool>,
    interlaced: bool,
    verdict: Option<Seen>,
}

impl Judge {
    /// Takes an access unit; gives a verdict when there is a new one.
    pub(super) fn on_frame(&mut self, codec: Codec, unit: &[u8], key: bool) -> Option<Seen> {
        self.frames = self.frames.saturating_add(1);
        let sps = if !key {
            None
        } else if codec == Codec::H264 {
            h264::sps(unit)
        } else if codec == Codec::H265 {
            h265::sps(unit)
        } else {
            None
        };
        if let Some(sps) = sps {
            self.interlaced = sps.interlaced;
        }
        if self.reorders != Some(true) {
            self.reorders = if codec == Codec::H264 {
                self.by_slices(sps, || h264::has_b_slices(unit))
            } else if codec == Codec::H265 {
                // Its parameter sets always say.
                sps.map(|sps| sps.reorders() == Some(true))
                    .or(self.reorders)
            } else {
                // They hold a picture back in a way of their own, which browsers follow.
                Some(false)
            };
        }
        let verdict = self.reorders.map(|reorders| Seen {
            reorders,
            interlaced: self.interlaced,
        });
        if verdict == self.verdict {
            return None;
        }
        self.verdict = verdict;
        verdict
    }

    fn by_slices(&mut self, sps: Option<Sps>, has_b_slices: impl Fn() -> bool) -> Option<bool> {
        if let Some(sps) = sps {
            // Baseline has no B-slices, whether or not the SPS says so.
            self.said = sps.reorders().or((sps.profile_idc == 66).then_some(false));
        }
        match self.said {
            // Some encoders allow for reordering and never do it: only slices are proof.
            Some(false) => Some(false),
            Some(true) | None if has_b_slices() => Some(true),
            Some(true) | None => (self.frames >= ENOUGH).then_some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vp8_is_passed_at_once() {
        let mut judge = Judge::default();
        let plain = Some(Seen::default());
        assert_eq!(judge.on_frame(Codec::Vp8, &[0], true), plain);
        assert_eq!(judge.on_frame(Codec::Vp8, &[0], false), None);
    }

    #[test]
    fn h264_that_does_not_say_is_passed_after_a_few_frames() {
        let mut judge = Judge::default();
        let slice = [0, 0, 0, 1, 0x41, 0xe0, 0, 0];
        let verdicts: Vec<_> = (0..6)
            .map(|_| judge.on_frame(Codec::H264, &slice, false))
            .collect();
        let plain = Some(Seen::default());
        assert_eq!(verdicts, [None, None, None, plain, None, None]);
    }
}
