//! Puts the frames of several tracks into one order of time.

use std::collections::VecDeque;
use std::time::Duration;

#[derive(Debug, Clone)]
struct Lane<T> {
    frames: VecDeque<(Duration, T)>,
    newest: Duration,
    over: bool,
    /// How far another may be ahead before its first frame.
    first: Option<Duration>,
    /// It was waited for in vain, and has sent nothing since.
    late: bool,
}

impl<T> Lane<T> {
    fn is_awaited(&self) -> bool {
        self.frames.is_empty() && !self.over && !self.late
    }
}

/// Gives frames of all tracks out in order of time, so that a cut at a key frame cuts all tracks there.
///
/// A track without frames is waited for until another is so far ahead; of each track it holds no more. Then nobody waits for it
/// until it has a frame again: sound that is announced and never comes would hold back all pictures for ever.
#[derive(Debug, Clone)]
pub struct Merge<T> {
    patience: Duration,
    lanes: Vec<Lane<T>>,
}

impl<T> Merge<T> {
    /// Makes it for no track. A track is waited for until another is `patience` ahead.
    pub const fn new(patience: Duration) -> Self {
        Self {
            patience,
            lanes: Vec::new(),
        }
    }

    /// Makes sure that there is a track. Until its first frame it is waited for until another is `first` ahead: pictures begin with
    /// the next key frame, long after the sound.
    pub fn expect(&mut self, track: usize, first: Duration) {
        if let Some(lane) = self.lane(track) {
            lane.first = Some(first);
        }
    }

    fn lane(&mut self, track: usize) -> Option<&mut Lane<T>> {
        while self.lanes.len() <= track {
            self.lanes.push(Lane {
                frames: VecDeque::new(),
                newest: Duration::ZERO,
                over: false,
                first: None,
                late: false,
            });
        }
        self.lanes.get_mut(track)
    }

    /// Takes a frame of a track, in the order in which it is decoded.
    pub fn push(&mut self, track: usize, at: Duration, frame: T) {
        let Some(lane) = self.lane(track) else {
            return;
        };
        lane.over = false;
        lane.first = None;
        lane.late = false;
        lane.newest = lane.newest.max(at);
        lane.frames.push_back((lane.newest, frame));
    }

    /// Takes note that a track has ended: nobody waits for it.
    pub fn end(&mut self, track: usize) {
        if let Some(lane) = self.lane(track) {
            lane.over = true;
        }
    }

    /// Says whether a track has ended, and all of it has come out.
    pub fn is_over(&self, track: usize) -> bool {
        let lane = self.lanes.get(track);
        lane.is_none_or(|lane| lane.over && lane.frames.is_empty())
    }

    /// Says whether a track has ended, or was waited for in vain and has sent nothing since.
    pub fn is_away(&self, track: usize) -> bool {
        let late = self.lanes.get(track).is_some_and(|lane| lane.late);
        late || self.is_over(track)
    }

    /// Gives the next frame with its time and track, or none while one that comes first may still come.
    pub fn pop(&mut self) -> Option<(Duration, usize, T)> {
        let next = |(track, lane): (usize, &Lane<T>)| Some((lane.frames.front()?.0, track));
        let (at, track) = self.lanes.iter().enumerate().filter_map(next).min()?;
        let newest = self.lanes.iter().map(|lane| lane.newest).max()?;
        let ahead = newest.saturating_sub(at);
        for lane in self.lanes.iter_mut().filter(|lane| lane.is_awaited()) {
            if ahead < lane.first.unwrap_or(self.patience) {
                return None;
            }
            lane.late = true;
        }
        let (at, frame) = self.lanes.get_mut(track)?.frames.pop_front()?;
        Some((at, track, frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ms;

    fn all(merge: &mut Merge<u64>) -> Vec<u64> {
        std::iter::from_fn(|| merge.pop().map(|(_, _, frame)| frame)).collect()
    }

    #[test]
    fn frames_come_out_in_order_of_time() {
        let mut merge = Merge::new(ms(1000));
        merge.expect(1, ms(1000));
        for at in [0, 40, 80] {
            merge.push(0, ms(at), at);
        }
        assert_eq!(all(&mut merge), [0u64; 0]);
        for at in [10, 30, 50] {
            merge.push(1, ms(at), at);
        }
        assert_eq!(all(&mut merge), [0, 10, 30, 40, 50]);
        merge.end(1);
        assert!(merge.is_over(1) && !merge.is_over(0));
        assert_eq!(all(&mut merge), [80]);
        merge.push(0, ms(120), 120);
        merge.end(0);
        assert!(!merge.is_over(0));
        assert_eq!(all(&mut merge), [120]);
        assert!(merge.is_over(0));
    }

    #[test]
    fn a_silent_track_is_waited_for_one_second_and_no_more_until_it_is_back() {
        let mut merge = Merge::new(ms(1000));
        merge.expect(1, ms(1000));
        for at in [0, 500, 999] {
            merge.push(0, ms(at), at);
        }
        assert_eq!(all(&mut merge), [0u64; 0]);
        merge.push(0, ms(1000), 1000);
        assert_eq!(all(&mut merge), [0, 500, 999, 1000]);
        merge.push(0, ms(1040), 1040);
        assert_eq!(all(&mut merge), [1040]);
        assert!(merge.is_away(1) && !merge.is_over(1) && !merge.is_away(0));

        merge.push(1, ms(1060), 1060);
        merge.push(0, ms(1080), 1080);
        assert_eq!(all(&mut merge), [1060]);
        merge.push(1, ms(1100), 1100);
        assert_eq!(all(&mut merge), [1080]);
    }

    #[test]
    fn the_first_frame_of_a_track_is_waited_for_longer() {
        let mut merge = Merge::new(ms(500));
        merge.expect(0, ms(10_000));
        merge.expect(1, ms(500));
        for at in [0, 2000, 4000] {
            merge.push(1, ms(at), at);
        }
        assert_eq!(all(&mut merge), [0u64; 0]);
        merge.push(0, ms(3000), 3000);
        assert_eq!(all(&mut merge), [0, 2000, 3000]);

        let mut never = Merge::new(ms(500));
        never.expect(0, ms(10_000));
        for at in [0, 9999] {
            never.push(1, ms(at), at);
        }
        assert_eq!(all(&mut never), [0u64; 0]);
        never.push(1, ms(10_000), 10_000);
        assert_eq!(all(&mut never), [0, 9999, 10_000]);
    }

    #[test]
    fn a_track_that_goes_back_keeps_its_own_order() {
        let mut merge = Merge::new(ms(1000));
        for at in [100, 60, 140] {
            merge.push(0, ms(at), at);
        }
        assert_eq!(all(&mut merge), [100, 60, 140]);
    }
}
