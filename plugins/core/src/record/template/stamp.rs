//! The time in a file's name, read back.

use std::time::Duration;

use super::{Field, digits};
use crate::record::moment::Calendar;

/// The parts of a time that a name has.
#[derive(Debug, Clone, Default)]
pub(super) struct Stamp {
    utc: Parts,
    local: Parts,
    micros: u32,
    /// Local time minus UTC, in seconds, where the name says it.
    offset: Option<i64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
}

impl Stamp {
    /// Takes a field from the front of a text; gives what is behind it, or none if it does not stand there.
    pub(super) fn take<'a>(
        &mut self,
        field: Field,
        is_local: bool,
        text: &'a str,
    ) -> Option<&'a str> {
        let signed = field == Field::Offset;
        let (sign, text) = match text.as_bytes().first() {
            Some(b'+') if signed => (1, text.get(1..)?),
            Some(b'-') if signed => (-1, text.get(1..)?),
            _ if signed => return None,
            _ => (1, text),
        };
        let (number, rest) = text.split_at_checked(digits(field))?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: i64 = number.parse().ok()?;
        let parts = if is_local {
            &mut self.local
        } else {
            &mut self.utc
        };
        let slot = match field {
            Field::Year => &mut parts.year,
            Field::Month => &mut parts.month,
            Field::Day => &mut parts.day,
            Field::Hour => &mut parts.hour,
            Field::Minute => &mut parts.minute,
            Field::Second => &mut parts.second,
            Field::Micros => {
                self.micros = u32::try_from(number).ok()?;
                return Some(rest);
            }
            // That of UTC says nothing of local time.
            Field::Offset if !is_local => return Some(rest),
            Field::Offset => {
                self.offset = Some(sign * (number / 100 * 3600 + number % 100 * 60));
                return Some(rest);
            }
        };
        *slot = Some(number);
        Some(rest)
    }

    /// Gives the time since 1970. Local time that the clocks had twice is taken as one of the two.
    pub(super) fn start(&self, offset_at: impl Fn(Duration) -> i32) -> Option<Duration> {
        if let Some(utc) = self.calendar(self.utc) {
            return utc.unix();
        }
        let local = self.calendar(self.local)?.unix()?;
        if let Some(offset) = self.offset {
            return earlier(local, offset);
        }
        // The offset is that of the moment, which is not known yet: the second guess is right but within an hour of
        // a change.
        let guess = earlier(local, offset_at(local).into())?;
        earlier(local, offset_at(guess).into())
    }

    fn calendar(&self, parts: Parts) -> Option<Calendar> {
        Some(Calendar {
            year: parts.year?,
            month: parts.month?,
            day: parts.day?,
            hour: parts.hour?,
            minute: parts.minute?,
            second: parts.second?,
            micros: self.micros,
        })
    }
}

fn earlier(time: Duration, seconds: i64) -> Option<Duration> {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        time.checked_add(by)
    } else {
        time.checked_sub(by)
    }
}
