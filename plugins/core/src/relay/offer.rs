//! What webrtcbin's offer lacks or has too much of, before another server sees it.

use super::Direction;
use crate::sdp::lines::{Section, attribute, split};
use crate::sdp::{Candidate, Fingerprint};

/// What makes any H.264 welcome: every profile is taken under this one, as browsers do, and fragmented
/// packets must be allowed for pictures larger than a packet.
const H264: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";

/// Corrects an offer, and keeps everything else: our certificate's fingerprint, candidates that the other
/// side can use, and when pulling, H.264 that a server can serve.
///
/// A text that is no SDP is given back as it is.
pub fn finish_offer(offer: &str, direction: Direction, fingerprint: &Fingerprint) -> String {
    let Ok(description) = split(offer) else {
        return offer.to_owned();
    };
    let mut out = String::with_capacity(offer.len() + 512);
    for line in &description.session.lines {
        push(&mut out, &corrected(line, fingerprint));
    }
    for media in &description.media {
        section(&mut out, media, direction, fingerprint);
    }
    out
}

fn section(out: &mut String, media: &Section<'_>, direction: Direction, fingerprint: &Fingerprint) {
    let h264: Vec<&str> = media
        .attributes("rtpmap")
        .filter_map(|value| value.split_once(' '))
        .filter(|(_, name)| name.to_ascii_uppercase().starts_with("H264/"))
        .map(|(payload_type, _)| payload_type)
        .collect();
    for line in &media.lines {
        if let Some(value) = attribute(line, "candidate") {
            // Nobody else knows this machine's mDNS names, and there is no TCP.
            if !Candidate::parse(value).is_some_and(|candidate| candidate.usable()) {
                continue;
            }
        }
        let format = attribute(line, "fmtp").and_then(|value| value.split_once(' '));
        let is_h264 = format.is_some_and(|(payload_type, _)| h264.contains(&payload_type));
        if direction == Direction::Pull && is_h264 {
            continue;
        }
        push(out, &corrected(line, fingerprint));
        let mapped = attribute(line, "rtpmap").and_then(|value| value.split_once(' '));
        if let Some((payload_type, _)) = mapped
            && direction == Direction::Pull
            && h264.contains(&payload_type)
        {
            push(out, &format!("a=fmtp:{payload_type} {H264}"));
        }
        if *line == "a=rtcp-mux" && !media.has("rtcp-mux-only") {
            push(out, "a=rtcp-mux-only");
        }
    }
}

fn corrected(line: &str, fingerprint: &Fingerprint) -> String {
    // With a certificate of our own, webrtcbin 1.22 hashes the private key too.
    if attribute(line, "fingerprint").is_some() {
        return format!("a=fingerprint:{fingerprint}");
    }
    // RFC 7587, 7: always two channels, whatever is in them. webrtcsrc leaves them out.
    let mapped = attribute(line, "rtpmap").and_then(|value| value.split_once(' '));
    match mapped {
        Some((payload_type, name)) if name.eq_ignore_ascii_case("opus/48000") => {
            format!("a=rtpmap:{payload_type} opus/48000/2")
        }
        Some(_) | None => line.to_owned(),
    }
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push_str("\r\n");
}
