//! Who is tried next when an encoder or decoder fails.

use std::collections::VecDeque;
use std::time::Duration;

/// So often may one hang: a machine that was busy for a second is no reason to give it up.
const HANGS: u8 = 3;

/// One that worked for so long before it failed gets another chance: a device may have been lost for a moment.
const LONG: Duration = Duration::from_secs(60);

/// Encoders or decoders, best first. Those that cannot be used are gone for good.
#[derive(Debug)]
pub struct Candidates<C> {
    left: VecDeque<(C, u8)>,
}

impl<C: Copy> Candidates<C> {
    /// Makes the list, best first.
    pub fn new(candidates: impl IntoIterator<Item = C>) -> Self {
        Self {
            left: candidates.into_iter().map(|one| (one, 0)).collect(),
        }
    }

    /// Gives the one whose turn it is; `None` when none is left.
    pub fn current(&self) -> Option<C> {
        self.left.front().map(|(one, _)| *one)
    }

    /// Takes note that the current one said that it cannot go on, after it had worked for so long.
    pub fn on_fault(&mut self, worked: Duration) {
        if worked >= LONG {
            self.on_hang(worked);
        } else {
            self.left.pop_front();
        }
    }

    /// Takes note that the current one hangs, after it had worked for so long: the others come first.
    pub fn on_hang(&mut self, worked: Duration) {
        if let Some((one, before)) = self.left.pop_front() {
            let hangs = if worked >= LONG { 1 } else { before + 1 };
            if hangs < HANGS {
                self.left.push_back((one, hangs));
            }
        }
    }

    /// Takes note that nothing comes out of the current one, of which it may not be guilty.
    pub fn on_stall(&mut self) {
        if !self.left.is_empty() {
            self.left.rotate_left(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    #[test]
    fn one_that_fails_soon_is_gone() {
        let mut candidates = Candidates::new([1, 2]);
        candidates.on_fault(SHORT);
        assert_eq!(candidates.current(), Some(2));
        candidates.on_fault(SHORT);
        assert_eq!(candidates.current(), None);
        candidates.on_stall();
    }

    #[test]
    fn one_that_hangs_comes_last_and_is_gone_after_the_third_time() {
        let mut candidates = Candidates::new([1, 2]);
        let mut turns = vec![];
        while let Some(current) = candidates.current() {
            turns.push(current);
            candidates.on_hang(SHORT);
        }
        assert_eq!(turns, [1, 2, 1, 2, 1, 2]);
    }

    #[test]
    fn one_that_worked_for_long_gets_another_chance_however_it_failed() {
        let mut candidates = Candidates::new([1]);
        for _ in 0..100 {
            candidates.on_hang(LONG);
            candidates.on_fault(LONG);
        }
        assert_eq!(candidates.current(), Some(1));
        candidates.on_fault(SHORT);
        assert_eq!(candidates.current(), None);
    }

    #[test]
    fn a_stall_gives_the_turn_to_the_next_one_for_ever() {
        let mut candidates = Candidates::new([1, 2]);
        for _ in 0..10 {
            candidates.on_stall();
        }
        assert_eq!(candidates.current(), Some(1));
    }
}
