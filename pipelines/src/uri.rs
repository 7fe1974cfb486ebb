//! The one place where a source's secrets are put back into its URI, for the element that dials it.

use std::fmt::Write as _;

use sluice_core::source::SourceUri;

/// Gives the URI as `sluicesrc` takes it. Never log it.
pub(crate) fn with_secrets(source: &SourceUri) -> String {
    let location = source.location();
    if let Some((user, password)) = source.credentials()
        && let Some((scheme, rest)) = location.split_once("://")
    {
        return format!("{scheme}://{}:{}@{rest}", encoded(user), encoded(password));
    }
    match source
        .srt()
        .and_then(|options| options.passphrase.as_deref())
    {
        Some(passphrase) => {
            let joint = if location.contains('?') { '&' } else { '?' };
            format!("{location}{joint}passphrase={}", encoded(passphrase))
        }
        None => location,
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() {
                out.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                write!(out, "%{byte:02X}").unwrap_or_default();
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_reads_back_the_same_with_its_secrets() {
        for text in [
            "rtsp://bob:p%40ss%2F%20w@h:554/a?b=c",
            "rtsp://h/a",
            "srt://h:9000?mode=caller&passphrase=0123%204567%2689&pbkeylen=32&streamid=a%20b&latency=80",
            "srt://:9000?mode=listener",
            "udp://@239.1.1.1:5000",
            "udp://:5000",
            "file:///tmp/a%20b.mp4",
            "https://u:p@h/a.m3u8",
            "test:",
            "v4l2:///dev/video0",
        ] {
            let source = SourceUri::parse(text).unwrap();
            let again = SourceUri::parse(&with_secrets(&source)).unwrap();
            // `udp://:5000` reads back with its address written out, which means the same.
            assert_eq!(source.location(), again.location());
            assert_eq!(source.credentials(), again.credentials());
            assert_eq!(source.srt(), again.srt());
        }
    }
}
