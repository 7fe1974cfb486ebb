//! What a file of a recording says of itself: its tracks and its length.

use std::time::Duration;

use super::container::Container;
use crate::track::Codec;

mod matroska;
pub mod mp4;
mod mpegts;

/// What is in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The codecs of its tracks, in the file's order; those that are not known are left out.
    pub tracks: Vec<Codec>,
    /// From its begin to the end of its last frame, where the file says it.
    pub duration: Option<Duration>,
}

/// Reads what a file of `len` bytes says of itself. `read` gives up to so many bytes at an offset; fewer only at the end of
/// the file. What cannot be understood gives no tracks and no length.
///
/// # Errors
///
/// Those of `read`.
pub fn contents<E>(
    container: Container,
    len: u64,
    read: impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Contents, E> {
    match container {
        Container::FragmentedMp4 | Container::Mp4 => mp4::contents(len, read),
        Container::Matroska => matroska::contents(len, read),
        Container::MpegTs => mpegts::contents(len, read),
    }
}

/// Reads a big-endian number of up to 8 bytes.
fn number(data: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let data = data.get(at..at.checked_add(bytes)?)?;
    Some(data.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)))
}

/// The same for 4 bytes.
fn word(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*data.get(at..)?.first_chunk()?))
}
