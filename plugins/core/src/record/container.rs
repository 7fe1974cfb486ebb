//! Which container takes which codec, as GStreamer 1.22 can write it and others can read it.

use crate::track::Codec;

/// How a recording is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Container {
    /// MP4 in fragments: what was written is playable at any moment.
    FragmentedMp4,
    /// MP4 with its index at the end: playable when it is whole.
    Mp4,
    /// Matroska, or WebM where the codecs allow.
    Matroska,
    /// MPEG transport stream.
    MpegTs,
}

const MP4: &[Codec] = &[
    Codec::H264,
    Codec::H265,
    Codec::Vp9,
    Codec::Av1,
    Codec::Aac,
    Codec::Opus,
    Codec::Mp3,
];
const MATROSKA: &[Codec] = &[
    Codec::H264,
    Codec::H265,
    Codec::Vp8,
    Codec::Vp9,
    Codec::Av1,
    Codec::Mjpeg,
    Codec::Aac,
    Codec::Opus,
    Codec::Pcmu,
    Codec::Pcma,
    Codec::Mp3,
];
const WEBM: &[Codec] = &[Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus];
const MPEG_TS: &[Codec] = &[
    Codec::H264,
    Codec::H265,
    Codec::Aac,
    Codec::Opus,
    Codec::Mp3,
];

impl Container {
    /// Every container with its name in settings.
    pub const ALL: [(&'static str, Self); 4] = [
        (Self::FragmentedMp4.name(), Self::FragmentedMp4),
        (Self::Mp4.name(), Self::Mp4),
        (Self::Matroska.name(), Self::Matroska),
        (Self::MpegTs.name(), Self::MpegTs),
    ];

    /// Gives its name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FragmentedMp4 => "fmp4",
            Self::Mp4 => "mp4",
            Self::Matroska => "mkv",
            Self::MpegTs => "mpegts",
        }
    }

    /// Finds one by its name in settings.
    pub fn from_name(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, container)| *container)
    }

    /// Gives the codecs that it takes.
    pub const fn codecs(self) -> &'static [Codec] {
        match self {
            Self::FragmentedMp4 | Self::Mp4 => MP4,
            Self::Matroska => MATROSKA,
            Self::MpegTs => MPEG_TS,
        }
    }

    /// Says whether a codec can be recorded in it; if not, why and what takes it.
    ///
    /// # Errors
    ///
    /// One sentence for people.
    pub fn takes(self, codec: Codec) -> Result<(), String> {
        if self.codecs().contains(&codec) {
            return Ok(());
        }
        let others: Vec<_> = Self::ALL
            .iter()
            .filter(|(_, other)| other.codecs().contains(&codec))
            .map(|(name, _)| format!("format={name}"))
            .collect();
        let advice = if others.is_empty() {
            "no format takes it".to_owned()
        } else {
            format!("{} takes it", others.join(" or "))
        };
        let name = self.name();
        Err(format!("{codec} cannot be recorded as {name}; {advice}"))
    }

    /// Says whether these codecs make a Matroska file a WebM file.
    pub fn is_webm(self, codecs: &[Codec]) -> bool {
        self == Self::Matroska && codecs.iter().all(|codec| WEBM.contains(codec))
    }

    /// Gives the ending of a file with these codecs.
    pub fn extension(self, codecs: &[Codec]) -> &'static str {
        match self {
            Self::FragmentedMp4 | Self::Mp4 => "mp4",
            Self::Matroska if self.is_webm(codecs) => "webm",
            Self::Matroska => "mkv",
            Self::MpegTs => "ts",
        }
    }

    /// Gives the container of a file by its ending; of MP4 the one in fragments, as which both are read.
    pub fn from_extension(ending: &str) -> Option<Self> {
        match ending {
            "mp4" => Some(Self::FragmentedMp4),
            "mkv" | "webm" => Some(Self::Matroska),
            "ts" => Some(Self::MpegTs),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_cannot_carry_is_refused_with_a_sentence_that_helps() {
        for (container, codec, want) in [
            (
                Container::FragmentedMp4,
                Codec::Vp8,
                "VP8 cannot be recorded as fmp4; format=mkv takes it",
            ),
            (
                Container::MpegTs,
                Codec::Av1,
                "AV1 cannot be recorded as mpegts; format=fmp4 or format=mp4 or format=mkv takes it",
            ),
            (
                Container::Matroska,
                Codec::L16,
                "L16 cannot be recorded as mkv; no format takes it",
            ),
        ] {
            assert_eq!(container.takes(codec), Err(want.to_owned()));
        }
        assert_eq!(Container::FragmentedMp4.takes(Codec::H265), Ok(()));
    }

    #[test]
    fn the_ending_says_what_is_in_the_file() {
        let webm = [Codec::Vp8, Codec::Opus];
        let mkv = [Codec::H264, Codec::Opus];
        for (container, codecs, want) in [
            (Container::FragmentedMp4, &mkv, "mp4"),
            (Container::Matroska, &webm, "webm"),
            (Container::Matroska, &mkv, "mkv"),
            (Container::MpegTs, &mkv, "ts"),
        ] {
            assert_eq!(container.extension(codecs), want);
            assert_eq!(Container::from_extension(want), Some(container));
        }
    }

    #[test]
    fn names_lead_back_to_containers() {
        for (name, container) in Container::ALL {
            assert_eq!(container.name(), name);
            assert_eq!(Container::from_name(name), Some(container));
        }
        assert_eq!(Container::from_name("avi"), None);
    }
}
