//! When to dial a source, when to give up on it, and when to go back to a better one.

mod state;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use self::state::{Candidate, Probe, State};

/// How patient the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedialConfig {
    /// The wait after a source's first failure; it doubles with each further one.
    pub first: Duration,
    /// The longest wait; also the wait after a failure that is not to be hammered.
    pub max: Duration,
    /// How long a source must run before its failures are forgotten.
    pub healthy_after: Duration,
    /// How long a running source may be silent.
    pub stall: Duration,
    /// How long a dial may take until its first buffer.
    pub connect: Duration,
    /// How often better sources are probed while a worse one plays.
    pub switch_back: Duration,
}

impl Default for RedialConfig {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            max: Duration::from_secs(30),
            healthy_after: Duration::from_secs(60),
            stall: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            switch_back: Duration::from_secs(30),
        }
    }
}

/// How a source failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The connection broke.
    Lost,
    /// It stays connected, but sends nothing.
    Stalled,
    /// Nobody answers.
    Unreachable,
    /// It refused the credentials.
    Unauthorized,
    /// An element to read it is not installed.
    MissingElement,
    /// It is there, but not what was asked for.
    NotFound,
    /// It sends nothing that can be played.
    Unsupported,
    /// It said that it ends.
    Ended,
    /// It did not get ready in time.
    Timeout,
}

/// Whether to try again after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// With growing waits.
    Soon,
    /// After the longest wait at once: to ask again quickly may lock an account.
    Slowly,
    /// Only a new configuration or installation helps.
    Never,
}

impl Failure {
    /// Says whether a new try makes sense.
    pub const fn retry(self) -> Retry {
        match self {
            Self::Lost | Self::Stalled | Self::Unreachable | Self::Ended | Self::Timeout => {
                Retry::Soon
            }
            Self::Unauthorized | Self::NotFound => Retry::Slowly,
            Self::MissingElement | Self::Unsupported => Retry::Never,
        }
    }
}

/// What the caller shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Hang up whatever is dialled or played, and dial this source.
    Dial {
        /// Its place in the list.
        source: usize,
        /// 1 for the first dial after health.
        attempt: u32,
    },
    /// Dial this better source beside the one that plays, and report how it went.
    Probe {
        /// Its place in the list.
        source: usize,
    },
    /// Play what the probe of this source dialled, and hang up the source that played.
    SwitchTo {
        /// Its place in the list.
        source: usize,
    },
    /// Hang up this source (or its probe); a dial follows later.
    HangUp {
        /// Its place in the list.
        source: usize,
    },
    /// Hang up everything: no source can play until the configuration changes.
    GiveUp,
}

/// What the machine is doing, for people to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedialState {
    /// A dial is under way.
    Connecting {
        /// Its place in the list.
        source: usize,
        /// 1 for the first dial after health.
        attempt: u32,
    },
    /// A source plays.
    Running {
        /// Its place in the list.
        source: usize,
    },
    /// The next dial comes at `until`.
    Waiting {
        /// The source that will be dialled.
        source: usize,
        /// When.
        until: Instant,
        /// The number that the dial will have.
        attempt: u32,
        /// Why this source is waited for.
        failure: Failure,
    },
    /// Nothing is tried any more.
    GaveUp {
        /// Why.
        failure: Failure,
    },
}

/// Decides on dials over a list of sources, the first being the best.
///
/// Inputs are `on_…`; after each, and at `poll_timeout`, the caller calls `handle_timeout` until it
/// returns `None`. Reports about a source that is neither played, dialled nor probed are ignored, so
/// late news from a source that was hung up does no harm.
#[derive(Debug, Clone)]
pub struct Redial {
    config: RedialConfig,
    candidates: Vec<Candidate>,
    state: State,
    jitter: u64,
}

impl Redial {
    /// Makes the machine for a list of `sources`; the jitter follows from the seed alone.
    pub fn new(config: RedialConfig, sources: usize, jitter_seed: u64) -> Self {
        Self {
            config,
            candidates: vec![Candidate::default(); sources],
            state: State::GaveUp {
                failure: Failure::Unsupported,
            },
            jitter: jitter_seed,
        }
    }

    /// Begins with the first source; also begins anew after a change of configuration.
    pub fn start(&mut self, now: Instant) -> Action {
        self.candidates.fill(Candidate::default());
        if self.candidates.is_empty() {
            return Action::GiveUp;
        }
        self.dial(0, now)
    }

    /// Takes note that the source answered and that its tracks are known.
    pub fn on_connected(&mut self, source: usize, now: Instant) {
        if let State::Connecting {
            source: dialled,
            by_probe: false,
            ..
        } = self.state
            && dialled == source
        {
            self.run(source, now);
        }
    }

    /// Takes note of a buffer from the source.
    ///
    /// A caller who wants a source dialled again when any one of its tracks is silent reports the
    /// buffers of the track that is behind.
    pub fn on_buffer(&mut self, source: usize, now: Instant) {
        self.on_connected(source, now);
        if let State::Running {
            source: playing,
            heard,
            ..
        } = &mut self.state
            && *playing == source
        {
            *heard = now;
        }
    }

    /// Takes note that the source failed, and that the caller hung it up.
    ///
    /// `None` means that there is nothing to do until `poll_timeout`.
    pub fn on_failed(&mut self, source: usize, failure: Failure, now: Instant) -> Option<Action> {
        match self.state {
            State::Connecting {
                source: current, ..
            } if current == source => self.fail(source, failure, now),
            State::Running {
                source: current,
                since,
                ..
            } if current == source => {
                if now.saturating_duration_since(since) >= self.config.healthy_after {
                    self.forget_failures(source);
                }
                self.fail(source, failure, now)
            }
            State::Running {
                probe: Probe::Dialled { source: probed, .. },
                ..
            } if probed == source => self.on_probe_failed(source, failure, now),
            State::Connecting { .. }
            | State::Running { .. }
            | State::Waiting { .. }
            | State::GaveUp { .. } => None,
        }
    }

    /// Leaves a source that failed alone until `until`, as its server asked (`Retry-After`); never shortens a wait.
    /// To be called after `on_failed` or `on_probe_failed`.
    pub fn hold(&mut self, source: usize, until: Instant) {
        self.put_off_until(source, until);
    }

    /// Takes note that a probe gives buffers: it is switched to.
    pub fn on_probe_ok(&mut self, source: usize, now: Instant) -> Option<Action> {
        let probed = match self.state {
            State::Running {
                probe: Probe::Dialled { source, .. },
                ..
            }
            | State::Connecting {
                source,
                by_probe: true,
                ..
            } => source,
            State::Connecting { .. }
            | State::Running { .. }
            | State::Waiting { .. }
            | State::GaveUp { .. } => {
                return None;
            }
        };
        (probed == source).then(|| {
            self.run(source, now);
            Action::SwitchTo { source }
        })
    }

    /// Takes note that a probe failed, and that the caller hung it up; another better source may be probed next.
    pub fn on_probe_failed(
        &mut self,
        source: usize,
        failure: Failure,
        now: Instant,
    ) -> Option<Action> {
        if let State::Connecting {
            source: current,
            by_probe: true,
            ..
        } = self.state
            && current == source
        {
            return self.fail(source, failure, now);
        }
        let State::Running {
            source: playing,
            probe: Probe::Dialled { source: probed, .. },
            ..
        } = self.state
        else {
            return None;
        };
        if probed != source {
            return None;
        }
        self.put_off(source, failure, now);
        self.probe_next(playing, source + 1, now)
    }

    /// Takes note of a sign of life from a source that is waited for, such as an open port: it is dialled
    /// at once, unless it was put off for another reason than being away.
    pub fn on_reachable(&mut self, source: usize, now: Instant) -> Option<Action> {
        let State::Waiting { .. } = self.state else {
            return None;
        };
        let candidate = self.candidates.get(source)?;
        let away = match candidate.failure? {
            Failure::Unreachable | Failure::Lost | Failure::Timeout => true,
            Failure::Stalled
            | Failure::Unauthorized
            | Failure::MissingElement
            | Failure::NotFound
            | Failure::Unsupported
            | Failure::Ended => false,
        };
        // Never quicker than the first wait: an open port that refuses us is no reason to hammer it.
        let rested = candidate
            .failed_at
            .is_some_and(|at| now >= at + self.config.first);
        (away && rested).then(|| self.dial(source, now))
    }

    /// Says when `handle_timeout` wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Connecting { deadline, .. } => Some(*deadline),
            State::Running { heard, probe, .. } => {
                let stalled = *heard + self.config.stall;
                Some(probe.due().map_or(stalled, |due| due.min(stalled)))
            }
            State::Waiting { until, .. } => Some(*until),
            State::GaveUp { .. } => None,
        }
    }

    /// Moves time on.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Action> {
        match self.state {
            State::Connecting {
                source, deadline, ..
            } if now >= deadline => self.cut(source, Failure::Timeout, now),
            State::Running {
                source,
                heard,
                since,
                ..
            } if now >= heard + self.config.stall => {
                if heard.saturating_duration_since(since) >= self.config.healthy_after {
                    self.forget_failures(source);
                }
                self.cut(source, Failure::Stalled, now)
            }
            State::Running {
                source: playing,
                probe,
                ..
            } if probe.due().is_some_and(|due| now >= due) => match probe {
                Probe::Dialled { source, .. } => {
                    self.put_off(source, Failure::Timeout, now);
                    self.plan_probe(playing, source + 1, now);
                    Some(Action::HangUp { source })
                }
                Probe::Due { from, .. } => self.probe_next(playing, from, now),
                Probe::None => None,
            },
            State::Waiting { source, until, .. } if now >= until => Some(self.dial(source, now)),
            State::Connecting { .. }
            | State::Running { .. }
            | State::Waiting { .. }
            | State::GaveUp { .. } => None,
        }
    }

    /// Says what the machine is doing.
    pub fn state(&self) -> RedialState {
        match self.state {
            State::Connecting {
                source, attempt, ..
            } => RedialState::Connecting { source, attempt },
            State::Running { source, .. } => RedialState::Running { source },
            State::Waiting { source, until } => {
                let candidate = self.candidates.get(source).copied().unwrap_or_default();
                RedialState::Waiting {
                    source,
                    until,
                    attempt: candidate.failures.saturating_add(1),
                    failure: candidate.failure.unwrap_or(Failure::Lost),
                }
            }
            State::GaveUp { failure } => RedialState::GaveUp { failure },
        }
    }
}
