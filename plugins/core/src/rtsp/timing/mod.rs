//! Which time a packet gets: its sender's, laid on ours.
//!
//! A track begins when its first packet comes; from there on its RTP time counts. Over TCP nothing is lost, and what comes
//! late has waited in a buffer, so a packet's arrival says little. Sender reports say how tracks lie to each other.

#[cfg(test)]
mod tests;
mod track;

use self::track::Track;
use crate::drift::Drift;

/// How much a packet may be moved towards lip sync. In one step, time would turn back where the first reports say so.
const STEP: i64 = 1_000_000;
/// Tracks that lie further apart by their reports are not believed.
const MOST_APART: i64 = 3_000_000_000;
/// What is nearer than this is as good as together.
const TOGETHER: i64 = 4_000_000;
/// How far from a track's begin its first packet may be, by what the answer to PLAY says.
const MOST_BEFORE: i64 = 2_000_000_000;

/// The times of one session's tracks. All times are ns of running time.
#[derive(Debug)]
pub struct Timing {
    tracks: Vec<Track>,
    drift: Drift,
}

impl Timing {
    /// Makes the timing of tracks with these clock rates, in Hz.
    pub fn new(rates: &[u32]) -> Self {
        Self {
            tracks: rates.iter().copied().map(Track::new).collect(),
            drift: Drift::catching_up(),
        }
    }

    /// Takes the RTP time at which a track begins, as the answer to PLAY says it.
    pub fn on_begin(&mut self, track: usize, rtp: u32) {
        if let Some(track) = self.tracks.get_mut(track) {
            track.begin = Some(rtp);
        }
    }

    /// Gives the time of a packet that comes `now`. `is_prompt` says that it was waited for: it has lain in no buffer of
    /// ours.
    pub fn on_packet(&mut self, track: usize, rtp: u32, now: u64, is_prompt: bool) -> u64 {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let Some(one) = self.tracks.get_mut(track) else {
            return 0;
        };
        let is_first = !one.has_begun();
        let time = one.on_packet(rtp, now);
        if is_first {
            self.align();
        }
        let drift = if is_prompt {
            self.drift.on_frame(time, now)
        } else {
            self.drift.correction()
        };
        u64::try_from(time.saturating_add(drift)).unwrap_or_default()
    }

    /// Takes a sender report: `ntp` in seconds of 32.32 bits.
    pub fn on_report(&mut self, track: usize, ntp: u64, rtp: u32) {
        if let Some(track) = self.tracks.get_mut(track) {
            track.on_report(ntp, rtp);
            self.align();
        }
    }

    /// Finds how far each track must move, so that what was taken together is shown together. The one that is last by its
    /// arrival stays.
    fn align(&mut self) {
        let flowing = || self.tracks.iter().filter(|track| track.has_begun());
        if flowing().count() < 2 {
            return;
        }
        let by_reports: Option<Vec<_>> = flowing().map(Track::ahead_by_report).collect();
        let Some(ahead) = by_reports.or_else(|| flowing().map(Track::ahead_by_begin).collect())
        else {
            return;
        };
        let (Some(most), Some(least)) = (ahead.iter().max(), ahead.iter().min()) else {
            return;
        };
        if most.saturating_sub(*least) > MOST_APART {
            return;
        }
        let (most, flowing) = (
            *most,
            self.tracks.iter_mut().filter(|track| track.has_begun()),
        );
        for (track, own) in flowing.zip(ahead) {
            track.move_to(most - own);
        }
    }
}
