//! VP9 frames (VP9 bitstream specification 0.6, 6.2).

use super::Size;
use super::bits::Bits;

const SRGB: u32 = 7;

/// Says whether a decoder can begin with this frame.
pub fn is_key(frame: &[u8]) -> bool {
    key_header(&mut Bits::new(frame)).is_some()
}

/// Gives the profile, 0 to 3; every frame carries it.
pub fn profile(frame: &[u8]) -> Option<u8> {
    read_profile(&mut Bits::new(frame))
}

/// Gives the picture's size; only key frames carry it.
pub fn size(frame: &[u8]) -> Option<Size> {
    let mut bits = Bits::new(frame);
    let profile = key_header(&mut bits)?;
    if profile >= 2 {
        bits.flag()?;
    }
    let with_sampling = profile % 2 == 1;
    if bits.u(3)? == SRGB {
        bits.skip(usize::from(with_sampling))?;
    } else {
        bits.skip(if with_sampling { 4 } else { 1 })?;
    }
    Some(Size {
        width: bits.u(16)? + 1,
        height: bits.u(16)? + 1,
    })
}

fn read_profile(bits: &mut Bits<'_>) -> Option<u8> {
    if bits.u(2)? != 2 {
        return None;
    }
    let (low, high) = (bits.flag()?, bits.flag()?);
    let profile = u8::from(low) + 2 * u8::from(high);
    if profile == 3 && bits.flag()? {
        return None;
    }
    Some(profile)
}

/// Reads up to a key frame's colours; gives the profile.
fn key_header(bits: &mut Bits<'_>) -> Option<u8> {
    let profile = read_profile(bits)?;
    let (shows_old, inter) = (bits.flag()?, bits.flag()?);
    bits.skip(2)?;
    (!shows_old && !inter && bits.u(24)? == 0x49_8342).then_some(profile)
}
