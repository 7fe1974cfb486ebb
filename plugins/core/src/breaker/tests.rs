use super::*;
use crate::testing::{ms, origin};

const SSRC: u32 = 7;

/// A receiver of one stream, which reports every so often.
struct Receiver {
    breaker: Breaker,
    now: Instant,
    block: ReportBlock,
    sent: Outgoing,
    packet: u64,
}

impl Receiver {
    fn of(group: Duration) -> Self {
        Self {
            breaker: Breaker::new([SSRC], group),
            now: origin(),
            block: ReportBlock {
                ssrc: SSRC,
                lost: 0,
                highest: 65_000,
                last_sr: 0x0010_0000,
                delay: 0,
            },
            sent: Outgoing {
                packets: 0,
                bytes: 0,
            },
            packet: 1200,
        }
    }

    /// Lets time pass at a bitrate, and then says how much of it was lost, at a round trip.
    fn report(&mut self, after: Duration, kbps: u64, loss: f64, trip: Duration) -> Option<Tripped> {
        self.now += after;
        let bytes = kbps * 125 * u64::try_from(after.as_millis()).unwrap() / 1000;
        let packets = u32::try_from(bytes / self.packet).unwrap();
        self.sent.bytes += bytes;
        self.sent.packets += u64::from(packets);
        if loss < 1.0 {
            self.block.highest = self.block.highest.wrapping_add(packets);
            self.block.lost += i32::try_from(packets * percent(loss) / 100).unwrap();
        }
        let trip = u32::try_from(trip.as_micros() * 65_536 / 1_000_000).unwrap();
        let ntp = self.block.last_sr + self.block.delay + trip;
        self.breaker
            .on_report(&self.block, self.sent, ntp, self.now)
    }

    /// Reports the same each second; gives after how many seconds the breaker goes.
    fn trips(&mut self, kbps: u64, loss: f64, trip: Duration) -> Option<u32> {
        (1..=60).find(|_| self.report(ms(1000), kbps, loss, trip).is_some())
    }
}

fn percent(loss: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 100"
    )]
    let percent = (loss * 100.0).round() as u32;
    percent
}

// RFC 8083, 4.2, with Td = 5 s.
#[test]
fn so_many_reports_in_a_row_are_needed() {
    for (reports, round_trip, group, needed) in [
        // The key frames are what takes longest, up to 15 s.
        (1000, 60, 2000, 15),
        (1000, 60, 1000, 10),
        (5000, 60, 2000, 3),
        (2000, 60, 2000, 8),
        // The round trip.
        (1000, 500, 20, 5),
        (1000, 5000, 20, 15),
        // Never fewer than three.
        (1000, 10, 20, 3),
        (5000, 10, 20, 3),
        // Outside what reports are taken to be.
        (60_000, 10, 2000, 3),
        (1, 10, 2000, 15),
    ] {
        let found = cb_interval(ms(reports), ms(round_trip), ms(group));
        assert_eq!(found, needed, "{reports} {round_trip} {group}");
    }
}

// RFC 8083, 4.3: X = s / (Tr·√(2·b·p/3)), b = 1.
#[test]
fn tcp_would_send_what_the_simplified_equation_says() {
    for (loss, trip, kbps) in [
        (0.04, 60, 980),
        (0.01, 100, 1176),
        (0.5, 300, 55),
        (1.0, 200, 59),
    ] {
        let change = Change {
            packets: 1,
            bytes_per_second: 0.0,
            packet_bytes: 1200.0,
            expected: 1,
            loss,
        };
        let found = change.tcp(ms(trip)) * 8.0 / 1000.0;
        assert!(
            (found - f64::from(kbps)).abs() < 1.0,
            "{loss} {trip}: {found}"
        );
    }
}

#[test]
fn it_goes_after_15_s_where_the_path_cannot_carry_the_stream_and_nowhere_else() {
    for (kbps, loss, trip, seconds) in [
        // The first report only begins to count.
        (2000, 0.5, 300, Some(16)),
        (5000, 0.3, 200, Some(16)),
        (2000, 1.0, 300, Some(16)),
        // Networks on which people watch.
        (2000, 0.04, 60, None),
        (5000, 0.04, 60, None),
        (5000, 0.1, 30, None),
        (2000, 0.0, 2000, None),
        // Many packets are lost, but none takes long: TCP would be fast too.
        (2000, 0.5, 5, None),
        // Sound alone is little.
        (64, 0.5, 300, None),
    ] {
        let mut receiver = Receiver::of(PICTURES);
        let found = receiver.trips(kbps, loss, ms(trip));
        assert_eq!(found, seconds, "{kbps} kbit/s, {loss}, {trip} ms");
    }
}

#[test]
fn bursts_of_loss_do_not_add_up() {
    let mut receiver = Receiver::of(PICTURES);
    for _ in 0..10 {
        for _ in 0..14 {
            assert_eq!(receiver.report(ms(1000), 2000, 0.6, ms(300)), None);
        }
        assert_eq!(receiver.report(ms(1000), 2000, 0.0, ms(300)), None);
    }
}

#[test]
fn who_sleeps_and_comes_back_is_sent_more() {
    let mut receiver = Receiver::of(PICTURES);
    for _ in 0..10 {
        assert_eq!(receiver.report(ms(1000), 2000, 0.0, ms(400)), None);
        assert_eq!(receiver.report(ms(20_000), 2000, 0.95, ms(400)), None);
        assert_eq!(receiver.report(ms(1000), 2000, 0.2, ms(400)), None);
    }
}

#[test]
fn what_does_not_arrive_is_not_sent_for_ever_even_without_a_round_trip() {
    let mut receiver = Receiver::of(PICTURES);
    receiver.block.last_sr = 0;
    assert_eq!(receiver.report(ms(1000), 2000, 0.0, ms(0)), None);
    let found = (1..=60).find_map(|_| receiver.report(ms(1000), 2000, 1.0, ms(0)));
    let span = Duration::from_secs(15);
    assert_eq!(found, Some(Tripped::NothingArrives { span }));
    assert_eq!(found.unwrap().to_string(), "nothing of it arrived for 15 s");
}

#[test]
fn a_clock_that_was_set_is_no_round_trip() {
    for trip in [11_000, 3_600_000] {
        let mut receiver = Receiver::of(PICTURES);
        assert_eq!(receiver.trips(2000, 0.02, ms(trip)), None);
    }
    let mut receiver = Receiver::of(PICTURES);
    assert_eq!(receiver.trips(2000, 0.02, ms(9000)), Some(16));
}

#[test]
fn a_source_that_pauses_proves_nothing() {
    let mut receiver = Receiver::of(PICTURES);
    for _ in 0..10 {
        for _ in 0..14 {
            assert_eq!(receiver.report(ms(1000), 2000, 1.0, ms(100)), None);
        }
        assert_eq!(receiver.report(ms(1000), 0, 1.0, ms(100)), None);
    }
}

#[test]
fn reports_in_quick_succession_are_one() {
    let mut receiver = Receiver::of(PICTURES);
    // 50 a second, as with a storm of NACKs.
    let found = (1..=3000).find(|_| receiver.report(ms(20), 2000, 0.5, ms(300)).is_some());
    assert!(found.is_some_and(|n| (750..=800).contains(&n)), "{found:?}");
}

#[test]
fn reports_of_5_s_trip_after_15() {
    let mut receiver = Receiver::of(SOUND);
    let mut report = || receiver.report(ms(5000), 510, 0.6, ms(2000)).is_some();
    assert_eq!((1..=9).find(|_| report()), Some(4));
}

#[test]
fn counters_that_wrap_or_go_back_and_other_streams_harm_nobody() {
    let mut receiver = Receiver::of(PICTURES);
    receiver.block.highest = u32::MAX - 100;
    for _ in 0..30 {
        assert_eq!(receiver.report(ms(1000), 2000, 0.01, ms(100)), None);
        receiver.block.lost -= 1;
    }
    let other = ReportBlock {
        ssrc: 8,
        ..receiver.block
    };
    for second in 0..60 {
        let now = receiver.now + Duration::from_secs(second);
        let sent = Outgoing {
            packets: second * 1000,
            bytes: second * 1_000_000,
        };
        assert_eq!(receiver.breaker.on_report(&other, sent, 0, now), None);
    }
}

#[test]
fn it_says_why() {
    let mut receiver = Receiver::of(PICTURES);
    let found = (1..=60).find_map(|_| receiver.report(ms(1000), 2000, 0.5, ms(300)));
    assert_eq!(
        found.unwrap().to_string(),
        "for 15 s too much was lost, lately 50 % of 2000 kbit/s at a round trip of 299 ms"
    );
}
