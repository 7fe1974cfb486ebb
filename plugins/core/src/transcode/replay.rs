//! What a new decoder gets, so that it can go on where the old one failed.

use std::collections::VecDeque;

/// The group of pictures that a decoder is in the middle of.
///
/// Beyond its bounds it keeps nothing: the new decoder then starts with the next key frame.
#[derive(Debug)]
pub struct Replay<U> {
    units: VecDeque<U>,
    bytes: usize,
    max_units: usize,
    max_bytes: usize,
    whole: bool,
    used: bool,
}

impl<U: Clone> Replay<U> {
    /// Makes an empty one that keeps at most so many units and bytes.
    pub const fn new(max_units: usize, max_bytes: usize) -> Self {
        Self {
            units: VecDeque::new(),
            bytes: 0,
            max_units,
            max_bytes,
            whole: false,
            used: false,
        }
    }

    /// Takes note of what the decoder gets.
    pub fn on_unit(&mut self, unit: &U, key: bool, bytes: usize) {
        if key {
            self.clear();
            self.whole = true;
        }
        if !self.whole {
            return;
        }
        self.bytes += bytes;
        self.units.push_back(unit.clone());
        if self.units.len() > self.max_units || self.bytes > self.max_bytes {
            self.clear();
        }
    }

    /// Gives what the next decoder gets first. A group that failed twice is not given again: it may be
    /// what decoders fail of.
    pub fn units(&mut self) -> VecDeque<U> {
        if std::mem::replace(&mut self.used, true) {
            self.clear();
        }
        self.units.clone()
    }

    /// Forgets the group.
    pub fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
        self.whole = false;
        self.used = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(units: &[(u32, bool)]) -> Replay<u32> {
        let mut replay = Replay::new(3, 100);
        for (unit, key) in units {
            replay.on_unit(unit, *key, 10);
        }
        replay
    }

    #[test]
    fn a_new_decoder_gets_the_group_from_its_key_frame() {
        let mut replay = of(&[(1, true), (2, false), (3, true), (4, false)]);
        assert_eq!(replay.units(), [3, 4]);
    }

    #[test]
    fn a_group_that_failed_twice_is_not_given_again() {
        let mut replay = of(&[(1, true), (2, false)]);
        assert_eq!(replay.units().len(), 2);
        assert!(replay.units().is_empty());
        replay.on_unit(&3, false, 10);
        assert!(replay.units().is_empty());
        replay.on_unit(&4, true, 10);
        assert_eq!(replay.units(), [4]);
    }

    #[test]
    fn a_group_beyond_the_bounds_is_not_kept() {
        let mut replay = of(&[(1, true), (2, false), (3, false), (4, false), (5, false)]);
        assert!(replay.units().is_empty());
        let mut large = of(&[(1, true)]);
        large.on_unit(&2, false, 1_000);
        assert!(large.units().is_empty());
    }
}
