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

/// Masks what stands between `://` and `@`.
fn mask_user_info(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let uri = after.split(ends_uri).next().unwrap_or(after);
        rest = match user_info(uri) {
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

/// Finds the user and password at the start of what follows `://`.
fn user_info(uri: &str) -> Option<&str> {
    // A list of URIs with commas between them: each has its own.
    let uri = match uri.find("://") {
        Some(at) => uri
            .get(..at)
            .and_then(|head| head.rsplit_once([',', ';']))
            .map_or(uri, |(head, _)| head),
        None => uri,
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
    uri.rsplit_once('@')
        .map(|(secret, _)| secret)
        .filter(|secret| !secret.is_empty())
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

/// Masks the word that follows `Bearer` or `Basic`.
fn mask_bearer(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = ["Bearer ", "bearer ", "Basic ", "basic "]
        .iter()
        .filter_map(|word| rest.find(word).map(|at| at + word.len()))
        .min()
    {
        let (before, after) = rest.split_at(at);
        let word = after
            .split(|c: char| ends_uri(c) || c == ',')
            .next()
            .unwrap_or(after);
        out.push_str(before);
        // Prose such as "basic authentication" is no secret; credentials are long or have digits in them.
        let secret = word.len() >= 24
            || word
                .chars()
                .any(|c| c.is_ascii_digit() || matches!(c, '=' | '.'));
        out.push_str(if secret { MASK } else { word });
        rest = after.strip_prefix(word).unwrap_or_default();
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
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
