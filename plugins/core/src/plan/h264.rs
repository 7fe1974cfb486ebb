//! Which H.264 a viewer takes.

use crate::sdp::offer::OfferedCodec;
use crate::track::VideoFormat;

/// What a viewer takes that does not say (RFC 6184, 8.1).
const DEFAULT_PROFILE: u32 = 0x42_0010;

/// Says why no browser plays it, whatever it offers.
pub(super) fn unplayable(format: &VideoFormat) -> Option<String> {
    if format.reorders {
        // Chromium decoded 8 of 60 frames of a stream with B-frames (WEBRTCBIN.md, F7).
        return Some("it has B-frames, which browsers do not play over WebRTC (switch them off at the source)".to_owned());
    }
    if format.interlaced {
        return Some(
            "it is interlaced, which browsers show as combs (set the source to progressive)"
                .to_owned(),
        );
    }
    let deep = format.bit_depth.is_some_and(|depth| depth > 8);
    let sampled = format
        .chroma
        .as_deref()
        .is_some_and(|chroma| !matches!(chroma, "4:2:0" | "4:0:0"));
    let profile = format.profile.as_deref().unwrap_or("");
    let beyond = ["10", "4:2:2", "4:4:4", "4:4:4-intra", "cavlc"]
        .iter()
        .any(|word| profile.contains(word));
    (deep || sampled || beyond).then(|| {
        let what = [format.profile.as_deref(), format.chroma.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ");
        format!("its pictures are not 8 bit 4:2:0 ({what}), which browsers do not play (set the source to the main or high profile)")
    })
}

/// Says how well a payload type fits; the lowest is best, `None` does not fit.
///
/// A level binds nobody. Browsers allow level asymmetry (RFC 6184, 8.1) and decode what their machine can; GStreamer's
/// `whepclientsrc` names a low level, allows no other, and decodes any. But a payload type whose level suffices is preferred to one
/// whose does not.
pub(super) fn rank(
    profile: Option<&str>,
    level: Option<&str>,
    offered: &OfferedCodec,
) -> Option<(u8, bool, usize)> {
    let id = offered
        .parameter("profile-level-id")
        .map_or(Some(DEFAULT_PROFILE), |text| {
            u32::from_str_radix(text, 16).ok()
        })
        .filter(|id| *id <= 0xff_ffff)?;
    let family = Family::of(id)?;
    let asymmetric = offered.parameter("level-asymmetry-allowed") == Some("1");
    let named = offered.parameter("profile-level-id").is_some();
    let above = named
        && !asymmetric
        && level
            .and_then(level_idc)
            .is_some_and(|ours| ours > id & 0xff);
    // Frames do not fit into packets of one unit each (mode 0), but decoders take what comes.
    let mode = match offered.parameter("packetization-mode") {
        Some("1") => 0,
        None | Some("0") => 1,
        Some(_) => return None,
    };
    let place = order(profile).iter().position(|wanted| *wanted == family)?;
    Some((mode, above, place))
}

/// Reads a level as GStreamer's caps name it ("3.1") into `level_idc` (31). Level 1b is taken for 1.1, which it is in baseline's
/// `level_idc`.
fn level_idc(level: &str) -> Option<u32> {
    if level == "1b" {
        return Some(11);
    }
    let (whole, part) = level.split_once('.').unwrap_or((level, "0"));
    Some(whole.parse::<u32>().ok()? * 10 + part.parse::<u32>().ok()?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    ConstrainedBaseline,
    Baseline,
    Main,
    High,
}

impl Family {
    /// Reads `profile_idc` and the constraint flags (RFC 6184, table 5).
    const fn of(profile_level_id: u32) -> Option<Self> {
        let constrained = profile_level_id & 0x4000 != 0;
        match profile_level_id >> 16 {
            0x42 if constrained => Some(Self::ConstrainedBaseline),
            0x42 => Some(Self::Baseline),
            0x4d | 0x58 => Some(Self::Main),
            0x64 => Some(Self::High),
            _ => None,
        }
    }
}

/// The profiles under which a stream is sent, the best first. Chromium offers no High, but decodes it
/// under a constrained-baseline payload type.
const fn order(profile: Option<&str>) -> &'static [Family] {
    use Family::{Baseline, ConstrainedBaseline, High, Main};
    let Some(profile) = profile else {
        return &[ConstrainedBaseline, Baseline, Main, High];
    };
    match profile.as_bytes() {
        b"baseline" => &[Baseline, ConstrainedBaseline, Main, High],
        b"main" | b"extended" => &[Main, ConstrainedBaseline, Baseline, High],
        b"high" | b"constrained-high" | b"progressive-high" => {
            &[High, ConstrainedBaseline, Baseline, Main]
        }
        _ => &[ConstrainedBaseline, Baseline, Main, High],
    }
}
