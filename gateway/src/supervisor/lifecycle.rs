//! When a path's route runs: decides, and does nothing itself.

use std::time::{Duration, Instant};

/// The first wait before a broken route is started anew.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest one.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A route that ran this long starts again with the first wait.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// A viewer has this long between the start that it asked for and its arrival.
const ARRIVAL: Duration = Duration::from_secs(5);

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Build the route and start it.
    Start,
    /// Stop the route: nobody watches.
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Stopped,
    Up {
        since: Instant,
    },
    /// Broken; `None` means that trying again is of no use.
    Down {
        restart_at: Option<Instant>,
    },
}

/// Starts a route on demand, stops it when idle, restarts it when broken.
#[derive(Debug)]
pub(super) struct Lifecycle {
    /// `None` for a route that always runs.
    idle_stop: Option<Duration>,
    state: State,
    /// It is recorded: that nobody watches is no reason to stop.
    held: bool,
    /// When the route stops if nobody watches until then.
    idle_at: Option<Instant>,
    watching: usize,
    wait: Duration,
}

impl Lifecycle {
    pub(super) const fn new(idle_stop: Option<Duration>) -> Self {
        Self {
            idle_stop,
            state: State::Stopped,
            held: false,
            idle_at: None,
            watching: 0,
            wait: FIRST_WAIT,
        }
    }

    /// The gateway starts.
    pub(super) const fn begin(&mut self, now: Instant) -> Option<Action> {
        if self.idle_stop.is_some() {
            return None;
        }
        self.state = State::Up { since: now };
        Some(Action::Start)
    }

    /// Somebody wants to watch.
    pub(super) fn on_open(&mut self, now: Instant) -> Option<Action> {
        self.arm(now, ARRIVAL);
        if self.state != State::Stopped {
            return None;
        }
        self.state = State::Up { since: now };
        Some(Action::Start)
    }

    /// The path is recorded from here on: it starts if it does not run, and stays.
    pub(super) fn hold(&mut self, now: Instant) -> Option<Action> {
        self.held = true;
        self.idle_at = None;
        if self.state != State::Stopped {
            return None;
        }
        self.state = State::Up { since: now };
        Some(Action::Start)
    }

    /// The recording has ended, and `count` viewers are there.
    pub(super) fn release(&mut self, count: usize, now: Instant) {
        self.held = false;
        self.on_viewers(count, now);
    }

    /// Viewers came or went: `count` are there.
    pub(super) fn on_viewers(&mut self, count: usize, now: Instant) {
        self.watching = count;
        if count > 0 {
            self.idle_at = None;
        } else {
            self.arm(now, Duration::ZERO);
        }
    }

    /// The route failed and is gone.
    pub(super) fn on_broken(&mut self, is_temporary: bool, now: Instant) {
        if let State::Up { since } = self.state
            && now.duration_since(since) >= HEALTHY_AFTER
        {
            self.wait = FIRST_WAIT;
        }
        self.state = State::Down {
            restart_at: is_temporary.then(|| now + self.wait),
        };
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        // Its viewers are gone with it.
        self.watching = 0;
        self.arm(now, Duration::ZERO);
    }

    /// When a broken route is started anew.
    pub(super) const fn restart_at(&self) -> Option<Instant> {
        match self.state {
            State::Down { restart_at } => restart_at,
            State::Stopped | State::Up { .. } => None,
        }
    }

    /// The instant for [`Self::handle_timeout`].
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.idle_at.into_iter().chain(self.restart_at()).min()
    }

    /// Moves time on.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Action> {
        if self.idle_at.is_some_and(|at| now >= at) {
            self.idle_at = None;
            // Who asked last was refused, for instance, while others watch.
            if self.watching > 0 {
                return None;
            }
            self.state = State::Stopped;
            self.wait = FIRST_WAIT;
            return Some(Action::Stop);
        }
        if self.restart_at().is_some_and(|at| now >= at) {
            self.state = State::Up { since: now };
            return Some(Action::Start);
        }
        None
    }

    fn arm(&mut self, now: Instant, at_least: Duration) {
        if let Some(idle_stop) = self.idle_stop.filter(|_| !self.held) {
            let at = now + idle_stop.max(at_least);
            self.idle_at = Some(self.idle_at.map_or(at, |before| before.max(at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn an_on_demand_route_starts_with_the_first_viewer_and_stops_after_the_last() {
        let start = Instant::now();
        let mut life = Lifecycle::new(Some(S(10)));
        assert_eq!(life.begin(start), None);
        assert_eq!(life.on_open(start), Some(Action::Start));
        assert_eq!(life.on_open(start + S(1)), None);
        life.on_viewers(1, start + S(2));
        assert_eq!(life.poll_timeout(), None);
        life.on_viewers(0, start + S(60));
        assert_eq!(life.poll_timeout(), Some(start + S(70)));
        assert_eq!(life.handle_timeout(start + S(69)), None);
        assert_eq!(life.handle_timeout(start + S(70)), Some(Action::Stop));
        assert_eq!(life.on_open(start + S(71)), Some(Action::Start));
    }

    #[test]
    fn a_path_that_is_recorded_stays_until_that_ends_and_nobody_watches() {
        let start = Instant::now();
        let mut life = Lifecycle::new(Some(S(10)));
        life.on_open(start);
        assert_eq!(life.hold(start), None);
        life.on_viewers(0, start + S(1));
        assert_eq!(life.poll_timeout(), None);
        life.release(1, start + S(2));
        assert_eq!(life.poll_timeout(), None);
        life.on_viewers(0, start + S(3));
        assert_eq!(life.handle_timeout(start + S(13)), Some(Action::Stop));

        assert_eq!(life.hold(start + S(20)), Some(Action::Start));
        life.on_broken(true, start + S(21));
        let again = life.poll_timeout().unwrap();
        assert_eq!(life.handle_timeout(again), Some(Action::Start));
        life.release(0, again);
        assert_eq!(life.poll_timeout(), Some(again + S(10)));
    }

    #[test]
    fn a_viewer_has_time_to_arrive_even_when_idle_stop_is_short() {
        let start = Instant::now();
        let mut life = Lifecycle::new(Some(Duration::ZERO));
        life.on_open(start);
        assert_eq!(life.poll_timeout(), Some(start + ARRIVAL));
        life.on_viewers(1, start + S(1));
        life.on_viewers(0, start + S(2));
        assert_eq!(life.poll_timeout(), Some(start + S(2)));
    }

    #[test]
    fn whoever_asks_and_never_arrives_stops_nothing_that_others_watch() {
        let start = Instant::now();
        let mut life = Lifecycle::new(Some(S(10)));
        life.on_open(start);
        life.on_viewers(1, start + S(1));
        life.on_open(start + S(2));
        assert_eq!(life.handle_timeout(start + S(12)), None);
        assert_eq!(life.poll_timeout(), None);
        life.on_viewers(0, start + S(20));
        assert_eq!(life.handle_timeout(start + S(30)), Some(Action::Stop));
    }

    #[test]
    fn a_route_that_always_runs_is_never_idle() {
        let start = Instant::now();
        let mut life = Lifecycle::new(None);
        assert_eq!(life.begin(start), Some(Action::Start));
        life.on_viewers(0, start);
        assert_eq!(life.poll_timeout(), None);
    }

    #[test]
    fn a_broken_route_waits_longer_each_time_until_it_was_healthy() {
        let mut now = Instant::now();
        let mut life = Lifecycle::new(None);
        life.begin(now);
        let mut waits = vec![];
        for up in [S(1), S(1), S(1), S(1), S(1), S(1), S(61)] {
            now += up;
            life.on_broken(true, now);
            let at = life.poll_timeout().unwrap();
            waits.push((at - now).as_secs());
            assert_eq!(life.handle_timeout(at), Some(Action::Start));
            now = at;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 1]);
    }

    #[test]
    fn what_cannot_get_better_is_not_tried_again() {
        let start = Instant::now();
        let mut life = Lifecycle::new(None);
        life.begin(start);
        life.on_broken(false, start);
        assert_eq!(life.poll_timeout(), None);
        assert_eq!(life.on_open(start), None);
    }
}
