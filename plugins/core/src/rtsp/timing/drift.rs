//! Follows a camera whose clock runs at another speed than ours.

/// How long the punctual packets are looked for, in ns.
const WINDOW: i64 = 10_000_000_000;
/// How far times are moved after each.
const STEP: i64 = 2_000_000;
/// More than this is no clock's drift: the camera stopped its RTP time for a while.
const BROKEN: i64 = 1_000_000_000;

/// The correction of one session, in ns of running time.
#[derive(Debug, Default)]
pub(super) struct Drift {
    correction: i64,
    /// How far ahead of the clock the punctual packets of the first window were.
    wanted: Option<i64>,
    /// Since when, and the most punctual packet so far.
    window: Option<(i64, i64)>,
}

impl Drift {
    /// Takes a packet's time when it comes; gives what to add to it.
    pub(super) fn on_packet(&mut self, time: i64, now: i64) -> i64 {
        let ahead = time.saturating_sub(now).saturating_add(self.correction);
        // The packet that the network delayed least tells of the clocks.
        let (since, best) = self
            .window
            .map_or((now, ahead), |(since, best)| (since, best.max(ahead)));
        self.window = Some((since, best));
        if now.saturating_sub(since) >= WINDOW {
            let wanted = *self.wanted.get_or_insert(best);
            let off = wanted.saturating_sub(best);
            self.correction += if off > BROKEN {
                off
            } else {
                off.clamp(-STEP, STEP)
            };
            self.window = None;
        }
        self.correction
    }

    pub(super) const fn correction(&self) -> i64 {
        self.correction
    }
}
