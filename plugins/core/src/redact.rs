//! Hides secrets in any text before it reaches a log, an error or an answer.

use std::borrow::Cow;

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// Names of `name=value` pairs whose value is a secret.
const SECRET_NAMES: &[&str] = &[
    "passphrase",
    "password",
    "passwd",
    "pass",
    "pwd",
    "token",
    "access_token",
    "jwt",
    "secret",
    "credential",
    "credentials",
    "api_key",
    "apikey",
    "key",
    "user-pw",
    "signature",
    "sig",
];

/// Masks `user:pass@` of every URI, the values of `passphrase=`, `token=` and their like, and bearer
/// tokens, in any text.
///
/// It prefers hiding too much to showing a secret.
pub fn redact(text: &str) -> Cow<'_, str> {
    let without_users = mask_user_info(text);
    let without_pairs = apply(without_users, mask_pairs);
    apply(without_pairs, mask_bearer)
}

fn apply<'a>(text: Cow<'a, str>, mask: fn(&str) -> Cow<'_, str>) -> Cow<'a, str> {
    match mask(&text) {
        Cow::Owned(masked) => Cow::Owned(masked),
        Cow::Borrowed(_) => text,
    }
}

fn ends_uri(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '|' | '\\')
}

/// A text without what ends a URI in it, by what is left behind two of its places: a list of URIs, each of which
/// is looked at, is so looked through once.
struct Word {
    end: usize,
    last_at: Option<usize>,
}

impl Word {
    fn at_start_of(text: &str) -> Self {
        let word = text.split(ends_uri).next().unwrap_or(text);
        Self {
            end: text.len() - word.len(),
            last_at: word.rfind('@').map(|at| text.len() - at),
        }
    }
}

/// Masks what stands between `://` and `@`.
fn mask_user_info(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut word = Word::at_start_of(text);
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        if after.len() < word.end {
            word = Word::at_start_of(after);
        }
        let uri = after.get(..after.len() - word.end).unwrap_or(after);
        let last_at = word.last_at.and_then(|left| after.len().checked_sub(left));
        rest = match user_info(uri, last_at) {
            Some(secret) => {
                out.push_str(MASK);
                after.strip_prefix(secret).unwrap_or(after)
            }
            None => after,
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Finds the user and password at the start of what follows `://`; `last_at` is where its last `@` is.
fn user_info(uri: &str, last_at: Option<usize>) -> Option<&str> {
    // A list of URIs with commas between them: each has its own.
    let first = uri
        .find("://")
        .and_then(|at| uri.get(..at)?.rsplit_once([',', ';']))
        .map(|(first, _)| first);
    let (uri, last_at) = match first {
        Some(first) => (first, first.rfind('@')),
        None => (uri, last_at),
    };
    let authority = uri.split(['/', '?', '#']).next().unwrap_or(uri);
    let has_user = authority.contains('@');
    // A password with an unescaped `/`, `?` or `#` reaches beyond the authority: `rtsp://user:a/b@host`.
    let cut_password = !authority.starts_with('[')
        && authority
            .split_once(':')
            .is_some_and(|(_, port)| !port.bytes().all(|b| b.is_ascii_digit()));
    if !has_user && !cut_password {
        return None;
    }
    uri.get(..last_at?).filter(|secret| !secret.is_empty())
}

/// Masks the value of `name=value` for every secret name.
fn mask_pairs(text: &str) -> Cow<'_, str> {
    if !text.contains('=') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        out.push_str(before);
        out.push('=');
        let name = before
            .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .next()
            .unwrap_or_default();
        rest = if SECRET_NAMES
            .iter()
            .any(|secret| secret.eq_ignore_ascii_case(name))
        {
            let (open, value_end) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    out.push(quote);
                    (after.strip_prefix(quote).unwrap_or(after), Some(quote))
                }
                Some(_) | None => (after, None),
            };
            let value = match value_end {
                Some(quote) => open.split(quote).next(),
                None => open
                    .split(|c: char| ends_uri(c) || matches!(c, '&' | ';' | ',' | ')' | '#'))
                    .next(),
            };
            out.push_str(MASK);
            open.strip_prefix(value.unwrap_or(open)).unwrap_or_default()
        } else {
            after
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Schemes of `Authorization` that carry a secret, as they are usually written.
const SCHEMES: [&str; 4] = ["Bearer", "bearer", "Basic", "basic"];

/// Masks the word that follows `Bearer` or `Basic`.
fn mask_bearer(text: &str) -> Cow<'_, str> {
    if !SCHEMES.iter().any(|scheme| text.contains(scheme)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(' ') {
        out.push_str(before);
        out.push(' ');
        rest = after;
        if !SCHEMES.iter().any(|scheme| before.ends_with(scheme)) {
            continue;
        }
        let word = after
            .split(|c: char| ends_uri(c) || c == ',')
            .next()
            .unwrap_or(after);
        // Prose such as "basic authentication" is no secret; credentials are long or have digits in them.
        let secret = word.len() >= 24
            || word
                .chars()
                .any(|c| c.is_ascii_digit() || matches!(c, '=' | '.'));
        if secret {
            out.push_str(MASK);
            rest = after.strip_prefix(word).unwrap_or_default();
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_in_any_text() {
        for (text, masked) in [
            ("rtsp://user:pass@cam/1", "rtsp://***@cam/1"),
            ("rtsp://user@cam/1", "rtsp://***@cam/1"),
            (
                "could not open rtsp://u:p%40ss@192.0.2.5:554/s: refused",
                "could not open rtsp://***@192.0.2.5:554/s: refused",
            ),
            (
                "two: rtsp://a:b@c/1 and http://d:e@f/2",
                "two: rtsp://***@c/1 and http://***@f/2",
            ),
            ("\"rtsp://a:b@c\"", "\"rtsp://***@c\""),
            ("rtsp://a:p/q#r@c/1", "rtsp://***@c/1"),
            ("rtsp://a:p@q@c/1", "rtsp://***@c/1"),
            (
                "srt://h:9000?mode=caller&passphrase=verysecret1&latency=80",
                "srt://h:9000?mode=caller&passphrase=***&latency=80",
            ),
            (
                "passphrase=\"a b c\" latency=80",
                "passphrase=\"***\" latency=80",
            ),
            ("GET /cam/whep?token=eyJhbGciOi", "GET /cam/whep?token=***"),
            ("?TOKEN=abc", "?TOKEN=***"),
            (
                "Authorization: Bearer eyJhbGciOi.J9",
                "Authorization: Bearer ***",
            ),
        ] {
            assert_eq!(redact(text), masked);
        }
    }

    /// The square of these lengths takes longer than a test may.
    #[test]
    fn a_long_text_takes_no_longer_than_its_length() {
        for (piece, masked) in [
            ("://", "://"),
            ("rtsp://a:b,", "rtsp://a:b,"),
            ("x://a:b", "x://a:b"),
            ("Bearer ", "Bearer "),
            ("Bearer a1 ", "Bearer *** "),
            ("http://a:b@c ", "http://***@c "),
        ] {
            let text = piece.repeat((2 << 20) / piece.len());
            let expected = masked.repeat((2 << 20) / piece.len());
            assert!(redact(&text) == expected, "{piece}");
        }
    }

    #[test]
    fn harmless_text_is_left_alone() {
        for text in [
            "",
            "connection lost",
            "rtsp://192.0.2.5:554/stream1?channel=1",
            "rtsp://[2001:db8::1]:554/a@b",
            "http://host/path@1.2.3/index.m3u8",
            "mode=caller&latency=80",
            "udp://@239.1.1.1:5000",
            "the camera wants basic or digest authentication",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
