//! H.265 access units as byte stream (ITU-T H.265).

use super::bits::Bits;
use super::{Sps, chroma, nal};

const LARGEST_SPS: usize = 1024;
const SPS: u8 = 33;

/// Finds and reads the sequence parameter set of an access unit, or of a bare NAL unit.
pub fn sps(au: &[u8]) -> Option<Sps> {
    let unit = nal::units(au)
        .chain(nal::units(au).next().is_none().then_some(au))
        .find(|unit| kind(unit) == Some(SPS))?;
    parse(&mut Bits::new(&nal::payload(unit, 2, LARGEST_SPS)))
}

/// Says whether a decoder can begin with this access unit (an IRAP picture: IDR, BLA or CRA).
pub fn is_key(au: &[u8]) -> bool {
    nal::units(au).any(|unit| kind(unit).is_some_and(|kind| (16..=23).contains(&kind)))
}

/// Names the profile as GStreamer's caps do.
pub const fn profile(sps: &Sps) -> Option<&'static str> {
    match sps.profile_idc {
        1 => Some("main"),
        2 => Some("main-10"),
        3 => Some("main-still-picture"),
        _ => None,
    }
}

fn kind(unit: &[u8]) -> Option<u8> {
    unit.first().map(|head| head >> 1 & 0x3f)
}

/// Reads a sequence parameter set (7.3.2.2.1) up to the order of pictures.
fn parse(bits: &mut Bits<'_>) -> Option<Sps> {
    bits.skip(4)?;
    let sub_layers = bits.u(3)?;
    bits.flag()?;
    let general = profile_tier_level(bits, sub_layers)?;
    bits.ue()?;
    let chroma_idc = bits.ue()?;
    if chroma_idc == 3 {
        bits.flag()?;
    }
    let (chroma, crop_x, crop_y) = chroma(chroma_idc)?;
    let (width, height) = (bits.ue()?, bits.ue()?);
    let (mut left_right, mut top_bottom) = (0, 0);
    if bits.flag()? {
        left_right = bits.ue()?.checked_add(bits.ue()?)?.checked_mul(crop_x)?;
        top_bottom = bits.ue()?.checked_add(bits.ue()?)?.checked_mul(crop_y)?;
    }
    let bit_depth = u8::try_from(bits.ue()?.checked_add(8)?)
        .ok()
        .filter(|depth| *depth <= 16)?;
    bits.ue()?;
    bits.ue()?;
    let of_all_layers = bits.flag()?;
    let mut reorder = 0;
    for _ in if of_all_layers { 0 } else { sub_layers }..=sub_layers {
        bits.ue()?;
        reorder = bits.ue()?;
        bits.ue()?;
    }
    Some(Sps {
        profile_idc: general.profile_idc,
        constraint: 0,
        level: general.level,
        width: width.checked_sub(left_right)?,
        height: height.checked_sub(top_bottom)?,
        reorder: u8::try_from(reorder).ok(),
        chroma,
        bit_depth,
        interlaced: general.interlaced,
    })
}

struct General {
    profile_idc: u8,
    level: u8,
    interlaced: bool,
}

/// 7.3.3.
fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Option<General> {
    bits.skip(3)?;
    let profile_idc = u8::try_from(bits.u(5)?).ok()?;
    bits.skip(32)?;
    let progressive = bits.flag()?;
    let interlaced = bits.flag()?;
    bits.skip(46)?;
    let level = bits.u8()?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - usize::try_from(sub_layers).ok()?))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(General {
        profile_idc,
        level,
        interlaced: interlaced && !progressive,
    })
}
