//! What the user sets.

use std::time::Duration;

use sluice_core::GroupLimits;

use super::forward::Forward;
use crate::own_server::OwnServer;
use crate::producer::Limits;

/// Properties, parsed.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) server: OwnServer,
    pub(super) max_viewers: u32,
    pub(super) group: GroupLimits,
    pub(super) forward: Forward,
}

impl Settings {
    /// Gives what the producer needs of them.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            transport: self.server.transport(),
            max_viewers: self.max_viewers,
            group: self.group,
        }
    }

    /// Gives the longest cached group, in milliseconds.
    pub(super) fn group_span_ms(&self) -> u32 {
        u32::try_from(self.group.span.as_millis()).unwrap_or(u32::MAX)
    }

    /// Sets the longest cached group.
    pub(super) const fn set_group_span_ms(&mut self, ms: u32) {
        self.group.span = Duration::from_millis(ms as u64);
    }

    /// Gives the largest cached group.
    pub(super) fn group_bytes(&self) -> u32 {
        u32::try_from(self.group.bytes).unwrap_or(u32::MAX)
    }

    /// Sets the largest cached group.
    pub(super) const fn set_group_bytes(&mut self, bytes: u32) {
        self.group.bytes = bytes as usize;
    }
}
