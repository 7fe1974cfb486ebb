//! Which of the offered codecs is taken: one for each section, so that the publisher cannot choose otherwise.

use crate::problem::Problem;
use crate::sdp::offer::{Offer, OfferedCodec, OfferedMedia};
use crate::track::{Codec, Kind};

/// URI of the header extension that names the section of a packet (RFC 8843, 15.1).
pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// URI of the extension that carries transport-wide sequence numbers.
pub const TWCC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// URI of the extension that names the layer of a packet (RFC 8852).
pub const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";

/// URI of the same for retransmissions.
const REPAIRED: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";

/// One section of the offer and what is taken of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The section's place in the offer.
    pub mline: usize,
    /// The section's name.
    pub mid: String,
    /// How it is coded.
    pub codec: Codec,
    /// The rtpmap name, as SDP writes it.
    pub encoding_name: &'static str,
    /// The one payload type that is taken.
    pub pt: u8,
    /// The payload type of its retransmissions, if offered.
    pub rtx: Option<u8>,
    /// The format's parameters in the offer.
    pub fmtp: String,
    /// Ids and URIs of the header extensions that are taken.
    pub extensions: Vec<(u8, &'static str)>,
    /// Names of the layers of simulcast, all of which may be sent; empty for one stream.
    pub rids: Vec<String>,
}

impl Accepted {
    /// Gives the id of a header extension that is taken.
    pub fn extension(&self, uri: &str) -> Option<u8> {
        let mut extensions = self.extensions.iter();
        extensions
            .find(|(_, known)| *known == uri)
            .map(|(id, _)| *id)
    }
}

/// What a publisher may send, best first: what most viewers' browsers take comes before what fewer do.
const WANTED: &[(Codec, &str)] = &[
    (Codec::H264, "H264"),
    (Codec::Vp8, "VP8"),
    (Codec::Vp9, "VP9"),
    (Codec::Av1, "AV1"),
    (Codec::H265, "H265"),
    (Codec::Opus, "OPUS"),
    (Codec::Pcmu, "PCMU"),
    (Codec::Pcma, "PCMA"),
];

/// Chooses what is taken of each section that the offer does not refuse itself.
///
/// # Errors
///
/// 422 if one section has no codec that can be carried: half of an offer is never answered (RFC 9725 has the
/// publisher send all or nothing).
pub fn accept(offer: &Offer) -> Result<Vec<Accepted>, Problem> {
    let wanted = offer.media.iter().enumerate();
    wanted
        .filter(|(_, media)| !media.port_zero)
        .map(|(mline, media)| of_section(mline, media))
        .collect()
}

fn of_section(mline: usize, media: &OfferedMedia) -> Result<Accepted, Problem> {
    let best = WANTED.iter().find_map(|(codec, name)| {
        let fitting = media
            .codecs
            .iter()
            .filter(|offered| fits(offered, *codec, name));
        let best = fitting.min_by_key(|offered| rank(*codec, offered))?;
        (codec.kind() == media.kind).then_some((*codec, *name, best))
    });
    let Some((codec, encoding_name, offered)) = best else {
        return Err(refusal(media));
    };
    let extension = |uri: &'static str| media.short_extension(uri).map(|id| (id, uri));
    let mut extensions: Vec<_> = [MID, TWCC].into_iter().filter_map(extension).collect();
    let rids = layers(media, offered.pt);
    if !rids.is_empty() {
        extensions.extend([RID, REPAIRED].into_iter().filter_map(extension));
    }
    Ok(Accepted {
        mline,
        mid: media.mid.clone(),
        codec,
        encoding_name,
        pt: offered.pt,
        rtx: offered.rtx,
        fmtp: offered.fmtp.clone(),
        extensions,
        rids,
    })
}

/// Gives the layers that can be sent as this payload type, if packets can be told apart by their names. One alone is
/// none: without the name, it is sent like any other stream.
fn layers(media: &OfferedMedia, pt: u8) -> Vec<String> {
    let fitting = media.layers.iter().filter(|layer| layer.allows(pt));
    let rids: Vec<_> = fitting.map(|layer| layer.rid.clone()).collect();
    if rids.len() < 2 || media.kind != Kind::Video || media.short_extension(RID).is_none() {
        return Vec::new();
    }
    rids
}

fn fits(offered: &OfferedCodec, codec: Codec, name: &str) -> bool {
    offered.encoding_name.eq_ignore_ascii_case(name) && offered.clock_rate == codec.clock_rate()
}

/// Among payload types of one codec the lowest rank is taken, and the first of the same rank: the publisher's
/// own order of preference.
fn rank(codec: Codec, offered: &OfferedCodec) -> (bool, u32) {
    let number = |name: &str| {
        let value = offered.parameter(name).and_then(|value| value.parse().ok());
        value.unwrap_or(0)
    };
    if codec == Codec::H264 {
        // Mode 1 allows pictures larger than a packet in one slice; all viewers offer it. Profiles other than
        // 4:2:0 with 8 bits (High 10, 4:2:2, 4:4:4) are shown by hardly any browser.
        let profile = offered
            .parameter("profile-level-id")
            .and_then(|id| id.get(..2));
        let profile = profile.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let common = matches!(profile, None | Some(66 | 77 | 88 | 100));
        return (!common, u32::from(number("packetization-mode") != 1));
    }
    // The other codecs have no profiles that matter.
    let profiles = [(Codec::Vp9, "profile-id"), (Codec::Av1, "profile")];
    let profile = profiles.iter().find(|(one, _)| *one == codec);
    (false, profile.map_or(0, |(_, name)| number(name)))
}

fn refusal(media: &OfferedMedia) -> Problem {
    let taken: Vec<_> = WANTED
        .iter()
        .filter(|(codec, _)| codec.kind() == media.kind)
        .map(|(codec, _)| codec.label())
        .collect();
    let mut offered: Vec<_> = media
        .codecs
        .iter()
        .map(|codec| codec.encoding_name.chars().take(16).collect::<String>())
        .collect();
    offered.dedup();
    offered.truncate(12);
    let offered = if offered.is_empty() {
        "none that is described".to_owned()
    } else {
        offered.join(", ")
    };
    let kind = media.kind;
    let leave_out = match kind {
        Kind::Video => "sound alone",
        Kind::Audio => "pictures alone",
    };
    Problem::new(
        422,
        format!(
            "no codec of the {kind} section can be taken ({offered}); offer {}, or {leave_out}",
            taken.join(", ")
        ),
    )
}
