//! Refusing further viewers before those who are here stutter.
//!
//! Two things are watched: how much of the processor this process takes, and how long a frame takes from the source to the
//! last viewer. The first says what is coming, as long as the machine is ours alone; the second says what is, whoever else
//! takes the machine's time. Either refuses when it has been above its watermark for some seconds, and takes viewers again
//! only when both have been well below for longer: a set-up costs more than a viewer, so that each refused wave would
//! otherwise be followed by another one.

use std::fmt;
use std::time::{Duration, Instant};

use crate::problem::Problem;

/// So long it must be too much: a wave of viewers who arrive costs as much, and is over sooner.
const LASTING: Duration = Duration::from_secs(3);
/// So long it must be little again.
const CALM: Duration = Duration::from_secs(5);
/// A sample so old says nothing of now: nobody samples while nothing plays.
const STALE: Duration = Duration::from_secs(5);
/// When who is refused may try again.
const RETRY: Duration = Duration::from_secs(10);

/// Above which no further viewers are taken; `None` does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// What this process takes of the processors that it may use, in percent.
    pub cpu_percent: Option<u32>,
    /// From the packetiser until the last viewer was sent the frame.
    pub send_delay: Option<Duration>,
}

impl Watermarks {
    /// Refuses nobody.
    pub const OFF: Self = Self {
        cpu_percent: None,
        send_delay: None,
    };
}

impl Default for Watermarks {
    fn default() -> Self {
        Self {
            cpu_percent: Some(90),
            send_delay: Some(Duration::from_millis(500)),
        }
    }
}

/// What was measured since the sample before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// What this process took of the processors that it may use, in percent; `None` if the system does not say.
    pub cpu_percent: Option<u32>,
    /// The longest that a frame took to its last viewer.
    pub send_delay: Duration,
}

/// What is above its watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The processor.
    Cpu {
        /// What this process takes.
        percent: u32,
        /// The watermark.
        limit: u32,
    },
    /// The way to the viewers.
    SendDelay {
        /// What a frame takes.
        delay: Duration,
        /// The watermark.
        limit: Duration,
    },
}

impl Cause {
    /// Gives its name in figures: `cpu`, `send_delay`.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Cpu { .. } => "cpu",
            Self::SendDelay { .. } => "send_delay",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu { percent, limit } => {
                write!(f, "it takes {percent} % of the CPU (limit {limit} %)")
            }
            Self::SendDelay { delay, limit } => write!(
                f,
                "a frame takes {} ms to its last viewer (limit {} ms)",
                delay.as_millis(),
                limit.as_millis()
            ),
        }
    }
}

/// What a sample has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Further viewers are refused.
    Refusing(Cause),
    /// Further viewers are taken again.
    Taking,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Taking {
        /// Since when every sample has been above a watermark.
        above: Option<Instant>,
    },
    Refusing {
        cause: Cause,
        /// Since when every sample has been well below all of them.
        below: Option<Instant>,
    },
}

/// Decides for the whole process.
#[derive(Debug, Clone)]
pub struct Overload {
    watermarks: Watermarks,
    state: State,
    sampled: Option<Instant>,
}

impl Overload {
    /// Begins with taking everybody.
    pub const fn new(watermarks: Watermarks) -> Self {
        Self {
            watermarks,
            state: State::Taking { above: None },
            sampled: None,
        }
    }

    /// Takes what was measured; gives what changes.
    pub fn on_sample(&mut self, sample: Sample, now: Instant) -> Option<Change> {
        if self.is_stale(now) {
            // What was before the gap goes on no longer.
            self.state = State::Taking { above: None };
        }
        self.sampled = Some(now);
        let above = self.above(sample);
        match (&mut self.state, above) {
            (State::Taking { above }, None) => {
                *above = None;
                None
            }
            (State::Taking { above }, Some(cause)) => {
                let since = *above.get_or_insert(now);
                if now.saturating_duration_since(since) < LASTING {
                    return None;
                }
                self.state = State::Refusing { cause, below: None };
                Some(Change::Refusing(cause))
            }
            (State::Refusing { cause, below }, Some(again)) => {
                (*cause, *below) = (again, None);
                None
            }
            (State::Refusing { .. }, None) => self.on_less(sample, now),
        }
    }

    /// Says why a viewer who comes now is refused, and when to try again.
    pub fn refusal(&self, now: Instant) -> Option<Problem> {
        let cause = self.cause(now)?;
        let wait = RETRY.as_secs();
        let detail =
            format!("The gateway takes no further viewers because {cause}; try again in {wait} s.");
        Some(Problem::new(503, detail).retry_after(RETRY))
    }

    /// Says why viewers are refused, if they are.
    pub fn cause(&self, now: Instant) -> Option<Cause> {
        match self.state {
            State::Refusing { cause, .. } if !self.is_stale(now) => Some(cause),
            State::Refusing { .. } | State::Taking { .. } => None,
        }
    }

    fn is_stale(&self, now: Instant) -> bool {
        let age = |sampled| now.saturating_duration_since(sampled);
        self.sampled.is_none_or(|sampled| age(sampled) > STALE)
    }

    fn on_less(&mut self, sample: Sample, now: Instant) -> Option<Change> {
        let little = self.is_little(sample);
        let State::Refusing { below, .. } = &mut self.state else {
            return None;
        };
        if !little {
            *below = None;
            return None;
        }
        let since = *below.get_or_insert(now);
        if now.saturating_duration_since(since) < CALM {
            return None;
        }
        self.state = State::Taking { above: None };
        Some(Change::Taking)
    }

    fn above(&self, sample: Sample) -> Option<Cause> {
        let Watermarks {
            cpu_percent,
            send_delay,
        } = self.watermarks;
        let cpu = cpu_percent.zip(sample.cpu_percent);
        let cpu = cpu.filter(|(limit, percent)| percent > limit);
        let delay = send_delay.filter(|limit| sample.send_delay > *limit);
        let cpu = cpu.map(|(limit, percent)| Cause::Cpu { percent, limit });
        let delay = delay.map(|limit| Cause::SendDelay {
            delay: sample.send_delay,
            limit,
        });
        // Who waits for frames is worse off than who waits for the processor.
        delay.or(cpu)
    }

    /// Nine tenths of the processor's watermark, half of the delay's.
    fn is_little(&self, sample: Sample) -> bool {
        let cpu = self.watermarks.cpu_percent.zip(sample.cpu_percent);
        let delay = self.watermarks.send_delay;
        cpu.is_none_or(|(limit, percent)| u64::from(percent) * 10 <= u64::from(limit) * 9)
            && delay.is_none_or(|limit| sample.send_delay <= limit / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;

    fn sample(cpu: u32, delay_ms: u64) -> Sample {
        Sample {
            cpu_percent: Some(cpu),
            send_delay: Duration::from_millis(delay_ms),
        }
    }

    /// Feeds one sample a second; gives what changed, and in which second.
    fn run(overload: &mut Overload, start: Instant, samples: &[(u32, u64)]) -> Vec<(u64, Change)> {
        let seconds = (0..).zip(samples);
        let changes = seconds.filter_map(|(second, (cpu, delay))| {
            let now = start + Duration::from_secs(second);
            Some((second, overload.on_sample(sample(*cpu, *delay), now)?))
        });
        changes.collect()
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn three_seconds_above_the_watermark_refuse_with_the_reason_and_a_time() {
        let (mut overload, start) = (Overload::new(Watermarks::default()), origin());
        let changes = run(&mut overload, start, &[(91, 0), (92, 0), (95, 0), (96, 0)]);
        let cause = Cause::Cpu {
            percent: 96,
            limit: 90,
        };
        assert_eq!(changes, [(3, Change::Refusing(cause))]);
        let problem = overload.refusal(after(start, 3)).unwrap();
        assert_eq!(
            (problem.status, problem.retry_after_seconds()),
            (503, Some(10))
        );
        assert_eq!(
            problem.detail,
            "The gateway takes no further viewers because it takes 96 % of the CPU (limit 90 %); try again in 10 s."
        );
    }

    #[test]
    fn frames_that_are_late_refuse_whatever_the_processor_does() {
        let (mut overload, start) = (Overload::new(Watermarks::default()), origin());
        let changes = run(
            &mut overload,
            start,
            &[(10, 501), (10, 700), (99, 600), (10, 800)],
        );
        let limit = Duration::from_millis(500);
        let delay = Duration::from_millis(800);
        let cause = Cause::SendDelay { delay, limit };
        assert_eq!(changes, [(3, Change::Refusing(cause))]);
        let detail = overload.refusal(after(start, 3)).unwrap().detail;
        assert!(detail.contains("a frame takes 800 ms to its last viewer (limit 500 ms)"));
    }

    #[test]
    fn a_short_peak_refuses_nobody() {
        let (mut overload, start) = (Overload::new(Watermarks::default()), origin());
        let peaks = [(99, 0), (99, 900), (99, 0), (50, 0), (99, 0), (90, 500)];
        assert_eq!(run(&mut overload, start, &peaks), []);
        assert_eq!(overload.refusal(after(start, 5)), None);
    }

    #[test]
    fn viewers_are_taken_again_when_it_has_been_well_below_for_five_seconds() {
        let (mut overload, start) = (Overload::new(Watermarks::default()), origin());
        let mut samples = vec![(99, 0); 4];
        // Below the watermark, but not well below: 81 % is nine tenths of it.
        samples.extend([(81, 0), (82, 0)]);
        samples.extend([(81, 250); 6]);
        let changes = run(&mut overload, start, &samples);
        assert_eq!(changes.last(), Some(&(11, Change::Taking)));
        assert_eq!(changes.len(), 2);
        assert_eq!(overload.refusal(after(start, 11)), None);
    }

    // Otherwise a path that starts with its first viewer would never start again.
    #[test]
    fn what_nobody_measures_any_more_refuses_nobody() {
        let (mut overload, start) = (Overload::new(Watermarks::default()), origin());
        run(&mut overload, start, &[(99, 0); 4]);
        assert!(overload.refusal(after(start, 8)).is_some());
        assert_eq!(overload.refusal(after(start, 9)), None);
        assert_eq!(overload.on_sample(sample(99, 0), after(start, 9)), None);
        assert_eq!(overload.refusal(after(start, 9)), None);
    }

    #[test]
    fn turned_off_it_refuses_nobody() {
        let (mut overload, start) = (Overload::new(Watermarks::OFF), origin());
        assert_eq!(run(&mut overload, start, &[(100, 9000); 9]), []);
    }
}
