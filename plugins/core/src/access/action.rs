//! What can be allowed.

use std::fmt;
use std::str::FromStr;

/// Something that a client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Send a path's media (WHIP).
    Publish,
    /// Watch a path live, and see its state and thumbnail.
    Read,
    /// Watch a path's recordings.
    Playback,
    /// Use `/api`, and see the list of paths.
    Api,
    /// Read `/metrics`.
    Metrics,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 5] = [
        Self::Publish,
        Self::Read,
        Self::Playback,
        Self::Api,
        Self::Metrics,
    ];

    /// Gives the name that configs and claims use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Playback => "playback",
            Self::Api => "api",
            Self::Metrics => "metrics",
        }
    }

    /// Says whether it is done to one path.
    pub const fn has_path(self) -> bool {
        matches!(self, Self::Publish | Self::Read | Self::Playback)
    }
}

impl FromStr for Action {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|action| action.name() == text)
            .ok_or(())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
