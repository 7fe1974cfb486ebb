//! Which payloader serves which codec. Adding one is one line of the table.

use std::sync::Once;

use gst::prelude::*;
use sluice_core::Codec;

/// The largest RTP packet; SRTP and header extensions add up to about 40 bytes, IPv6 and UDP 48.
const MTU: u32 = 1200;

/// One line of the table.
struct Row {
    codec: Codec,
    /// What goes before the payloader, and how it is set.
    parser: Option<(&'static str, Properties)>,
    factory: &'static str,
    properties: Properties,
}

type Properties = &'static [(&'static str, &'static str)];

const TABLE: &[Row] = &[
    Row {
        codec: Codec::H264,
        // SPS and PPS once before each key frame: viewers join there. By its own `config-interval` the payloader
        // would put them before each slice, and `h264parse` in `webrtcsrc` takes every slice for a frame then.
        parser: Some(("h264parse", &[("config-interval", "-1")])),
        factory: "rtph264pay",
        properties: &[("aggregate-mode", "zero-latency")],
    },
    Row {
        codec: Codec::H265,
        parser: Some(("h265parse", &[("config-interval", "-1")])),
        factory: "rtph265pay",
        properties: &[("aggregate-mode", "zero-latency")],
    },
    Row {
        codec: Codec::Vp8,
        parser: None,
        factory: "rtpvp8pay",
        properties: &[("picture-id-mode", "15-bit")],
    },
    Row {
        codec: Codec::Vp9,
        parser: None,
        factory: "rtpvp9pay",
        properties: &[("picture-id-mode", "15-bit")],
    },
    Row {
        codec: Codec::Av1,
        parser: None,
        factory: "rtpav1pay",
        properties: &[],
    },
    Row {
        codec: Codec::Opus,
        parser: None,
        factory: "rtpopuspay",
        properties: &[],
    },
    Row {
        codec: Codec::Pcmu,
        parser: None,
        factory: "rtppcmupay",
        // A G.711 source with long buffers still leaves in 20 ms packets, as browsers expect.
        properties: &[("min-ptime", "20000000"), ("max-ptime", "20000000")],
    },
    Row {
        codec: Codec::Pcma,
        parser: None,
        factory: "rtppcmapay",
        properties: &[("min-ptime", "20000000"), ("max-ptime", "20000000")],
    },
];

/// Builds payloaders.
pub(crate) struct Payloader;

impl Payloader {
    /// Makes the payloader of a codec and what goes before it, to be linked in this order; `None` when WebRTC
    /// cannot carry it.
    ///
    /// # Errors
    ///
    /// An element is not installed; the text names it.
    pub(crate) fn make(codec: Codec) -> Option<Result<Vec<gst::Element>, String>> {
        let row = TABLE.iter().find(|row| row.codec == codec)?;
        if codec == Codec::Av1 {
            register_av1();
        }
        let elements = row.parser.into_iter();
        let elements = elements.chain([(row.factory, row.properties)]);
        let made = elements.map(|(factory, properties)| element(factory, properties));
        let made: Result<Vec<_>, _> = made.collect();
        if let Ok([.., payloader]) = made.as_deref() {
            payloader.set_property("mtu", MTU);
        }
        Some(made)
    }
}

fn element(factory: &str, properties: Properties) -> Result<gst::Element, String> {
    let element = gst::ElementFactory::make(factory)
        .build()
        .map_err(|_missing| format!("the element {factory} is not installed"))?;
    for (name, value) in properties {
        if element.has_property(name) {
            element.set_property_from_str(name, value);
        }
    }
    Ok(element)
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
            let elements = Payloader::make(row.codec).unwrap().unwrap();
            let payloader = elements.last().unwrap();
            assert_eq!(payloader.property::<u32>("mtu"), MTU, "{}", row.factory);
            // The largest one, as the sink sets it.
            payloader.set_property_from_str("ssrc", &u32::MAX.to_string());
        }
    }

    // With them before each slice, webrtcsrc showed a broken picture.
    #[test]
    fn parameter_sets_come_once_and_before_the_first_slice() {
        gst::init().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the test's own line")]
        let pipeline = gst::parse::launch(
            "videotestsrc num-buffers=3 ! video/x-raw,format=I420,width=640,height=480 \
             ! x264enc name=last tune=zerolatency speed-preset=ultrafast key-int-max=2 threads=1 \
             option-string=slices=3",
        )
        .unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let mut elements = vec![pipeline.by_name("last").unwrap()];
        let sink = gst_app::AppSink::builder()
            .caps(&"application/x-rtp".parse::<gst::Caps>().unwrap())
            .sync(false)
            .build();
        elements.extend(Payloader::make(Codec::H264).unwrap().unwrap());
        elements.push(sink.clone().upcast());
        pipeline.add_many(&elements[1..]).unwrap();
        gst::Element::link_many(&elements).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();

        let mut frames = vec![Vec::new()];
        while let Ok(sample) = sink.pull_sample() {
            let buffer = sample.buffer().unwrap();
            let packet = gst_rtp::RTPBuffer::from_buffer_readable(buffer).unwrap();
            frames
                .last_mut()
                .unwrap()
                .extend(units(packet.payload().unwrap()));
            if packet.is_marker() {
                frames.push(Vec::new());
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
        let kinds = |frame: &[u8], wanted: &[u8]| -> Vec<u8> {
            let of = frame.iter().copied();
            of.filter(|unit| wanted.contains(unit)).collect()
        };
        let seen: Vec<_> = frames.iter().map(|one| kinds(one, &[1, 5, 7, 8])).collect();
        let (key, other) = (vec![7, 8, 5, 5, 5], vec![1, 1, 1]);
        assert_eq!(seen, [key.clone(), other, key, Vec::new()]);
    }

    /// The types of the NAL units that begin in a payload (RFC 6184, 5.6 to 5.8).
    fn units(payload: &[u8]) -> Vec<u8> {
        match payload[0] & 0x1f {
            24 => {
                let (mut types, mut rest) = (Vec::new(), &payload[1..]);
                while let [high, low, unit, ..] = *rest {
                    types.push(unit & 0x1f);
                    rest = &rest[2 + usize::from(u16::from_be_bytes([high, low]))..];
                }
                types
            }
            28 if payload[1] & 0x80 != 0 => vec![payload[1] & 0x1f],
            28 => Vec::new(),
            unit => vec![unit],
        }
    }

    #[test]
    fn a_codec_of_no_browser_has_none() {
        gst::init().unwrap();
        assert!(Payloader::make(Codec::Mpeg2).is_none());
    }
}
