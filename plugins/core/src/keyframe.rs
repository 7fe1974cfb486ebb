//! Limits how often viewers may ask the source for a key frame.

use std::time::{Duration, Instant};

/// Lets one key-frame request through per interval; later ones wait for the interval's end.
///
/// A key frame that comes meanwhile serves all who waited.
#[derive(Debug, Clone)]
pub struct KeyFrameGate {
    min: Duration,
    sent: Option<Instant>,
    deferred: Option<Instant>,
}

impl KeyFrameGate {
    /// Makes a gate that lets one request through per `min`.
    pub fn new(min: Duration) -> Self {
        Self {
            min,
            sent: None,
            deferred: None,
        }
    }

    /// Takes a viewer's request; `true` means: send it to the source.
    pub fn on_request(&mut self, now: Instant) -> bool {
        match self.sent.map(|sent| sent + self.min) {
            Some(next) if now < next => {
                self.deferred = Some(next);
                false
            }
            Some(_) | None => {
                self.sent = Some(now);
                self.deferred = None;
                true
            }
        }
    }

    /// Takes note of a key frame from the source: whoever waited is served.
    pub fn on_key_frame(&mut self, _now: Instant) {
        self.deferred = None;
    }

    /// Says when `handle_timeout` wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deferred
    }

    /// Moves time on; `true` means: send the request that waited.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        match self.deferred {
            Some(due) if now >= due => {
                self.deferred = None;
                self.sent = Some(now);
                true
            }
            Some(_) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ms, origin};

    #[test]
    fn a_storm_of_requests_sends_one_a_second() {
        let start = origin();
        let mut gate = KeyFrameGate::new(ms(1000));
        let mut sent = vec![];
        for at in (0..3500).step_by(10) {
            let now = start + ms(at);
            if gate.handle_timeout(now) {
                sent.push(at);
            }
            if gate.on_request(now) {
                sent.push(at);
            }
        }
        assert_eq!(sent, [0, 1000, 2000, 3000]);
    }

    #[test]
    fn a_request_within_the_interval_is_sent_at_its_end() {
        let start = origin();
        let mut gate = KeyFrameGate::new(ms(1000));
        assert!(gate.on_request(start));
        assert_eq!(gate.poll_timeout(), None);

        assert!(!gate.on_request(start + ms(300)));
        assert_eq!(gate.poll_timeout(), Some(start + ms(1000)));
        assert!(!gate.handle_timeout(start + ms(999)));
        assert!(gate.handle_timeout(start + ms(1000)));
        assert_eq!(gate.poll_timeout(), None);
        assert!(!gate.on_request(start + ms(1500)));
    }

    #[test]
    fn a_key_frame_serves_those_who_waited() {
        let start = origin();
        let mut gate = KeyFrameGate::new(ms(1000));
        assert!(gate.on_request(start));
        assert!(!gate.on_request(start + ms(100)));
        gate.on_key_frame(start + ms(200));
        assert_eq!(gate.poll_timeout(), None);
        assert!(!gate.handle_timeout(start + ms(1000)));
        assert!(gate.on_request(start + ms(1100)));
    }
}
