//! What a path lets viewers have.

use crate::track::Codec;

/// When pictures are transcoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transcode {
    /// When a viewer cannot play them as they are.
    #[default]
    Auto,
    /// Never: such a viewer is refused.
    Never,
    /// For every viewer.
    Always,
}

impl Transcode {
    /// Every value, in the order in which help texts list them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Never, Self::Always];

    /// The name in config files.
    pub const fn nick(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Never => "never",
            Self::Always => "always",
        }
    }
}

/// What viewers may get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// When pictures are transcoded.
    pub transcode: Transcode,
    /// The codecs that viewers may get, passed through or made; the best first.
    pub codecs: Vec<Codec>,
    /// Those that this machine has no encoder for: they are passed through only.
    pub unmade: Vec<Codec>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            transcode: Transcode::Auto,
            codecs: Self::PICTURES.to_vec(),
            unmade: Vec::new(),
        }
    }
}

impl Policy {
    /// What can be made of pictures. H.264 first: every browser but Firefox without its plug-in has it, most in hardware.
    pub const PICTURES: [Codec; 4] = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];

    /// Sound is as it comes where that can be, and Opus.
    pub(super) fn sound() -> Self {
        Self {
            transcode: Transcode::Auto,
            codecs: vec![Codec::Opus],
            unmade: Vec::new(),
        }
    }

    /// Gives what can be made, the best first.
    pub(super) fn made(&self) -> impl Iterator<Item = Codec> {
        let codecs = self.codecs.iter().copied();
        codecs.filter(|codec| !self.unmade.contains(codec))
    }

    /// Says whether a track of this codec may go to viewers as it is. Codecs that are never made are passed where a viewer
    /// takes them.
    pub(super) fn passes(&self, codec: Codec) -> bool {
        let made = Self::PICTURES.contains(&codec);
        self.transcode != Transcode::Always && (!made || self.codecs.contains(&codec))
    }
}
