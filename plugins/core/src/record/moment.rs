//! Calendar time without a clock: days, hours and sub-seconds of a moment that the caller gives.

use std::time::Duration;

/// A moment, and how far local time is from UTC there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since 1970-01-01T00:00:00Z.
    pub unix: Duration,
    /// Local time minus UTC, in seconds.
    pub offset_secs: i32,
}

/// A moment as a calendar and a watch show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// Of the common era.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
    /// 0 to 999999.
    pub micros: u32,
}

impl Moment {
    /// Gives it in UTC.
    pub fn utc(self) -> Calendar {
        self.shifted(0)
    }

    /// Gives it in local time.
    pub fn local(self) -> Calendar {
        self.shifted(self.offset_secs)
    }

    fn shifted(self, offset_secs: i32) -> Calendar {
        let unix = i64::try_from(self.unix.as_secs()).unwrap_or(i64::MAX / 2);
        let seconds = unix.saturating_add(i64::from(offset_secs));
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        Calendar {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            micros: self.unix.subsec_micros(),
        }
    }
}

/// Days since 1970-01-01 to year, month and day: years that begin in March, in eras of 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Keeps the starts of segments in order when the wall clock is set back.
///
/// A clock that goes back is not believed: the last start and the time that passed since say when it is. It
/// is believed again as soon as it is ahead of that.
#[derive(Debug, Clone, Default)]
pub struct Order {
    last: Option<(Duration, Duration)>,
}

impl Order {
    /// Takes what the wall clock says and a time that never goes back; gives the start to write down.
    pub fn on_start(&mut self, wall: Duration, steady: Duration) -> Duration {
        let start = match self.last {
            Some((last, then)) if wall <= last => {
                let passed = steady.saturating_sub(then).max(Duration::from_micros(1));
                last.saturating_add(passed)
            }
            Some(_) | None => wall,
        };
        self.last = Some((start, steady));
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (unix, offset_secs, want) in [
            (0, 0, (1970, 1, 1, 0, 0, 0)),
            (951_782_400, 0, (2000, 2, 29, 0, 0, 0)),
            (951_868_799, 0, (2000, 2, 29, 23, 59, 59)),
            (951_868_800, 0, (2000, 3, 1, 0, 0, 0)),
            (1_795_930_971, 0, (2026, 11, 29, 5, 42, 51)),
            (1_795_930_971, 19_800, (2026, 11, 29, 11, 12, 51)),
            (1_795_930_971, -25_200, (2026, 11, 28, 22, 42, 51)),
            (4_107_542_400, 0, (2100, 3, 1, 0, 0, 0)),
        ] {
            let moment = Moment {
                unix: Duration::from_secs(unix),
                offset_secs,
            };
            let at = moment.local();
            let got = (at.year, at.month, at.day, at.hour, at.minute, at.second);
            assert_eq!(got, want, "{unix} {offset_secs}");
        }
    }

    #[test]
    fn a_clock_set_back_keeps_the_order() {
        let s = Duration::from_secs;
        let mut order = Order::default();
        assert_eq!(order.on_start(s(1000), s(5)), s(1000));
        assert_eq!(order.on_start(s(400), s(15)), s(1010));
        assert_eq!(order.on_start(s(410), s(25)), s(1020));
        assert_eq!(order.on_start(s(2000), s(35)), s(2000));
        let same = order.on_start(s(2000), s(35));
        assert!(same > s(2000));
    }
}
