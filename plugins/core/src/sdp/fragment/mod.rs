//! Trickle fragments: `application/trickle-ice-sdpfrag` (RFC 8840, section 9).

#[cfg(test)]
mod tests;

use std::fmt;

use crate::problem::Problem;
use crate::sdp::candidate::{Candidate, is_ice_text};

/// The media type of a fragment.
pub const CONTENT_TYPE: &str = "application/trickle-ice-sdpfrag";

/// Larger than any browser's fragment.
pub const LARGEST: usize = 16 * 1024;

/// Candidates that came after the offer, or the credentials of an ICE restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrickleFragment {
    /// Of the bundle's transport; without it the current one is meant.
    pub ice_ufrag: Option<String>,
    /// Of the bundle's transport; without it the current one is meant.
    pub ice_pwd: Option<String>,
    /// The mids of `a=group:BUNDLE`.
    pub bundle: Vec<String>,
    /// One per pseudo `m=` line.
    pub media: Vec<FragmentMedia>,
    /// Whether no more candidates follow for any section.
    pub end_of_candidates: bool,
}

/// What a fragment says about one section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FragmentMedia {
    /// What follows `m=`, such as `video 9 UDP/TLS/RTP/SAVPF 0`; empty for candidates before any `m=` line.
    pub head: String,
    /// The section's name; without it the bundle's transport is meant.
    pub mid: Option<String>,
    /// The candidates that we can use, each place once, in their order.
    pub candidates: Vec<Candidate>,
    /// Whether no more candidates follow.
    pub end_of_candidates: bool,
}

/// Why a fragment is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct FragmentError {
    /// The HTTP status: 400 or 413.
    pub status: u16,
    /// What is wrong, and what would be right.
    pub sentence: String,
}

impl From<FragmentError> for Problem {
    fn from(error: FragmentError) -> Self {
        Self::new(error.status, error.sentence)
    }
}

impl TrickleFragment {
    /// Reads a fragment. Candidates that cannot be used are dropped without a word (RFC 9725, 4.3.1).
    ///
    /// # Errors
    ///
    /// 400 for what is no fragment, 413 for one that is too large.
    pub fn parse(text: &str) -> Result<Self, FragmentError> {
        if text.len() > LARGEST {
            let sentence = format!(
                "the fragment has {} bytes; at most {LARGEST} are read",
                text.len()
            );
            return Err(FragmentError {
                status: 413,
                sentence,
            });
        }
        let mut fragment = Self::default();
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            let number = index + 1;
            if line.chars().any(|c| c.is_control() && c != '\t') {
                return Err(malformed(format!(
                    "line {number} of the fragment has a control character"
                )));
            }
            let (kind, value) = line.split_once('=').ok_or_else(|| {
                malformed(format!(
                    "line {number} of the fragment is neither a= nor m="
                ))
            })?;
            match kind {
                "m" if value.trim().is_empty() => {
                    return Err(malformed(format!(
                        "line {number} of the fragment is m= without a section; write m=video 9 UDP/TLS/RTP/SAVPF 0"
                    )));
                }
                "m" => fragment.media.push(FragmentMedia {
                    head: value.trim().to_owned(),
                    ..FragmentMedia::default()
                }),
                "a" => fragment
                    .read(value)
                    .map_err(|what| malformed(format!("line {number} of the fragment {what}")))?,
                // Whole descriptions come as fragments, too: the other lines say nothing here.
                kind if kind.len() == 1 && kind.bytes().all(|b| b.is_ascii_lowercase()) => {}
                _ => {
                    return Err(malformed(format!(
                        "line {number} of the fragment is neither a= nor m="
                    )));
                }
            }
        }
        if fragment.ice_ufrag.is_some() != fragment.ice_pwd.is_some() {
            return Err(malformed(
                "the fragment has only one of a=ice-ufrag and a=ice-pwd; send both".to_owned(),
            ));
        }
        let empty = fragment.media.is_empty()
            && fragment.ice_ufrag.is_none()
            && !fragment.end_of_candidates;
        if empty {
            return Err(malformed(
                "the fragment says nothing; send candidates, or new ICE credentials".to_owned(),
            ));
        }
        Ok(fragment)
    }

    /// Gives all candidates with the mid of their section, each place once.
    pub fn candidates(&self) -> Vec<(Option<&str>, &Candidate)> {
        self.media
            .iter()
            .flat_map(|media| {
                media
                    .candidates
                    .iter()
                    .map(move |candidate| (media.mid.as_deref(), candidate))
            })
            .collect()
    }

    /// Says whether no more candidates follow: said for the whole, or for a section (they share one transport).
    pub fn ends(&self) -> bool {
        self.end_of_candidates || self.media.iter().any(|media| media.end_of_candidates)
    }

    /// Reads an attribute; names in any letter case, unknown ones are passed over.
    fn read(&mut self, text: &str) -> Result<(), &'static str> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "ice-ufrag" if !is_ice_text(value, 4, 256) => {
                return Err("has an ice-ufrag that is not 4 to 256 letters");
            }
            "ice-pwd" if !is_ice_text(value, 22, 256) => {
                return Err("has an ice-pwd that is not 22 to 256 letters");
            }
            // All sections share one transport, so the first credentials count.
            "ice-ufrag" => {
                self.ice_ufrag = self.ice_ufrag.take().or_else(|| Some(value.to_owned()))
            }
            "ice-pwd" => self.ice_pwd = self.ice_pwd.take().or_else(|| Some(value.to_owned())),
            "group" => {
                let mids = value.strip_prefix("BUNDLE").unwrap_or_default();
                self.bundle
                    .extend(mids.split_ascii_whitespace().map(str::to_owned));
            }
            "mid" => {
                let media = self.section().ok_or("has a=mid before any m= line")?;
                media.mid = Some(value.to_owned());
            }
            "end-of-candidates" => match self.section() {
                Some(media) => media.end_of_candidates = true,
                None => self.end_of_candidates = true,
            },
            "candidate" => self.add(value)?,
            _ => {}
        }
        Ok(())
    }

    /// Gives the section that the last `m=` line has begun.
    fn section(&mut self) -> Option<&mut FragmentMedia> {
        self.media.last_mut().filter(|media| !media.head.is_empty())
    }

    fn add(&mut self, value: &str) -> Result<(), &'static str> {
        let candidate = Candidate::parse(value).ok_or("has a candidate that cannot be read")?;
        let known = self
            .media
            .iter()
            .flat_map(|media| &media.candidates)
            .any(|other| other.same_place(&candidate));
        if self.media.is_empty() {
            self.media.push(FragmentMedia::default());
        }
        if let Some(media) = self.media.last_mut()
            && !known
            && candidate.usable()
        {
            media.candidates.push(candidate);
        }
        Ok(())
    }
}

fn malformed(sentence: String) -> FragmentError {
    FragmentError {
        status: 400,
        sentence,
    }
}

impl fmt::Display for TrickleFragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.bundle.is_empty() {
            write!(f, "a=group:BUNDLE {}\r\n", self.bundle.join(" "))?;
        }
        if let Some(ufrag) = &self.ice_ufrag {
            write!(f, "a=ice-ufrag:{ufrag}\r\n")?;
        }
        if let Some(pwd) = &self.ice_pwd {
            write!(f, "a=ice-pwd:{pwd}\r\n")?;
        }
        if self.end_of_candidates {
            f.write_str("a=end-of-candidates\r\n")?;
        }
        for media in &self.media {
            if !media.head.is_empty() {
                write!(f, "m={}\r\n", media.head)?;
            }
            if let Some(mid) = &media.mid {
                write!(f, "a=mid:{mid}\r\n")?;
            }
            for candidate in &media.candidates {
                write!(f, "a={candidate}\r\n")?;
            }
            if media.end_of_candidates {
                f.write_str("a=end-of-candidates\r\n")?;
            }
        }
        Ok(())
    }
}
