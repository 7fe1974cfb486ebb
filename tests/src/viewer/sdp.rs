//! The few things a viewer reads from and changes in SDP.

use std::net::IpAddr;

use super::rtp::Payload;

/// Codecs by payload type.
pub(super) type Payloads = [Payload; 128];

/// Adds the payload types of an SDP to the table.
pub(super) fn learn(payloads: &mut Payloads, sdp: &str) {
    let mut audio = false;
    for line in sdp.lines().map(str::trim) {
        if let Some(media) = line.strip_prefix("m=") {
            audio = media.starts_with("audio");
            let pts = media
                .split_whitespace()
                .skip(3)
                .filter_map(|p| p.parse::<usize>().ok());
            for pt in pts.filter(|_| audio) {
                if let Some(slot) = payloads.get_mut(pt) {
                    *slot = Payload::Audio;
                }
            }
        } else if let Some((pt, name)) = rtpmap(line) {
            let payload = Payload::from_encoding_name(name);
            let slot = payloads
                .get_mut(pt)
                .filter(|_| !audio || payload == Payload::Repair);
            if let Some(slot) = slot {
                *slot = payload;
            }
        }
    }
}

fn rtpmap(line: &str) -> Option<(usize, &str)> {
    let (pt, format) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
    Some((pt.parse().ok()?, format.split('/').next()?))
}

/// The answer without candidates that a viewer at `local` cannot use.
pub(crate) fn usable_answer(answer: &str, local: IpAddr) -> String {
    let keep = |line: &&str| !line.starts_with("a=candidate:") || usable(line, local);
    join(
        answer
            .lines()
            .map(str::trim_end)
            .filter(|l| !l.is_empty())
            .filter(keep),
    )
}

/// The answer with the ICE credentials and candidates of a fragment.
pub(super) fn with_ice_of(answer: &str, fragment: &str) -> String {
    let of = |name: &str| fragment.lines().find(|line| line.starts_with(name));
    let is_ice = |line: &str| line.starts_with("a=candidate:") || line == "a=end-of-candidates";
    let kept = answer.lines().filter(|line| !is_ice(line)).map(|line| {
        let name = ["a=ice-ufrag:", "a=ice-pwd:"].into_iter();
        let renewed = name.filter(|name| line.starts_with(*name)).find_map(of);
        renewed.unwrap_or(line)
    });
    // At the end, in the last section: all share one transport.
    join(kept.chain(fragment.lines().filter(|line| is_ice(line))))
}

/// UDP, of our family, and not loopback where we are not.
pub(crate) fn usable(candidate: &str, local: IpAddr) -> bool {
    let fields: Vec<&str> = candidate.split_whitespace().collect();
    let [_, component, transport, _, address, ..] = fields[..] else {
        return false;
    };
    let same = address
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.is_ipv4() == local.is_ipv4() && ip.is_loopback() == local.is_loopback());
    same && component == "1" && transport.eq_ignore_ascii_case("udp")
}

/// Whether the peer answers plain NACKs.
pub(super) fn has_nack(sdp: &str) -> bool {
    sdp.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|w| w.starts_with("a=rtcp-fb:"))
            && words.next() == Some("nack")
            && words.next().is_none()
    })
}

/// The offer with a certificate's fingerprint that nobody has.
pub(crate) fn with_false_fingerprint(offer: &str) -> String {
    join(offer.lines().map(|line| {
        if line.starts_with("a=fingerprint:sha-256 ") {
            FALSE_FINGERPRINT
        } else {
            line
        }
    }))
}

/// The offer without its candidates.
pub(crate) fn without_candidates(offer: &str) -> String {
    join(
        offer
            .lines()
            .filter(|line| !line.starts_with("a=candidate:") && *line != "a=end-of-candidates"),
    )
}

/// The payload type that an answer takes for a kind: the first one of its section.
pub(crate) fn first_payload(answer: &str, kind: &str) -> Option<u8> {
    let head = answer
        .lines()
        .find_map(|line| line.strip_prefix("m=")?.strip_prefix(kind))?;
    head.split_whitespace().nth(2)?.parse().ok()
}

const FALSE_FINGERPRINT: &str = "a=fingerprint:sha-256 \
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

fn join<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.fold(String::new(), |mut out, line| {
        out.push_str(line);
        out.push_str("\r\n");
        out
    })
}
