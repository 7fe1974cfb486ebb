//! Which H.265 a viewer takes.

use crate::sdp::offer::OfferedCodec;
use crate::track::VideoFormat;

/// What a viewer takes that names none: Main, and level 3.1 (RFC 7798, 7.1).
const DEFAULT_PROFILE: u32 = 1;

/// Says why no browser plays it, whatever it offers.
pub(super) fn unplayable(format: &VideoFormat) -> Option<String> {
    if format.reorders {
        return Some(
            "it has B-frames, which browsers do not play over WebRTC (switch them off at the source)"
                .to_owned(),
        );
    }
    let sampled = format
        .chroma
        .as_deref()
        .is_some_and(|chroma| chroma != "4:2:0");
    sampled.then(|| {
        let chroma = format.chroma.as_deref().unwrap_or_default();
        format!("its pictures are {chroma}, which browsers do not play (set the source to the main profile)")
    })
}

/// Says whether a payload type takes the stream.
///
/// A level that the viewer names is the highest that it decodes; whoever names none decodes what it can.
pub(super) fn fits(format: Option<&VideoFormat>, offered: &OfferedCodec) -> bool {
    let number = |name| {
        offered
            .parameter(name)
            .and_then(|text| text.parse::<u32>().ok())
    };
    let profile = match format.and_then(|format| format.profile.as_deref()) {
        None | Some("main") => 1,
        Some("main-10") => 2,
        Some(_) => return false,
    };
    let level = format
        .and_then(|format| format.level.as_deref())
        .and_then(level_idc);
    let level_fits = match (level, number("level-id")) {
        (Some(ours), Some(most)) => ours <= most,
        _ => true,
    };
    number("profile-id").unwrap_or(DEFAULT_PROFILE) == profile && level_fits
}

/// Reads a level as GStreamer's caps name it ("4.1") into `general_level_idc` (123): thirty times the number.
fn level_idc(level: &str) -> Option<u32> {
    let (whole, part) = level.split_once('.').unwrap_or((level, "0"));
    Some(whole.parse::<u32>().ok()? * 30 + part.parse::<u32>().ok()? * 3)
}
