//! The table of audio codecs that become Opus: what parses and what decodes each.

/// One way from an encoded audio track to raw samples.
pub(crate) struct Decoding {
    /// Media type of the caps that this row takes.
    pub(crate) media: &'static str,
    /// Integer field that must have one of the values, e.g. `layer` of `audio/mpeg`.
    pub(crate) field: Option<(&'static str, &'static [i32])>,
    /// Parsers and decoders in order; within a step the first factory that is installed is used.
    pub(crate) steps: &'static [Step],
}

/// One element of a chain: alternatives in order of preference, and where to get them.
pub(crate) struct Step {
    pub(crate) factories: &'static [&'static str],
    /// Debian package that brings them.
    pub(crate) package: &'static str,
}

const GOOD: &str = "gstreamer1.0-plugins-good";
const LIBAV: &str = "gstreamer1.0-libav";

/// Audio that viewers do not take as it is. Adding a codec is one row and one test case.
pub(crate) const DECODINGS: &[Decoding] = &[
    Decoding {
        media: "audio/mpeg",
        field: Some(("mpegversion", &[2, 4])),
        steps: &[
            Step {
                factories: &["aacparse"],
                package: GOOD,
            },
            Step {
                factories: &["avdec_aac", "fdkaacdec", "faad"],
                package: LIBAV,
            },
        ],
    },
    Decoding {
        media: "audio/mpeg",
        field: Some(("layer", &[1, 2, 3])),
        steps: &[
            Step {
                factories: &["mpegaudioparse"],
                package: GOOD,
            },
            Step {
                factories: &["mpg123audiodec", "avdec_mp3"],
                package: GOOD,
            },
        ],
    },
    Decoding {
        media: "audio/x-mulaw",
        field: None,
        steps: &[Step {
            factories: &["mulawdec"],
            package: GOOD,
        }],
    },
    Decoding {
        media: "audio/x-alaw",
        field: None,
        steps: &[Step {
            factories: &["alawdec"],
            package: GOOD,
        }],
    },
    Decoding {
        media: "audio/G722",
        field: None,
        steps: &[Step {
            factories: &["avdec_g722"],
            package: LIBAV,
        }],
    },
    Decoding {
        media: "audio/x-raw",
        field: None,
        steps: &[],
    },
];

/// The row for these caps; `None` when nothing here decodes them.
pub(crate) fn decoding(caps: &gst::CapsRef) -> Option<&'static Decoding> {
    let structure = caps.structure(0)?;
    DECODINGS.iter().find(|row| {
        structure.name() == row.media
            && row.field.is_none_or(|(name, values)| {
                structure
                    .get::<i32>(name)
                    .is_ok_and(|value| values.contains(&value))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promised_audio_codec_has_its_row() {
        gst::init().unwrap();
        for (caps, decoder) in [
            ("audio/mpeg, mpegversion=4, stream-format=raw", "avdec_aac"),
            ("audio/mpeg, mpegversion=2, stream-format=adts", "avdec_aac"),
            ("audio/mpeg, mpegversion=1, layer=2", "mpg123audiodec"),
            ("audio/mpeg, mpegversion=1, layer=3", "mpg123audiodec"),
            ("audio/x-mulaw, rate=8000", "mulawdec"),
            ("audio/x-alaw, rate=8000", "alawdec"),
            ("audio/G722, rate=16000", "avdec_g722"),
        ] {
            let caps: gst::Caps = caps.parse().unwrap();
            let row = decoding(&caps).unwrap();
            let last = row.steps.last().unwrap();
            assert_eq!(last.factories[0], decoder, "{caps}");
        }
    }

    #[test]
    fn an_unknown_audio_codec_has_no_row() {
        gst::init().unwrap();
        let caps: gst::Caps = "audio/x-ac3".parse().unwrap();
        assert!(decoding(&caps).is_none());
    }
}
