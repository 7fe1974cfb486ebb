//! What an encoded frame says about itself, read without decoding it.
//!
//! Every function takes bytes from outside: they may be cut, wrong or hostile.

pub mod av1;
mod bits;
pub mod h264;
pub mod h265;
mod nal;
pub mod payload;
#[cfg(test)]
mod tests;
pub mod tidy;
pub mod vp8;
pub mod vp9;

/// What a sequence parameter set of H.264 or H.265 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// As the codec numbers them: 66 baseline, 77 main, 100 high; in H.265 1 main, 2 main 10.
    pub profile_idc: u8,
    /// H.264's constraint flags.
    pub constraint: u8,
    /// As the codec numbers them: 31 is 3.1 in H.264, 93 is 3.1 in H.265.
    pub level: u8,
    /// Of the picture, in pixels.
    pub width: u32,
    /// Of the picture, in pixels.
    pub height: u32,
    /// How many frames may be held back for their order; `None` if it does not say. More than 0: B-frames.
    pub reorder: Option<u8>,
    /// As GStreamer's caps name it: "4:2:0".
    pub chroma: &'static str,
    /// Bits per sample of luma.
    pub bit_depth: u8,
    /// Whether there may be fields in place of frames.
    pub interlaced: bool,
}

impl Sps {
    /// Says whether frames are decoded in another order than shown; `None` if it does not say.
    pub fn reorders(&self) -> Option<bool> {
        self.reorder.map(|frames| frames > 0)
    }
}

/// The size of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

const CHROMA: [&str; 4] = ["4:0:0", "4:2:0", "4:2:2", "4:4:4"];

/// Names `chroma_format_idc`, with the pixels per unit of cropping from left to right and downwards.
fn chroma(idc: u32) -> Option<(&'static str, u32, u32)> {
    let name = CHROMA.get(usize::try_from(idc).ok()?)?;
    Some(match idc {
        1 => (name, 2, 2),
        2 => (name, 2, 1),
        _ => (name, 1, 1),
    })
}
