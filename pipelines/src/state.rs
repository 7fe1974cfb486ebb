//! What a route tells the gateway.

use std::time::{Duration, Instant};

/// How a route is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RouteState {
    /// Nothing runs; the next viewer starts it.
    #[default]
    Idle,
    /// The source is dialled for the first time.
    Starting,
    /// Media flows.
    Running {
        /// Which of the route's sources plays, counted from 0.
        source: usize,
    },
    /// The source is lost, frozen or refused; it will be dialled again.
    Waiting {
        /// One sentence, without secrets.
        reason: String,
        /// When the next dial begins; `None` while one is under way.
        until: Option<Instant>,
    },
    /// There is no publisher; whoever comes is taken.
    Unpublished {
        /// One sentence, without secrets.
        reason: String,
    },
    /// Somebody has to do something; the source may be dialled again, but slowly.
    Failed {
        /// One sentence, without secrets.
        reason: String,
        /// When the next dial begins; `None` while one is under way, and when there will be none.
        until: Option<Instant>,
    },
}

impl RouteState {
    /// The state in one word, as the API has it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Running { .. } => "running",
            Self::Waiting { .. } | Self::Unpublished { .. } => "waiting",
            Self::Failed { .. } => "failed",
        }
    }

    /// Why it does not run, when there is a reason.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Waiting { reason, .. }
            | Self::Unpublished { reason }
            | Self::Failed { reason, .. } => Some(reason),
            Self::Idle | Self::Starting | Self::Running { .. } => None,
        }
    }

    /// How long until the next dial.
    #[must_use]
    pub fn retry_in(&self, now: Instant) -> Option<Duration> {
        match self {
            Self::Waiting { until, .. } | Self::Failed { until, .. } => {
                until.map(|until| until.saturating_duration_since(now))
            }
            Self::Idle | Self::Starting | Self::Running { .. } | Self::Unpublished { .. } => None,
        }
    }

    /// Which of the route's sources plays.
    #[must_use]
    pub const fn source(&self) -> Option<usize> {
        match self {
            Self::Running { source } => Some(*source),
            Self::Idle
            | Self::Starting
            | Self::Waiting { .. }
            | Self::Unpublished { .. }
            | Self::Failed { .. } => None,
        }
    }
}

/// Something happened to a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// [`crate::Route::state`] changed.
    Changed,
    /// Tracks that Sluice cannot carry were left out; the rest plays.
    Skipped {
        /// One name for each.
        tracks: Vec<String>,
    },
    /// A push changed its state.
    Forward {
        /// Where to, without secrets.
        target: String,
        /// What it is doing, in the API's word.
        state: String,
        /// Why it does not run; one sentence, without secrets.
        reason: Option<String>,
    },
    /// The recorder changed its state.
    Recording {
        /// What it is doing, in the API's word.
        state: String,
        /// Why it does not record; one sentence.
        reason: Option<String>,
        /// Why tracks are left out, a sentence each.
        left_out: Vec<String>,
    },
    /// A recording's file is whole.
    Recorded {
        /// Its name.
        file: String,
        /// Its size.
        bytes: u64,
    },
    /// A file that an earlier run had not finished was dealt with.
    Repaired {
        /// Its new name.
        file: String,
        /// Whether what is left of it can be played.
        playable: bool,
    },
    /// An element warned; it goes on.
    Warned {
        /// One sentence, without secrets.
        reason: String,
    },
    /// An element failed: this pipeline is of no use any more, and the route must be started anew.
    Broken {
        /// One sentence, without secrets.
        reason: String,
    },
}
