//! Which payloader serves which codec. Adding one is one line of the table.

use std::sync::Once;

use gst::prelude::*;
use sluice_core::Codec;

/// The largest RTP packet; SRTP and header extensions add up to about 40 bytes, IPv6 and UDP 48.
const MTU: u32 = 1200;

/// One line of the table.
struct Row {
    codec: Codec,
    factory: &'static str,
    properties: &'static [(&'static str, &'static str)],
}

const TABLE: &[Row] = &[
    Row {
        codec: Codec::H264,
        factory: "rtph264pay",
        properties: &[
            ("config-interval", "-1"),
            ("aggregate-mode", "zero-latency"),
        ],
    },
    Row {
        codec: Codec::Vp8,
        factory: "rtpvp8pay",
        properties: &[("picture-id-mode", "15-bit")],
    },
    Row {
        codec: Codec::Vp9,
        factory: "rtpvp9pay",
        properties: &[("picture-id-mode", "15-bit")],
    },
    Row {
        codec: Codec::Av1,
        factory: "rtpav1pay",
        properties: &[],
    },
    Row {
        codec: Codec::Opus,
        factory: "rtpopuspay",
        properties: &[],
    },
    Row {
        codec: Codec::Pcmu,
        factory: "rtppcmupay",
        // A G.711 source with long buffers still leaves in 20 ms packets, as browsers expect.
        properties: &[("min-ptime", "20000000"), ("max-ptime", "20000000")],
    },
    Row {
        codec: Codec::Pcma,
        factory: "rtppcmapay",
        properties: &[("min-ptime", "20000000"), ("max-ptime", "20000000")],
    },
];

/// Builds payloaders.
pub(crate) struct Payloader;

impl Payloader {
    /// Makes the payloader of a codec; `None` when WebRTC cannot carry it.
    ///
    /// # Errors
    ///
    /// The element is not installed; the text names it.
    pub(crate) fn make(codec: Codec) -> Option<Result<gst::Element, String>> {
        let row = TABLE.iter().find(|row| row.codec == codec)?;
        if codec == Codec::Av1 {
            register_av1();
        }
        let made = gst::ElementFactory::make(row.factory)
            .build()
            .map_err(|_missing| format!("the element {} is not installed", row.factory));
        Some(made.inspect(|element| {
            element.set_property("mtu", MTU);
            for (name, value) in row.properties {
                if element.has_property(name) {
                    element.set_property_from_str(name, value);
                }
            }
        }))
    }
}

/// GStreamer 1.22 of Debian has no AV1 payloader and depayloader: those of gst-plugin-rtp are linked in.
pub(crate) fn register_av1() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let is_missing = |name| gst::ElementFactory::find(name).is_none();
        if (is_missing("rtpav1pay") || is_missing("rtpav1depay"))
            && let Err(error) = gstrsrtp::plugin_register_static()
        {
            tracing::warn!(%error, "no AV1 payloader");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_that_webrtc_carries_here_has_its_payloader() {
        gst::init().unwrap();
        for row in TABLE {
            let element = Payloader::make(row.codec).unwrap().unwrap();
            assert_eq!(element.property::<u32>("mtu"), MTU, "{}", row.factory);
            // The largest one, as the sink sets it.
            element.set_property_from_str("ssrc", &u32::MAX.to_string());
        }
    }

    #[test]
    fn a_codec_of_no_browser_has_none() {
        gst::init().unwrap();
        assert!(Payloader::make(Codec::Mpeg2).is_none());
    }
}
