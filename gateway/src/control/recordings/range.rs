//! `Range` (RFC 9110, 14).

use std::ops::Range;

/// What a client wants of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// What is not there: 416.
    Nothing,
}

/// Reads the header of a request for a file of `length` bytes. What is not understood, and several ranges at once, ask for the
/// whole file, as the RFC allows.
pub(super) fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(range) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.split_once('-') else {
        return Wanted::Whole;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let range = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(count) => length.saturating_sub(count)..length,
            None => return Wanted::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => first..length,
            None => return Wanted::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
            _ => return Wanted::Whole,
        },
    };
    if range.is_empty() {
        Wanted::Nothing
    } else {
        Wanted::Part(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_bytes_of_the_file_or_the_whole_of_it() {
        for (header, want) in [
            (None, Wanted::Whole),
            (Some("bytes=0-"), Wanted::Part(0..100)),
            (Some("bytes=0-0"), Wanted::Part(0..1)),
            (Some("bytes=10-19"), Wanted::Part(10..20)),
            (Some("bytes=90-1000"), Wanted::Part(90..100)),
            (Some("bytes=-10"), Wanted::Part(90..100)),
            (Some("bytes=-1000"), Wanted::Part(0..100)),
            (Some("bytes=-0"), Wanted::Nothing),
            (Some("bytes=100-"), Wanted::Nothing),
            (Some("bytes=99999999999999999999-"), Wanted::Nothing),
            (Some("bytes=0-1,5-6"), Wanted::Whole),
            (Some("bytes=5-1"), Wanted::Whole),
            (Some("bytes=a-b"), Wanted::Whole),
            (Some("bytes=+1-2"), Wanted::Whole),
            (Some("lines=0-1"), Wanted::Whole),
            (Some("bytes="), Wanted::Whole),
        ] {
            assert_eq!(wanted(header, 100), want, "{header:?}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nothing);
    }
}
