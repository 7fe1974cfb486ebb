//! A session in which the gateway offers: what it offers, and whether the answer takes it.

mod reply;
#[cfg(test)]
mod tests;

pub use reply::Reply;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::sdp::lines::attribute;
use crate::sdp::offer::for_webrtcbin;
use crate::track::{Codec, Kind, Track};

/// One section of our offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The track's place among those of the path.
    pub track: usize,
    /// How it is coded, and stays.
    pub codec: Codec,
    /// The payload type that it is offered as.
    pub pt: u8,
    /// The format's parameters, empty if none.
    pub fmtp: String,
}

impl Part {
    /// Makes the offer of a track; `None` if WebRTC cannot carry its codec.
    pub fn of(index: usize, track: &Track) -> Option<Self> {
        let profile = track
            .video_format()
            .and_then(|format| format.profile.as_deref());
        let (pt, fmtp) = match track.codec {
            // Whatever the stream's own profile: browsers offer no High, and decode it under this name.
            Codec::H264 => (
                96,
                "packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1".to_owned(),
            ),
            Codec::Vp8 => (96, String::new()),
            Codec::Vp9 => (96, format!("profile-id={}", profile.unwrap_or("0"))),
            Codec::Av1 => (96, String::new()),
            Codec::Opus => (111, "minptime=10;useinbandfec=1".to_owned()),
            Codec::Pcmu => (0, String::new()),
            Codec::Pcma => (8, String::new()),
            Codec::G722
            | Codec::H265
            | Codec::Mjpeg
            | Codec::Mpeg2
            | Codec::Mpeg4
            | Codec::Aac
            | Codec::Mp2
            | Codec::Mp3
            | Codec::L16 => return None,
        };
        Some(Self {
            track: index,
            codec: track.codec,
            pt,
            fmtp,
        })
    }

    /// Gives what the section carries.
    pub const fn kind(&self) -> Kind {
        self.codec.kind()
    }

    /// Gives the number of channels where a map must name it (RFC 7587, 7).
    pub const fn channels(&self) -> Option<&'static str> {
        if matches!(self.codec, Codec::Opus) {
            Some("2")
        } else {
            None
        }
    }
}

/// Ways to ask for a key frame. webrtcbin 1.22 offers none for a pad whose kind it learns late, and a GStreamer at
/// the other end then never asks.
const KEY_FRAME_REQUESTS: &[&str] = &["nack pli", "ccm fir"];

/// Writes the parameters of our formats and how to ask for key frames into webrtcbin's offer, which does not know
/// them, and opens its bundle-only sections: what webrtcbin 1.22 offers so itself it takes for a refusal when it is to answer.
pub fn completed(offer: &str, parts: &[Part]) -> String {
    let offer = for_webrtcbin(offer);
    let feedback = |line: &&str| line.starts_with("a=rtcp-fb:");
    let there: BTreeSet<_> = offer.lines().filter(feedback).collect();
    let mut out = String::with_capacity(offer.len() + 128);
    for line in offer.lines() {
        if !is_of(line, "fmtp", parts) {
            out.push_str(line);
            out.push_str("\r\n");
        }
        if !is_of(line, "rtpmap", parts) {
            continue;
        }
        let part = parts
            .iter()
            .find(|part| begins_with(line, "rtpmap", part.pt));
        let Some(part) = part else { continue };
        // Writing to a String cannot fail.
        if !part.fmtp.is_empty() {
            write!(out, "a=fmtp:{} {}\r\n", part.pt, part.fmtp).unwrap_or_default();
        }
        for request in KEY_FRAME_REQUESTS {
            let line = format!("a=rtcp-fb:{} {request}", part.pt);
            if part.kind() == Kind::Video && !there.contains(&*line) {
                write!(out, "{line}\r\n").unwrap_or_default();
            }
        }
    }
    out
}

fn is_of(line: &str, name: &str, parts: &[Part]) -> bool {
    parts.iter().any(|part| begins_with(line, name, part.pt))
}

fn begins_with(line: &str, name: &str, pt: u8) -> bool {
    let value = attribute(line, name).and_then(|value| value.split(' ').next());
    value.and_then(|number| number.parse::<u8>().ok()) == Some(pt)
}
