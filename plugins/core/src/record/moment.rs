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

impl Calendar {
    /// Gives the time since 1970, taken as UTC; none before that, and for days that no calendar has.
    pub fn unix(self) -> Option<Duration> {
        let days = days(self.year, self.month, self.day);
        if civil(days) != (self.year, self.month, self.day) {
            return None;
        }
        let in_day = (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second);
        let seconds = days * 86_400 + self.hour * 3600 + self.minute * 60 + self.second;
        let seconds = u64::try_from(seconds).ok().filter(|_| in_day)?;
        Some(Duration::new(seconds, self.micros.checked_mul(1000)?))
    }
}

/// Writes a time since 1970 as `2026-11-29T05:42:51.004005Z`.
pub fn rfc3339(unix: Duration) -> String {
    let at = Moment {
        unix,
        offset_secs: 0,
    }
    .utc();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        at.year, at.month, at.day, at.hour, at.minute, at.second, at.micros
    )
}

/// Reads a time of RFC 3339, such as `2026-11-29T05:42:51Z` or `2026-11-29T06:42:51.5+01:00`, as a time since 1970.
pub fn from_rfc3339(text: &str) -> Option<Duration> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at_checked(zone)?;
    let (seconds, part) = time.split_once('.').unwrap_or((time, "0"));
    let numbers = |text: &str, between: char| -> Option<[i64; 3]> {
        let digits = |part: &str| {
            let all = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            all.then(|| part.parse::<i64>().ok()).flatten()
        };
        let numbers: Option<Vec<_>> = text.split(between).map(digits).collect();
        numbers?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-').filter(|[year, ..]| *year <= 9999)?;
    let [hour, minute, second] = numbers(seconds, ':')?;
    if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = format!("{part:0<6}");
    let calendar = Calendar {
        year,
        month,
        day,
        hour,
        minute,
        second,
        micros: micros.get(..6)?.parse().ok()?,
    };
    let unix = calendar.unix()?;
    if zone.eq_ignore_ascii_case("z") {
        return Some(unix);
    }
    let [hours, minutes, _] = numbers(&format!("{}:0", zone.get(1..)?), ':')?;
    let offset = u64::try_from(hours * 3600 + minutes * 60).ok()?;
    let offset = Duration::from_secs(offset).min(Duration::from_hours(24));
    if zone.starts_with('+') {
        unix.checked_sub(offset)
    } else {
        unix.checked_add(offset)
    }
}

/// Year, month and day to days since 1970-01-01; the inverse of [`civil`].
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let in_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + in_era - 719_468
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
            assert_eq!(moment.utc().unix(), Some(moment.unix));
        }
    }

    #[test]
    fn what_is_no_day_is_no_time() {
        let leap = Calendar {
            year: 2028,
            month: 2,
            day: 29,
            hour: 23,
            minute: 59,
            second: 59,
            micros: 999_999,
        };
        assert!(leap.unix().is_some());
        for wrong in [
            Calendar { year: 2027, ..leap },
            Calendar { year: 1968, ..leap },
            Calendar { month: 0, ..leap },
            Calendar { month: 13, ..leap },
            Calendar { day: 0, ..leap },
            Calendar { hour: 24, ..leap },
            Calendar { minute: 60, ..leap },
        ] {
            assert_eq!(wrong.unix(), None, "{wrong:?}");
        }
    }

    #[test]
    fn times_are_read_and_written_as_rfc_3339_has_them() {
        let at = Duration::new(1_795_930_971, 4_005_000);
        assert_eq!(rfc3339(at), "2026-11-29T05:42:51.004005Z");
        for (text, want) in [
            ("2026-11-29T05:42:51.004005Z", Some(at)),
            ("2026-11-29t05:42:51.0040059z", Some(at)),
            ("2026-11-29T11:12:51.004005+05:30", Some(at)),
            ("2026-11-28T22:42:51.004005-07:00", Some(at)),
            (
                "2026-11-29T05:42:51Z",
                Some(Duration::from_secs(1_795_930_971)),
            ),
            ("2026-11-29T05:42:51", None),
            ("2026-11-29", None),
            ("2026-11-29T05:42Z", None),
            ("2026-02-30T05:42:51Z", None),
            ("2026-11-29T05:42:51.Z", None),
            ("2026-11-29T+5:42:51Z", None),
            ("99999999999999999999-11-29T05:42:51Z", None),
            ("1970-01-01T00:00:00+01:00", None),
        ] {
            assert_eq!(from_rfc3339(text), want, "{text}");
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
