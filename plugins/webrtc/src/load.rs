//! How much there is to do: measured once a second in one place, for whoever lets viewers in and for `/metrics`.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sluice_core::overload::{Change, Sample};
use sluice_core::{Overload, Problem, Watermarks};

/// Long enough for the processor's time, which the kernel gives in hundredths of a second.
const PERIOD: Duration = Duration::from_secs(1);

/// The kernel's, in which it gives processes' times on every Linux (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// What was measured last, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// What this process takes of the processors that it may use, in percent; `None` if the system does not say.
    pub cpu_percent: Option<u32>,
    /// The longest that a frame took from the packetiser until its last viewer was sent it, in the latest second.
    pub send_delay: Duration,
    /// Why further viewers are refused, if they are: `cpu`, `send_delay`.
    pub refusing: Option<&'static str>,
    /// Viewers who were refused for it.
    pub refused: u64,
}

struct State {
    overload: Overload,
    latest: Sample,
    /// When the latest sample was taken, and the processor's time by then.
    sampled: Option<(Instant, Option<Duration>)>,
}

// Nobody is refused unless the gateway says so: in another program the processor may be busy with anything.
static STATE: LazyLock<Mutex<State>> = LazyLock::new(|| {
    Mutex::new(State {
        overload: Overload::new(Watermarks::OFF),
        latest: Sample::default(),
        sampled: None,
    })
});

static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Sets above which load further viewers of all sinks of this process are refused.
pub fn refuse_above(watermarks: Watermarks) {
    STATE.lock().overload = Overload::new(watermarks);
}

/// Says how much there is to do.
pub fn load() -> Load {
    let state = STATE.lock();
    Load {
        cpu_percent: state.latest.cpu_percent,
        send_delay: state.latest.send_delay,
        refusing: state.overload.cause(Instant::now()).map(|why| why.label()),
        refused: REFUSED.load(Relaxed),
    }
}

/// Lets a viewer in, or refuses it.
///
/// # Errors
///
/// 503, with the reason and when to try again.
pub(crate) fn admit() -> Result<(), Problem> {
    let refusal = STATE.lock().overload.refusal(Instant::now());
    refusal.map_or(Ok(()), |problem| {
        REFUSED.fetch_add(1, Relaxed);
        Err(problem)
    })
}

/// Measures, if it is time. Called by the ticker.
pub(crate) fn look(now: Instant) {
    let change = {
        let mut state = STATE.lock();
        let since = state
            .sampled
            .map(|(at, _)| now.saturating_duration_since(at));
        if since.is_some_and(|since| since < PERIOD) {
            return;
        }
        let cpu = cpu_time();
        let before = state.sampled.replace((now, cpu)).and_then(|(_, cpu)| cpu);
        let spent = cpu
            .zip(before)
            .map(|(now, before)| now.saturating_sub(before));
        state.latest = Sample {
            cpu_percent: spent.zip(since).map(|(spent, since)| percent(spent, since)),
            send_delay: crate::fanout::take_delay(now),
        };
        let sample = state.latest;
        state.overload.on_sample(sample, now)
    };
    match change {
        Some(Change::Refusing(cause)) => {
            tracing::warn!(
                cause = cause.label(),
                "no further viewers are taken because {cause}"
            );
        }
        Some(Change::Taking) => tracing::info!("further viewers are taken again"),
        None => {}
    }
}

/// A share of the processors that this process may use; a container's quota counts.
fn percent(spent: Duration, since: Duration) -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as u128;
    let whole = (since.as_millis() * processors).max(1);
    u32::try_from(spent.as_millis() * 100 / whole).unwrap_or(u32::MAX)
}

/// The processor's time that this process has taken, its threads' together.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    time_of(&text)
}

/// Reads `utime` and `stime` (`proc_pid_stat(5)`). The name before them may contain anything, brackets too.
fn time_of(text: &str) -> Option<Duration> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_time_is_read_whatever_the_program_is_called() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(time_of(line), Some(Duration::from_secs(2)));
        assert_eq!(time_of("7 (x) S 1"), None);
        assert!(cpu_time().is_some());
    }

    #[test]
    fn the_share_is_of_all_processors() {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let all = u32::try_from(all).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(percent(second * all, second), 100);
        assert_eq!(percent(second * all, second * 2), 50);
    }
}
