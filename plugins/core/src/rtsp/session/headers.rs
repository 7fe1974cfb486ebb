//! What servers write into the headers of their answers, as they write it.

use std::time::Duration;

/// How long a session lives without a word from us, if the server does not say (RFC 2326, 12.37).
const LIFE: Duration = Duration::from_secs(60);
/// A shorter life is one that was written in another unit.
const SHORTEST: Duration = Duration::from_secs(4);

/// Splits a Session header into the session's name and how long it lives without a word from us.
pub(super) fn session(value: &str) -> (String, Duration) {
    let mut parts = value.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_owned();
    let life = parts
        .filter_map(|part| part.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case("timeout"))
        .and_then(|(_, seconds)| seconds.trim().parse().ok());
    let life = life.map_or(LIFE, Duration::from_secs).max(SHORTEST);
    (name, life)
}

/// What a server answers about the way that media go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Inside the connection, as was asked.
    AsAsked,
    /// Inside the connection, on these channels: RTP and RTCP.
    On(u8, u8),
    /// By UDP, which was not asked for.
    Outside,
}

/// Reads a Transport header.
pub(super) fn transport(value: &str) -> Way {
    let mut parts = value.split([';', ',']).map(str::trim);
    let protocol = parts.next().unwrap_or_default().to_ascii_uppercase();
    let channels = parts
        .filter_map(|part| part.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case("interleaved"))
        .and_then(|(_, range)| channels(range));
    match channels {
        Some((rtp, rtcp)) => Way::On(rtp, rtcp),
        None if protocol.is_empty() || protocol.ends_with("/TCP") => Way::AsAsked,
        None => Way::Outside,
    }
}

fn channels(range: &str) -> Option<(u8, u8)> {
    let (rtp, rtcp) = range.split_once('-').unwrap_or((range, ""));
    let rtp: u8 = rtp.trim().parse().ok()?;
    let rtcp = rtcp.trim().parse().unwrap_or(rtp.wrapping_add(1));
    Some((rtp, rtcp))
}

/// Gives the RTP time at which each of these tracks begins, from an `RTP-Info` header; `None` where nothing is said.
pub(super) fn rtp_times(value: &str, tracks: &[String]) -> Vec<Option<u32>> {
    let entries: Vec<_> = value.split(',').map(entry).collect();
    let in_order = entries.len() == tracks.len();
    let of_track = |(number, track): (usize, &String)| {
        let named = entries.iter().find(|(url, _)| is_same(url, track));
        let nameless = in_order && entries.iter().all(|(url, _)| url.is_empty());
        named
            .or_else(|| nameless.then(|| entries.get(number)).flatten())
            .and_then(|(_, time)| *time)
    };
    tracks.iter().enumerate().map(of_track).collect()
}

fn entry(text: &str) -> (&str, Option<u32>) {
    let value = |key: &str| {
        text.split(';')
            .filter_map(|part| part.trim().split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value.trim_matches('"'))
    };
    let time = value("rtptime").and_then(|time| time.parse().ok());
    (value("url").unwrap_or_default(), time)
}

/// Cameras write the whole URL, its last part, or one with another host.
fn is_same(url: &str, track: &str) -> bool {
    let last = |text: &str| {
        text.trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    !url.is_empty() && (url == track || last(url) == last(track))
}
