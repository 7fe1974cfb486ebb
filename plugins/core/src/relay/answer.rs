//! Another server's answer: read strictly, because what comes next (webrtcbin) does not.

use std::collections::BTreeMap;

use super::Direction;
use crate::sdp::Candidate;
use crate::sdp::candidate::is_ice_text;
use crate::sdp::fingerprint::Fingerprint;
use crate::sdp::lines::{Section, attribute, split};
use crate::track::Kind;

/// Larger than any server's answer.
const LARGEST: usize = 64 * 1024;

/// What a retransmission or error correction is called; never a section's first format.
const HELPERS: &[&str] = &[
    "RTX",
    "RED",
    "ULPFEC",
    "FLEXFEC-03",
    "CN",
    "TELEPHONE-EVENT",
];

/// An answer that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its text, with nothing in it that was not asked for.
    pub text: String,
    /// What the peer's certificate must hash to.
    pub fingerprint: Fingerprint,
    /// The codecs of the sections that are taken, by their SDP names in capitals.
    pub codecs: Vec<String>,
    /// What is offered and not taken.
    pub left_out: Vec<Kind>,
}

/// Why an answer cannot be used: the rest of a sentence about the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is not what RFC 9725 asks for.
    #[error("answered with an SDP that cannot be used: {0}")]
    Malformed(String),
    /// It does not take what is sent, or gives nothing.
    #[error("{0}")]
    Refused(String),
}

/// Reads an answer to `offer` (the text that was sent).
///
/// # Errors
///
/// What is wrong with it, or that nothing is taken.
pub fn check_answer(
    offer: &str,
    answer: &str,
    direction: Direction,
) -> Result<Answer, AnswerError> {
    let malformed = |what: &str| AnswerError::Malformed(what.to_owned());
    if answer.len() > LARGEST {
        return Err(malformed("it is longer than 64 KiB"));
    }
    let offered = split(offer).map_err(|_| malformed("our own offer cannot be read"))?;
    let answered =
        split(answer).map_err(|what| AnswerError::Malformed(format!("the SDP {what}")))?;
    if answered.media.len() != offered.media.len() {
        return Err(malformed(
            "it has another number of sections than the offer",
        ));
    }
    let mut sections = Vec::new();
    for (theirs, ours) in answered.media.iter().zip(&offered.media) {
        sections.push(Taken::read(theirs, ours, &answered.session, direction)?);
    }
    let Some(transport) = sections
        .iter()
        .zip(&answered.media)
        .find(|(taken, _)| taken.codec.is_some())
        .map(|(_, section)| section)
    else {
        return Err(AnswerError::Refused(match direction {
            Direction::Push => "takes nothing of what we send".to_owned(),
            Direction::Pull => "has no codec that Sluice can take".to_owned(),
        }));
    };
    let fingerprint = check_transport(transport, &answered.session)?;
    let left_out = sections
        .iter()
        .zip(&answered.media)
        .filter(|(taken, _)| taken.codec.is_none())
        .filter_map(|(_, section)| kind_of(section))
        .collect();
    let mut text = String::with_capacity(answer.len());
    for line in &answered.session.lines {
        push(&mut text, line);
    }
    for (taken, section) in sections.iter().zip(&answered.media) {
        taken.write(&mut text, section, direction);
    }
    Ok(Answer {
        text,
        fingerprint,
        codecs: sections.into_iter().filter_map(|one| one.codec).collect(),
        left_out,
    })
}

fn check_transport(
    section: &Section<'_>,
    session: &Section<'_>,
) -> Result<Fingerprint, AnswerError> {
    let attribute = |name| section.attribute(name).or_else(|| session.attribute(name));
    for (name, least) in [("ice-ufrag", 4), ("ice-pwd", 22)] {
        if !attribute(name).is_some_and(|value| is_ice_text(value, least, 256)) {
            return Err(AnswerError::Malformed(format!("it has no proper a={name}")));
        }
    }
    if !matches!(attribute("setup"), Some("active" | "passive")) {
        return Err(AnswerError::Malformed(
            "its a=setup is neither active nor passive".to_owned(),
        ));
    }
    section
        .attributes("fingerprint")
        .chain(session.attributes("fingerprint"))
        .filter_map(Fingerprint::parse)
        .max_by_key(Fingerprint::strength)
        .ok_or_else(|| AnswerError::Malformed("it has no proper a=fingerprint".to_owned()))
}

/// What is taken of one section.
struct Taken {
    /// `None`: the section is refused.
    codec: Option<String>,
    /// The media's format first, then its helpers.
    formats: Vec<String>,
}

impl Taken {
    fn read(
        theirs: &Section<'_>,
        ours: &Section<'_>,
        session: &Section<'_>,
        direction: Direction,
    ) -> Result<Self, AnswerError> {
        let malformed = |what: String| AnswerError::Malformed(what);
        let (kind, port, protocol, formats) = head(theirs)
            .ok_or_else(|| malformed("a section's first line cannot be read".to_owned()))?;
        let offered_kind = head(ours).map_or("", |(kind, ..)| kind);
        if kind != offered_kind {
            return Err(malformed("its sections are in another order".to_owned()));
        }
        let says = |name| theirs.has(name) || session.has(name);
        let idle = match direction {
            Direction::Push => !says("recvonly") && says("sendonly"),
            Direction::Pull => !says("sendonly") && says("recvonly"),
        };
        if port == "0" || says("inactive") || idle {
            return Ok(Self {
                codec: None,
                formats: formats.map(ToOwned::to_owned).collect(),
            });
        }
        if !theirs.has("rtcp-mux") {
            return Err(malformed(format!(
                "the {kind} has no a=rtcp-mux, which was offered"
            )));
        }
        if protocol != "UDP/TLS/RTP/SAVPF" {
            return Err(malformed(format!("the {kind} goes without DTLS")));
        }
        let (ours, theirs) = (names(ours), names(theirs));
        let agreed: Vec<(&str, &String)> = formats
            .filter_map(|format| Some((format, theirs.get(format)?)))
            .filter(|(format, name)| ours.get(*format) == Some(*name))
            .collect();
        let is_helper = |name: &str| HELPERS.contains(&name);
        let codec = agreed
            .iter()
            .find(|(_, name)| !is_helper(name))
            .map(|(_, name)| (*name).clone())
            .ok_or_else(|| malformed(format!("the {kind} has no format that was offered")))?;
        let first = agreed.iter().filter(|(_, name)| !is_helper(name));
        let rest = agreed.iter().filter(|(_, name)| is_helper(name));
        let formats = first.chain(rest).map(|(pt, _)| (*pt).to_owned()).collect();
        Ok(Self {
            codec: Some(codec),
            formats,
        })
    }

    fn write(&self, out: &mut String, section: &Section<'_>, direction: Direction) {
        let Some((kind, _, protocol, _)) = head(section) else {
            return;
        };
        let port = if self.codec.is_some() { "9" } else { "0" };
        let formats = self.formats.join(" ");
        push(out, &format!("m={kind} {port} {protocol} {formats}"));
        if self.codec.is_none() && !section.has("inactive") {
            push(out, "a=inactive");
        }
        for line in section.lines.iter().skip(1) {
            if let Some(line) = self.kept(line, direction) {
                push(out, &line);
            }
        }
    }

    /// Gives what stays of a line.
    fn kept(&self, line: &str, direction: Direction) -> Option<String> {
        if let Some(value) = attribute(line, "candidate") {
            let usable = Candidate::parse(value).is_some_and(|candidate| candidate.usable());
            return usable.then(|| line.to_owned());
        }
        for name in ["rtpmap", "fmtp", "rtcp-fb"] {
            let Some(value) = attribute(line, name) else {
                continue;
            };
            let (format, words) = value.split_once(' ')?;
            if format != "*" && !self.formats.iter().any(|known| known == format) {
                return None;
            }
            if name == "fmtp" && direction == Direction::Push {
                // The stream is what it is: a profile would only keep it from being sent.
                let words = without_profile(words);
                return (!words.is_empty()).then(|| format!("a=fmtp:{format} {words}"));
            }
        }
        // A refused section has one direction, written above.
        let direction_line = matches!(line, "a=sendonly" | "a=recvonly" | "a=sendrecv");
        (self.codec.is_some() || !direction_line).then(|| line.to_owned())
    }
}

fn without_profile(words: &str) -> String {
    let kept = words.split(';').map(str::trim).filter(|word| {
        let name = word.split('=').next().unwrap_or_default();
        !word.is_empty()
            && ![
                "profile-level-id",
                "profile",
                "level",
                "level-asymmetry-allowed",
            ]
            .contains(&name.trim().to_ascii_lowercase().as_str())
    });
    kept.collect::<Vec<_>>().join(";")
}

/// Splits `m=`: kind, port, protocol, formats.
fn head<'a>(
    section: &Section<'a>,
) -> Option<(&'a str, &'a str, &'a str, impl Iterator<Item = &'a str>)> {
    let mut words = section.head().split_ascii_whitespace();
    Some((words.next()?, words.next()?, words.next()?, words))
}

/// Encoding names in capitals, by payload type.
fn names(section: &Section<'_>) -> BTreeMap<String, String> {
    let maps = section
        .attributes("rtpmap")
        .filter_map(|value| value.split_once(' '));
    let mut names: BTreeMap<String, String> = maps
        .filter(|(pt, _)| pt.parse::<u8>().is_ok_and(|pt| pt < 128))
        .filter_map(|(pt, codec)| {
            let (name, rate) = codec.split_once('/')?;
            let rate = rate.split('/').next()?;
            rate.parse::<u32>().ok()?;
            Some((pt.to_owned(), name.to_ascii_uppercase()))
        })
        .collect();
    for (pt, name) in [("0", "PCMU"), ("8", "PCMA")] {
        names
            .entry(pt.to_owned())
            .or_insert_with(|| name.to_owned());
    }
    names
}

fn kind_of(section: &Section<'_>) -> Option<Kind> {
    let (kind, ..) = head(section)?;
    [Kind::Video, Kind::Audio]
        .into_iter()
        .find(|known| known.label() == kind)
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push_str("\r\n");
}
