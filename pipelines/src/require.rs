//! Which elements of GStreamer a route needs, and which Debian package has them.

use sluice_core::source::Scheme;

use crate::spec::RouteSpec;

/// An element that is not installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the GStreamer element {factory} is missing, which {what} needs; install the Debian package {package}"
)]
pub struct Missing {
    /// The element's name.
    pub factory: &'static str,
    /// Where Debian has it.
    pub package: &'static str,
    /// Who needs it: a kind of source, or every viewer.
    pub what: &'static str,
}

const BASE: &str = "gstreamer1.0-plugins-base";
const GOOD: &str = "gstreamer1.0-plugins-good";
const BAD: &str = "gstreamer1.0-plugins-bad";
const UGLY: &str = "gstreamer1.0-plugins-ugly";
const NICE: &str = "gstreamer1.0-nice";
const LIBAV: &str = "gstreamer1.0-libav";

/// Elements by the package that has them.
const PACKAGES: &[(&str, &str)] = &[
    ("webrtcbin", BAD),
    ("nicesrc", NICE),
    ("nicesink", NICE),
    ("dtlssrtpdec", BAD),
    ("dtlssrtpenc", BAD),
    ("srtpenc", BAD),
    ("srtpdec", BAD),
    ("rtpbin", GOOD),
    ("rtph264pay", GOOD),
    ("rtpvp8pay", GOOD),
    ("rtpvp9pay", GOOD),
    ("rtpopuspay", GOOD),
    ("rtph264depay", GOOD),
    ("rtpvp8depay", GOOD),
    ("rtpvp9depay", GOOD),
    ("rtpopusdepay", GOOD),
    ("rtppcmudepay", GOOD),
    ("rtppcmadepay", GOOD),
    ("opusparse", BAD),
    ("av1parse", BAD),
    ("opusenc", BASE),
    ("audioconvert", BASE),
    ("audioresample", BASE),
    ("h264parse", BAD),
    ("h265parse", BAD),
    ("vp9parse", BAD),
    ("aacparse", GOOD),
    ("mpegaudioparse", GOOD),
    ("h264timestamper", BAD),
    ("h265timestamper", BAD),
    ("filesink", "libgstreamer1.0-0"),
    ("mp4mux", GOOD),
    ("matroskamux", GOOD),
    ("webmmux", GOOD),
    ("mpegtsmux", BAD),
    ("rtspsrc", GOOD),
    ("udpsrc", GOOD),
    ("srtsrc", BAD),
    ("tsdemux", BAD),
    ("tsparse", BAD),
    ("filesrc", "libgstreamer1.0-0"),
    ("qtdemux", GOOD),
    ("matroskademux", GOOD),
    ("souphttpsrc", GOOD),
    ("hlsdemux", BAD),
    ("v4l2src", GOOD),
    ("videotestsrc", BASE),
    ("audiotestsrc", BASE),
    ("timeoverlay", BASE),
    ("x264enc", UGLY),
    ("avdec_h264", LIBAV),
    ("avdec_aac", LIBAV),
    ("openh264dec", BAD),
    ("vp8dec", GOOD),
    ("vp9dec", GOOD),
    ("dav1ddec", BAD),
    ("av1dec", BAD),
    ("jpegdec", GOOD),
    ("jpegenc", GOOD),
    ("videoconvert", BASE),
    ("videoscale", BASE),
];

const VIEWERS: (&str, &[&str]) = (
    "every viewer",
    &[
        "webrtcbin",
        "nicesrc",
        "nicesink",
        "dtlssrtpdec",
        "dtlssrtpenc",
        "srtpenc",
        "srtpdec",
        "rtpbin",
        "h264parse",
        "rtph264pay",
        "rtpopuspay",
        "opusenc",
    ],
);

const RECORDINGS: (&str, &[&str]) = (
    "a recording",
    &[
        "filesink",
        "mp4mux",
        "matroskamux",
        "webmmux",
        "mpegtsmux",
        "h264parse",
        "h265parse",
        "vp9parse",
        "av1parse",
        "aacparse",
        "mpegaudioparse",
        "h264timestamper",
        "h265timestamper",
    ],
);

const PUBLISHERS: (&str, &[&str]) = (
    "a publisher",
    &[
        "rtph264depay",
        "rtpvp8depay",
        "rtpvp9depay",
        "rtpopusdepay",
        "rtppcmudepay",
        "rtppcmadepay",
        "h264parse",
        "opusparse",
        "av1parse",
    ],
);

/// What every kind of source cannot do without.
const SOURCES: &[(Scheme, &str, &[&str])] = &[
    (
        Scheme::Rtsp,
        "an RTSP source",
        &["rtspsrc", "udpsrc", "h264parse"],
    ),
    (
        Scheme::Rtsps,
        "an RTSP source",
        &["rtspsrc", "udpsrc", "h264parse"],
    ),
    (
        Scheme::Srt,
        "an SRT source",
        &["srtsrc", "tsdemux", "h264parse"],
    ),
    (
        Scheme::Udp,
        "a UDP source",
        &["udpsrc", "tsdemux", "h264parse"],
    ),
    (
        Scheme::Http,
        "an HTTP source",
        &["souphttpsrc", "h264parse"],
    ),
    (
        Scheme::Https,
        "an HTTP source",
        &["souphttpsrc", "h264parse"],
    ),
    (Scheme::Whep, "a WHEP source", PUBLISHERS.1),
    (Scheme::Wheps, "a WHEP source", PUBLISHERS.1),
    (
        Scheme::File,
        "a file",
        &[
            "filesrc",
            "qtdemux",
            "matroskademux",
            "tsdemux",
            "h264parse",
        ],
    ),
    (Scheme::V4l2, "a camera of this machine", &["v4l2src"]),
    (
        Scheme::Test,
        "the test picture",
        &["videotestsrc", "audiotestsrc"],
    ),
];

/// Gives the Debian package that has an element.
pub(crate) fn package_of(factory: &str) -> &'static str {
    PACKAGES
        .iter()
        .find(|(name, _)| *name == factory)
        .map_or("sluice itself, whole", |(_, package)| package)
}

/// Lists what the routes need and this machine does not have. Call [`crate::init`] first.
#[must_use]
pub fn missing<'a>(routes: impl IntoIterator<Item = &'a RouteSpec>) -> Vec<Missing> {
    let mut found = Vec::new();
    let mut look = |what: &'static str, factories: &[&'static str]| {
        for factory in factories {
            // The registry itself: `gst-inspect-1.0 --exists` compares versions and says no to what is there.
            if gst::ElementFactory::find(factory).is_none()
                && !found.iter().any(|m: &Missing| m.factory == *factory)
            {
                found.push(Missing {
                    factory,
                    package: package_of(factory),
                    what,
                });
            }
        }
    };
    look(VIEWERS.0, VIEWERS.1);
    for route in routes {
        if route.publisher.is_some() {
            look(PUBLISHERS.0, PUBLISHERS.1);
        }
        if route.record.is_some() {
            look(RECORDINGS.0, RECORDINGS.1);
        }
        for source in &route.sources {
            for (_, what, factories) in SOURCES
                .iter()
                .filter(|(scheme, ..)| *scheme == source.scheme())
            {
                look(what, factories);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_needed_element_has_a_package() {
        for factory in SOURCES
            .iter()
            .flat_map(|(_, _, factories)| factories.iter())
            .chain(VIEWERS.1)
            .chain(PUBLISHERS.1)
            .chain(RECORDINGS.1)
        {
            assert!(
                PACKAGES.iter().any(|(name, _)| name == factory),
                "{factory}"
            );
        }
    }

    #[test]
    fn a_missing_element_is_said_with_its_package() {
        let missing = Missing {
            factory: "srtsrc",
            package: BAD,
            what: "an SRT source",
        };
        assert_eq!(
            missing.to_string(),
            "the GStreamer element srtsrc is missing, which an SRT source needs; install the Debian package gstreamer1.0-plugins-bad"
        );
    }
}
