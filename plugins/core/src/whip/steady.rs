//! Timestamps of a track that has none but those of its pictures.

use crate::timeline::Stamp;

/// No camera has more than 250 frames a second: what is less than this in the wrong order is no B-frame.
const SHORTEST_FRAME: u64 = 4_000_000;

/// What one frame is moved up by: enough to differ on a 90 kHz clock.
const STEP: u64 = 1_000_000;

/// Gives each frame the time at which it is decoded, as long as frames come in the order in which they are shown.
///
/// RTP has no such time. A jitter buffer that follows the sender's clock takes frames that came in one burst for
/// simultaneous, and some of them for earlier by some microseconds; viewers take equal timestamps for one picture.
/// With a time of decoding, the timeline keeps them apart.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steady {
    last: Option<u64>,
    /// There are B-frames.
    reorders: bool,
    /// Up to here, frames of another layer went out before.
    before: Option<u64>,
}

impl Steady {
    /// Takes note that the next frames are another layer's, whose clock may be some milliseconds behind.
    pub const fn on_other_layer(&mut self) {
        self.before = self.last;
    }

    /// Takes the next frame's times, in ns.
    pub fn on_frame(&mut self, stamp: Stamp) -> Stamp {
        let (Some(pts), None) = (stamp.pts, stamp.dts) else {
            return stamp;
        };
        let time = match self.last {
            Some(last) if pts <= last && last - pts < SHORTEST_FRAME => last.saturating_add(STEP),
            Some(last) if self.before.is_some_and(|before| pts <= before) => {
                last.saturating_add(STEP)
            }
            Some(last) => {
                self.reorders |= pts < last;
                pts
            }
            None => pts,
        };
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        Stamp {
            pts: Some(time),
            dts: (!self.reorders).then_some(time),
            ..stamp
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trifle_is_mended_and_b_frames_keep_their_order() {
        const MS: u64 = 1_000_000;
        let mut steady = Steady::default();
        for (pts, out, decoded) in [
            (100 * MS, 100 * MS, true),
            (133 * MS, 133 * MS, true),
            (133 * MS, 134 * MS, true),
            (134 * MS - 3, 135 * MS, true),
            (200 * MS, 200 * MS, true),
            // A B-frame, shown before the one that came before it.
            (167 * MS, 167 * MS, false),
            (300 * MS, 300 * MS, false),
        ] {
            let stamp = steady.on_frame(Stamp {
                pts: Some(pts),
                ..Stamp::default()
            });
            assert_eq!(
                (stamp.pts, stamp.dts.is_some()),
                (Some(out), decoded),
                "{pts}"
            );
        }
    }

    #[test]
    fn another_layer_that_is_a_little_behind_is_no_b_frame() {
        const MS: u64 = 1_000_000;
        let mut steady = Steady::default();
        let on = |steady: &mut Steady, pts| {
            let stamp = Stamp {
                pts: Some(pts),
                ..Stamp::default()
            };
            let out = steady.on_frame(stamp);
            (out.pts, out.dts)
        };
        on(&mut steady, 500 * MS);
        steady.on_other_layer();
        for (pts, out) in [(440, 501), (473, 502), (506, 506), (540, 540)] {
            let out = Some(out * MS);
            assert_eq!(on(&mut steady, pts * MS), (out, out), "{pts}");
        }
    }

    #[test]
    fn a_time_of_decoding_that_is_there_stays() {
        let stamp = Stamp {
            pts: Some(2),
            dts: Some(1),
            duration: None,
        };
        assert_eq!(Steady::default().on_frame(stamp), stamp);
    }
}
