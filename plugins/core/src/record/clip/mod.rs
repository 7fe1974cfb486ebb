//! One playable MP4 file cut out of several in fragments, without touching what is coded.
//!
//! Frames keep their bytes: the new file is a head, which is made here, and pieces of the old files.

use std::time::Duration;

use super::contents::mp4::{Header, Run, Sample, Track};

mod boxes;
#[cfg(test)]
mod tests;

/// Two files of which one begins so soon after the other's end follow each other without a gap: what lies between is the
/// unrest of a network.
const SEAMLESS: Duration = Duration::from_millis(500);

/// A file to cut from, with all that it says of its frames.
#[derive(Debug, Clone)]
pub struct Source {
    /// When it begins, since 1970.
    pub start: Duration,
    /// Its header.
    pub header: Header,
    /// Its frames, in the file's order.
    pub runs: Vec<Run>,
}

/// What to copy out of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The source's place.
    pub source: usize,
    /// Where its bytes begin.
    pub at: u64,
    /// How many.
    pub bytes: u64,
}

/// A file, as it is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// Its first bytes.
    pub head: Vec<u8>,
    /// What follows, in this order.
    pub pieces: Vec<Piece>,
    /// When its first frame was taken, since 1970.
    pub start: Duration,
    /// From there to the end of its last frame, gaps included.
    pub duration: Duration,
}

/// Why there is no clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClipError {
    /// Nothing was recorded then.
    #[error("nothing is recorded there")]
    Nothing,
    /// One file cannot hold both formats.
    #[error("the format of the {kind} changes there; ask for what lies before or after it")]
    Changes {
        /// `pictures` or `sound`.
        kind: &'static str,
        /// When, since 1970.
        at: Duration,
    },
}

/// One frame of the clip.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// When it is decoded, in its track's units from the clip's begin.
    at: u64,
    sample: Sample,
}

/// A track of the clip.
#[derive(Debug, Clone)]
struct Lane {
    like: Track,
    frames: Vec<Frame>,
    /// Where its pieces are among all, and how many frames each has.
    chunks: Vec<(usize, u32)>,
}

/// Cuts from `from` for `duration`. It begins with the last key frame at or before `from`, or else with the first one after it.
/// The sources are in order of time.
///
/// # Errors
///
/// When nothing was recorded then, or the format changes within.
pub fn clip(sources: &[Source], from: Duration, duration: Duration) -> Result<Clip, ClipError> {
    let placed = place(sources);
    let until = from.saturating_add(duration);
    let begin = begin(sources, &placed, from, until).ok_or(ClipError::Nothing)?;
    let mut cut = Cut {
        begin,
        until,
        lanes: Vec::new(),
        pieces: Vec::new(),
    };
    for (index, (source, at)) in sources.iter().zip(&placed).enumerate() {
        for run in &source.runs {
            cut.take(index, source, *at, run)?;
        }
    }
    cut.finish()
}

/// When each source begins: by the clock, or where the one before it ends if that is nearly the same.
fn place(sources: &[Source]) -> Vec<Duration> {
    let mut placed = Vec::new();
    let mut before: Option<Duration> = None;
    for source in sources {
        let start = match before {
            Some(end) if source.start <= end || source.start - end < SEAMLESS => end,
            Some(_) | None => source.start,
        };
        before = Some(start + length(source));
        placed.push(start);
    }
    placed
}

/// Where the track ends that says where segments end: the pictures, or the sound if there are none.
fn length(source: &Source) -> Duration {
    let leads = leads(&source.header);
    let ends = source.runs.iter().filter_map(|run| {
        let track = source.header.tracks.get(run.track)?;
        leads(track).then(|| track.time(run.end()))
    });
    ends.max().unwrap_or_default()
}

fn leads(header: &Header) -> impl Fn(&Track) -> bool + use<> {
    let silent = header.tracks.iter().any(Track::is_video);
    move |track| track.is_video() == silent
}

/// Finds when the clip begins, since 1970.
fn begin(
    sources: &[Source],
    placed: &[Duration],
    from: Duration,
    until: Duration,
) -> Option<Duration> {
    let mut last = None;
    for (source, start) in sources.iter().zip(placed) {
        let leads = leads(&source.header);
        // A file that has ended by then holds no key frame that is of any use.
        if *start + length(source) <= from {
            continue;
        }
        for run in &source.runs {
            let track = source.header.tracks.get(run.track)?;
            if !leads(track) {
                continue;
            }
            let mut units = run.begin;
            for sample in &run.samples {
                let at = *start + track.time(units);
                units = units.saturating_add(sample.duration.into());
                if !sample.is_key() {
                    continue;
                }
                if at > from && last.is_some() {
                    return last;
                }
                if at >= until {
                    return None;
                }
                if at > from {
                    return Some(at);
                }
                last = Some(at);
            }
        }
    }
    last
}

struct Cut {
    begin: Duration,
    until: Duration,
    lanes: Vec<Lane>,
    pieces: Vec<Piece>,
}

impl Cut {
    fn take(
        &mut self,
        index: usize,
        source: &Source,
        start: Duration,
        run: &Run,
    ) -> Result<(), ClipError> {
        let Some(track) = source.header.tracks.get(run.track) else {
            return Ok(());
        };
        let (mut units, mut at) = (run.begin, run.at);
        let mut frames = Vec::new();
        let mut piece = None;
        for sample in &run.samples {
            let time = start + track.time(units);
            let size = u64::from(sample.size);
            if time >= self.begin && time < self.until {
                frames.push((time, *sample));
                let piece = piece.get_or_insert(Piece {
                    source: index,
                    at,
                    bytes: 0,
                });
                piece.bytes = piece.bytes.saturating_add(size);
            }
            units = units.saturating_add(sample.duration.into());
            at = at.saturating_add(size);
        }
        let (Some(piece), Some((first, _))) = (piece, frames.first()) else {
            return Ok(());
        };
        let begin = self.begin;
        let place = self.pieces.len();
        let lane = self.lane(track, *first)?;
        let scale = lane.like.clone();
        let own = scale.units(track.time(track.begins.into()));
        let later = i64::from(scale.begins).saturating_sub_unsigned(own);
        let later = i32::try_from(later).unwrap_or_default();
        for (time, sample) in &frames {
            let mut sample = rescaled(*sample, track, &scale);
            // Each file says for itself how much later than decoded its first picture is shown.
            sample.later = sample.later.saturating_add(later);
            let due = lane
                .frames
                .last()
                .map_or(0, |last| last.at.saturating_add(1));
            let at = scale.units(time.saturating_sub(begin)).max(due);
            lane.frames.push(Frame { at, sample });
        }
        let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        lane.chunks.push((place, count));
        self.pieces.push(piece);
        Ok(())
    }

    /// Finds the clip's track for one of a source's; there is one of pictures and one of sound.
    fn lane(&mut self, track: &Track, at: Duration) -> Result<&mut Lane, ClipError> {
        let same_kind = |lane: &Lane| lane.like.is_video() == track.is_video();
        let place = match self.lanes.iter().position(same_kind) {
            Some(place) => place,
            None => {
                self.lanes.push(Lane {
                    like: track.clone(),
                    frames: Vec::new(),
                    chunks: Vec::new(),
                });
                self.lanes.len() - 1
            }
        };
        let changes = ClipError::Changes {
            kind: if track.is_video() {
                "pictures"
            } else {
                "sound"
            },
            at,
        };
        let lane = self.lanes.get_mut(place).ok_or(ClipError::Nothing)?;
        if lane.like.is_like(track) {
            Ok(lane)
        } else {
            Err(changes)
        }
    }

    fn finish(self) -> Result<Clip, ClipError> {
        let ends = self.lanes.iter().filter_map(|lane| {
            let last = lane.frames.last()?;
            let end = last.at.saturating_add(last.sample.duration.into());
            Some(lane.like.time(end))
        });
        let duration = ends.max().ok_or(ClipError::Nothing)?;
        let head = boxes::head(&self.lanes, &self.pieces, self.begin, duration);
        Ok(Clip {
            head,
            pieces: self.pieces,
            start: self.begin,
            duration,
        })
    }
}

/// The same frame in another track's units of time.
fn rescaled(sample: Sample, from: &Track, to: &Track) -> Sample {
    if from.timescale == to.timescale {
        return sample;
    }
    let units = |units: u32| u32::try_from(to.units(from.time(units.into()))).unwrap_or(u32::MAX);
    let later = units(sample.later.unsigned_abs());
    let later = i32::try_from(later).unwrap_or(i32::MAX);
    Sample {
        duration: units(sample.duration),
        later: later * sample.later.signum(),
        ..sample
    }
}
