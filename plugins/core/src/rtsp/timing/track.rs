//! The time of one track.

use super::{MOST_BEFORE, STEP, TOGETHER};

/// RTP time that goes on by this much more than the clock, or back by `BACK`, has jumped.
const AHEAD: i64 = 10_000_000_000;
/// Pictures in another order than shown go back by less.
const BACK: i64 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Track {
    /// In Hz.
    rate: i64,
    pub(super) begin: Option<u32>,
    last: Option<Last>,
    /// What a moment of RTP time lies on: the running time of extended RTP time zero, in ns.
    base: i64,
    /// How far the track is moved for lip sync, and how far it shall be.
    moved: i64,
    wanted: i64,
    /// The latest sender report: NTP time and the track's own time, in ns.
    report: Option<(i64, i64)>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    /// RTP time, counted on over its wraps.
    rtp: i64,
    /// When the packet came.
    at: i64,
    time: i64,
}

impl Track {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate: i64::from(rate.max(1)),
            begin: None,
            last: None,
            base: 0,
            moved: 0,
            wanted: 0,
            report: None,
        }
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.last.is_some()
    }

    /// Gives a packet's time.
    pub(super) fn on_packet(&mut self, rtp: u32, now: i64) -> i64 {
        let Some(last) = self.last else {
            let rtp = i64::from(rtp);
            self.base = now - self.nanos(rtp);
            return self.note(rtp, now);
        };
        let extended = extend(last.rtp, rtp);
        self.moved += (self.wanted - self.moved).clamp(-STEP, STEP);
        if extended == last.rtp {
            // All packets of a picture have one time.
            self.last = Some(Last { at: now, ..last });
            return last.time;
        }
        let step = self.nanos(extended) - self.nanos(last.rtp);
        let passed = now - last.at;
        if step < -BACK || step > passed.saturating_add(AHEAD) {
            self.base += passed.max(0) - step;
            self.report = None;
            self.begin = None;
        }
        self.note(extended, now)
    }

    fn note(&mut self, rtp: i64, at: i64) -> i64 {
        let time = self.own(rtp).saturating_add(self.moved);
        self.last = Some(Last { rtp, at, time });
        time
    }

    pub(super) fn on_report(&mut self, ntp: u64, rtp: u32) {
        let Some(last) = self.last else { return };
        let seconds = i64::try_from(ntp >> 32).unwrap_or_default();
        let fraction = i64::try_from(((ntp & 0xffff_ffff) * 1_000_000_000) >> 32);
        let ntp = seconds * 1_000_000_000 + fraction.unwrap_or_default();
        // Cameras that do not know the time say zero.
        self.report = (seconds > 0).then(|| (ntp, self.own(extend(last.rtp, rtp))));
    }

    /// How far the track's time is ahead of its sender's.
    pub(super) fn ahead_by_report(&self) -> Option<i64> {
        self.report.map(|(ntp, own)| own - ntp)
    }

    /// The same by what the answer to PLAY says, if that can be.
    pub(super) fn ahead_by_begin(&self) -> Option<i64> {
        let last = self.last?;
        let begin = extend(last.rtp, self.begin?);
        let since = self.nanos(last.rtp) - self.nanos(begin);
        (0..=MOST_BEFORE).contains(&since).then(|| self.own(begin))
    }

    pub(super) const fn move_to(&mut self, wanted: i64) {
        if self.wanted.abs_diff(wanted) >= TOGETHER.unsigned_abs() {
            self.wanted = wanted;
        }
    }

    fn own(&self, rtp: i64) -> i64 {
        self.base.saturating_add(self.nanos(rtp))
    }

    fn nanos(&self, rtp: i64) -> i64 {
        let nanos = i128::from(rtp) * 1_000_000_000 / i128::from(self.rate);
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }
}

/// Finds the extended time that is nearest to the last one.
fn extend(last: i64, rtp: u32) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the lower 32 bits are meant"
    )]
    let step = rtp.wrapping_sub(last as u32).cast_signed();
    last + i64::from(step)
}
