//! The tables against what is installed: every property that a row names exists and takes its value.

use gst::glib;
use gst::prelude::*;
use sluice_core::transcode::{Colour, DECODERS, ENCODERS, Rate};

mod bench;

use bench::{feed, init, run};

/// What versions of elements lack; everything else must be there.
const LACKING: &[(&str, &str)] = &[];

fn takes(element: &gst::Element, name: &str, text: &str) -> bool {
    element
        .find_property(name)
        .is_some_and(|pspec| glib::Value::deserialize_with_pspec(text, &pspec).is_ok())
}

#[test]
fn every_installed_encoder_has_the_properties_of_its_row() {
    init();
    let mut checked = 0;
    for row in ENCODERS {
        let Ok(element) = gst::ElementFactory::make(row.factory).build() else {
            continue;
        };
        checked += 1;
        let factory = row.factory;
        for (name, value) in row.live {
            let lacking = LACKING.contains(&(factory, name));
            assert!(
                lacking || takes(&element, name, value),
                "{factory} {name}={value}"
            );
        }
        let (name, value) = row.rate_setting(1_000, 60);
        assert!(takes(&element, name, &value), "{factory} {name}={value}");
        if row.rate_is_live && row.rate != Rate::V4l2 {
            let pspec = element.find_property(name).unwrap();
            let flags = pspec.flags();
            let bits = gst::PARAM_FLAG_MUTABLE_PLAYING.bits();
            // libaom's wrapper takes a new rate and does not say so.
            let tells =
                flags.bits() & bits != 0 || factory.starts_with("av1") || factory.starts_with("vp");
            assert!(tells, "{factory} {name} is set once");
        }
        if let Some(name) = row.key {
            assert!(takes(&element, name, "60"), "{factory} {name}");
        }
        let template = element.factory().unwrap();
        let format = gst::Caps::builder("video/x-raw")
            .field("format", row.format.name())
            .build();
        assert!(
            template.can_sink_any_caps(&format),
            "{factory} takes no {}",
            row.format.name()
        );
    }
    assert!(checked >= 5, "{checked} encoders are installed");
}

#[test]
fn every_installed_decoder_has_the_properties_of_its_row() {
    init();
    let rows = DECODERS.iter().flat_map(|decoding| decoding.decoders);
    let mut checked = 0;
    for row in rows {
        let Ok(element) = gst::ElementFactory::make(row.factory).build() else {
            continue;
        };
        checked += 1;
        for (name, value) in row.live {
            let has = takes(&element, name, value);
            // libav's decoders of still pictures have no threads.
            assert!(
                has || *name == "thread-type",
                "{} {name}={value}",
                row.factory
            );
        }
    }
    assert!(checked >= 10, "{checked} decoders are installed");
}

/// Colorimetry of what comes out of each codec, decoded again.
#[test]
fn colours_keep_their_range_and_matrix_where_the_stream_can_tell_them() {
    init();
    let full = "1:4:5:1";
    let caps =
        format!("video/x-raw,format=I420,width=320,height=240,framerate=25/1,colorimetry={full}");
    let source = format!("videotestsrc num-buffers=5 ! {caps}");
    let raw = run(&source, "", "");
    for (codec, decoder) in [
        ("h264", "avdec_h264"),
        ("vp9", "vp9dec"),
        ("vp8", "vp8dec"),
        ("av1", "av1dec"),
    ] {
        let got = feed(
            &[&raw],
            &format!("video-codec={codec}"),
            &format!("{decoder} !"),
        );
        let encoder = got.stats.get::<&str>("encoder").unwrap();
        let row = ENCODERS.iter().find(|row| row.factory == encoder).unwrap();
        let seen = got
            .caps
            .structure(0)
            .unwrap()
            .get::<&str>("colorimetry")
            .unwrap();
        match row.colour {
            Colour::Told => assert_eq!(seen, full, "{codec}"),
            // Unsaid, which every player takes for this.
            Colour::Bt601 => assert!(
                ["bt601", "2:4:16:3", "2:4:5:4"].contains(&seen),
                "{codec}: {seen}"
            ),
        }
    }
}
