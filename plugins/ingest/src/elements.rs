//! Makes GStreamer elements, and says which package brings one that is missing.

use gst::prelude::*;

use crate::failure::Fault;

/// The Debian package of every factory that this crate may ask for.
const PACKAGES: &[(&str, &[&str])] = &[
    (
        "gstreamer1.0-plugins-base",
        &[
            "appsink",
            "audioconvert",
            "audiotestsrc",
            "oggdemux",
            "opusenc",
            "typefind",
            "videoconvert",
            "videotestsrc",
        ],
    ),
    (
        "gstreamer1.0-plugins-good",
        &[
            "aacparse",
            "flvdemux",
            "id3demux",
            "matroskademux",
            "mpegaudioparse",
            "multiqueue",
            "qtdemux",
            "rtpL16depay",
            "rtpg722depay",
            "rtph264depay",
            "rtph265depay",
            "rtpjpegdepay",
            "rtpmp2tdepay",
            "rtpmp4adepay",
            "rtpmp4gdepay",
            "rtpmp4vdepay",
            "rtpmpadepay",
            "rtpmpvdepay",
            "rtpopusdepay",
            "rtppcmadepay",
            "rtppcmudepay",
            "rtpvp8depay",
            "rtpvp9depay",
            "rtspsrc",
            "souphttpsrc",
            "udpsrc",
            "v4l2src",
            "vp8enc",
            "wavparse",
        ],
    ),
    (
        "gstreamer1.0-plugins-bad",
        &[
            "av1parse",
            "h264parse",
            "h265parse",
            "hlsdemux",
            "jpegparse",
            "mpeg4videoparse",
            "mpegvideoparse",
            "opusparse",
            "srtsrc",
            "tsdemux",
            "tsparse",
        ],
    ),
    ("gstreamer1.0-plugins-ugly", &["x264enc"]),
    ("gstreamer1.0-x", &["clockoverlay", "timeoverlay"]),
    ("gstreamer1.0-plugins-rs", &["rtpav1depay"]),
    (
        "libgstreamer1.0-0",
        &["capsfilter", "fakesink", "filesrc", "queue"],
    ),
];

/// Makes an element, or says which package to install.
pub(crate) fn make(factory: &str) -> Result<gst::Element, Fault> {
    let found = gst::ElementFactory::find(factory)
        .ok_or_else(|| Fault::missing(factory, package(factory)))?;
    found
        .create()
        .build()
        .map_err(|_| Fault::missing(factory, package(factory)))
}

/// Says whether an element is installed; asks the registry only (F13: `gst-inspect --exists` compares versions).
pub(crate) fn installed(factory: &str) -> bool {
    gst::ElementFactory::find(factory).is_some()
}

/// Sets a property from its text where the element has it: versions differ in what they know.
pub(crate) fn set(element: &gst::Element, name: &str, value: &str) {
    if element.has_property(name) {
        element.set_property_from_str(name, value);
    }
}

fn package(factory: &str) -> &'static str {
    PACKAGES
        .iter()
        .find(|(_, factories)| factories.contains(&factory))
        .map_or("gstreamer1.0-plugins-bad", |(package, _)| package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::redial::Failure;

    #[test]
    fn a_missing_element_is_named_with_its_package() {
        gst::init().unwrap();
        let fault = make("rtpav2depay").unwrap_err();
        assert_eq!(fault.failure, Failure::MissingElement);
        assert!(fault.reason.contains("rtpav2depay"), "{}", fault.reason);
        assert!(
            fault.reason.contains("gstreamer1.0-plugins-bad"),
            "{}",
            fault.reason
        );
    }
}
