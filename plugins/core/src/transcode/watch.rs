//! Tells whether an encoder or decoder still works, from what goes in and comes out.

use std::time::{Duration, Instant};

/// Input that waits for so long means that the element hangs.
const HANG: Duration = Duration::from_secs(1);

/// Pictures that go in without any that comes out: no live setting keeps back so many.
const SWALLOWED: u64 = 30;

/// A stream that is torn can leave a decoder without pictures for so long.
const TORN: Duration = Duration::from_secs(5);

/// What is thought of the element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works, or nothing says otherwise.
    Works,
    /// It takes no input although some waits.
    Hangs,
    /// It takes input and gives nothing.
    Silent,
}

/// Watches one element.
#[derive(Debug)]
pub struct Watch {
    taken: u64,
    made: u64,
    taken_when_made: u64,
    moved_at: Instant,
    made_at: Instant,
    decodes: bool,
}

impl Watch {
    /// Starts to watch a decoder (`decodes`) or an encoder.
    pub const fn new(decodes: bool, now: Instant) -> Self {
        Self {
            taken: 0,
            made: 0,
            taken_when_made: 0,
            moved_at: now,
            made_at: now,
            decodes,
        }
    }

    /// Takes how many units went in and came out since the start, and how many wait.
    pub fn on_counts(&mut self, taken: u64, made: u64, waiting: u64, now: Instant) -> Verdict {
        if taken != self.taken || made != self.made || waiting == 0 {
            self.moved_at = now;
        }
        if made != self.made || taken == self.taken_when_made {
            self.made_at = now;
            self.taken_when_made = taken;
        }
        self.taken = taken;
        self.made = made;
        let patience = if self.decodes && made > 0 { TORN } else { HANG };
        if now.saturating_duration_since(self.moved_at) >= HANG {
            Verdict::Hangs
        } else if taken - self.taken_when_made >= SWALLOWED
            && now.saturating_duration_since(self.made_at) >= patience
        {
            Verdict::Silent
        } else {
            Verdict::Works
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, origin};

    #[test]
    fn input_that_waits_for_a_second_means_a_hang() {
        let start = origin();
        let mut watch = Watch::new(false, start);
        assert_eq!(watch.on_counts(1, 0, 1, start + ms(100)), Verdict::Works);
        assert_eq!(watch.on_counts(1, 0, 2, start + ms(1_000)), Verdict::Works);
        assert_eq!(watch.on_counts(1, 0, 2, start + ms(1_100)), Verdict::Hangs);
    }

    #[test]
    fn no_input_is_no_hang() {
        let start = origin();
        let mut watch = Watch::new(false, start);
        assert_eq!(watch.on_counts(5, 5, 0, start + ms(9_000)), Verdict::Works);
        assert_eq!(watch.on_counts(5, 5, 1, start + ms(9_900)), Verdict::Works);
    }

    #[test]
    fn an_encoder_that_only_swallows_is_silent() {
        let start = origin();
        let mut watch = Watch::new(false, start);
        assert_eq!(watch.on_counts(1, 0, 0, start), Verdict::Works);
        assert_eq!(watch.on_counts(29, 0, 0, start + ms(1_160)), Verdict::Works);
        assert_eq!(
            watch.on_counts(30, 0, 0, start + ms(1_200)),
            Verdict::Silent
        );
    }

    #[test]
    fn a_decoder_that_has_worked_gets_time_for_a_torn_stream() {
        let start = origin();
        let mut watch = Watch::new(true, start);
        assert_eq!(watch.on_counts(10, 10, 0, start), Verdict::Works);
        assert_eq!(
            watch.on_counts(100, 10, 0, start + ms(4_000)),
            Verdict::Works
        );
        assert_eq!(
            watch.on_counts(140, 10, 0, start + ms(5_000)),
            Verdict::Silent
        );
    }
}
