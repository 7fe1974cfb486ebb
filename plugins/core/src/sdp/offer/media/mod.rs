//! One section of an offer.

use crate::sdp::lines::Section;
use crate::track::Kind;

use super::{OfferError, Role};

mod layers;

pub use layers::OfferedLayer;
use layers::layers;

/// Which way media go, as the one who offers sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are SDP's")]
pub enum Direction {
    SendRecv,
    RecvOnly,
    SendOnly,
    Inactive,
}

/// One section of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedMedia {
    /// Its name.
    pub mid: String,
    /// What it is for.
    pub kind: Kind,
    /// Which way media go.
    pub direction: Direction,
    /// In the viewer's order of preference; retransmission is noted with the codec that it serves.
    pub codecs: Vec<OfferedCodec>,
    /// RTP header extensions: id and URI.
    pub extmap: Vec<(u8, String)>,
    /// Whether it is refused in the offer already (port 0, and not for the sake of the bundle).
    pub port_zero: bool,
    /// The layers of simulcast that it would send.
    pub layers: Vec<OfferedLayer>,
}

/// One payload type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedCodec {
    /// The payload type.
    pub pt: u8,
    /// As it was written: "H264", "opus".
    pub encoding_name: String,
    /// In Hz.
    pub clock_rate: u32,
    /// 1 if not said.
    pub channels: u32,
    /// The format's parameters as they were, empty if none.
    pub fmtp: String,
    /// The payload type of its retransmissions.
    pub rtx: Option<u8>,
}

impl OfferedCodec {
    /// Gives a parameter of the format, by its name in any letter case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.fmtp, name)
    }
}

/// Payload types that need no rtpmap (RFC 3551).
const STATIC: &[(u8, &str, u32)] = &[(0, "PCMU", 8000), (8, "PCMA", 8000), (9, "G722", 8000)];

impl OfferedMedia {
    /// Gives the id of a header extension, if it fits the one-byte form that everybody can read: 1 to 14
    /// (RFC 8285, 4.2; 15 is reserved there).
    pub fn short_extension(&self, uri: &str) -> Option<u8> {
        let mut extmap = self.extmap.iter();
        let (id, _) = extmap.find(|(id, known)| known == uri && (1..=14).contains(id))?;
        Some(*id)
    }

    pub(super) fn parse(
        section: &Section<'_>,
        session: &Section<'_>,
        role: Role,
    ) -> Result<Self, OfferError> {
        let mut words = section.head().split_ascii_whitespace();
        let (kind, port, profile) = (words.next(), words.next(), words.next());
        let kind = match kind {
            Some("video") => Kind::Video,
            Some("audio") => Kind::Audio,
            Some("application") => {
                return Err(OfferError::unsupported(format!(
                    "the offer has a data channel, which {} here; offer audio and video only",
                    match role {
                        Role::Viewer => "a viewer cannot get",
                        Role::Publisher => "a publisher cannot send",
                    }
                )));
            }
            Some(_) | None => {
                return Err(OfferError::unsupported(
                    "the offer has a section that is neither audio nor video",
                ));
            }
        };
        let port: u16 = port.and_then(|port| port.parse().ok()).ok_or_else(|| {
            OfferError::malformed(format!("the m= line of the {kind} section has no port"))
        })?;
        let port_zero = port == 0 && !section.has("bundle-only");
        let direction = direction(section)
            .or_else(|| direction(session))
            .unwrap_or(Direction::SendRecv);
        if !port_zero {
            check(kind, section, profile.unwrap_or_default())?;
            check_direction(kind, direction, role)?;
        }
        let mid = section
            .attribute("mid")
            .filter(|mid| !mid.is_empty() && mid.len() <= 255 && !mid.contains(char::is_whitespace))
            .ok_or_else(|| OfferError::malformed(format!("the {kind} section has no a=mid")))?;
        Ok(Self {
            mid: mid.to_owned(),
            kind,
            direction,
            codecs: codecs(kind, section, words)?,
            extmap: extmap(kind, section)?,
            port_zero,
            layers: layers(section),
        })
    }
}

fn direction(section: &Section<'_>) -> Option<Direction> {
    [
        ("sendrecv", Direction::SendRecv),
        ("recvonly", Direction::RecvOnly),
        ("sendonly", Direction::SendOnly),
        ("inactive", Direction::Inactive),
    ]
    .into_iter()
    .find(|(name, _)| section.attribute(name) == Some(""))
    .map(|(_, direction)| direction)
}

fn check(kind: Kind, section: &Section<'_>, profile: &str) -> Result<(), OfferError> {
    if profile != "UDP/TLS/RTP/SAVPF" && profile != "TCP/TLS/RTP/SAVPF" {
        let shown: String = profile.chars().take(32).collect();
        return Err(OfferError::unsupported(format!(
            "the {kind} section offers the profile \"{shown}\"; offer UDP/TLS/RTP/SAVPF, media are sent over DTLS only"
        )));
    }
    if section.has("crypto") {
        return Err(OfferError::unsupported(format!(
            "the {kind} section offers keys in the SDP (a=crypto); leave it out, media are sent over DTLS only"
        )));
    }
    if !section.has("rtcp-mux") {
        return Err(OfferError::unsupported(format!(
            "the {kind} section has no a=rtcp-mux; RTP and RTCP share one port here"
        )));
    }
    Ok(())
}

fn check_direction(kind: Kind, direction: Direction, role: Role) -> Result<(), OfferError> {
    let wanted = match role {
        Role::Viewer => "recvonly",
        Role::Publisher => "sendonly",
    };
    match (direction, role) {
        (Direction::SendRecv, _)
        | (Direction::RecvOnly, Role::Viewer)
        | (Direction::SendOnly, Role::Publisher) => Ok(()),
        (Direction::SendOnly, Role::Viewer) => Err(OfferError::unsupported(format!(
            "the {kind} section is sendonly, but this is where viewers receive; offer {wanted}"
        ))),
        (Direction::RecvOnly, Role::Publisher) => Err(OfferError::unsupported(format!(
            "the {kind} section is recvonly, but this is where publishers send; offer {wanted}"
        ))),
        (Direction::Inactive, _) => Err(OfferError::unsupported(format!(
            "the {kind} section is inactive; offer {wanted}, or leave it out"
        ))),
    }
}

fn codecs<'a>(
    kind: Kind,
    section: &Section<'_>,
    formats: impl Iterator<Item = &'a str>,
) -> Result<Vec<OfferedCodec>, OfferError> {
    let mut seen: Vec<u8> = Vec::new();
    let mut codecs: Vec<OfferedCodec> = Vec::new();
    let mut retransmissions: Vec<(u8, u8)> = Vec::new();
    for format in formats {
        let pt = format
            .parse::<u8>()
            .ok()
            .filter(|pt| *pt < 128)
            .ok_or_else(|| {
                OfferError::malformed(format!(
                    "the m= line of the {kind} section has a payload type that is not 0 to 127"
                ))
            })?;
        // Each is looked up once, however often it is listed: the lookups walk over all lines.
        if seen.contains(&pt) {
            continue;
        }
        seen.push(pt);
        let fmtp = of_payload(section, "fmtp", pt).unwrap_or_default();
        let Some((encoding_name, clock_rate, channels)) = rtpmap(section, pt) else {
            // A format without a map is one that we do not know, no reason to refuse the others.
            continue;
        };
        if encoding_name.eq_ignore_ascii_case("rtx") {
            let served = parameter(fmtp, "apt").and_then(|apt| apt.parse().ok());
            retransmissions.extend(served.map(|apt| (apt, pt)));
        } else {
            let (encoding_name, fmtp) = (encoding_name.to_owned(), fmtp.to_owned());
            codecs.push(OfferedCodec {
                pt,
                encoding_name,
                clock_rate,
                channels,
                fmtp,
                rtx: None,
            });
        }
    }
    for codec in &mut codecs {
        codec.rtx = retransmissions
            .iter()
            .find(|(apt, _)| *apt == codec.pt)
            .map(|(_, pt)| *pt);
    }
    Ok(codecs)
}

/// Finds `a=name:PT value`.
fn of_payload<'a>(section: &Section<'a>, name: &str, pt: u8) -> Option<&'a str> {
    section
        .attributes(name)
        .filter_map(|value| value.split_once(' '))
        .find(|(number, _)| number.parse() == Ok(pt))
        .map(|(_, value)| value.trim())
}

fn rtpmap<'a>(section: &Section<'a>, pt: u8) -> Option<(&'a str, u32, u32)> {
    let Some(map) = of_payload(section, "rtpmap", pt) else {
        return STATIC
            .iter()
            .find(|(known, ..)| *known == pt)
            .map(|(_, name, rate)| (*name, *rate, 1));
    };
    let mut parts = map.split('/');
    let name = parts.next().filter(|name| !name.is_empty())?;
    let rate = parts.next()?.trim().parse().ok().filter(|rate| *rate > 0)?;
    let channels = match parts.next() {
        Some(channels) => channels.trim().parse().ok()?,
        None => 1,
    };
    Some((name, rate, channels))
}

fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

fn extmap(kind: Kind, section: &Section<'_>) -> Result<Vec<(u8, String)>, OfferError> {
    let mut extensions: Vec<(u8, String)> = Vec::new();
    for value in section.attributes("extmap") {
        let malformed = || {
            OfferError::malformed(format!(
                "an a=extmap of the {kind} section is not an id (1 to 255) and a URI"
            ))
        };
        let (id, rest) = value.split_once(' ').ok_or_else(malformed)?;
        // The id may be followed by a direction: `3/recvonly`.
        let id = id
            .split('/')
            .next()
            .and_then(|id| id.parse().ok())
            .filter(|id| *id > 0)
            .ok_or_else(malformed)?;
        let uri = rest.split_ascii_whitespace().next().ok_or_else(malformed)?;
        if extensions.iter().any(|(known, _)| *known == id) {
            return Err(OfferError::malformed(format!(
                "two a=extmap of the {kind} section have the id {id}; give each its own"
            )));
        }
        extensions.push((id, uri.to_owned()));
    }
    Ok(extensions)
}
