//! Can this video be passed through? Browsers show garbage when pictures come in another order than shown.

use sluice_core::Codec;

/// Frames without reordering after which a stream that does not say is taken to have none.
const ENOUGH: u32 = 4;

/// Watches one video track.
#[derive(Debug, Default)]
pub(super) struct Judge {
    frames: u32,
    latest: Option<gst::ClockTime>,
    verdict: Option<bool>,
}

impl Judge {
    /// Takes an access unit; gives a verdict when there is a new one: whether pictures are reordered.
    pub(super) fn on_frame(
        &mut self,
        codec: Codec,
        buffer: &gst::BufferRef,
        key: bool,
    ) -> Option<bool> {
        if self.verdict == Some(true) {
            return None;
        }
        self.frames = self.frames.saturating_add(1);
        let pts = buffer.pts();
        // In decoding order, a picture that is shown before an earlier one is a B-frame's doing. After a
        // key frame time may go back for other reasons.
        let back = !key && pts.zip(self.latest).is_some_and(|(pts, last)| pts < last);
        self.latest = pts;
        let verdict = match codec {
            Codec::H264 | Codec::H265 if back => Some(true),
            Codec::H264 | Codec::H265 => (self.frames >= ENOUGH).then_some(false),
            _ => Some(false),
        };
        if verdict.is_none() || verdict == self.verdict {
            return None;
        }
        self.verdict = verdict;
        verdict
    }
}
