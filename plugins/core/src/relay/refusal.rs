//! What a server's refusal means: a sentence for a person, and when to come again.

use std::time::Duration;

use super::Direction;
use crate::redial::Failure;

/// Longer than this no server is waited for, whatever it asks.
const LONGEST: Duration = Duration::from_secs(3600);

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of failure it is, which says whether and how soon to try again.
    pub failure: Failure,
    /// One sentence, without secrets and addresses.
    pub reason: String,
    /// The server wants to be left alone for this long.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Makes one that the server did not limit in time.
    pub fn new(failure: Failure, reason: impl Into<String>) -> Self {
        Self {
            failure,
            reason: reason.into(),
            retry_after: None,
        }
    }
}

/// What single status codes mean that differ by direction or need advice. All others go by their class.
const MEANINGS: &[(u16, Direction, Failure, &str)] = &[
    (
        409,
        Direction::Push,
        Failure::Unreachable,
        "has a publisher already, and takes no second one",
    ),
    (
        409,
        Direction::Pull,
        Failure::Unreachable,
        "has nobody who publishes to it",
    ),
    (
        406,
        Direction::Push,
        Failure::NotFound,
        "takes none of our codecs",
    ),
    (
        406,
        Direction::Pull,
        Failure::NotFound,
        "makes an offer of its own, which Sluice does not answer",
    ),
    (
        422,
        Direction::Push,
        Failure::NotFound,
        "does not take what we send",
    ),
    (
        422,
        Direction::Pull,
        Failure::NotFound,
        "has no codec that Sluice can take",
    ),
];

/// Explains an answer that makes no session. `retry_after` is the header's value; `detail` is what the
/// server says of itself (`detail` of a problem document).
pub fn refused(
    direction: Direction,
    status: u16,
    retry_after: Option<&str>,
    detail: Option<&str>,
) -> Refusal {
    let subject = direction.subject();
    let known = MEANINGS
        .iter()
        .find(|(code, way, ..)| *code == status && *way == direction);
    let (failure, words) = match (known, status) {
        (Some((_, _, failure, words)), _) => (*failure, *words),
        (None, 401) => (
            Failure::Unauthorized,
            "refused the credentials; set the right token",
        ),
        (None, 403) => (
            Failure::Unauthorized,
            match direction {
                Direction::Push => "does not let these credentials publish there",
                Direction::Pull => "does not let these credentials watch there",
            },
        ),
        (None, 404 | 410) => (
            Failure::NotFound,
            "has no such path; look at the address's end",
        ),
        (None, 405) => (
            Failure::NotFound,
            "does not speak this protocol at this address",
        ),
        (None, 429) => (Failure::Unreachable, "was asked too often"),
        (None, 503) => (Failure::Unreachable, "takes no more sessions now"),
        (None, 300..=399) => (Failure::NotFound, "leads elsewhere again and again"),
        (None, 400..=499) => (Failure::NotFound, "refused the request"),
        (None, 500..=599) => (Failure::Unreachable, "has a fault of its own"),
        (None, _) => (
            Failure::NotFound,
            "answered with what is no session; it may be no WHIP or WHEP server",
        ),
    };
    // What the server says helps only where the status alone does not tell.
    let detail = detail
        .map(plain)
        .filter(|detail| !detail.is_empty() && matches!(status, 400 | 406 | 415 | 422 | 500..=599))
        .map(|detail| format!("; it says: {detail}"))
        .unwrap_or_default();
    Refusal {
        failure,
        reason: format!("{subject} {words} ({status}){detail}."),
        retry_after: retry_after.and_then(seconds),
    }
}

/// A foreign sentence, made harmless: one line, without control characters, not long, without its full stop.
fn plain(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = clean.take(200).collect();
    let line = short.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches('.').to_owned()
}

/// Reads `Retry-After` in seconds. The form with a date would need a clock that agrees with the server's.
fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}
