//! What a client is told when a request is refused (RFC 9457).

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

/// A refusal: an HTTP status and one sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A few words that are the same for every problem of this kind.
    pub title: String,
    /// One sentence about this case, with what to do.
    pub detail: String,
    /// When a new try makes sense.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// Makes a problem; its title is the status in words.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            title: reason(status).to_owned(),
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// Adds when a new try makes sense.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Gives the value of `Retry-After` in whole seconds, at least 1.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after
            .map(|wait| wait.as_millis().div_ceil(1000).max(1))
            .and_then(|seconds| u64::try_from(seconds).ok())
    }

    /// Gives the body of an `application/problem+json` answer.
    pub fn to_json(&self) -> String {
        format!(
            r#"{{"type":"about:blank","title":{},"status":{},"detail":{}}}"#,
            quoted(&self.title),
            self.status,
            quoted(&self.detail)
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.detail, self.status, self.title)
    }
}

impl std::error::Error for Problem {}

const REASONS: &[(u16, &str)] = &[
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (409, "Conflict"),
    (410, "Gone"),
    (412, "Precondition Failed"),
    (413, "Content Too Large"),
    (415, "Unsupported Media Type"),
    (422, "Unprocessable Content"),
    (428, "Precondition Required"),
    (429, "Too Many Requests"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
];

fn reason(status: u16) -> &'static str {
    REASONS
        .iter()
        .find(|(known, _)| *known == status)
        .map_or("Error", |(_, words)| words)
}

/// Writes a JSON string (RFC 8259, section 7).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // `<` too: the sentence may end up inside a page's script.
            c if c.is_control() || c == '<' || c == '\u{2028}' || c == '\u{2029}' => {
                // Writing to a String cannot fail.
                write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default();
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ms;

    #[test]
    fn the_body_is_problem_json() {
        let problem = Problem::new(422, "the camera sends H.265, which needs transcoding");
        assert_eq!(
            problem.to_json(),
            r#"{"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"the camera sends H.265, which needs transcoding"}"#
        );
    }

    #[test]
    fn text_from_outside_cannot_break_out_of_the_json() {
        for (detail, json) in [
            ("a\"b", r#""a\"b""#),
            ("a\\b", r#""a\\b""#),
            ("a\nb\r\t\0", "\"a\\nb\\u000d\\u0009\\u0000\""),
            ("</script>", "\"\\u003c/script>\""),
            ("ü", "\"ü\""),
        ] {
            assert_eq!(quoted(detail), json);
        }
    }

    #[test]
    fn retry_after_is_whole_seconds_and_never_zero() {
        for (wait, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (30_000, 30)] {
            let problem = Problem::new(503, "busy").retry_after(ms(wait));
            assert_eq!(problem.retry_after_seconds(), Some(seconds));
        }
        assert_eq!(Problem::new(503, "busy").retry_after_seconds(), None);
    }
}
