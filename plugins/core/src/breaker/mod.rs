//! When to stop sending to somebody whose network cannot carry what is sent (RFC 8083).
//!
//! What is passed through has one bitrate; a receiver that estimates its network gets less of it ([`crate::thinning`]). This
//! is no congestion control, but the fuse behind that: it goes only when the stream is over ten times what TCP would
//! send, for long.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::{Duration, Instant};

use crate::rtcp::ReportBlock;

/// Reports that follow each other faster are one: NACKs and PLIs bring one along in a compound packet.
const INTERVAL: Duration = Duration::from_secs(1);
/// Td: how often a receiver reports where nothing is negotiated (RFC 3550, 6.2). Who reports less often, after a
/// sleep for instance, is taken to report so often.
const REPORTS: Duration = Duration::from_secs(5);
/// A stream may be this much faster than TCP (RFC 8083, 4.3).
const FASTER: f64 = 10.0;
/// A longer round trip is a clock that was set.
const LONGEST: Duration = Duration::from_secs(10);
/// Of the key frames of pictures, about. The sources' own may be further apart: from 1.5 s on it changes nothing.
pub const PICTURES: Duration = Duration::from_secs(2);
/// Of the frames of sound.
pub const SOUND: Duration = Duration::from_millis(20);

/// What was sent of one stream so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// RTP packets, those that were sent again not counted.
    pub packets: u64,
    /// In them.
    pub bytes: u64,
}

/// Why nothing more should be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tripped {
    /// What is sent does not arrive, though reports do (RFC 8083, 4.2).
    NothingArrives {
        /// So long.
        span: Duration,
    },
    /// Too much of it is lost (RFC 8083, 4.3).
    Congested {
        /// So long.
        span: Duration,
        /// The latest share that was lost, 0 to 1.
        loss: f64,
        /// The latest round trip.
        round_trip: Duration,
        /// What was sent lately.
        bits_per_second: f64,
    },
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingArrives { span } => {
                write!(f, "nothing of it arrived for {} s", span.as_secs())
            }
            Self::Congested {
                span,
                loss,
                round_trip,
                bits_per_second,
            } => write!(
                f,
                "for {} s too much was lost, lately {:.0} % of {:.0} kbit/s at a round trip of {} ms",
                span.as_secs(),
                loss * 100.0,
                bits_per_second / 1000.0,
                round_trip.as_millis()
            ),
        }
    }
}

/// Watches the streams of one session.
#[derive(Debug, Clone)]
pub struct Breaker {
    /// G · Tf of the RFC.
    group: Duration,
    streams: Vec<Stream>,
}

#[derive(Debug, Clone)]
struct Stream {
    ssrc: u32,
    last: Option<Counted>,
    /// The latest that a report told.
    round_trip: Option<Duration>,
    unheard: Run,
    congested: Run,
}

/// Where a stream stood when a report counted.
#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Instant,
    highest: u32,
    lost: i32,
    sent: Outgoing,
}

/// Reports in a row that all say the same.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    reports: u32,
    since: Option<Instant>,
}

impl Breaker {
    /// Watches these streams. `group` is how far key frames are apart, or frames where each stands alone:
    /// [`PICTURES`] or [`SOUND`]. Streams of one session share its path, and are judged over the same time.
    pub fn new(ssrcs: impl IntoIterator<Item = u32>, group: Duration) -> Self {
        let stream = |ssrc| Stream {
            ssrc,
            last: None,
            round_trip: None,
            unheard: Run::default(),
            congested: Run::default(),
        };
        Self {
            group,
            streams: ssrcs.into_iter().map(stream).collect(),
        }
    }

    /// Takes what a receiver reports of a stream of which `sent` was sent so far; `ntp` is the present as
    /// [`crate::rtcp::ntp_middle`] gives it. Reports of other streams say nothing: retransmissions come and go.
    pub fn on_report(
        &mut self,
        block: &ReportBlock,
        sent: Outgoing,
        ntp: u32,
        now: Instant,
    ) -> Option<Tripped> {
        let group = self.group;
        let mut streams = self.streams.iter_mut();
        streams
            .find(|stream| stream.ssrc == block.ssrc)?
            .on_report(block, sent, ntp, group, now)
    }
}

impl Stream {
    fn on_report(
        &mut self,
        block: &ReportBlock,
        sent: Outgoing,
        ntp: u32,
        group: Duration,
        now: Instant,
    ) -> Option<Tripped> {
        let round_trip = block.round_trip(ntp).filter(|trip| *trip <= LONGEST);
        self.round_trip = round_trip.or(self.round_trip);
        let counted = Counted {
            at: now,
            highest: block.highest,
            lost: block.lost,
            sent,
        };
        let Some(last) = self.last else {
            self.last = Some(counted);
            return None;
        };
        let span = now.saturating_duration_since(last.at);
        if span < INTERVAL {
            return None;
        }
        self.last = Some(counted);
        let change = Change::between(&last, &counted, span);
        if change.packets == 0 {
            // Nothing was sent, so nothing could be lost.
            (self.unheard, self.congested) = (Run::default(), Run::default());
            return None;
        }
        let round_trip = self.round_trip.unwrap_or_default();
        let fast = change.bytes_per_second > FASTER * change.tcp(round_trip);
        let unheard = self.unheard.on_report(change.expected == 0, &last, now);
        let congested = self.congested.on_report(fast, &last, now);
        let over = |run: Option<Lasting>| run.is_some_and(|run| run.is_over(round_trip, group));
        if over(unheard) {
            return Some(Tripped::NothingArrives {
                span: self.unheard.span(now),
            });
        }
        over(congested).then(|| Tripped::Congested {
            span: self.congested.span(now),
            loss: change.loss,
            round_trip,
            bits_per_second: change.bytes_per_second * 8.0,
        })
    }
}

/// What happened to a stream between two reports.
struct Change {
    /// That were sent.
    packets: u64,
    bytes_per_second: f64,
    packet_bytes: f64,
    /// Of the receiver's counting: how much further it is.
    expected: u32,
    /// 0 to 1.
    loss: f64,
}

impl Change {
    #[expect(clippy::cast_precision_loss, reason = "rates need no 53 bits")]
    fn between(last: &Counted, this: &Counted, span: Duration) -> Self {
        let packets = this.sent.packets.saturating_sub(last.sent.packets);
        let bytes = this.sent.bytes.saturating_sub(last.sent.bytes) as f64;
        let expected = this.highest.wrapping_sub(last.highest);
        let lost = this.lost.wrapping_sub(last.lost);
        let loss = if expected == 0 {
            1.0
        } else {
            (f64::from(lost) / f64::from(expected)).clamp(0.0, 1.0)
        };
        Self {
            packets,
            bytes_per_second: bytes / span.as_secs_f64(),
            packet_bytes: bytes / packets.max(1) as f64,
            expected,
            loss,
        }
    }

    /// What TCP would send over such a path, in bytes per second (RFC 8083, 4.3: the simplified equation of RFC 5348,
    /// with an acknowledgement for every packet). Infinite without loss or round trip.
    fn tcp(&self, round_trip: Duration) -> f64 {
        let slowness = round_trip.as_secs_f64() * (2.0 * self.loss / 3.0).sqrt();
        if slowness > 0.0 {
            self.packet_bytes / slowness
        } else {
            f64::INFINITY
        }
    }
}

/// A run that goes on, and how often its reports come.
#[derive(Debug, Clone, Copy)]
struct Lasting {
    reports: u32,
    every: Duration,
}

impl Run {
    fn on_report(&mut self, bad: bool, last: &Counted, now: Instant) -> Option<Lasting> {
        if !bad {
            *self = Self::default();
            return None;
        }
        self.since = self.since.or(Some(last.at));
        self.reports = self.reports.saturating_add(1);
        Some(Lasting {
            reports: self.reports,
            every: self.span(now) / self.reports,
        })
    }

    fn span(&self, now: Instant) -> Duration {
        self.since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

impl Lasting {
    fn is_over(self, round_trip: Duration, group: Duration) -> bool {
        self.reports >= cb_interval(self.every, round_trip, group)
    }
}

/// `CB_INTERVAL`: so many reports in a row, which come every `reports` (Tdr), have to say the same
/// (RFC 8083, 4.2): ⌈3·min(max(10·G·Tf, 10·Tr, 3·Tdr), max(15 s, 3·Td)) / (3·Tdr)⌉.
fn cb_interval(reports: Duration, round_trip: Duration, group: Duration) -> u32 {
    let reports = reports.clamp(INTERVAL, REPORTS);
    let needed = (group * 10)
        .max(round_trip.saturating_mul(10))
        .max(reports * 3);
    let span = needed.min((REPORTS * 3).max(Duration::from_secs(15)));
    let count = span.as_nanos().div_ceil(reports.as_nanos().max(1));
    u32::try_from(count).unwrap_or(u32::MAX)
}
