//! What the machine remembers, and its moves.

use std::time::{Duration, Instant};

use super::{Action, Failure, Redial, Retry};

#[derive(Debug, Clone, Copy)]
pub(super) enum State {
    Connecting {
        source: usize,
        attempt: u32,
        deadline: Instant,
        by_probe: bool,
    },
    Running {
        source: usize,
        since: Instant,
        heard: Instant,
        probe: Probe,
    },
    Waiting {
        source: usize,
        until: Instant,
    },
    GaveUp {
        failure: Failure,
    },
}

/// What is done about better sources while a worse one plays.
#[derive(Debug, Clone, Copy)]
pub(super) enum Probe {
    /// The best source plays, or none better can.
    None,
    /// At `at`, the better sources are probed in turn, beginning with `from`.
    Due {
        at: Instant,
        from: usize,
    },
    Dialled {
        source: usize,
        deadline: Instant,
    },
}

impl Probe {
    pub(super) const fn due(&self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Due { at, .. } => Some(*at),
            Self::Dialled { deadline, .. } => Some(*deadline),
        }
    }
}

/// What is known of one source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Candidate {
    /// In a row, since it was healthy.
    pub(super) failures: u32,
    pub(super) failure: Option<Failure>,
    pub(super) failed_at: Option<Instant>,
    /// It is not dialled before.
    pub(super) not_before: Option<Instant>,
}

impl Candidate {
    fn never(&self) -> bool {
        self.failure
            .is_some_and(|failure| failure.retry() == Retry::Never)
    }

    fn ready(&self, now: Instant) -> bool {
        !self.never() && self.not_before.is_none_or(|at| now >= at)
    }
}

impl Redial {
    pub(super) fn dial(&mut self, source: usize, now: Instant) -> Action {
        let attempt = self
            .candidates
            .get(source)
            .map_or(1, |candidate| candidate.failures.saturating_add(1));
        self.state = State::Connecting {
            source,
            attempt,
            deadline: now + self.config.connect,
            by_probe: false,
        };
        Action::Dial { source, attempt }
    }

    pub(super) fn run(&mut self, source: usize, now: Instant) {
        self.state = State::Running {
            source,
            since: now,
            heard: now,
            probe: Probe::None,
        };
        self.plan_probe(source, source, now);
    }

    pub(super) fn forget_failures(&mut self, source: usize) {
        if let Some(candidate) = self.candidates.get_mut(source) {
            *candidate = Candidate::default();
        }
    }

    /// Ends a dial or a playing source that the caller does not know to have failed.
    pub(super) fn cut(&mut self, source: usize, failure: Failure, now: Instant) -> Option<Action> {
        // A dial and the end of everything hang up by themselves.
        Some(
            self.fail(source, failure, now)
                .unwrap_or(Action::HangUp { source }),
        )
    }

    /// Moves on from the current source after its failure.
    pub(super) fn fail(&mut self, source: usize, failure: Failure, now: Instant) -> Option<Action> {
        self.put_off(source, failure, now);
        if let State::Running {
            probe: Probe::Dialled { source, deadline },
            ..
        } = self.state
        {
            // The probe is half-way there already: wait for it rather than dial a third.
            let attempt = self
                .candidates
                .get(source)
                .map_or(1, |probed| probed.failures.saturating_add(1));
            self.state = State::Connecting {
                source,
                attempt,
                deadline,
                by_probe: true,
            };
            return None;
        }
        if let Some(next) = self
            .candidates
            .iter()
            .position(|candidate| candidate.ready(now))
        {
            return Some(self.dial(next, now));
        }
        if let Some((until, source)) = self.soonest() {
            self.state = State::Waiting { source, until };
            return None;
        }
        self.state = State::GaveUp { failure };
        Some(Action::GiveUp)
    }

    /// Notes a failure, and how long the source is left alone for it.
    pub(super) fn put_off(&mut self, source: usize, failure: Failure, now: Instant) {
        let jitter = self.next_jitter();
        let (first, max) = (self.config.first, self.config.max);
        let Some(candidate) = self.candidates.get_mut(source) else {
            return;
        };
        let doublings = candidate.failures;
        candidate.failures = candidate.failures.saturating_add(1);
        candidate.failure = Some(failure);
        candidate.failed_at = Some(now);
        candidate.not_before = match failure.retry() {
            Retry::Soon => Some(now + jitter.apply(doubled(first, doublings).min(max))),
            Retry::Slowly => Some(now + max),
            Retry::Never => None,
        };
    }

    /// Lengthens the time that a source is left alone, and finds out anew which one is waited for.
    pub(super) fn put_off_until(&mut self, source: usize, until: Instant) {
        let Some(candidate) = self.candidates.get_mut(source) else {
            return;
        };
        candidate.not_before = candidate.not_before.map(|before| before.max(until));
        if !matches!(self.state, State::Waiting { .. }) {
            return;
        }
        if let Some((until, source)) = self.soonest() {
            self.state = State::Waiting { source, until };
        }
    }

    /// The source that may be dialled next, and when.
    fn soonest(&self) -> Option<(Instant, usize)> {
        self.candidates
            .iter()
            .enumerate()
            .filter(|(_, candidate)| !candidate.never())
            .filter_map(|(source, candidate)| Some((candidate.not_before?, source)))
            .min()
    }

    /// Plans the next round of probes, or its next member when there is one left.
    pub(super) fn plan_probe(&mut self, playing: usize, from: usize, now: Instant) {
        let left = self.next_to_probe(playing, from, now).is_some();
        let any = self
            .candidates
            .iter()
            .take(playing)
            .any(|candidate| !candidate.never());
        let interval = self.config.switch_back;
        if let State::Running { probe, .. } = &mut self.state {
            *probe = match (left, any) {
                (true, _) => Probe::Due { at: now, from },
                (false, true) => Probe::Due {
                    at: now + interval,
                    from: 0,
                },
                (false, false) => Probe::None,
            };
        }
    }

    pub(super) fn probe_next(
        &mut self,
        playing: usize,
        from: usize,
        now: Instant,
    ) -> Option<Action> {
        let Some(source) = self.next_to_probe(playing, from, now) else {
            self.plan_probe(playing, playing, now);
            return None;
        };
        let deadline = now + self.config.connect;
        if let State::Running { probe, .. } = &mut self.state {
            *probe = Probe::Dialled { source, deadline };
        }
        Some(Action::Probe { source })
    }

    fn next_to_probe(&self, playing: usize, from: usize, now: Instant) -> Option<usize> {
        self.candidates
            .iter()
            .enumerate()
            .take(playing)
            .skip(from)
            .find(|(_, candidate)| candidate.ready(now))
            .map(|(source, _)| source)
    }

    /// Steps the generator (splitmix64): many cameras behind one switch shall not all be dialled at once.
    fn next_jitter(&mut self) -> Jitter {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.jitter;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let permille = u32::try_from((z ^ (z >> 31)) % 201).unwrap_or(0);
        Jitter {
            permille: 800 + permille,
        }
    }
}

/// Shortens a wait to 80–100 %: the longest wait stays the longest.
#[derive(Debug, Clone, Copy)]
struct Jitter {
    permille: u32,
}

impl Jitter {
    fn apply(self, wait: Duration) -> Duration {
        wait.saturating_mul(self.permille) / 1000
    }
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(
        1_u32
            .checked_shl(times)
            .filter(|_| times < 31)
            .unwrap_or(u32::MAX),
    )
}
