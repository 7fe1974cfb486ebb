//! What webrtcbin's descriptions lack or have too much of.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::sdp::candidate::{Candidate, is_link_local};
use crate::sdp::fingerprint::Fingerprint;
use crate::sdp::lines::{Section, attribute, split};
use crate::sdp::offer::Setup;

/// What to write into an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerEdit {
    /// The name of the one stream that all tracks are of; letters, digits and `-`.
    pub stream: String,
    /// What our certificate really hashes to.
    pub fingerprint: Option<Fingerprint>,
    /// Further addresses that lead to us (NAT, containers), announced beside our own with the same ports.
    pub announce: Vec<IpAddr>,
    /// Whether peers may connect by TCP (RFC 6544), where a network lets no UDP through.
    pub tcp: bool,
    /// We answer checks and send none to find a way: `a=ice-lite`.
    pub lite: bool,
    /// Who begins the DTLS handshake.
    pub handshake: Handshake,
    /// Whether candidates follow by themselves: none are written, and no end of them.
    pub trickles: bool,
}

/// Who begins the DTLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// It is an offer: the peer chooses.
    Open,
    /// The peer.
    Theirs,
    /// We do.
    Ours,
}

impl From<Setup> for Handshake {
    /// Leaves it to the peer that offers, unless it waits for us. ffmpeg's publisher does, by default.
    fn from(setup: Setup) -> Self {
        match setup {
            // An active gateway cost ffmpeg's handshake 2.5 s: it waits for a retransmission.
            Setup::ActPass | Setup::Active => Self::Theirs,
            Setup::Passive => Self::Ours,
        }
    }
}

impl Handshake {
    /// Gives the value of `a=setup`.
    pub const fn setup(self) -> &'static str {
        match self {
            Self::Open => "actpass",
            Self::Theirs => "passive",
            Self::Ours => "active",
        }
    }
}

/// Corrects webrtcbin's answer to a viewer and keeps everything else.
///
/// A text that is no SDP is given back as it is.
pub fn finish(answer: &str, edit: &AnswerEdit) -> String {
    let Ok(description) = split(answer) else {
        return answer.to_owned();
    };
    let mut out = String::with_capacity(answer.len() + 1024);
    for line in &description.session.lines {
        push(&mut out, &corrected(line, edit, ""));
    }
    if edit.lite && !description.session.has("ice-lite") {
        push(&mut out, "a=ice-lite");
    }
    let has_candidates = description
        .media
        .iter()
        .any(|media| !is_refused(media) && media.has("candidate"));
    let mut ended = false;
    for media in &description.media {
        // With no candidates at all, the first section says that there are none.
        let ends = !edit.trickles
            && if has_candidates {
                media.has("candidate")
            } else {
                !ended
            };
        ended |= finish_media(&mut out, media, edit, ends);
    }
    out
}

/// A refused section has no transport and no track.
fn is_refused(media: &Section<'_>) -> bool {
    let port = media.head().split_ascii_whitespace().nth(1);
    port == Some("0") && !media.has("bundle-only")
}

/// Writes one section; says whether it got its `end-of-candidates`.
fn finish_media(out: &mut String, media: &Section<'_>, edit: &AnswerEdit, ends: bool) -> bool {
    let kind = media.head().split_ascii_whitespace().next();
    let kind = kind.unwrap_or_default();
    if is_refused(media) {
        for line in &media.lines {
            push(out, line);
        }
        return false;
    }
    let track = format!("{}-{kind}", edit.stream);
    for line in &media.lines {
        if attribute(line, "msid").is_some() || attribute(line, "end-of-candidates").is_some() {
            continue;
        }
        if let Some(value) = attribute(line, "candidate") {
            if !edit.trickles {
                push_candidate(out, value, edit);
            }
            continue;
        }
        push(out, &corrected(line, edit, &track));
        if *line == "a=rtcp-mux" && !media.has("rtcp-mux-only") {
            push(out, "a=rtcp-mux-only");
        }
    }
    if media.has("sendonly") || media.has("sendrecv") {
        push(out, &format!("a=msid:{} {track}", edit.stream));
    }
    if ends {
        push(out, "a=end-of-candidates");
    }
    ends
}

/// Rewrites the lines whose value is wrong.
fn corrected(line: &str, edit: &AnswerEdit, track: &str) -> String {
    if attribute(line, "setup").is_some() {
        return format!("a=setup:{}", edit.handshake.setup());
    }
    // With a certificate of our own, webrtcbin 1.22 hashes the private key too.
    if let (Some(_), Some(fingerprint)) = (attribute(line, "fingerprint"), &edit.fingerprint) {
        return format!("a=fingerprint:{fingerprint}");
    }
    // Old clients take the track from here: it must be the same as in a=msid.
    let msid_of = attribute(line, "ssrc").and_then(|value| value.split_once(' '));
    if let Some((ssrc, _)) =
        msid_of.filter(|(_, rest)| rest.starts_with("msid:") && !track.is_empty())
    {
        return format!("a=ssrc:{ssrc} msid:{} {track}", edit.stream);
    }
    line.to_owned()
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push_str("\r\n");
}

/// Writes a candidate if peers can use it, and what it is under our further addresses.
fn push_candidate(out: &mut String, value: &str, edit: &AnswerEdit) {
    for candidate in tellable(&format!("candidate:{value}"), edit) {
        push(out, &format!("a={candidate}"));
    }
}

/// Gives a candidate of ours as it is told, and what it is under our further addresses; nothing if peers cannot
/// use it.
pub fn tellable(text: &str, edit: &AnswerEdit) -> Vec<String> {
    let Some(candidate) = Candidate::parse(text) else {
        return Vec::new();
    };
    let mut told = vec![text.to_owned()];
    let Some(ip) = candidate.ip() else {
        return told;
    };
    let link_local = ip.is_ipv6() && is_link_local(ip);
    let reachable = candidate.transport == "udp" || (edit.tcp && candidate.is_passive());
    if link_local || !reachable {
        return Vec::new();
    }
    if candidate.kind != "host" || ip.is_loopback() {
        return told;
    }
    for (index, further) in edit.announce.iter().enumerate() {
        if further.is_ipv4() == ip.is_ipv4() && *further != ip {
            let announced = Candidate {
                foundation: format!("{}n{index}", candidate.foundation),
                address: further.to_string(),
                // Tried after the address that is really ours.
                priority: candidate
                    .priority
                    .saturating_sub(1 + u32::try_from(index).unwrap_or(0)),
                ..candidate.clone()
            };
            told.push(announced.to_string());
        }
    }
    told
}
