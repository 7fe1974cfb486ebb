//! Sending less to a viewer whose network says that it carries less (REMB, draft-alvestrand-rmcat-remb-03).
//!
//! What is passed through has one bitrate, and leaving single pictures out would break those that build on them. What
//! always can be left out is everything up to the next key frame. So a viewer whose estimate is well below the stream
//! gets key frames alone, with the sound, until its network carries all of it again. Behind it stands the circuit
//! breaker ([`crate::breaker`]).
//!
//! An estimate says little about more than what is sent: receivers let it grow to one and a half times that, about, and
//! by some 8 % a second. So a stream that has become larger (another layer, a screen that moves) is above the estimate
//! for a while on any network: nothing counts for 8 s then, nor while the estimate grows. And there are trials: all
//! of it again, after 10, 20, 40 and then every 60 s.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

/// A receiver's first estimates follow what comes, and at first that is a cached group in a hurry.
const SETTLING: Duration = Duration::from_secs(5);
/// The stream's rate is measured over so long: key frames make a shorter time differ from the next.
const WINDOW: Duration = Duration::from_secs(2);
/// An estimate below so many quarters of the stream counts. A receiver that takes a hiccup for congestion says 0.85 of what came.
const ENOUGH: u64 = 3;
/// So long every estimate must be too low.
const LASTING: Duration = Duration::from_secs(2);
/// A stream that is so many tenths of what it was in any of the last windows has grown.
const GROWN: u64 = 13;
/// Windows that are remembered: as many as a group of pictures may be long, whose rates differ.
const WINDOWS: usize = 4;
/// After it has grown, so long no estimate counts.
const GROWTH: Duration = Duration::from_secs(8);
/// An estimate that is so many hundredths of the one before it is growing, and so is no sign of congestion.
const RISING: u64 = 104;
/// Without an estimate for so long, those before say nothing. They come once a second.
const STALE: Duration = Duration::from_secs(5);
/// Until the first trial, and the longest until a further one.
const FIRST_TRIAL: Duration = Duration::from_secs(10);
const LAST_TRIAL: Duration = Duration::from_secs(60);

/// What of the pictures a viewer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinned {
    /// All of them.
    No {
        /// Whether the estimate allows it; otherwise it is tried, since an estimate hardly grows with less.
        trial: bool,
    },
    /// Key frames alone.
    KeyFrames {
        /// The receiver's estimate.
        carries_kbps: u64,
        /// The stream's rate.
        stream_kbps: u64,
    },
}

/// Decides for one viewer.
#[derive(Debug, Clone)]
pub struct Thinning {
    state: State,
    /// Until the next trial.
    pause: Duration,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// All pictures are sent.
    All(All),
    /// Only key frames are.
    KeyFrames {
        /// Of the whole stream, when it was last sent.
        rate: u64,
        trial_at: Instant,
    },
}

/// What is known while all pictures are sent.
#[derive(Debug, Clone, Copy)]
struct All {
    since: Instant,
    /// Where the measuring of the rate began: when, and the bytes by then.
    window: Option<(Instant, u64)>,
    /// Of the stream, in bits per second.
    rate: Option<u64>,
    /// The rates of the last windows; 0 where there was none.
    rates: [u64; WINDOWS],
    grown: Option<Instant>,
    low: Option<Low>,
}

/// Estimates in a row that are too low.
#[derive(Debug, Clone, Copy)]
struct Low {
    since: Instant,
    latest: Instant,
    /// The estimate at the beginning.
    first: u64,
}

impl All {
    const fn new(now: Instant) -> Self {
        Self {
            since: now,
            window: None,
            rate: None,
            rates: [0; WINDOWS],
            grown: None,
            low: None,
        }
    }

    /// Says for how long it has been so.
    fn lasts(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Gives the stream's rate in bits per second, once it is known.
    fn measure(&mut self, sent: u64, now: Instant) -> Option<u64> {
        let (begin, before) = *self.window.get_or_insert((now, sent));
        let span = now.saturating_duration_since(begin);
        if span >= WINDOW {
            let bits = u128::from(sent.saturating_sub(before)) * 8_000;
            let rate = u64::try_from(bits / span.as_millis().max(1)).unwrap_or(u64::MAX);
            let before = self.rates.iter().copied().max().unwrap_or(0);
            if before > 0 && rate / 10 > before / 100 * GROWN {
                self.grown = Some(now);
            }
            self.rates.rotate_right(1);
            if let Some(newest) = self.rates.first_mut() {
                *newest = rate;
            }
            self.rate = Some(rate);
            self.window = Some((now, sent));
        }
        self.rate
    }

    /// Says whether the stream has just become larger, so that no estimate can know of it yet.
    fn has_grown(&self, now: Instant) -> bool {
        let since = |grown| now.saturating_duration_since(grown);
        self.grown.is_some_and(|grown| since(grown) < GROWTH)
    }

    /// Says for how long every estimate has been too low without growing, this one too.
    fn low_for(&mut self, estimate: u64, now: Instant) -> Duration {
        let goes_on = |low: &Low| {
            now.saturating_duration_since(low.latest) < STALE
                && estimate / 100 <= low.first / 10_000 * RISING
        };
        let begun = Low {
            since: now,
            latest: now,
            first: estimate,
        };
        let low = self.low.filter(goes_on).unwrap_or(begun);
        self.low = Some(Low { latest: now, ..low });
        now.saturating_duration_since(low.since)
    }
}

impl Thinning {
    /// Begins with all pictures.
    pub const fn new(now: Instant) -> Self {
        Self {
            state: State::All(All::new(now)),
            pause: FIRST_TRIAL,
        }
    }

    /// Takes the receiver's estimate of what its network carries, in bits per second; `sent` is how many bytes of RTP it
    /// was sent so far, in all its tracks. Gives what changes.
    pub fn on_estimate(
        &mut self,
        bits_per_second: u64,
        sent: u64,
        now: Instant,
    ) -> Option<Thinned> {
        let all = match &mut self.state {
            State::KeyFrames { rate, .. } => {
                return (bits_per_second >= *rate).then(|| self.send_all(false, now));
            }
            State::All(all) => all,
        };
        if all.lasts(now) < SETTLING {
            return None;
        }
        let rate = all.measure(sent, now)?;
        if bits_per_second < rate / 4 * ENOUGH && !all.has_grown(now) {
            let lasting = all.low_for(bits_per_second, now) >= LASTING;
            return lasting.then(|| self.send_key_frames(bits_per_second, rate, now));
        }
        all.low = None;
        if all.lasts(now) >= LAST_TRIAL {
            self.pause = FIRST_TRIAL;
        }
        None
    }

    /// Moves time on. To be called with whatever the viewer says: one that says nothing is not to be tried.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Thinned> {
        let State::KeyFrames { trial_at, .. } = self.state else {
            return None;
        };
        (now >= trial_at).then(|| self.send_all(true, now))
    }

    fn send_key_frames(&mut self, estimate: u64, rate: u64, now: Instant) -> Thinned {
        self.state = State::KeyFrames {
            rate,
            trial_at: now + self.pause,
        };
        self.pause = (self.pause * 2).min(LAST_TRIAL);
        Thinned::KeyFrames {
            carries_kbps: estimate / 1000,
            stream_kbps: rate / 1000,
        }
    }

    const fn send_all(&mut self, trial: bool, now: Instant) -> Thinned {
        self.state = State::All(All::new(now));
        Thinned::No { trial }
    }
}
