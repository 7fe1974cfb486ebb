//! Cuts off pushes that last too long.

use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::member::Member;

/// The longest push into one viewer. webrtcbin never blocks on a connected peer, unless it is broken. With both
/// cores of a small machine busy, the scheduler alone held up a push for more than 500 ms (7 of 500 viewers).
const LONGEST: Duration = Duration::from_secs(2);

/// The push that a fan-out thread is in.
#[derive(Debug, Default)]
pub(super) struct Pushing(Mutex<Option<(Instant, Arc<Member>)>>);

impl Pushing {
    /// Makes one that the process's watchdog looks at, four times a second.
    pub(super) fn watched() -> Arc<Self> {
        let pushing = Arc::new(Self::default());
        WATCHED.lock().push(Arc::downgrade(&pushing));
        crate::ticker::start();
        pushing
    }

    /// Takes note that a push begins.
    pub(super) fn begin(&self, member: &Arc<Member>, now: Instant) {
        *self.0.lock() = Some((now, member.clone()));
    }

    /// Takes note that it is over.
    pub(super) fn end(&self) {
        let ended = self.0.lock().take();
        drop(ended);
    }

    fn stuck(&self, now: Instant) -> Option<Arc<Member>> {
        let pushing = self.0.lock();
        let (since, member) = pushing.as_ref()?;
        (now.saturating_duration_since(*since) > LONGEST && !member.is_evicted())
            .then(|| member.clone())
    }
}

static WATCHED: LazyLock<Mutex<Vec<Weak<Pushing>>>> = LazyLock::new(Mutex::default);

/// Evicts the viewers whose pushes last too long. Called by the ticker.
pub(crate) fn look(now: Instant) {
    let stuck: Vec<_> = {
        let mut watched = WATCHED.lock();
        watched.retain(|pushing| pushing.strong_count() > 0);
        watched
            .iter()
            .filter_map(|pushing| pushing.upgrade()?.stuck(now))
            .collect()
    };
    for member in stuck {
        tracing::warn!(viewer = %member.id, "a push lasted too long; the viewer is evicted");
        member.evict();
    }
}

/// Says whether any fan-out is left.
pub(crate) fn is_watched() -> bool {
    let mut watched = WATCHED.lock();
    watched.retain(|pushing| pushing.strong_count() > 0);
    !watched.is_empty()
}
