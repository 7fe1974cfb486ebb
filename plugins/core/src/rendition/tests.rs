use super::*;
use crate::testing::origin;

const VP8: u8 = 8;
const VP9: u8 = 9;

fn after(begin: Instant, seconds: u64) -> Instant {
    begin + Duration::from_secs(seconds)
}

#[test]
fn the_first_starts_it_and_it_ends_some_time_after_the_last() {
    let begin = origin();
    let mut ledger = Ledger::default();
    assert_eq!(ledger.take(VP8, begin), Taken::First(1));
    assert_eq!(ledger.take(VP8, begin), Taken::Shared(1));
    assert_eq!(ledger.take(VP9, begin), Taken::First(2));
    assert_eq!(ledger.running().collect::<Vec<_>>(), [(VP8, 2), (VP9, 1)]);
    ledger.release(VP8, 1, after(begin, 1));
    assert_eq!(ledger.poll_timeout(), None);
    ledger.release(VP8, 1, after(begin, 2));
    assert_eq!(ledger.poll_timeout(), Some(after(begin, 12)));
    assert!(ledger.handle_timeout(after(begin, 11)).is_empty());
    assert_eq!(ledger.handle_timeout(after(begin, 12)), [VP8]);
    assert_eq!(ledger.poll_timeout(), None);
    assert_eq!(ledger.running().collect::<Vec<_>>(), [(VP9, 1)]);
    assert_eq!(ledger.take(VP8, after(begin, 13)), Taken::First(3));
}

#[test]
fn who_comes_back_in_time_finds_it_running() {
    let begin = origin();
    let mut ledger = Ledger::default();
    ledger.take(VP8, begin);
    ledger.release(VP8, 1, begin);
    assert_eq!(ledger.take(VP8, after(begin, 9)), Taken::Shared(1));
    assert!(ledger.handle_timeout(after(begin, 30)).is_empty());
}

#[test]
fn one_that_failed_rests_and_says_why() {
    let begin = origin();
    let mut ledger = Ledger::default();
    ledger.take(VP8, begin);
    ledger.on_failed(VP8, "no encoder", begin);
    assert_eq!(ledger.failure(VP8), Some("no encoder"));
    let failed = Taken::Failed {
        why: "no encoder".to_owned(),
        again_in: Duration::from_secs(3),
    };
    assert_eq!(ledger.take(VP8, after(begin, 2)), failed);
    assert_eq!(ledger.take(VP8, after(begin, 5)), Taken::First(2));
    // Those of the first run leave late; the second run is not theirs.
    assert!(!ledger.is(VP8, 1) && ledger.is(VP8, 2));
    ledger.release(VP8, 1, after(begin, 6));
    assert_eq!(ledger.poll_timeout(), None);
}

#[test]
fn one_that_was_refused_may_be_asked_for_at_once() {
    let begin = origin();
    let mut ledger = Ledger::default();
    ledger.take(VP8, begin);
    ledger.on_refused(VP8);
    assert_eq!(ledger.take(VP8, begin), Taken::First(2));
}
