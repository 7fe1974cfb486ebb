//! What a recording is written as: one container, or the one that its codecs need.

use super::container::Container;
use crate::track::Codec;

/// How segments are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Fragmented MP4 where all codecs of a segment fit into it, else Matroska.
    #[default]
    Auto,
    /// Always this one.
    Always(Container),
}

impl Format {
    /// The names of all, for sentences.
    pub const NAMES: &'static str = "auto, fmp4, mp4, mkv, mpegts";

    /// Gives its name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always(container) => container.name(),
        }
    }

    /// Finds one by its name in settings.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == Self::Auto.name() {
            return Some(Self::Auto);
        }
        Container::from_name(name).map(Self::Always)
    }

    /// Says whether a codec can be recorded; if not, why and what takes it.
    ///
    /// # Errors
    ///
    /// One sentence for people.
    pub fn takes(self, codec: Codec) -> Result<(), String> {
        match self {
            Self::Auto if Container::Matroska.codecs().contains(&codec) => Ok(()),
            Self::Auto => Err(format!("{codec} cannot be recorded; no format takes it")),
            Self::Always(container) => container.takes(codec),
        }
    }

    /// Chooses the container of a segment with these codecs.
    pub fn container(self, codecs: &[Codec]) -> Container {
        let mp4 = Container::FragmentedMp4;
        match self {
            Self::Auto if codecs.iter().all(|codec| mp4.codecs().contains(codec)) => mp4,
            Self::Auto => Container::Matroska,
            Self::Always(container) => container,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_mp4_unless_a_codec_needs_matroska() {
        for (codecs, want) in [
            (&[Codec::H264, Codec::Aac][..], Container::FragmentedMp4),
            (&[Codec::H264, Codec::Pcma], Container::Matroska),
            (&[Codec::Vp8, Codec::Opus], Container::Matroska),
        ] {
            assert_eq!(Format::Auto.container(codecs), want, "{codecs:?}");
            for codec in codecs {
                assert_eq!(Format::Auto.takes(*codec), Ok(()));
            }
        }
        let refused = Format::Auto.takes(Codec::L16).unwrap_err();
        assert_eq!(refused, "L16 cannot be recorded; no format takes it");
    }

    #[test]
    fn names_lead_back_to_formats() {
        for name in Format::NAMES.split(", ") {
            assert_eq!(Format::from_name(name).map(Format::name), Some(name));
        }
        assert_eq!(Format::from_name("avi"), None);
    }
}
