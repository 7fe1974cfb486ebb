//! The clock of one track.

/// A sample's times as the source gave them, in ns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// When it is shown.
    pub pts: Option<u64>,
    /// When it is decoded.
    pub dts: Option<u64>,
    /// How long it lasts.
    pub duration: Option<u64>,
}

impl Stamp {
    /// Gives the time that says in which order samples come.
    pub(super) fn order(&self) -> Option<u64> {
        self.dts.or(self.pts)
    }

    pub(super) fn earliest(&self) -> Option<u64> {
        match (self.pts, self.dts) {
            (Some(pts), Some(dts)) => Some(pts.min(dts)),
            (one, other) => one.or(other),
        }
    }
}

/// A sample's times on the running time, in ns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mapped {
    /// When it is shown; every sample has one.
    pub pts: u64,
    /// When it is decoded; only if the source said.
    pub dts: Option<u64>,
    /// Whether the source's times jumped here, or a new epoch began.
    pub discont: bool,
}

/// A step ahead of more than this is a jump, not a gap: a camera that shows nothing for so long has
/// been found stalled before.
const JUMP_AHEAD: u64 = 10_000_000_000;
/// DTS may go back by this much through rounding; PTS without DTS by `REORDER`.
const ROUNDING: u64 = 500_000_000;
/// PTS without DTS go back by up to this much through B-frames.
const REORDER: u64 = 1_000_000_000;
/// The step when times stand still: enough to differ on a 90 kHz clock.
const SMALLEST_STEP: u64 = 1_000_000;

#[derive(Debug, Clone, Default)]
pub(super) struct TrackClock {
    /// This track's offset in this epoch; `None` until its first sample.
    offset: Option<i128>,
    /// The latest order time of this epoch, as the source gave it.
    last_in: Option<u64>,
    /// The latest order time on the running time.
    last_out: Option<u64>,
    /// The last sample's duration, or the last step.
    step: u64,
    /// Where what was mapped ends.
    end: u64,
}

/// What the epoch gives to each of its tracks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch {
    /// The newest offset.
    pub(super) offset: i128,
    /// Where a track lands that has no times.
    pub(super) begin: u64,
    /// How far any track has come.
    pub(super) lead: u64,
    /// Whether the first sample is a break in the stream.
    pub(super) breaks: bool,
}

/// Which offset a sample goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Same,
    FirstOfEpoch,
    /// Another track jumped before this one.
    TakenOver,
    New,
}

impl TrackClock {
    pub(super) const fn leave_epoch(&mut self) {
        self.offset = None;
        self.last_in = None;
    }

    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Maps a sample; also gives the offset that the other tracks shall take over.
    pub(super) fn map(&mut self, stamp: Stamp, epoch: Epoch) -> (Mapped, i128) {
        let Some(order) = stamp.order() else {
            return (self.without_time(stamp, epoch.begin), epoch.offset);
        };
        let by_pts = stamp.dts.is_none();
        let (offset, source) = self.offset_for(order, epoch, by_pts);
        let new = source != Source::Same;
        let out = self.rising(moved(order, offset), stamp.duration, by_pts && !new);
        let pts = match (stamp.pts, stamp.dts) {
            // DTS that was pushed up may pass PTS.
            (Some(pts), Some(_)) => moved(pts, offset).max(out),
            (None, _) | (_, None) => out,
        };
        self.note(out, pts, stamp.duration, new);
        self.offset = Some(offset);
        self.last_in = Some(match self.last_in {
            Some(last) if !new => last.max(order),
            Some(_) | None => order,
        });
        let discont = match source {
            Source::Same => false,
            Source::FirstOfEpoch => epoch.breaks,
            Source::TakenOver | Source::New => true,
        };
        let shared = if source == Source::New {
            offset
        } else {
            epoch.offset
        };
        (
            Mapped {
                pts,
                dts: stamp.dts.map(|_| out),
                discont,
            },
            shared,
        )
    }

    fn offset_for(&self, order: u64, epoch: Epoch, by_pts: bool) -> (i128, Source) {
        let (Some(own), Some(last_in)) = (self.offset, self.last_in) else {
            return (epoch.offset, Source::FirstOfEpoch);
        };
        let back = if by_pts { REORDER } else { ROUNDING };
        let went_back = order.saturating_add(back) < last_in;
        // A track may rest while the others go on (a microphone that is switched off): no jump.
        let limit = self
            .last_out
            .unwrap_or(0)
            .max(epoch.lead)
            .saturating_add(JUMP_AHEAD);
        let went_ahead = order > last_in.saturating_add(JUMP_AHEAD) && moved(order, own) > limit;
        if !went_back && !went_ahead {
            return (own, Source::Same);
        }
        let last_out = self.last_out.unwrap_or(0);
        let shared = moved(order, epoch.offset);
        if epoch.offset != own && shared.saturating_add(back) >= last_out && shared <= limit {
            return (epoch.offset, Source::TakenOver);
        }
        let expected = last_out.saturating_add(self.step);
        (i128::from(expected) - i128::from(order), Source::New)
    }

    /// Moves a time up if it would stand still or go back; frames in another order may go back.
    fn rising(&self, out: u64, duration: Option<u64>, may_reorder: bool) -> u64 {
        match self.last_out {
            Some(last) if out < last && may_reorder && last - out <= REORDER => out,
            Some(last) if out <= last => {
                last.saturating_add(duration.unwrap_or(SMALLEST_STEP).clamp(1, SMALLEST_STEP))
            }
            Some(_) | None => out,
        }
    }

    fn note(&mut self, out: u64, pts: u64, duration: Option<u64>, new: bool) {
        let step = self.last_out.map_or(0, |last| out.saturating_sub(last));
        match duration {
            Some(duration) if duration > 0 => self.step = duration,
            Some(_) | None if !new && (1..JUMP_AHEAD).contains(&step) => self.step = step,
            Some(_) | None => {}
        }
        self.last_out = Some(self.last_out.map_or(out, |last| last.max(out)));
        self.end = self.end.max(pts.max(out).saturating_add(self.step));
    }

    /// Continues where the last sample ended.
    fn without_time(&mut self, stamp: Stamp, begin: u64) -> Mapped {
        let out = self.last_out.map_or(begin, |last| {
            last.saturating_add(self.step.max(SMALLEST_STEP))
        });
        self.note(out, out, stamp.duration, false);
        Mapped {
            pts: out,
            dts: None,
            discont: false,
        }
    }
}

/// Applies an offset. Nothing lies before 0.
pub(super) fn moved(time: u64, offset: i128) -> u64 {
    u64::try_from((i128::from(time) + offset).max(0)).unwrap_or(u64::MAX)
}
