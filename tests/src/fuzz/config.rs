//! Texts of a config that core reads: sources, names, patterns, networks and origins.

use sluice_core::access::{Network, Origins, Pattern};
use sluice_core::{RouteId, SessionId, SourceUri};

use super::check_sentence;

/// The input is one text, which each reader is given.
pub(super) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    source(text);
    secrets(text);
    pattern(text);
    network(text);
    match text.parse::<RouteId>() {
        Ok(id) => assert_eq!(id.as_str(), text),
        Err(error) => check_sentence(&error.to_string()),
    }
    if let Ok(id) = text.parse::<SessionId>() {
        assert_eq!((id.as_str(), text.len()), (text, 22));
    }
    let mut origins = Origins::default();
    if let Err(error) = origins.add(text) {
        check_sentence(&error.to_string());
    }
}

/// What a source is shown as stands for the same source.
fn source(text: &str) {
    let uri = match SourceUri::parse(text) {
        Ok(uri) => uri,
        Err(error) => return check_sentence(&error.to_string()),
    };
    let location = uri.location();
    let again = match SourceUri::parse(&location) {
        Ok(again) => again,
        Err(error) => panic!("{text:?} became {location:?}: {error}"),
    };
    assert_eq!(again.location(), location, "{text:?}");
    assert_eq!(again.scheme(), uri.scheme());
    // Any address of this machine is written as 0.0.0.0.
    assert_eq!(
        again.host(),
        uri.host()
            .or(again.host().filter(|host| *host == "0.0.0.0"))
    );
    assert_eq!(again.port(), uri.port());
    assert_eq!(again.path(), uri.path());
    assert_eq!(again.credentials(), None);
    assert_eq!(again.test(), uri.test());
    if let (Some(one), Some(other)) = (uri.srt(), again.srt()) {
        assert_eq!(one.mode, other.mode);
        assert_eq!(one.streamid, other.streamid);
        assert_eq!(one.latency, other.latency);
        assert_eq!(other.passphrase, None);
    }
}

/// A password is read as it was meant, and shown nowhere.
fn secrets(text: &str) {
    let password = format!("S3CRET{text}");
    let written: String = password
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let uri = format!("rtsp://user:{written}@cam.example:554/1");
    match SourceUri::parse(&uri) {
        Ok(uri) => {
            assert_eq!(uri.credentials(), Some(("user", password.as_str())));
            for shown in [uri.to_string(), format!("{uri:?}"), uri.location()] {
                assert!(
                    !shown.contains(&written) && !shown.contains("S3CRET"),
                    "{shown}"
                );
            }
        }
        Err(error) => panic!("{uri}: {error}"),
    }
    // Not percent-encoded, as people write it: it may not be readable, but it is not shown either.
    let plain: String = text
        .chars()
        .filter(|c| !(c.is_whitespace() || c.is_control() || "\"'<>`|\\,;".contains(*c)))
        .collect();
    for scheme in ["rtsp", "https", "srt", "udp"] {
        let shown = match SourceUri::parse(&format!("{scheme}://user:S3CRET{plain}@cam:554/1")) {
            Ok(uri) => uri.to_string(),
            Err(error) => error.to_string(),
        };
        // Unless it stands elsewhere, too.
        let known = plain.contains("S3CRET");
        assert!(known || !shown.contains("S3CRET"), "{shown}");
    }
}

fn pattern(text: &str) {
    let Some((pattern, path)) = text.split_once(' ') else {
        return;
    };
    if let Ok(pattern) = pattern.parse::<Pattern>() {
        let fits = fits(pattern.as_str().as_bytes(), path.as_bytes());
        assert_eq!(pattern.matches(path), fits, "{pattern} {path}");
    }
}

/// The same by trying all, in the square of the length.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    // Whether what has been looked at of the pattern fits the first so many bytes of the path.
    let mut row = vec![false; path.len() + 1];
    row[0] = true;
    for token in pattern {
        let mut next = vec![false; path.len() + 1];
        for at in 0..=path.len() {
            next[at] = match token {
                b'*' => row[at] || (at > 0 && next[at - 1]),
                byte => at > 0 && row[at - 1] && path[at - 1] == *byte,
            };
        }
        row = next;
    }
    row[path.len()]
}

fn network(text: &str) {
    let Ok(network) = text.parse::<Network>() else {
        return;
    };
    if let Network::Range { base, .. } = network {
        assert!(network.contains(base));
        assert_eq!(network.to_string().parse(), Ok(network));
    }
}
