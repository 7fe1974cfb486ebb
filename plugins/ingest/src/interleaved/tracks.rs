//! What a camera says that it has, and what of it can be unpacked.

use gst_sdp::{SDPMediaRef, SDPMessage};
use sluice_core::rtsp::Wanted;

use crate::elements::installed;
use crate::route::depayloader;

/// Payload types that need no `a=rtpmap` (RFC 3551, 6): the name, and the clock rate in Hz.
const STATIC: &[(u8, &str, i32)] = &[
    (0, "PCMU", 8000),
    (8, "PCMA", 8000),
    (9, "G722", 8000),
    (10, "L16", 44_100),
    (11, "L16", 44_100),
    (14, "MPA", 90_000),
    (26, "JPEG", 90_000),
    (32, "MPV", 90_000),
    (33, "MP2T", 90_000),
];

/// One track of a camera's description.
#[derive(Debug)]
pub(super) enum Offered {
    /// It can be unpacked.
    Track(Track),
    /// It cannot; what it is called.
    Unknown(String),
}

/// A track to set up.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) wanted: Wanted,
    pub(super) is_video: bool,
    /// As rtspsrc makes them.
    pub(super) caps: gst::Caps,
    /// The payload type of its packets.
    pub(super) payload: u8,
    /// Of its RTP time, in Hz.
    pub(super) rate: u32,
}

/// Reads all tracks of a description, in its order.
pub(super) fn offered(sdp: &SDPMessage) -> Vec<Offered> {
    let medias = (0..sdp.medias_len()).filter_map(|number| sdp.media(number));
    medias.map(|media| offer(sdp, media)).collect()
}

fn offer(sdp: &SDPMessage, media: &SDPMediaRef) -> Offered {
    let kind = media.media().unwrap_or("unknown");
    let formats: Vec<(u8, gst::Caps)> = media
        .formats()
        .filter_map(|format| format.parse().ok())
        .filter_map(|payload| Some((payload, caps(sdp, media, payload)?)))
        .collect();
    let taken = formats
        .iter()
        .find(|(_, caps)| depayloader(name(caps)).is_some_and(installed));
    let Some((payload, caps)) = taken else {
        let name = formats.first().map_or("unknown", |(_, caps)| name(caps));
        return Offered::Unknown(format!("{name} ({kind})"));
    };
    let rate = caps
        .structure(0)
        .and_then(|structure| structure.get::<i32>("clock-rate").ok())
        .and_then(|rate| u32::try_from(rate).ok());
    Offered::Track(Track {
        wanted: Wanted {
            control: media.attribute_val("control").map(str::to_owned),
            has_feedback: media.proto() == Some("RTP/AVPF"),
        },
        is_video: kind == "video",
        caps: caps.clone(),
        payload: *payload,
        rate: rate.unwrap_or(90_000),
    })
}

fn caps(sdp: &SDPMessage, media: &SDPMediaRef, payload: u8) -> Option<gst::Caps> {
    let mut caps = media.caps_from_media(payload.into())?;
    let all = caps.make_mut();
    let structure = all.structure_mut(0)?;
    structure.set_name("application/x-rtp");
    if let Some((_, name, rate)) = STATIC.iter().find(|(known, ..)| *known == payload)
        && !structure.has_field("encoding-name")
    {
        structure.set("encoding-name", *name);
        structure.set("clock-rate", *rate);
    }
    // Attributes that do not fit into caps are missing in them, as with rtspsrc.
    sdp.attributes_to_caps(all).unwrap_or_default();
    media.attributes_to_caps(all).unwrap_or_default();
    Some(caps)
}

fn name(caps: &gst::Caps) -> &str {
    caps.structure(0)
        .and_then(|structure| structure.get::<&str>("encoding-name").ok())
        .unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\na=control:*\r\n\
        m=video 0 RTP/AVP 96\r\na=rtpmap:96 h264/90000\r\na=control:trackID=0\r\n\
        a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==\r\n\
        m=audio 0 RTP/AVP 0 101\r\na=control:trackID=1\r\n\
        m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n\
        m=audio 0 RTP/AVPF 97\r\na=rtpmap:97 opus/48000/2\r\na=control:rtsp://cam/3\r\n";

    #[test]
    fn what_can_be_unpacked_is_a_track_and_all_else_has_a_name() {
        gst::init().unwrap();
        let sdp = SDPMessage::parse_buffer(CAMERA.as_bytes()).unwrap();
        let all = offered(&sdp);
        let said: Vec<_> = all
            .iter()
            .map(|one| match one {
                Offered::Unknown(name) => name.clone(),
                Offered::Track(track) => {
                    let control = track.wanted.control.as_deref().unwrap();
                    let name = name(&track.caps);
                    format!("{control} {name}/{} as {}", track.rate, track.payload)
                }
            })
            .collect();
        let want = [
            "trackID=0 H264/90000 as 96",
            "trackID=1 PCMU/8000 as 0",
            "VND.ONVIF.METADATA (application)",
            "rtsp://cam/3 OPUS/48000 as 97",
        ];
        assert_eq!(said, want);
        let Offered::Track(video) = &all[0] else {
            panic!("no video");
        };
        let caps = video.caps.to_string();
        assert!(
            caps.starts_with("application/x-rtp, media=(string)video"),
            "{caps}"
        );
        assert!(caps.contains("sprop-parameter-sets"), "{caps}");
    }
}
