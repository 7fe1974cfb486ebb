use std::time::{Duration, Instant};

use super::*;
use crate::testing::{ms, origin};

const S: Duration = Duration::from_secs(1);

fn machine(sources: usize) -> (Redial, Instant) {
    let now = origin();
    let mut redial = Redial::new(RedialConfig::default(), sources, 7);
    assert_eq!(
        redial.start(now),
        Action::Dial {
            source: 0,
            attempt: 1
        }
    );
    (redial, now)
}

fn running(sources: usize, source: usize) -> (Redial, Instant) {
    let (mut redial, now) = machine(sources);
    for failed in 0..source {
        let next = redial.on_failed(failed, Failure::Unreachable, now);
        assert_eq!(
            next,
            Some(Action::Dial {
                source: failed + 1,
                attempt: 1
            })
        );
    }
    redial.on_connected(source, now);
    assert_eq!(redial.state(), RedialState::Running { source });
    (redial, now)
}

/// Plays buffers every 100 ms from `now` on, for `long`; returns what the machine did meanwhile.
fn play(redial: &mut Redial, source: usize, now: &mut Instant, long: Duration) -> Vec<Action> {
    let end = *now + long;
    let mut actions = vec![];
    while *now < end {
        *now += ms(100);
        redial.on_buffer(source, *now);
        while let Some(action) = redial.handle_timeout(*now) {
            actions.push(action);
        }
    }
    actions
}

#[test]
fn waits_double_from_half_a_second_to_thirty_seconds_with_jitter() {
    let (mut redial, mut now) = machine(1);
    for (attempt, nominal) in [
        (2, 500),
        (3, 1000),
        (4, 2000),
        (5, 4000),
        (6, 8000),
        (7, 16_000),
        (8, 30_000),
        (9, 30_000),
    ] {
        assert_eq!(redial.on_failed(0, Failure::Unreachable, now), None);
        let due = redial.poll_timeout().unwrap();
        let wait = due - now;
        assert!(
            wait <= ms(nominal) && wait >= ms(nominal * 8 / 10),
            "{attempt}: {wait:?}"
        );
        assert_eq!(
            redial.state(),
            RedialState::Waiting {
                source: 0,
                until: due,
                attempt,
                failure: Failure::Unreachable
            }
        );
        assert_eq!(redial.handle_timeout(due - ms(1)), None);
        assert_eq!(
            redial.handle_timeout(due),
            Some(Action::Dial { source: 0, attempt })
        );
        now = due;
    }
}

#[test]
fn the_wait_stays_bounded_after_a_year_of_failures() {
    let (mut redial, mut now) = machine(1);
    for _ in 0..50_000 {
        redial.on_failed(0, Failure::Unreachable, now);
        let due = redial.poll_timeout().unwrap();
        assert!(due - now <= 30 * S);
        redial.handle_timeout(due);
        now = due;
    }
}

#[test]
fn the_jitter_follows_from_the_seed() {
    let waits = |seed| {
        let mut now = origin();
        let start = now;
        let mut redial = Redial::new(RedialConfig::default(), 1, seed);
        redial.start(now);
        let mut waits = vec![];
        for _ in 0..8 {
            redial.on_failed(0, Failure::Lost, now);
            now = redial.poll_timeout().unwrap();
            redial.handle_timeout(now);
            waits.push(now - start);
        }
        waits
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

#[test]
fn a_minute_of_health_forgets_the_failures() {
    for (seconds, attempt) in [(3, 4), (59, 4), (61, 2)] {
        let (mut redial, mut now) = machine(1);
        for _ in 0..2 {
            redial.on_failed(0, Failure::Unreachable, now);
            now = redial.poll_timeout().unwrap();
            redial.handle_timeout(now);
        }
        redial.on_connected(0, now);
        assert_eq!(play(&mut redial, 0, &mut now, seconds * S), []);
        assert_eq!(redial.on_failed(0, Failure::Lost, now), None);
        let RedialState::Waiting { attempt: next, .. } = redial.state() else {
            panic!()
        };
        assert_eq!(next, attempt, "after {seconds} s");
    }
}

#[test]
fn a_flapping_camera_is_dialled_less_and_less_often() {
    let (mut redial, start) = machine(1);
    let mut now = start;
    let mut dials = 1;
    while now < start + 600 * S {
        redial.on_connected(0, now);
        play(&mut redial, 0, &mut now, 3 * S);
        redial.on_failed(0, Failure::Lost, now);
        now = redial.poll_timeout().unwrap();
        assert!(matches!(
            redial.handle_timeout(now),
            Some(Action::Dial { .. })
        ));
        dials += 1;
    }
    assert!((20..=32).contains(&dials), "{dials}");
}

#[test]
fn wrong_credentials_are_not_hammered() {
    for failure in [Failure::Unauthorized, Failure::NotFound] {
        let (mut redial, now) = machine(1);
        assert_eq!(redial.on_failed(0, failure, now), None);
        assert_eq!(redial.poll_timeout(), Some(now + 30 * S));
        assert_eq!(redial.on_reachable(0, now + 5 * S), None);
    }
}

#[test]
fn a_missing_element_is_never_tried_again() {
    for failure in [Failure::MissingElement, Failure::Unsupported] {
        let (mut redial, now) = machine(1);
        assert_eq!(redial.on_failed(0, failure, now), Some(Action::GiveUp));
        assert_eq!(redial.state(), RedialState::GaveUp { failure });
        assert_eq!(redial.poll_timeout(), None);
        assert_eq!(redial.handle_timeout(now + 3600 * S), None);
        assert_eq!(
            redial.start(now),
            Action::Dial {
                source: 0,
                attempt: 1
            }
        );
    }
}

#[test]
fn a_silent_source_is_hung_up_after_the_stall_limit_and_dialled_again() {
    let (mut redial, mut now) = running(1, 0);
    play(&mut redial, 0, &mut now, 2 * S);
    assert_eq!(redial.poll_timeout(), Some(now + 5 * S));
    assert_eq!(redial.handle_timeout(now + ms(4999)), None);
    assert_eq!(
        redial.handle_timeout(now + 5 * S),
        Some(Action::HangUp { source: 0 })
    );
    let due = redial.poll_timeout().unwrap();
    assert!(due <= now + ms(5500));
    assert_eq!(
        redial.handle_timeout(due),
        Some(Action::Dial {
            source: 0,
            attempt: 2
        })
    );
}

#[test]
fn a_dial_without_a_buffer_times_out() {
    let (mut redial, now) = machine(1);
    assert_eq!(redial.poll_timeout(), Some(now + 10 * S));
    assert_eq!(
        redial.handle_timeout(now + 10 * S),
        Some(Action::HangUp { source: 0 })
    );
    assert!(matches!(
        redial.state(),
        RedialState::Waiting {
            failure: Failure::Timeout,
            ..
        }
    ));
}

#[test]
fn sources_are_tried_in_order_without_a_wait_between_them() {
    let (mut redial, now) = machine(3);
    for (failed, next) in [(0, 1), (1, 2)] {
        assert_eq!(
            redial.on_failed(failed, Failure::Unreachable, now),
            Some(Action::Dial {
                source: next,
                attempt: 1
            })
        );
    }
    // After a whole round, the soonest of them is waited for.
    assert_eq!(redial.on_failed(2, Failure::Unreachable, now), None);
    let due = redial.poll_timeout().unwrap();
    assert!(due - now <= ms(500));
    assert!(matches!(
        redial.handle_timeout(due),
        Some(Action::Dial { attempt: 2, .. })
    ));
}

#[test]
fn a_stalled_first_source_fails_over_at_once() {
    let (mut redial, now) = running(2, 0);
    // Dial hangs up what plays, so one action is enough.
    assert_eq!(
        redial.handle_timeout(now + 5 * S),
        Some(Action::Dial {
            source: 1,
            attempt: 1
        })
    );
}

#[test]
fn a_source_that_never_works_is_passed_over() {
    let (mut redial, now) = machine(2);
    assert_eq!(
        redial.on_failed(0, Failure::MissingElement, now),
        Some(Action::Dial {
            source: 1,
            attempt: 1
        })
    );
    redial.on_connected(1, now);
    let mut later = now;
    assert_eq!(play(&mut redial, 1, &mut later, 120 * S), []);
    assert_eq!(redial.on_failed(1, Failure::Lost, later), None);
    let due = redial.poll_timeout().unwrap();
    assert_eq!(
        redial.handle_timeout(due),
        Some(Action::Dial {
            source: 1,
            attempt: 2
        })
    );
}

#[test]
fn the_first_source_is_probed_while_a_later_one_plays_and_taken_back_when_healthy() {
    let (mut redial, mut now) = running(2, 1);
    let start = now;
    let actions = play(&mut redial, 1, &mut now, 30 * S);
    assert_eq!(actions, [Action::Probe { source: 0 }]);
    assert_eq!(now, start + 30 * S);
    // The later one goes on playing during the probe.
    assert_eq!(redial.state(), RedialState::Running { source: 1 });
    assert_eq!(play(&mut redial, 1, &mut now, 2 * S), []);
    assert_eq!(
        redial.on_probe_ok(0, now),
        Some(Action::SwitchTo { source: 0 })
    );
    assert_eq!(redial.state(), RedialState::Running { source: 0 });
    // News from the old source, which is being hung up, changes nothing.
    assert_eq!(redial.on_failed(1, Failure::Lost, now), None);
    assert_eq!(play(&mut redial, 0, &mut now, 120 * S), []);
}

#[test]
fn a_failed_probe_leaves_the_playing_source_alone_and_comes_again() {
    let (mut redial, mut now) = running(2, 1);
    for _ in 0..4 {
        assert_eq!(
            play(&mut redial, 1, &mut now, 30 * S),
            [Action::Probe { source: 0 }]
        );
        assert_eq!(redial.on_probe_failed(0, Failure::Unreachable, now), None);
        assert_eq!(redial.state(), RedialState::Running { source: 1 });
    }
}

#[test]
fn a_probe_that_hangs_is_hung_up() {
    let (mut redial, mut now) = running(2, 1);
    play(&mut redial, 1, &mut now, 30 * S);
    assert_eq!(
        play(&mut redial, 1, &mut now, 10 * S),
        [Action::HangUp { source: 0 }]
    );
    assert_eq!(redial.state(), RedialState::Running { source: 1 });
    assert_eq!(redial.on_probe_ok(0, now), None);
    assert_eq!(
        play(&mut redial, 1, &mut now, 30 * S),
        [Action::Probe { source: 0 }]
    );
}

#[test]
fn every_better_source_gets_its_probe() {
    let (mut redial, mut now) = running(3, 2);
    assert_eq!(
        play(&mut redial, 2, &mut now, 30 * S),
        [Action::Probe { source: 0 }]
    );
    assert_eq!(
        redial.on_failed(0, Failure::Unreachable, now),
        Some(Action::Probe { source: 1 })
    );
    assert_eq!(
        redial.on_probe_ok(1, now),
        Some(Action::SwitchTo { source: 1 })
    );
    assert_eq!(
        play(&mut redial, 1, &mut now, 30 * S),
        [Action::Probe { source: 0 }]
    );
}

#[test]
fn when_the_playing_source_dies_during_a_probe_the_probe_takes_over() {
    let (mut redial, mut now) = running(2, 1);
    play(&mut redial, 1, &mut now, 30 * S);
    assert_eq!(redial.on_failed(1, Failure::Lost, now), None);
    assert_eq!(
        redial.state(),
        RedialState::Connecting {
            source: 0,
            attempt: 2
        }
    );
    assert_eq!(
        redial.on_probe_ok(0, now + S),
        Some(Action::SwitchTo { source: 0 })
    );

    // And if the probe fails as well, the list begins anew.
    let (mut redial, mut now) = running(2, 1);
    play(&mut redial, 1, &mut now, 30 * S);
    assert_eq!(redial.on_failed(1, Failure::Lost, now), None);
    assert_eq!(
        redial.on_probe_failed(0, Failure::Lost, now + S),
        Some(Action::Dial {
            source: 1,
            attempt: 2
        })
    );
}

#[test]
fn a_source_seen_again_is_dialled_at_once_but_not_hammered() {
    let (mut redial, mut now) = machine(1);
    for _ in 0..8 {
        redial.on_failed(0, Failure::Unreachable, now);
        let due = redial.poll_timeout().unwrap();
        redial.handle_timeout(due);
        now = due;
    }
    redial.on_failed(0, Failure::Unreachable, now);
    assert_eq!(redial.on_reachable(0, now + ms(499)), None);
    assert_eq!(
        redial.on_reachable(0, now + ms(500)),
        Some(Action::Dial {
            source: 0,
            attempt: 10
        })
    );
    assert_eq!(redial.on_reachable(0, now + ms(600)), None);
}

#[test]
fn late_news_from_other_sources_is_ignored() {
    let (mut redial, now) = running(2, 1);
    let before = redial.state();
    redial.on_connected(0, now);
    redial.on_buffer(0, now);
    redial.on_buffer(99, now);
    assert_eq!(redial.on_failed(0, Failure::Lost, now), None);
    assert_eq!(redial.on_failed(99, Failure::Lost, now), None);
    assert_eq!(redial.on_probe_ok(0, now), None);
    assert_eq!(redial.state(), before);
}

#[test]
fn an_empty_list_gives_up() {
    let mut redial = Redial::new(RedialConfig::default(), 0, 0);
    assert_eq!(redial.start(origin()), Action::GiveUp);
    assert_eq!(redial.poll_timeout(), None);
}

#[test]
fn a_server_that_asks_for_time_gets_it_and_no_wait_gets_shorter() {
    let (mut redial, now) = machine(1);
    redial.on_failed(0, Failure::Unreachable, now);
    redial.hold(0, now + 20 * S);
    assert_eq!(redial.poll_timeout(), Some(now + 20 * S));
    redial.hold(0, now + S);
    assert_eq!(redial.poll_timeout(), Some(now + 20 * S));
    assert_eq!(redial.handle_timeout(now + 19 * S), None);
    let dial = redial.handle_timeout(now + 20 * S);
    assert_eq!(
        dial,
        Some(Action::Dial {
            source: 0,
            attempt: 2
        })
    );
}

#[test]
fn while_one_source_is_held_the_other_is_waited_for() {
    let (mut redial, now) = machine(2);
    redial.on_failed(0, Failure::Unreachable, now);
    redial.on_failed(1, Failure::Unreachable, now);
    redial.hold(0, now + 20 * S);
    let RedialState::Waiting { source, until, .. } = redial.state() else {
        panic!("{:?}", redial.state());
    };
    assert!(source == 1 && until < now + S, "{:?}", redial.state());
}
