//! What a viewer gets: each track as it is, transcoded, or a refusal that says why.

mod h264;
mod h265;
mod obstacle;
mod policy;
#[cfg(test)]
mod tests;

pub use policy::{Policy, Transcode};

use crate::problem::Problem;
use crate::sdp::Part;
use crate::sdp::offer::{Offer, OfferedCodec, OfferedMedia};
use crate::track::{Codec, Kind, Track};
use obstacle::{obstacle, unplayable};

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
        /// A rendition of that codec is there already.
        running: bool,
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

/// Decides what a viewer gets. `running` has the codecs of the renditions of pictures that are there already: one of them is
/// preferred to a further one.
///
/// Several tracks of one kind are renditions of the same content, in order of preference.
pub fn plan(tracks: &[Track], offer: &Offer, policy: &Policy, running: &[Codec]) -> Plan {
    Plan {
        video: choose(Kind::Video, tracks, offer, policy, running),
        audio: choose(Kind::Audio, tracks, offer, &Policy::sound(), &[]),
    }
}

/// Finds the payload types under which a viewer takes a track as it is: its own, and that of its retransmissions.
pub fn fit(track: &Track, offer: &Offer) -> Option<(u8, Option<u8>)> {
    let media = offer.media_of(track.kind())?;
    fitting(track, media).map(|codec| (codec.pt, codec.rtx))
}

impl Choice {
    /// Says in a few words what was chosen and why; `None` where there is nothing.
    pub fn sentence(&self, tracks: &[Track]) -> Option<String> {
        let codec = |track: usize| {
            tracks
                .get(track)
                .map_or("a track", |track| track.codec.label())
        };
        match self {
            // Sound may have become Opus on its way here.
            Self::PassThrough { track, .. } => {
                let pictures = tracks
                    .get(*track)
                    .is_some_and(|track| track.kind() == Kind::Video);
                let as_it_comes = if pictures { " as it comes" } else { "" };
                Some(format!("{}{as_it_comes}", codec(*track)))
            }
            Self::Transcode { track, to, why, .. } => Some(format!(
                "{to}, made from {} once for all who need it: {why}",
                codec(*track)
            )),
            Self::Refuse { why } => Some(why.clone()),
            Self::Absent => None,
        }
    }

    /// Gives its name in the API: `pass_through`, `transcode`, `refuse` or `absent`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PassThrough { .. } => "pass_through",
            Self::Transcode { .. } => "transcode",
            Self::Refuse { .. } => "refuse",
            Self::Absent => "absent",
        }
    }
}

impl Plan {
    /// Gives the refusal, if the viewer cannot get all that both sides have. Where pictures `can_render`, transcoding them is
    /// no reason.
    pub fn refusal(&self, can_render: bool) -> Option<Problem> {
        let mut sentences = Vec::new();
        for (choice, can_render) in [(&self.video, can_render), (&self.audio, false)] {
            match choice {
                Choice::Refuse { why } => sentences.push(why.clone()),
                Choice::Transcode { to, why, .. } if !can_render => sentences.push(format!(
                    "{why}; it needs transcoding to {to}, which is not available"
                )),
                Choice::Transcode { .. } | Choice::PassThrough { .. } | Choice::Absent => {}
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
}

/// Decides what the pictures are made into for a viewer who has not said what it plays: `None` where a track of them can be
/// offered as it is, or the path allows no transcoding.
pub fn uninvited(tracks: &[Track], policy: &Policy, running: &[Codec]) -> Option<Plan> {
    let mut pictures = tracks
        .iter()
        .enumerate()
        .filter(|(_, track)| track.kind() == Kind::Video)
        .peekable();
    let (track, first) = pictures.peek().copied()?;
    let can_pass = |track: &Track| policy.passes(track.codec) && Part::of(0, track).is_some();
    if pictures.any(|(_, track)| can_pass(track) && unplayable(track).is_none()) {
        return None;
    }
    if policy.transcode == Transcode::Never {
        return None;
    }
    let shared = policy.made().find(|codec| running.contains(codec));
    let to = shared.or_else(|| policy.made().next())?;
    let why = unplayable(first).unwrap_or_else(|| "WebRTC does not carry it as it is".to_owned());
    Some(Plan {
        video: Choice::Transcode {
            track,
            to,
            running: shared.is_some(),
            why,
        },
        audio: Choice::Absent,
    })
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

fn choose(
    kind: Kind,
    tracks: &[Track],
    offer: &Offer,
    policy: &Policy,
    running: &[Codec],
) -> Choice {
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
    for (index, track) in of_kind.filter(|(_, track)| policy.passes(track.codec)) {
        if let Some(codec) = fitting(track, media) {
            return Choice::PassThrough {
                track: index,
                pt: codec.pt,
                rtx: codec.rtx,
            };
        }
    }
    let why = obstacle(track, media, policy);
    if policy.transcode == Transcode::Never {
        return Choice::Refuse {
            why: format!("{why}; this path's pictures are not transcoded (transcode: never)"),
        };
    }
    let playable = || {
        let made = policy.made();
        made.filter(|codec| offered(*codec, media).any(|offered| plain(*codec, offered)))
    };
    let shared = playable().find(|codec| running.contains(codec));
    let Some(to) = shared.or_else(|| playable().next()) else {
        let made: Vec<_> = policy.made().map(Codec::label).collect();
        let made = made.join(", ");
        return Choice::Refuse {
            why: format!("{why}, and the viewer offers none of what could be made of it ({made})"),
        };
    };
    Choice::Transcode {
        track: best,
        to,
        running: shared.is_some(),
        why,
    }
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
        Codec::H264 => h264::rank(None, None, offered).is_some(),
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
    let format = track.video_format();
    let profile = format.and_then(|format| format.profile.as_deref());
    let level = format.and_then(|format| format.level.as_deref());
    let mut offered = offered(track.codec, media);
    match track.codec {
        Codec::H264 => offered
            .filter_map(|codec| Some((h264::rank(profile, level, codec)?, codec)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, codec)| codec),
        Codec::Vp9 => offered.find(|codec| profile_id(codec) == vp9_profile(profile)),
        Codec::Av1 => {
            offered.find(|codec| codec.parameter("profile").unwrap_or("0") == av1_profile(profile))
        }
        Codec::Vp8 | Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722 => offered.next(),
        Codec::H265 => offered.find(|codec| h265::fits(format, codec)),
        Codec::Mjpeg
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
