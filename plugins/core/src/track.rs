//! What a source gives: tracks, their codecs and what is known of their format.

use std::fmt;

/// What a track is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

impl Kind {
    /// Gives the word that SDP uses: `video` or `audio`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// The codecs that sources bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the names are the codecs'; label() spells them out"
)]
pub enum Codec {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
    Mjpeg,
    Mpeg2,
    Mpeg4,
    Aac,
    Opus,
    Pcmu,
    Pcma,
    G722,
    Mp2,
    Mp3,
    L16,
}

/// What is the same for every track of a codec.
struct Facts {
    kind: Kind,
    label: &'static str,
    encoding_name: Option<&'static str>,
    clock_rate: u32,
}

impl Codec {
    /// Every codec, in the order of their declaration.
    pub const ALL: [Self; 16] = [
        Self::H264,
        Self::H265,
        Self::Vp8,
        Self::Vp9,
        Self::Av1,
        Self::Mjpeg,
        Self::Mpeg2,
        Self::Mpeg4,
        Self::Aac,
        Self::Opus,
        Self::Pcmu,
        Self::Pcma,
        Self::G722,
        Self::Mp2,
        Self::Mp3,
        Self::L16,
    ];

    /// Says whether it carries pictures or sound.
    pub const fn kind(self) -> Kind {
        self.facts().kind
    }

    /// Gives the name that people use, such as "H.264".
    pub const fn label(self) -> &'static str {
        self.facts().label
    }

    /// Gives the rtpmap name when a viewer can be served with it as it is.
    pub const fn encoding_name(self) -> Option<&'static str> {
        self.facts().encoding_name
    }

    /// Gives the clock rate of its RTP timestamps, in Hz.
    pub const fn clock_rate(self) -> u32 {
        self.facts().clock_rate
    }

    /// Finds the codec of an rtpmap name that WebRTC can carry, in any letter case.
    pub fn from_encoding_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| {
            codec
                .encoding_name()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
    }

    const fn facts(self) -> Facts {
        const fn video(label: &'static str, encoding_name: Option<&'static str>) -> Facts {
            Facts {
                kind: Kind::Video,
                label,
                encoding_name,
                clock_rate: 90_000,
            }
        }
        const fn audio(
            label: &'static str,
            encoding_name: Option<&'static str>,
            clock_rate: u32,
        ) -> Facts {
            Facts {
                kind: Kind::Audio,
                label,
                encoding_name,
                clock_rate,
            }
        }
        match self {
            Self::H264 => video("H.264", Some("H264")),
            // Safari offers it, and Chromium where a device decodes it.
            Self::H265 => video("H.265", Some("H265")),
            Self::Vp8 => video("VP8", Some("VP8")),
            Self::Vp9 => video("VP9", Some("VP9")),
            Self::Av1 => video("AV1", Some("AV1")),
            Self::Mjpeg => video("Motion JPEG", None),
            Self::Mpeg2 => video("MPEG-2 video", None),
            Self::Mpeg4 => video("MPEG-4 video", None),
            Self::Aac => audio("AAC", None, 90_000),
            Self::Opus => audio("Opus", Some("OPUS"), 48_000),
            Self::Pcmu => audio("G.711 µ-law", Some("PCMU"), 8_000),
            Self::Pcma => audio("G.711 A-law", Some("PCMA"), 8_000),
            // G.722 samples at 16 kHz, but its RTP clock is 8 kHz (RFC 3551, 4.5.2: an old mistake, kept).
            Self::G722 => audio("G.722", Some("G722"), 8_000),
            Self::Mp2 => audio("MPEG audio layer 2", None, 90_000),
            Self::Mp3 => audio("MP3", None, 90_000),
            Self::L16 => audio("L16", None, 44_100),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// One elementary stream of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// How it is coded.
    pub codec: Codec,
    /// What is known of its format.
    pub format: Format,
}

impl Track {
    /// Makes a video track.
    pub fn video(codec: Codec, format: VideoFormat) -> Self {
        Self {
            codec,
            format: Format::Video(format),
        }
    }

    /// Makes an audio track.
    pub fn audio(codec: Codec, format: AudioFormat) -> Self {
        Self {
            codec,
            format: Format::Audio(format),
        }
    }

    /// Says whether it carries pictures or sound.
    pub const fn kind(&self) -> Kind {
        self.codec.kind()
    }

    /// Gives the video format of a video track.
    pub const fn video_format(&self) -> Option<&VideoFormat> {
        match &self.format {
            Format::Video(format) => Some(format),
            Format::Audio(_) => None,
        }
    }

    /// Says in a few words what is known beside the codec, such as "1280×720, 30 fps, high".
    pub fn detail(&self) -> String {
        match &self.format {
            Format::Video(format) => format.to_string(),
            Format::Audio(format) => format.to_string(),
        }
    }
}

/// What is known of a track's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Of pictures.
    Video(VideoFormat),
    /// Of sound.
    Audio(AudioFormat),
}

/// What is known of a picture's format; `None` means not yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VideoFormat {
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// Frames per second as a fraction.
    pub framerate: Option<(u32, u32)>,
    /// As GStreamer's caps name it: "high", "constrained-baseline", "main-10".
    pub profile: Option<String>,
    /// As GStreamer's caps name it: "3.1".
    pub level: Option<String>,
    /// Bits per sample of luma.
    pub bit_depth: Option<u8>,
    /// As GStreamer's caps name it: "4:2:0".
    pub chroma: Option<String>,
    /// Whether it has fields in place of frames.
    pub interlaced: bool,
    /// Whether frames are decoded in another order than shown (B-frames).
    pub reorders: bool,
}

impl fmt::Display for VideoFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if let (Some(width), Some(height)) = (self.width, self.height) {
            words.push(format!("{width}×{height}"));
        }
        match self.framerate {
            Some((fps, 1)) if fps > 0 => words.push(format!("{fps} fps")),
            Some((n, d)) if n > 0 && d > 0 => {
                words.push(format!("{:.2} fps", f64::from(n) / f64::from(d)));
            }
            Some(_) | None => {}
        }
        words.extend(self.profile.clone());
        if self.interlaced {
            words.push("interlaced".to_owned());
        }
        if self.reorders {
            words.push("B-frames".to_owned());
        }
        f.write_str(&words.join(", "))
    }
}

/// What is known of a sound's format; `None` means not yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AudioFormat {
    /// Samples per second.
    pub rate: Option<u32>,
    /// 1 is mono, 2 is stereo.
    pub channels: Option<u32>,
}

impl fmt::Display for AudioFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.rate.map(|rate| format!("{rate} Hz")));
        words.extend(self.channels.map(|channels| match channels {
            1 => "mono".to_owned(),
            2 => "stereo".to_owned(),
            n => format!("{n} channels"),
        }));
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_knows_its_facts() {
        for (codec, kind, label, encoding_name, clock_rate) in [
            (Codec::H264, Kind::Video, "H.264", Some("H264"), 90_000),
            (Codec::H265, Kind::Video, "H.265", Some("H265"), 90_000),
            (Codec::Mjpeg, Kind::Video, "Motion JPEG", None, 90_000),
            (Codec::Vp8, Kind::Video, "VP8", Some("VP8"), 90_000),
            (Codec::Vp9, Kind::Video, "VP9", Some("VP9"), 90_000),
            (Codec::Av1, Kind::Video, "AV1", Some("AV1"), 90_000),
            (Codec::Opus, Kind::Audio, "Opus", Some("OPUS"), 48_000),
            (Codec::Pcmu, Kind::Audio, "G.711 µ-law", Some("PCMU"), 8_000),
            (Codec::G722, Kind::Audio, "G.722", Some("G722"), 8_000),
            (Codec::Aac, Kind::Audio, "AAC", None, 90_000),
        ] {
            assert_eq!(codec.kind(), kind);
            assert_eq!(codec.label(), label);
            assert_eq!(codec.encoding_name(), encoding_name);
            assert_eq!(codec.clock_rate(), clock_rate);
        }
    }

    #[test]
    fn a_codec_is_found_by_its_rtpmap_name_in_any_case() {
        assert_eq!(Codec::from_encoding_name("opus"), Some(Codec::Opus));
        assert_eq!(Codec::from_encoding_name("vp8"), Some(Codec::Vp8));
        assert_eq!(Codec::from_encoding_name("h265"), Some(Codec::H265));
        assert_eq!(Codec::from_encoding_name("JPEG"), None);
        assert_eq!(Codec::from_encoding_name("rtx"), None);
    }

    #[test]
    fn a_track_says_what_it_is_in_a_few_words() {
        let video = VideoFormat {
            width: Some(1280),
            height: Some(720),
            framerate: Some((30, 1)),
            profile: Some("high".to_owned()),
            reorders: true,
            ..VideoFormat::default()
        };
        assert_eq!(
            Track::video(Codec::H264, video).detail(),
            "1280×720, 30 fps, high, B-frames"
        );
        let ntsc = VideoFormat {
            framerate: Some((30_000, 1001)),
            ..VideoFormat::default()
        };
        assert_eq!(ntsc.to_string(), "29.97 fps");
        let audio = AudioFormat {
            rate: Some(48_000),
            channels: Some(2),
        };
        assert_eq!(
            Track::audio(Codec::Opus, audio).detail(),
            "48000 Hz, stereo"
        );
    }
}
