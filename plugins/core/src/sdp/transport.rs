//! Where a bundle's transport is described.

use crate::sdp::candidate::is_ice_text;
use crate::sdp::fingerprint::Fingerprint;
use crate::sdp::lines::Section;
use crate::sdp::offer::OfferError;

/// The section whose transport carries all, else the session.
pub(super) struct Transport<'a> {
    section: &'a Section<'a>,
    session: &'a Section<'a>,
    /// `offer` or `answer`, for sentences.
    of: &'static str,
}

impl<'a> Transport<'a> {
    /// Reads it from this section of an `offer` or `answer`.
    pub(super) const fn new(
        section: &'a Section<'a>,
        session: &'a Section<'a>,
        of: &'static str,
    ) -> Self {
        Self {
            section,
            session,
            of,
        }
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        self.section
            .attribute(name)
            .or_else(|| self.session.attribute(name))
    }

    pub(super) fn credential(&self, name: &str, least: usize) -> Result<String, OfferError> {
        let of = self.of;
        let value = self.attribute(name).ok_or_else(|| {
            OfferError::malformed(format!("the {of} has no a={name}; send a WebRTC {of}"))
        })?;
        if is_ice_text(value, least, 256) {
            Ok(value.to_owned())
        } else {
            Err(OfferError::malformed(format!(
                "a={name} is not {least} to 256 letters, digits, + and /"
            )))
        }
    }

    pub(super) fn fingerprint(&self) -> Result<Fingerprint, OfferError> {
        let of = self.of;
        let of_section: Vec<&str> = self.section.attributes("fingerprint").collect();
        let of_session: Vec<&str> = self.session.attributes("fingerprint").collect();
        let given = if of_section.is_empty() {
            of_session
        } else {
            of_section
        };
        if given.is_empty() {
            return Err(OfferError::malformed(format!(
                "the {of} has no a=fingerprint; media are sent over DTLS only"
            )));
        }
        given
            .iter()
            .filter_map(|value| Fingerprint::parse(value))
            .max_by_key(Fingerprint::strength)
            .ok_or_else(|| {
                OfferError::malformed(format!(
                    "the {of}'s a=fingerprint is not a proper sha-256, sha-384 or sha-512 hash"
                ))
            })
    }
}
