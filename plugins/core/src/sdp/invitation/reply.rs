//! The peer's answer to our offer: read once, and refused with a sentence if it does not take what was offered.

use crate::sdp::fingerprint::Fingerprint;
use crate::sdp::lines::{self, Section};
use crate::sdp::offer::{LARGEST, OfferError};
use crate::sdp::transport::Transport;

use super::Part;

/// What an answer says of its maker. Holding one proves that it takes all that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Of the bundle's transport.
    pub ice_ufrag: String,
    /// Of the bundle's transport.
    pub ice_pwd: String,
    /// What the peer's certificate must hash to.
    pub fingerprint: Fingerprint,
}

impl Reply {
    /// Reads the answer to an offer with these sections.
    ///
    /// # Errors
    ///
    /// 400 for what is no proper answer, 413 for one that is too large, 422 for one that takes not all that was
    /// offered: there is nothing else to be had.
    pub fn parse(text: &str, parts: &[Part]) -> Result<Self, OfferError> {
        if text.len() > LARGEST {
            let length = text.len();
            return Err(OfferError {
                status: 413,
                sentence: format!("the answer has {length} bytes; at most {LARGEST} are read"),
            });
        }
        let description = lines::split(text).map_err(|what| {
            OfferError::malformed(format!("the SDP {what}; send a WebRTC answer"))
        })?;
        let (found, wanted) = (description.media.len(), parts.len());
        if found != wanted {
            return Err(OfferError::malformed(format!(
                "the answer has {found} sections; the offer had {wanted}"
            )));
        }
        for (section, part) in description.media.iter().zip(parts) {
            check(section, &description.session, part)?;
        }
        let first = description
            .media
            .first()
            .ok_or_else(|| OfferError::malformed("the answer has no media"))?;
        let transport = Transport::new(first, &description.session, "answer");
        match transport.attribute("setup") {
            Some("active" | "passive") => {}
            Some(_) | None => {
                return Err(OfferError::malformed(
                    "the answer's a=setup is neither active nor passive; answer active",
                ));
            }
        }
        Ok(Self {
            ice_ufrag: transport.credential("ice-ufrag", 4)?,
            ice_pwd: transport.credential("ice-pwd", 22)?,
            fingerprint: transport.fingerprint()?,
        })
    }
}

fn check(section: &Section<'_>, session: &Section<'_>, part: &Part) -> Result<(), OfferError> {
    let kind = part.kind();
    let mut words = section.head().split_ascii_whitespace();
    if words.next() != Some(kind.label()) {
        return Err(OfferError::malformed(format!(
            "the answer has another section where {kind} was offered; keep their order"
        )));
    }
    let refused = words.next() == Some("0") && !section.has("bundle-only");
    let has = |name: &str| section.has(name) || session.has(name);
    if refused || has("inactive") || has("sendonly") {
        return Err(OfferError::unsupported(format!(
            "the viewer does not take the path's {kind}, which is {}; over WebSocket a path is offered as it is: use WHEP, or a viewer that plays it",
            part.codec
        )));
    }
    if words
        .next()
        .is_none_or(|profile| !profile.ends_with("/TLS/RTP/SAVPF"))
    {
        return Err(OfferError::unsupported(format!(
            "the {kind} section answers another profile than UDP/TLS/RTP/SAVPF; media are sent over DTLS only"
        )));
    }
    if !section.has("rtcp-mux") {
        return Err(OfferError::unsupported(format!(
            "the {kind} section has no a=rtcp-mux; RTP and RTCP share one port here"
        )));
    }
    if !words.any(|pt| pt.parse() == Ok(part.pt)) {
        return Err(OfferError::unsupported(format!(
            "the answer's {kind} section leaves out the payload type {} ({}) that was offered; answer with it",
            part.pt, part.codec
        )));
    }
    Ok(())
}
