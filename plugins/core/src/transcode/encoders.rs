//! What one row of the table of encoders says.

use super::Memory;
use crate::track::Codec;

/// Layout of 8-bit 4:2:0 pictures. Others make profiles that browsers refuse or show in wrong colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Three planes.
    I420,
    /// One plane of brightness, one of both colours.
    Nv12,
}

impl PixelFormat {
    /// Gives GStreamer's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I420 => "I420",
            Self::Nv12 => "NV12",
        }
    }
}

/// Whether the stream says which colours its numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// It says matrix and range: the source's are kept.
    Told,
    /// It cannot say: players take BT.601 in limited range, so pictures are turned into that.
    Bt601,
}

/// How an encoder is told its bitrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// A property in kbit/s.
    Kbps(&'static str),
    /// A property in bit/s.
    Bps(&'static str),
    /// The driver's `extra-controls`, which carry the key-frame interval too.
    V4l2,
}

/// One encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoder {
    /// The element's factory.
    pub factory: &'static str,
    /// What it makes.
    pub codec: Codec,
    /// Device memory that it takes beside the machine's own.
    pub memory: Memory,
    /// The layout that it is given.
    pub format: PixelFormat,
    /// How it is told the bitrate.
    pub rate: Rate,
    /// Whether a new bitrate is taken while it runs; otherwise a new encoder is made.
    pub rate_is_live: bool,
    /// Property for the most frames from one key frame to the next; key frames in between are asked for by
    /// `GstForceKeyUnit`, which every one of them takes.
    pub key: Option<&'static str>,
    /// What the stream says of its colours.
    pub colour: Colour,
    /// Settings for live pictures: constant rate, no B-frames, no look-ahead. Those that a version lacks
    /// are passed over.
    pub live: &'static [(&'static str, &'static str)],
}

impl Encoder {
    /// Gives the settings for a rate in kbit/s.
    pub fn rate_setting(&self, kbps: u32, key_frames: u32) -> (&'static str, String) {
        let bps = u64::from(kbps) * 1_000;
        match self.rate {
            Rate::Kbps(name) => (name, kbps.to_string()),
            Rate::Bps(name) => (name, bps.to_string()),
            Rate::V4l2 => (
                "extra-controls",
                format!(
                    "controls,video_bitrate={bps},video_bitrate_mode=1,video_gop_size={key_frames}"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Encoder = Encoder {
        factory: "x",
        codec: Codec::Vp8,
        memory: Memory::System,
        format: PixelFormat::I420,
        rate: Rate::Bps("target"),
        rate_is_live: true,
        key: None,
        colour: Colour::Bt601,
        live: &[],
    };

    #[test]
    fn the_rate_is_told_in_the_encoders_unit() {
        assert_eq!(ROW.rate_setting(500, 50), ("target", "500000".to_owned()));
        let kbps = Encoder {
            rate: Rate::Kbps("bitrate"),
            ..ROW
        };
        assert_eq!(kbps.rate_setting(500, 50), ("bitrate", "500".to_owned()));
        let v4l2 = Encoder {
            rate: Rate::V4l2,
            ..ROW
        };
        let (name, value) = v4l2.rate_setting(500, 50);
        assert_eq!(name, "extra-controls");
        assert!(
            value.contains("video_bitrate=500000") && value.contains("gop_size=50"),
            "{value}"
        );
    }
}
