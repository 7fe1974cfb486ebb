//! Where one segment ends and the next begins.

use std::time::Duration;

/// A longer silence than this is a gap, unless the frames come that seldom anyway.
const GAP: Duration = Duration::from_secs(3);

/// A silence is no gap while it is shorter than so many of the longest times between two frames so far.
const INTERVALS: u32 = 4;

/// A key frame that comes so much before a segment's time is up ends it: cameras' key frames are a whole number of seconds apart but
/// for the jitter of their clocks, and the next one would make the segment longer by all of that. Half a frame at 30 frames a second.
const SLACK: Duration = Duration::from_millis(15);

/// How much a segment may hold before the next key frame ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of time.
    pub duration: Duration,
    /// Of bytes; 0 is no limit.
    pub bytes: u64,
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes into the open segment.
    Keep,
    /// The open segment, if there is one, ends; this frame begins the next.
    Begin,
    /// There is no segment, and it cannot begin one.
    Drop,
    /// The open segment ends, and the frame is lost: it cannot begin one.
    End,
}

/// What is asked of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Whether it is of the track that says where segments begin: the first video, or the sound if there is none.
    pub leads: bool,
    /// Whether decoding can begin with it.
    pub key: bool,
    /// When it is decoded, counted from anywhere.
    pub at: Duration,
    /// Its size.
    pub bytes: u64,
    /// Whether the tracks are other ones than those that the open segment began with.
    pub other: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    since: Duration,
    bytes: u64,
    last: Duration,
    longest: Duration,
}

/// Decides for each frame, in order of time over all tracks.
#[derive(Debug, Clone)]
pub struct Cutter {
    limits: Limits,
    open: Option<Open>,
    other: bool,
}

impl Cutter {
    /// Makes it with no open segment.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: None,
            other: false,
        }
    }

    /// Takes a frame.
    pub fn on_frame(&mut self, frame: Frame) -> Verdict {
        self.other |= frame.other;
        let begins = frame.leads && frame.key;
        let Some(mut open) = self.open else {
            if !begins {
                return Verdict::Drop;
            }
            self.begin(frame);
            return Verdict::Begin;
        };
        let silence = frame.at.saturating_sub(open.last);
        let gap = silence > GAP && silence > open.longest.saturating_mul(INTERVALS);
        let full = frame.at.saturating_sub(open.since) + SLACK >= self.limits.duration
            || (self.limits.bytes > 0 && open.bytes >= self.limits.bytes);
        if begins && (gap || full || self.other) {
            self.begin(frame);
            return Verdict::Begin;
        }
        // Without the frames that the gap swallowed, what follows cannot be decoded. And another format needs
        // another segment, even if its key frame is lost.
        if frame.leads && (gap || frame.other) {
            self.open = None;
            return Verdict::End;
        }
        open.bytes = open.bytes.saturating_add(frame.bytes);
        if frame.leads {
            open.longest = open.longest.max(silence);
            open.last = open.last.max(frame.at);
        }
        self.open = Some(open);
        Verdict::Keep
    }

    /// Takes note that the open segment is no more; the next key frame begins one.
    pub fn on_closed(&mut self) {
        self.open = None;
    }

    const fn begin(&mut self, frame: Frame) {
        self.other = false;
        self.open = Some(Open {
            since: frame.at,
            bytes: frame.bytes,
            last: frame.at,
            longest: Duration::ZERO,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        duration: Duration::from_secs(10),
        bytes: 1000,
    };

    const fn video(at: u64, key: bool) -> Frame {
        Frame {
            leads: true,
            key,
            at: Duration::from_millis(at),
            bytes: 1,
            other: false,
        }
    }

    const fn sound(at: u64) -> Frame {
        Frame {
            leads: false,
            ..video(at, true)
        }
    }

    fn run(frames: &[Frame]) -> Vec<Verdict> {
        let mut cutter = Cutter::new(LIMITS);
        frames.iter().map(|&frame| cutter.on_frame(frame)).collect()
    }

    #[test]
    fn a_segment_begins_with_a_key_frame_and_ends_at_one() {
        use Verdict::{Begin, Drop, Keep};
        let frames = [
            (sound(0), Drop),
            (video(10, false), Drop),
            (video(20, true), Begin),
            (sound(30), Keep),
            (video(2000, true), Keep),
            (video(5000, false), Keep),
            (video(8000, false), Keep),
            (video(10_004, true), Keep),
            (video(10_006, false), Keep),
            (sound(10_007), Keep),
            // A little early is in time.
            (video(10_010, true), Begin),
            (sound(10_011), Keep),
        ];
        let want: Vec<_> = frames.iter().map(|(_, verdict)| *verdict).collect();
        assert_eq!(run(&frames.map(|(frame, _)| frame)), want);
    }

    #[test]
    fn a_full_segment_ends_at_the_next_key_frame() {
        let large = Frame {
            bytes: 1000,
            ..video(40, false)
        };
        let frames = [video(0, true), large, video(80, false), video(120, true)];
        use Verdict::{Begin, Keep};
        assert_eq!(run(&frames), [Begin, Keep, Keep, Begin]);
    }

    #[test]
    fn a_gap_ends_the_segment_and_waits_for_a_key_frame() {
        use Verdict::{Begin, Drop, End, Keep};
        let frames = [
            video(0, true),
            video(40, false),
            video(3100, false),
            video(3140, false),
            sound(3150),
            video(3180, true),
        ];
        assert_eq!(run(&frames), [Begin, Keep, End, Drop, Drop, Begin]);
        let frames = [video(0, true), video(40, false), video(3100, true)];
        assert_eq!(run(&frames), [Begin, Keep, Begin]);
        let frames = [video(0, true), video(40, false), video(3040, false)];
        assert_eq!(run(&frames), [Begin, Keep, Keep]);
    }

    #[test]
    fn frames_that_come_seldom_are_no_gap() {
        let frames = [
            video(0, true),
            video(2000, false),
            video(4000, false),
            video(9000, false),
        ];
        use Verdict::{Begin, Keep};
        assert_eq!(run(&frames), [Begin, Keep, Keep, Keep]);
    }

    #[test]
    fn another_format_begins_another_segment() {
        use Verdict::{Begin, End, Keep};
        let other = |frame| Frame {
            other: true,
            ..frame
        };
        let frames = [video(0, true), other(video(40, true)), video(80, false)];
        assert_eq!(run(&frames), [Begin, Begin, Keep]);
        // Of the sound: the pictures say where.
        let frames = [
            video(0, true),
            other(sound(20)),
            video(40, false),
            video(80, true),
        ];
        assert_eq!(run(&frames), [Begin, Keep, Keep, Begin]);
        let frames = [video(0, true), other(video(40, false)), video(80, true)];
        assert_eq!(run(&frames), [Begin, End, Begin]);
    }

    #[test]
    fn a_segment_that_was_lost_is_followed_by_one_from_the_next_key_frame() {
        let mut cutter = Cutter::new(LIMITS);
        assert_eq!(cutter.on_frame(video(0, true)), Verdict::Begin);
        cutter.on_closed();
        assert_eq!(cutter.on_frame(video(40, false)), Verdict::Drop);
        assert_eq!(cutter.on_frame(video(80, true)), Verdict::Begin);
    }
}
