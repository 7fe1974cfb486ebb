//! How many renditions this machine makes at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Places for renditions, shared by all routes. All clones are the same one.
#[derive(Debug, Clone)]
pub struct Slots {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    used: AtomicUsize,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    shared: Arc<Shared>,
}

impl Slots {
    /// Makes so many places.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                limit,
                used: AtomicUsize::new(0),
            }),
        }
    }

    /// Makes as many as a machine of this size encodes at a time: one for each core, and two at least, so that one source can
    /// serve browsers with H.264 and those without.
    #[must_use]
    pub fn for_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self::new(cores.max(2))
    }

    /// How many there are.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// How many are taken.
    #[must_use]
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// Takes a place; `None` if all are taken.
    pub(crate) fn take(&self) -> Option<Slot> {
        let limit = self.shared.limit;
        let more = |used: usize| (used < limit).then_some(used + 1);
        let used = &self.shared.used;
        let taken = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then(|| Slot {
            shared: Arc::clone(&self.shared),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.used.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let slots = Slots::new(2);
        let (first, second) = (slots.take(), slots.clone().take());
        assert!(first.is_some() && second.is_some());
        assert!(slots.take().is_none());
        drop(first);
        assert_eq!(slots.used(), 1);
        assert!(slots.take().is_some());
    }
}
