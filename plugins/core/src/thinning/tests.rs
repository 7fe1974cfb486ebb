//! One estimate a second, as browsers send them.

use super::*;
use crate::testing::origin;

const STREAM: u64 = 2_000_000;

/// A viewer of a stream of 2 Mbit/s.
struct Viewer {
    thinning: Thinning,
    begin: Instant,
    now: Instant,
    sent: u64,
    /// Of the stream, in bits per second.
    rate: u64,
}

impl Viewer {
    fn new() -> Self {
        let now = origin();
        Self {
            thinning: Thinning::new(now),
            begin: now,
            now,
            sent: 0,
            rate: STREAM,
        }
    }

    /// A second passes, and ends with this estimate.
    fn second(&mut self, estimate: u64) -> Option<Thinned> {
        self.now += Duration::from_secs(1);
        self.sent += match self.thinning.state {
            State::All(_) => self.rate / 8,
            State::KeyFrames { .. } => self.rate / 80,
        };
        let tried = self.thinning.handle_timeout(self.now);
        tried.or_else(|| self.thinning.on_estimate(estimate, self.sent, self.now))
    }

    /// Gives the seconds since the beginning at which something changed, within this time.
    fn changes(&mut self, estimate: u64, seconds: u64) -> Vec<(u64, bool)> {
        let mut changes = vec![];
        for _ in 0..seconds {
            let change = self.second(estimate);
            let thinned = |change| matches!(change, Thinned::KeyFrames { .. });
            changes.extend(change.map(|c| ((self.now - self.begin).as_secs(), thinned(c))));
        }
        changes
    }
}

#[test]
fn a_network_that_carries_the_stream_changes_nothing() {
    for estimate in [STREAM * 8 / 10, STREAM, STREAM * 3 / 2, u64::MAX] {
        assert_eq!(Viewer::new().changes(estimate, 120), [], "{estimate}");
    }
}

#[test]
fn estimates_that_stay_below_the_stream_leave_key_frames_alone() {
    let mut viewer = Viewer::new();
    let change = (0..60).find_map(|_| viewer.second(STREAM / 2));
    assert_eq!(
        change,
        Some(Thinned::KeyFrames {
            carries_kbps: 1000,
            stream_kbps: 2000
        })
    );
    // Five seconds to settle, two to know the rate, two of too little.
    assert_eq!(viewer.now - viewer.begin, Duration::from_secs(9));
}

#[test]
fn trials_come_after_10_20_40_and_then_every_60_seconds() {
    let changes = Viewer::new().changes(STREAM / 2, 300);
    let expected = [
        (9, true),
        (19, false),
        (28, true),
        (48, false),
        (57, true),
        (97, false),
        (106, true),
        (166, false),
        (175, true),
        (235, false),
        (244, true),
    ];
    assert_eq!(changes, expected);
}

#[test]
fn an_estimate_that_allows_it_brings_all_of_it_at_once() {
    let mut viewer = Viewer::new();
    assert_eq!(viewer.changes(STREAM / 2, 12), [(9, true)]);
    assert_eq!(viewer.second(STREAM), Some(Thinned::No { trial: false }));
}

#[test]
fn a_hiccup_changes_nothing() {
    let mut viewer = Viewer::new();
    assert_eq!(viewer.changes(STREAM * 2, 20), []);
    for _ in 0..20 {
        assert_eq!(viewer.changes(0, 2), []);
        assert_eq!(viewer.changes(STREAM * 2, 1), []);
    }
}

#[test]
fn estimates_that_are_far_apart_are_no_row() {
    let mut viewer = Viewer::new();
    assert_eq!(viewer.changes(STREAM * 2, 20), []);
    for _ in 0..20 {
        viewer.now += Duration::from_secs(6);
        viewer.sent += 6 * STREAM / 8;
        let change = viewer.thinning.on_estimate(0, viewer.sent, viewer.now);
        assert_eq!(change, None);
    }
}

#[test]
fn a_minute_without_trouble_makes_the_first_trial_come_soon_again() {
    let mut viewer = Viewer::new();
    assert_eq!(viewer.changes(STREAM / 2, 35).len(), 3);
    assert_eq!(viewer.changes(STREAM * 2, 62), [(36, false)]);
    let again = viewer.changes(STREAM / 2, 13);
    assert!(
        matches!(again[..], [(thin, true), (all, false)] if all - thin == 10),
        "{again:?}"
    );
}

#[test]
fn a_source_that_is_silent_is_no_reason() {
    let mut viewer = Viewer::new();
    for _ in 0..60 {
        viewer.now += Duration::from_secs(1);
        assert_eq!(viewer.thinning.on_estimate(0, 0, viewer.now), None);
    }
}

// Chromium's estimate is capped at one and a half times what comes, and grows by 8 % a second: measured when a publisher's
// best layer came back, at half of the new rate.
#[test]
fn a_stream_that_becomes_larger_is_no_congestion() {
    for larger in [2, 3, 10] {
        let mut viewer = Viewer::new();
        let mut estimate = STREAM * 3 / 2;
        assert_eq!(viewer.changes(estimate, 20), [], "{larger}");
        viewer.rate = STREAM * larger;
        for second in 0..60 {
            assert_eq!(viewer.second(estimate), None, "{larger} times, {second} s");
            estimate = (estimate / 100 * 108).min(viewer.rate * 3 / 2);
        }
        // It is on a network that then becomes too slow.
        let slow = viewer.changes(viewer.rate / 2, 20);
        assert!(matches!(slow.first(), Some((_, true))), "{slow:?}");
    }
}

#[test]
fn a_stream_that_becomes_larger_than_the_network_is_noticed_after_ten_seconds() {
    let mut viewer = Viewer::new();
    let estimate = STREAM * 3 / 2;
    assert_eq!(viewer.changes(estimate, 20), []);
    viewer.rate = STREAM * 4;
    let changes = viewer.changes(estimate, 20);
    assert!(
        matches!(changes[..], [(at, true), ..] if (30..=34).contains(&at)),
        "{changes:?}"
    );
}

#[test]
fn rates_that_go_up_and_down_with_the_group_of_pictures_hide_no_congestion() {
    let mut viewer = Viewer::new();
    let mut thinned = None;
    for second in 0..40_u64 {
        // Key frames every four seconds, of half of the bytes.
        viewer.rate = if second % 4 == 0 {
            STREAM * 5 / 2
        } else {
            STREAM / 2
        };
        thinned = thinned.or(viewer.second(STREAM / 4));
    }
    assert!(matches!(thinned, Some(Thinned::KeyFrames { .. })));
}
