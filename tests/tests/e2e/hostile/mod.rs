//! What attackers and broken peers send, item by item of `docs/conformance.md`; two viewers watch meanwhile, and
//! lose nothing.

mod bodies;
mod clients;
mod flood;
mod ice;
mod names;
mod peers;
mod rtcp;
mod rtp;

use std::time::Duration;

use serde_json::Value;
use sluice_tests::gateway::Gateway;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers};
use sluice_tests::wait::until;

use crate::secs;

/// Longest time without a new picture that a bystander may see; its pictures come every 67 ms, and the machine
/// of the tests is busy with what attacks.
const GAP: Duration = secs(2);

/// Two viewers who have nothing to do with what happens.
pub(crate) struct Bystanders {
    watching: [Viewer; 2],
    _viewers: Viewers,
}

impl Bystanders {
    /// Two viewers of `cam`.
    pub(crate) fn watch(gateway: &Gateway) -> Self {
        Self::of(&gateway.whep("cam"), Viewers::new())
    }

    /// Two of these viewers, at this URL.
    pub(crate) fn of(url: &str, viewers: Viewers) -> Self {
        let watch = || viewers.watch(url, ViewerOptions::default());
        let watching = [watch(), watch()];
        watching
            .iter()
            .for_each(|viewer| viewer.wait_frames(5, secs(10)));
        Self {
            watching,
            _viewers: viewers,
        }
    }

    /// The first of them, for those who attack it.
    pub(crate) const fn victim(&self) -> &Viewer {
        &self.watching[0]
    }

    /// They are still there, and have seen everything.
    pub(crate) fn unharmed(&self) {
        for viewer in &self.watching {
            viewer.wait_frames(15, secs(5));
            let counts = viewer.counts();
            assert!(!counts.closed, "a bystander was thrown out: {counts:?}");
            assert!(
                counts.longest_gap < GAP,
                "a bystander's picture stood still: {counts:?}"
            );
            // What the network lost is there once it was asked for again.
            let whole = || (viewer.counts().video.lost == 0).then_some(());
            until(secs(5), "every packet of a bystander's", whole);
        }
    }
}

/// The port of media has counted at least this much more than `before` under a name. Loopback may lose some of a flood.
pub(crate) fn has_counted(gateway: &Gateway, before: &Value, name: &str, least: u64) {
    let count = |shown: &Value| shown[name].as_u64().expect("a count");
    let counted = || {
        let more = count(&gateway.media()) - count(before);
        (more >= least).then_some(())
    };
    until(secs(5), &format!("{least} more {name}"), counted);
}

/// What the process has logged of its own undoing.
pub(crate) fn is_sane(gateway: &Gateway) {
    let log = gateway.log();
    for word in ["panicked", "CRITICAL", "Segmentation"] {
        assert!(!log.contains(word), "{word} in the log:\n{log}");
    }
}
