//! What comes while nobody watches: pictures are kept from the last key frame on, as they are, and nothing is made into packets.

use std::time::Duration;

use sluice_core::{GroupCache, GroupLimits};

/// Whether a track rests, and what was kept of it.
#[derive(Debug)]
pub(super) struct Hold {
    resting: bool,
    group: GroupCache<gst::Buffer>,
}

impl Hold {
    /// Makes one that lets everything through and keeps nothing yet.
    pub(super) fn new(limits: GroupLimits) -> Self {
        Self {
            resting: false,
            group: GroupCache::new(limits),
        }
    }

    /// Keeps a frame by reference, at running time `at`.
    pub(super) fn keep(&mut self, buffer: &gst::Buffer, key: bool, at: Duration) {
        self.group.push(buffer.clone(), key, at, buffer.size());
    }

    /// Says whether frames end here.
    pub(super) const fn is_resting(&self) -> bool {
        self.resting
    }

    /// Lets frames end here.
    pub(super) fn rest(&mut self) {
        self.resting = true;
    }

    /// Lets frames through again, and gives those from the last key frame on; none if nothing was held back.
    pub(super) fn wake(&mut self) -> Vec<gst::Buffer> {
        if std::mem::take(&mut self.resting) {
            self.group.frames().cloned().collect()
        } else {
            Vec::new()
        }
    }

    /// Forgets what was kept: it is of another codec, or of another time.
    pub(super) fn clear(&mut self) {
        self.group.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_since_the_last_key_frame_comes_back_once() {
        gst::init().unwrap();
        let mut hold = Hold::new(GroupLimits::default());
        let frames: Vec<_> = (1..=5)
            .map(|size| gst::Buffer::with_size(size).unwrap())
            .collect();
        for (number, frame) in (0..).zip(&frames) {
            if number == 1 {
                hold.rest();
            }
            assert_eq!(hold.is_resting(), number > 0);
            hold.keep(frame, number % 3 == 0, Duration::from_millis(number * 40));
        }
        let sizes =
            |held: Vec<gst::Buffer>| -> Vec<usize> { held.iter().map(|one| one.size()).collect() };
        assert_eq!(sizes(hold.wake()), [4, 5]);
        assert!(hold.wake().is_empty());
        // What was let through is part of the group for whoever comes after a rest.
        hold.keep(&frames[0], false, Duration::from_millis(200));
        hold.rest();
        assert_eq!(sizes(hold.wake()), [4, 5, 1]);
    }
}
