//! HLS (RFC 8216): a list of parts of files that are there, for players that seek through a day.

use std::time::Duration;

use super::clip::Source;
use super::contents::mp4::Run;
use super::moment::rfc3339;

/// A part is as long as this, or up to the next key frame after it.
const PART: Duration = Duration::from_secs(4);

/// A fragment of a file.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// Where it begins.
    pub at: u64,
    /// Where it ends.
    pub end: u64,
    /// Its frames.
    pub runs: Vec<Run>,
}

/// A file with its parts.
#[derive(Debug, Clone)]
pub struct File {
    /// Where players find it, from the list on.
    pub address: String,
    /// Where its header ends.
    pub header_end: u64,
    /// What it says of itself; its `runs` are in the fragments.
    pub source: Source,
    /// In its order.
    pub fragments: Vec<Fragment>,
}

struct Part {
    at: u64,
    bytes: u64,
    lasts: Duration,
}

/// Writes the list of all parts of these files; none if there is no part.
pub fn playlist(files: &[File]) -> Option<String> {
    let parts: Vec<_> = files.iter().map(|file| (file, parts(file))).collect();
    let lasts = parts.iter().flat_map(|(_, parts)| parts);
    let longest = lasts.map(|part| part.lasts).max()?;
    let target = longest.as_secs() + u64::from(longest.subsec_nanos() > 0);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n"
    );
    let mut first = true;
    for (file, parts) in parts.iter().filter(|(_, parts)| !parts.is_empty()) {
        // Each file counts its time from zero.
        if !std::mem::replace(&mut first, false) {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let address = &file.address;
        text.push_str(&format!(
            "#EXT-X-MAP:URI=\"{address}\",BYTERANGE=\"{}@0\"\n#EXT-X-PROGRAM-DATE-TIME:{}\n",
            file.header_end,
            rfc3339(file.source.start),
        ));
        for part in parts {
            text.push_str(&format!(
                "#EXTINF:{:.6},\n#EXT-X-BYTERANGE:{}@{}\n{address}\n",
                part.lasts.as_secs_f64(),
                part.bytes,
                part.at,
            ));
        }
    }
    text.push_str("#EXT-X-ENDLIST\n");
    Some(text)
}

/// Puts fragments together that begin with a key frame.
fn parts(file: &File) -> Vec<Part> {
    let silent = file
        .source
        .header
        .tracks
        .iter()
        .any(|track| track.is_video());
    let leads = |run: &&Run| {
        let track = file.source.header.tracks.get(run.track);
        track.is_some_and(|track| track.is_video() == silent)
    };
    let time = |run: &Run, units: u64| {
        let track = file.source.header.tracks.get(run.track);
        track.map(|track| track.time(units)).unwrap_or_default()
    };
    let mut parts: Vec<Part> = Vec::new();
    let mut begun = Duration::ZERO;
    let mut until = Duration::ZERO;
    for fragment in &file.fragments {
        let leader = fragment.runs.iter().find(leads);
        let key = leader.is_some_and(|run| run.samples.first().is_some_and(|one| one.is_key()));
        let begins = leader.map(|run| time(run, run.begin));
        if let (true, Some(begins)) = (key, begins)
            && (parts.is_empty() || begins.saturating_sub(begun) >= PART)
        {
            if let Some(last) = parts.last_mut() {
                last.lasts = begins.saturating_sub(begun);
            }
            begun = begins;
            parts.push(Part {
                at: fragment.at,
                bytes: 0,
                lasts: Duration::ZERO,
            });
        }
        until = until.max(leader.map_or(until, |run| time(run, run.end())));
        if let Some(part) = parts.last_mut() {
            part.bytes = fragment.end.saturating_sub(part.at);
        }
    }
    if let Some(last) = parts.last_mut() {
        last.lasts = until.saturating_sub(begun);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::contents::mp4::{Header, Sample, Track};
    use crate::track::Codec;

    /// A file with a fragment of a second each, of which every other begins with a key frame.
    fn file(address: &str, start: u64, seconds: u64) -> File {
        let fragment = |second: u64| Fragment {
            at: 100 + second * 1000,
            end: 1100 + second * 1000,
            runs: vec![Run {
                track: 0,
                begin: second * 1000,
                at: 0,
                samples: vec![
                    Sample {
                        duration: 500,
                        size: 1,
                        flags: if second.is_multiple_of(2) {
                            0
                        } else {
                            0x0001_0000
                        },
                        later: 0,
                    };
                    2
                ],
            }],
        };
        let track = Track {
            timescale: 1000,
            codec: Some(Codec::H264),
            ..Track::default()
        };
        File {
            address: address.to_owned(),
            header_end: 100,
            source: Source {
                start: Duration::from_secs(start),
                header: Header {
                    tracks: vec![track],
                    fragmented: true,
                    duration: Duration::ZERO,
                },
                runs: vec![],
            },
            fragments: (0..seconds).map(fragment).collect(),
        }
    }

    #[test]
    fn parts_begin_with_key_frames_and_files_with_their_header() {
        let list = playlist(&[
            file("files/1.mp4", 1_795_930_971, 7),
            file("files/none.mp4", 1_795_930_980, 0),
            file("files/2.mp4", 1_795_931_000, 2),
        ]);
        assert_eq!(
            list.unwrap(),
            "#EXTM3U\n\
             #EXT-X-VERSION:7\n\
             #EXT-X-TARGETDURATION:4\n\
             #EXT-X-PLAYLIST-TYPE:VOD\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MAP:URI=\"files/1.mp4\",BYTERANGE=\"100@0\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-29T05:42:51.000000Z\n\
             #EXTINF:4.000000,\n\
             #EXT-X-BYTERANGE:4000@100\n\
             files/1.mp4\n\
             #EXTINF:3.000000,\n\
             #EXT-X-BYTERANGE:3000@4100\n\
             files/1.mp4\n\
             #EXT-X-DISCONTINUITY\n\
             #EXT-X-MAP:URI=\"files/2.mp4\",BYTERANGE=\"100@0\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-29T05:43:20.000000Z\n\
             #EXTINF:2.000000,\n\
             #EXT-X-BYTERANGE:2000@100\n\
             files/2.mp4\n\
             #EXT-X-ENDLIST\n"
        );
        assert_eq!(playlist(&[]), None);
    }
}
