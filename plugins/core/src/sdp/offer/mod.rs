//! A viewer's or publisher's offer: read once, and refused with a sentence if we cannot answer it.

mod media;
#[cfg(test)]
mod tests;

use crate::problem::Problem;
use crate::track::Kind;

use crate::sdp::candidate::Candidate;
use crate::sdp::fingerprint::Fingerprint;
use crate::sdp::lines::{self, Description, Section, attribute};
use crate::sdp::transport::Transport;

pub use self::media::{Direction, OfferedCodec, OfferedLayer, OfferedMedia};

/// Larger than any browser's offer.
pub const LARGEST: usize = 64 * 1024;

/// Who begins the DTLS handshake (RFC 8842).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// We may choose.
    ActPass,
    /// The one who offers.
    Active,
    /// We must.
    Passive,
}

/// Who makes an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// WHEP: receives.
    Viewer,
    /// WHIP: sends.
    Publisher,
}

impl Role {
    /// Gives the word for sentences.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Publisher => "publisher",
        }
    }
}

/// What a viewer or publisher offers. Holding one proves that we can answer it, codecs aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its sections, in order.
    pub media: Vec<OfferedMedia>,
    /// Of the bundle's transport.
    pub ice_ufrag: String,
    /// Of the bundle's transport.
    pub ice_pwd: String,
    /// What the peer's certificate must hash to.
    pub fingerprint: Fingerprint,
    /// Who begins the DTLS handshake.
    pub setup: Setup,
    /// The peer is a lite agent: it sends no checks (RFC 8445, 2.5).
    pub lite: bool,
}

/// Why an offer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct OfferError {
    /// The HTTP status: 400, 413 or 422.
    pub status: u16,
    /// What is wrong, and what would be right.
    pub sentence: String,
}

impl OfferError {
    pub(crate) fn malformed(sentence: impl Into<String>) -> Self {
        Self {
            status: 400,
            sentence: sentence.into(),
        }
    }

    pub(crate) fn unsupported(sentence: impl Into<String>) -> Self {
        Self {
            status: 422,
            sentence: sentence.into(),
        }
    }
}

impl From<OfferError> for Problem {
    fn from(error: OfferError) -> Self {
        Self::new(error.status, error.sentence)
    }
}

impl Offer {
    /// Reads a WHEP viewer's offer.
    ///
    /// # Errors
    ///
    /// 400 for what is no proper WebRTC offer, 413 for one that is too large, 422 for one that asks for
    /// what a viewer cannot get here.
    pub fn parse(text: &str) -> Result<Self, OfferError> {
        Self::parse_as(Role::Viewer, text)
    }

    /// Reads the offer of a WHEP viewer or a WHIP publisher.
    ///
    /// # Errors
    ///
    /// 400 for what is no proper WebRTC offer, 413 for one that is too large, 422 for one that asks for
    /// what its maker cannot do here.
    pub fn parse_as(role: Role, text: &str) -> Result<Self, OfferError> {
        if text.len() > LARGEST {
            let sentence = format!(
                "the offer has {} bytes; at most {LARGEST} are read",
                text.len()
            );
            return Err(OfferError {
                status: 413,
                sentence,
            });
        }
        let description = lines::split(text).map_err(|what| {
            OfferError::malformed(format!("the SDP {what}; send a WebRTC offer"))
        })?;
        for section in description.media.iter().chain([&description.session]) {
            check_once(section)?;
        }
        let media = description
            .media
            .iter()
            .map(|section| OfferedMedia::parse(section, &description.session, role))
            .collect::<Result<Vec<_>, _>>()?;
        check_bundle(&description.session, &media)?;
        check_counts(&media, role)?;
        let transport = find(&description, &media)?;
        Ok(Self {
            ice_ufrag: transport.credential("ice-ufrag", 4)?,
            ice_pwd: transport.credential("ice-pwd", 22)?,
            fingerprint: transport.fingerprint()?,
            setup: setup(&transport)?,
            lite: description.session.has("ice-lite"),
            media,
        })
    }

    /// Gives the section of a kind that is wanted, not refused in the offer already.
    pub fn media_of(&self, kind: Kind) -> Option<&OfferedMedia> {
        self.media
            .iter()
            .find(|media| media.kind == kind && !media.port_zero)
    }

    /// Gives the place of a section, by its mid.
    pub fn index_of(&self, mid: &str) -> Option<usize> {
        self.media.iter().position(|media| media.mid == mid)
    }

    /// Gives the place of the section whose transport carries all: the first that is not refused.
    pub fn transport_index(&self) -> Option<usize> {
        self.media.iter().position(|media| !media.port_zero)
    }
}

/// Makes of what a peer offers or answers what all versions of webrtcbin take for the same: drops the candidates that are of
/// no use to us, gives bundle-only sections a port, has fingerprints in one place, and ends all lines with CRLF.
///
/// Firefox offers every section but the first as `m=audio 0 …` with `a=bundle-only`, which RFC 8843, section 6
/// makes an offer and webrtcbin 1.22 takes for a refusal: it answers `a=inactive` and there is no sound. From 1.26 on
/// webrtcbin refuses fingerprints of the session beside those of its sections ("No fingerprint lines in sdp for media 0"),
/// which RFC 8122, section 5 allows, and str0m offers.
pub fn for_webrtcbin(text: &str) -> String {
    let mut sections: Vec<Vec<&str>> = vec![Vec::new()];
    for line in text.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    fingerprints_of_sections(&mut sections);
    let mut out = String::with_capacity(text.len());
    for section in &sections {
        write_section(section, &mut out);
    }
    out
}

/// Where any section has fingerprints, gives the session's to those that have none, and takes them from the session.
fn fingerprints_of_sections(sections: &mut [Vec<&str>]) {
    let is_one = |line: &&str| attribute(line, "fingerprint").is_some();
    let Some((session, sections)) = sections.split_first_mut() else {
        return;
    };
    if !sections.iter().flatten().any(is_one) {
        return;
    }
    let of_session: Vec<&str> = session.iter().copied().filter(is_one).collect();
    session.retain(|line| !is_one(line));
    for section in sections {
        if !section.iter().any(is_one) {
            section.extend(&of_session);
        }
    }
}

fn write_section(section: &[&str], out: &mut String) {
    let bundle_only = |line: &str| attribute(line, "bundle-only").is_some();
    let bundled = section.iter().any(|line| bundle_only(line));
    for line in section {
        let useless = attribute(line, "candidate")
            .is_some_and(|value| !Candidate::parse(value).is_some_and(|c| c.usable()));
        if useless || bundle_only(line) {
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        match (
            words.next(),
            words.next().and_then(|port| port.parse().ok()),
        ) {
            (Some(media), Some(0_u16)) if bundled && line.starts_with("m=") => {
                // The port that means "it is in the candidates" (RFC 8839, 4.2.1.3).
                out.extend([media, " 9"]);
                words.for_each(|word| out.extend([" ", word]));
            }
            _ => out.push_str(line),
        }
        out.push_str("\r\n");
    }
}

/// What each section says once at most; of two values we and webrtcbin might take different ones.
const ONCE: &[&str] = &["mid", "ice-ufrag", "ice-pwd", "setup"];

fn check_once(section: &Section<'_>) -> Result<(), OfferError> {
    match ONCE
        .iter()
        .find(|name| section.attributes(name).nth(1).is_some())
    {
        Some(twice) => Err(OfferError::malformed(format!(
            "a section has a={twice} twice; give it once"
        ))),
        None => Ok(()),
    }
}

fn check_bundle(session: &Section<'_>, media: &[OfferedMedia]) -> Result<(), OfferError> {
    for (index, one) in media.iter().enumerate() {
        if media
            .iter()
            .skip(index + 1)
            .any(|other| other.mid == one.mid)
        {
            return Err(OfferError::malformed(
                "two sections have the same a=mid; give each its own",
            ));
        }
    }
    let mut groups = session
        .attributes("group")
        .filter_map(|group| group.strip_prefix("BUNDLE"))
        .map(|group| group.split_ascii_whitespace().collect::<Vec<_>>())
        .filter(|group| !group.is_empty());
    let Some(group) = groups.next() else {
        return Err(OfferError::malformed(
            "the offer has no a=group:BUNDLE; offer all media on one transport (max-bundle)",
        ));
    };
    if groups.next().is_some() {
        return Err(OfferError::malformed(
            "the offer has several a=group:BUNDLE; offer all media on one transport (max-bundle)",
        ));
    }
    if let Some(absent) = group
        .iter()
        .find(|mid| !media.iter().any(|media| media.mid == **mid))
    {
        let shown: String = absent.chars().take(32).collect();
        return Err(OfferError::malformed(format!(
            "a=group:BUNDLE names \"{shown}\", but no section has that a=mid"
        )));
    }
    // With a mid that stands twice, webrtcbin makes a pad twice.
    if group.len() > media.len() {
        return Err(OfferError::malformed(
            "a=group:BUNDLE names a section twice; name each once",
        ));
    }
    for one in media.iter().filter(|media| !media.port_zero) {
        if !group.contains(&one.mid.as_str()) {
            return Err(OfferError::malformed(format!(
                "the {} section is not in a=group:BUNDLE; offer all media on one transport (max-bundle)",
                one.kind
            )));
        }
    }
    Ok(())
}

fn check_counts(media: &[OfferedMedia], role: Role) -> Result<(), OfferError> {
    for kind in [Kind::Video, Kind::Audio] {
        let count = media
            .iter()
            .filter(|media| media.kind == kind && !media.port_zero)
            .count();
        if count > 1 {
            return Err(OfferError::unsupported(format!(
                "the offer has {count} {kind} sections; a {} {} at most one video and one audio",
                role.label(),
                match role {
                    Role::Viewer => "gets",
                    Role::Publisher => "sends",
                }
            )));
        }
    }
    if media.iter().all(|media| media.port_zero) {
        return Err(OfferError::unsupported(
            "the offer refuses all its sections (port 0); offer audio or video",
        ));
    }
    Ok(())
}

fn find<'a>(
    description: &'a Description<'a>,
    media: &[OfferedMedia],
) -> Result<Transport<'a>, OfferError> {
    let mut sections = description.media.iter().zip(media);
    let (section, _) = sections
        .find(|(_, media)| !media.port_zero)
        .ok_or_else(|| OfferError::malformed("the offer has no media"))?;
    Ok(Transport::new(section, &description.session, "offer"))
}

fn setup(transport: &Transport<'_>) -> Result<Setup, OfferError> {
    match transport.attribute("setup") {
        Some("actpass") => Ok(Setup::ActPass),
        Some("active") => Ok(Setup::Active),
        Some("passive") => Ok(Setup::Passive),
        Some(_) => Err(OfferError::malformed(
            "the offer's a=setup is unknown; offer actpass, active or passive",
        )),
        None => Err(OfferError::malformed(
            "the offer has no a=setup; offer actpass, active or passive",
        )),
    }
}
