//! Why a track cannot be sent as it is.

use super::policy::{Policy, Transcode};
use super::{h264, h265, offered};
use crate::sdp::offer::OfferedMedia;
use crate::track::{Codec, Format, Track, VideoFormat};

/// The widest and the highest picture that decoders of browsers take: H.264's levels up to 5.2 end there, and so do most
/// hardware decoders (Chromium's and Firefox's bounds for H.264 and VP8).
const LARGEST: u32 = 4096;

/// Says why no browser could play the track as it is, whatever it offers.
pub(super) fn unplayable(track: &Track) -> Option<String> {
    match &track.format {
        Format::Video(format) => {
            let of_codec = if track.codec == Codec::H264 {
                h264::unplayable(format)
            } else if track.codec == Codec::H265 {
                h265::unplayable(format)
            } else {
                None
            };
            of_codec.or_else(|| too_large(format))
        }
        Format::Audio(format) => {
            let g711 = matches!(track.codec, Codec::Pcmu | Codec::Pcma);
            let odd = format.channels.is_some_and(|channels| channels != 1)
                || format.rate.is_some_and(|rate| rate != 8000);
            (g711 && odd)
                .then(|| format!("it is {format}, and viewers take G.711 at 8000 Hz, mono, only"))
        }
    }
}

fn too_large(format: &VideoFormat) -> Option<String> {
    let (width, height) = (format.width?, format.height?);
    (width.max(height) > LARGEST).then(|| {
        format!("it has {width}×{height} pixels, and browsers decode at most {LARGEST} a side (set the source to less)")
    })
}

/// Says in a sentence why the track cannot be sent as it is.
pub(super) fn obstacle(track: &Track, media: &OfferedMedia, policy: &Policy) -> String {
    let codec = track.codec;
    if policy.transcode == Transcode::Always {
        return "this path's pictures are always transcoded (transcode: always)".to_owned();
    }
    if !policy.passes(codec) && !policy.codecs.is_empty() && codec.encoding_name().is_some() {
        return format!(
            "the source sends {codec}, which this path does not give to viewers (transcode.codecs)"
        );
    }
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
