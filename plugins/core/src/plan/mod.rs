//! What a viewer gets: each track as it is, transcoded, or a refusal that says why.

mod h264;
#[cfg(test)]
mod tests;

use crate::problem::Problem;
use crate::sdp::Part;
use crate::sdp::offer::{Offer, OfferedCodec, OfferedMedia};
use crate::track::{Codec, Kind, Track, VideoFormat};

/// What is done about one kind of media for one viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The track is sent as it is.
    PassThrough {
        /// Its place among the tracks.
        track: usize,
        /// The viewer's payload type for it.
        pt: u8,
        /// The viewer's payload type for its retransmissions.
        rtx: Option<u8>,
    },
    /// The track must become another codec first.
    Transcode {
        /// Its place among the tracks.
        track: usize,
        /// What the viewer can play.
        to: Codec,
        /// Why it cannot be sent as it is.
        why: String,
    },
    /// The viewer can play nothing that could be made.
    Refuse {
        /// Why.
        why: String,
    },
    /// The source has none, or the viewer wants none.
    Absent,
}

/// What one viewer gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// For pictures.
    pub video: Choice,
    /// For sound.
    pub audio: Choice,
}

/// Decides what a viewer gets.
///
/// Several tracks of one kind are renditions of the same content, in order of preference.
pub fn plan(tracks: &[Track], offer: &Offer) -> Plan {
    Plan {
        video: choose(Kind::Video, tracks, offer),
        audio: choose(Kind::Audio, tracks, offer),
    }
}

impl Plan {
    /// Gives the refusal, if the viewer cannot get all that both sides have.
    pub fn refusal(&self) -> Option<Problem> {
        let mut sentences = Vec::new();
        for choice in [&self.video, &self.audio] {
            match choice {
                Choice::Refuse { why } => sentences.push(why.clone()),
                Choice::Transcode { to, why, .. } => sentences.push(format!(
                    "{why}; it needs transcoding to {to}, which is not available"
                )),
                Choice::PassThrough { .. } | Choice::Absent => {}
            }
        }
        if sentences.is_empty() && self.video == Choice::Absent && self.audio == Choice::Absent {
            sentences.push(
                "the source has nothing that the viewer asks for; ask for audio and video"
                    .to_owned(),
            );
        }
        (!sentences.is_empty()).then(|| Problem::new(422, sentences.join("; ")))
    }

    /// Says whether something must be transcoded.
    pub const fn transcodes(&self) -> bool {
        matches!(self.video, Choice::Transcode { .. })
            || matches!(self.audio, Choice::Transcode { .. })
    }
}

/// Decides what a viewer is offered who has not said what it plays: the first track of each kind that WebRTC
/// carries as it is, pictures before sound.
///
/// # Errors
///
/// 422 with the reason, if the path has pictures or sound of which no track can be offered.
pub fn invitation(tracks: &[Track]) -> Result<Vec<Part>, Problem> {
    let mut parts = Vec::new();
    for kind in [Kind::Video, Kind::Audio] {
        let of_kind = || {
            tracks
                .iter()
                .enumerate()
                .filter(|(_, track)| track.kind() == kind)
        };
        let mut offered = of_kind().filter_map(|(index, track)| {
            let fits = unplayable(track).is_none();
            fits.then(|| Part::of(index, track)).flatten()
        });
        match (offered.next(), of_kind().next()) {
            (Some(part), _) => parts.push(part),
            (None, Some((_, track))) => {
                let codec = track.codec;
                let why = unplayable(track)
                    .unwrap_or_else(|| "WebRTC viewers do not take it as it is".to_owned());
                return Err(Problem::new(
                    422,
                    format!("the source sends {codec}, but {why}"),
                ));
            }
            (None, None) => {}
        }
    }
    if parts.is_empty() {
        let sentence = "the source has sent no pictures or sound yet";
        return Err(Problem::new(503, sentence));
    }
    Ok(parts)
}

/// What a transcoder would make, the best first.
const MADE: &[Codec] = &[Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus];

fn choose(kind: Kind, tracks: &[Track], offer: &Offer) -> Choice {
    let mut of_kind = tracks
        .iter()
        .enumerate()
        .filter(|(_, track)| track.kind() == kind)
        .peekable();
    let Some((best, track)) = of_kind.peek().copied() else {
        return Choice::Absent;
    };
    let Some(media) = offer.media_of(kind) else {
        return Choice::Absent;
    };
    for (index, track) in of_kind {
        if let Some(codec) = fitting(track, media) {
            return Choice::PassThrough {
                track: index,
                pt: codec.pt,
                rtx: codec.rtx,
            };
        }
    }
    let why = obstacle(track, media);
    MADE.iter()
        .copied()
        .filter(|codec| codec.kind() == kind)
        .find(|codec| offered(*codec, media).any(|offered| plain(*codec, offered)))
        .map_or_else(
            || Choice::Refuse {
                why: format!(
                    "{why}, and the viewer offers no {kind} codec that could be made for it"
                ),
            },
            |to| Choice::Transcode {
                track: best,
                to,
                why: why.clone(),
            },
        )
}

fn offered(codec: Codec, media: &OfferedMedia) -> impl Iterator<Item = &OfferedCodec> {
    media.codecs.iter().filter(move |offered| {
        codec
            .encoding_name()
            .is_some_and(|name| name.eq_ignore_ascii_case(&offered.encoding_name))
            && codec.clock_rate() == offered.clock_rate
    })
}

/// Says whether a transcoder's usual output fits the offered payload type.
fn plain(codec: Codec, offered: &OfferedCodec) -> bool {
    match codec {
        Codec::H264 => h264::rank(None, offered).is_some(),
        Codec::Vp9 => profile_id(offered) == 0,
        Codec::Vp8
        | Codec::Av1
        | Codec::Opus
        | Codec::H265
        | Codec::Mjpeg
        | Codec::Mpeg2
        | Codec::Mpeg4
        | Codec::Aac
        | Codec::Pcmu
        | Codec::Pcma
        | Codec::G722
        | Codec::Mp2
        | Codec::Mp3
        | Codec::L16 => true,
    }
}

/// Finds the payload type under which the track can be sent as it is.
fn fitting<'a>(track: &Track, media: &'a OfferedMedia) -> Option<&'a OfferedCodec> {
    if unplayable(track).is_some() {
        return None;
    }
    let profile = track
        .video_format()
        .and_then(|format| format.profile.as_deref());
    let mut offered = offered(track.codec, media);
    match track.codec {
        Codec::H264 => offered
            .filter_map(|codec| Some((h264::rank(profile, codec)?, codec)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, codec)| codec),
        Codec::Vp9 => offered.find(|codec| profile_id(codec) == vp9_profile(profile)),
        Codec::Av1 => {
            offered.find(|codec| codec.parameter("profile").unwrap_or("0") == av1_profile(profile))
        }
        Codec::Vp8 | Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722 => offered.next(),
        Codec::H265
        | Codec::Mjpeg
        | Codec::Mpeg2
        | Codec::Mpeg4
        | Codec::Aac
        | Codec::Mp2
        | Codec::Mp3
        | Codec::L16 => None,
    }
}

/// Firefox offers VP9 without a profile: it is 0 (RFC 9628, 6.1).
fn profile_id(offered: &OfferedCodec) -> u8 {
    offered
        .parameter("profile-id")
        .and_then(|id| id.parse().ok())
        .unwrap_or(0)
}

fn vp9_profile(profile: Option<&str>) -> u8 {
    profile
        .and_then(|profile| profile.parse().ok())
        .unwrap_or(0)
}

/// Gives AV1's `seq_profile` for a profile as GStreamer's caps name it.
fn av1_profile(profile: Option<&str>) -> &str {
    match profile {
        None | Some("main") => "0",
        Some("high") => "1",
        Some("professional") => "2",
        Some(number) => number,
    }
}

/// Says why no browser could play the track as it is, whatever it offers.
fn unplayable(track: &Track) -> Option<String> {
    match &track.format {
        crate::track::Format::Video(format) if track.codec == Codec::H264 => {
            h264::unplayable(format)
        }
        crate::track::Format::Video(VideoFormat { .. }) => None,
        crate::track::Format::Audio(format) => {
            let g711 = matches!(track.codec, Codec::Pcmu | Codec::Pcma);
            let odd = format.channels.is_some_and(|channels| channels != 1)
                || format.rate.is_some_and(|rate| rate != 8000);
            (g711 && odd)
                .then(|| format!("it is {format}, and viewers take G.711 at 8000 Hz, mono, only"))
        }
    }
}

/// Says in a sentence why the track cannot be sent as it is.
fn obstacle(track: &Track, media: &OfferedMedia) -> String {
    let codec = track.codec;
    if let Some(what) = unplayable(track) {
        return format!("the source sends {codec}, but {what}");
    }
    if offered(codec, media).next().is_some() {
        let profile = track
            .video_format()
            .and_then(|format| format.profile.as_deref())
            .unwrap_or("unknown");
        return format!(
            "the source sends {codec} of the profile {profile}, which the viewer does not offer"
        );
    }
    let mut names: Vec<String> = Vec::new();
    for name in media
        .codecs
        .iter()
        .filter_map(|offered| Codec::from_encoding_name(&offered.encoding_name))
        .map(Codec::label)
    {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let offers = if names.is_empty() {
        "nothing that we know".to_owned()
    } else {
        names.join(", ")
    };
    format!(
        "the source sends {codec}, which the viewer does not offer (it offers {offers}; send one of these, or try another browser)"
    )
}
