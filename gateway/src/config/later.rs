//! Keys of the design that other versions bring: refused by name, never ignored.

/// A key that this version does not know yet, and what to do without it.
pub(super) struct Later {
    pub(super) key: &'static str,
    pub(super) remedy: &'static str,
}

const REMOVE: &str = "remove it";

/// Sorted by where they stand in a config: top level, `webrtc`, paths.
pub(super) const LATER: &[Later] = &[
    Later {
        key: "playback",
        remedy: REMOVE,
    },
    Later {
        key: "metrics",
        remedy: "read /metrics, which needs no key",
    },
    Later {
        key: "api",
        remedy: REMOVE,
    },
    Later {
        key: "log",
        remedy: "use --log-level and --log-format",
    },
    Later {
        key: "hls",
        remedy: REMOVE,
    },
    Later {
        key: "whip",
        remedy: REMOVE,
    },
    Later {
        key: "push",
        remedy: "write `forward` under a path",
    },
    Later {
        key: "renditions",
        remedy: REMOVE,
    },
];

/// Looks a refused key up.
pub(super) fn find(key: &str) -> Option<&'static Later> {
    LATER.iter().find(|later| later.key == key)
}
