//! The offer as webrtcbin shall see it: nothing in it that we do not take.

use std::fmt::Write as _;

use super::Accepted;
use crate::sdp::lines::attribute;
use crate::sdp::offer::for_webrtcbin;

/// Attributes that begin with a payload type.
const OF_PAYLOAD: &[&str] = &["rtpmap", "fmtp", "rtcp-fb"];

/// Attributes of simulcast (RFC 8853), which webrtcbin does not know: [`with_layers`] answers them.
const OF_LAYERS: &[&str] = &["rid", "simulcast"];

/// Takes out of an offer all codecs, header extensions, layers and candidates that are not taken, so that an
/// answer can contain nothing else. Lines end with CRLF.
pub fn reduced(offer: &str, accepted: &[Accepted]) -> String {
    let offer = for_webrtcbin(offer);
    let mut out = String::with_capacity(offer.len());
    let mut section = None;
    for line in offer.lines() {
        if line.starts_with("m=") {
            section = Some(section.map_or(0, |index: usize| index + 1));
            let taken = accepted_at(accepted, section);
            push(
                &mut out,
                &taken.map_or_else(|| line.to_owned(), |taken| head(line, taken)),
            );
        } else if section.is_none() || keeps(line, accepted_at(accepted, section)) {
            push(&mut out, line);
        }
    }
    out
}

/// Writes into an answer which layers are taken: all that were accepted (RFC 8853, 5.3.2).
pub fn with_layers(answer: &str, accepted: &[Accepted]) -> String {
    let mut out = String::with_capacity(answer.len() + 128);
    let mut section = None;
    for line in answer.lines() {
        if line.starts_with("m=") {
            close(&mut out, accepted_at(accepted, section));
            section = Some(section.map_or(0, |index: usize| index + 1));
        }
        push(&mut out, line);
    }
    close(&mut out, accepted_at(accepted, section));
    out
}

/// Ends a section of an answer.
fn close(out: &mut String, taken: Option<&Accepted>) {
    let Some(taken) = taken.filter(|taken| !taken.rids.is_empty()) else {
        return;
    };
    for rid in &taken.rids {
        push(out, &format!("a=rid:{rid} recv"));
    }
    push(out, &format!("a=simulcast:recv {}", taken.rids.join(";")));
}

fn accepted_at(accepted: &[Accepted], section: Option<usize>) -> Option<&Accepted> {
    accepted.iter().find(|one| Some(one.mline) == section)
}

/// Writes the `m=` line with the payload types that are taken.
fn head(line: &str, taken: &Accepted) -> String {
    let mut head = String::with_capacity(line.len());
    for word in line.split_ascii_whitespace().take(3) {
        head.push_str(word);
        head.push(' ');
    }
    // Writing to a String cannot fail.
    write!(head, "{}", taken.pt).unwrap_or_default();
    if let Some(rtx) = taken.rtx {
        write!(head, " {rtx}").unwrap_or_default();
    }
    head
}

fn keeps(line: &str, taken: Option<&Accepted>) -> bool {
    // A section that the offer refuses is left as it is.
    let Some(taken) = taken else { return true };
    if OF_LAYERS.iter().any(|name| attribute(line, name).is_some()) {
        return false;
    }
    if let Some(value) = attribute(line, "ssrc-group") {
        return !value.starts_with("SIM");
    }
    if let Some(value) = attribute(line, "extmap") {
        let id = value
            .split([' ', '/'])
            .next()
            .and_then(|id| id.parse().ok());
        return taken.extensions.iter().any(|(known, _)| Some(*known) == id);
    }
    let mut payloads = OF_PAYLOAD.iter().filter_map(|name| attribute(line, name));
    payloads.next().is_none_or(|value| {
        let pt = value.split(' ').next().unwrap_or_default();
        let number = pt.parse::<u8>().ok();
        pt == "*" || number == Some(taken.pt) || (number.is_some() && number == taken.rtx)
    })
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push_str("\r\n");
}
