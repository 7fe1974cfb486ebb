//! H.264 access units as byte stream (ITU-T H.264).

use super::bits::Bits;
use super::{Sps, chroma, nal};

/// The largest parameter set that is read: scaling lists and timing included, it is below this.
const LARGEST_SPS: usize = 1024;
/// What of a slice is read: its type stands at the beginning.
const SLICE_HEAD: usize = 16;

const SLICE: u8 = 1;
const PARTITION_A: u8 = 2;
const IDR: u8 = 5;
const SPS: u8 = 7;

/// Profiles whose parameter set tells chroma and bit depth.
const WITH_CHROMA: &[u8] = &[100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Profiles by `profile_idc` and the constraint flags that must be set (annex A); the first that fits.
const PROFILES: &[(u8, u8, &str)] = &[
    (66, 0x40, "constrained-baseline"),
    (66, 0, "baseline"),
    (77, 0, "main"),
    (88, 0, "extended"),
    (100, 0x0c, "constrained-high"),
    (100, 0x08, "progressive-high"),
    (100, 0, "high"),
    (110, 0x10, "high-10-intra"),
    (110, 0, "high-10"),
    (122, 0x10, "high-4:2:2-intra"),
    (122, 0, "high-4:2:2"),
    (244, 0x10, "high-4:4:4-intra"),
    (244, 0, "high-4:4:4"),
    (44, 0, "cavlc-4:4:4-intra"),
];

/// Finds and reads the sequence parameter set of an access unit, or of a bare NAL unit.
pub fn sps(au: &[u8]) -> Option<Sps> {
    let unit = nal::units(au)
        .chain(nal::units(au).next().is_none().then_some(au))
        .find(|unit| kind(unit) == Some(SPS))?;
    parse(&mut Bits::new(&nal::payload(unit, 1, LARGEST_SPS)))
}

/// Says whether a decoder can begin with this access unit.
///
/// Besides IDR, these are units with parameter sets and nothing but I slices: cameras with open groups of
/// pictures or a rolling refresh send no other.
pub fn is_key(au: &[u8]) -> bool {
    if nal::units(au).any(|unit| kind(unit) == Some(IDR)) {
        return true;
    }
    let mut slices = slice_types(au).peekable();
    nal::units(au).any(|unit| kind(unit) == Some(SPS))
        && slices.peek().is_some()
        && slices.all(|slice| matches!(slice, 2 | 4))
}

/// Says whether the access unit has B slices: then frames may come in another order than shown.
pub fn has_b_slices(au: &[u8]) -> bool {
    slice_types(au).any(|slice| slice == 1)
}

/// Names the profile as GStreamer's caps do.
pub fn profile(sps: &Sps) -> Option<&'static str> {
    PROFILES
        .iter()
        .find(|(idc, flags, _)| *idc == sps.profile_idc && sps.constraint & flags == *flags)
        .map(|(_, _, name)| *name)
}

fn kind(unit: &[u8]) -> Option<u8> {
    unit.first().map(|head| head & 0x1f)
}

/// Gives the types of the slices, 0 to 4: P, B, I, SP, SI.
fn slice_types(au: &[u8]) -> impl Iterator<Item = u32> {
    nal::units(au)
        .filter(|unit| matches!(kind(unit), Some(SLICE | PARTITION_A | IDR)))
        .filter_map(|unit| {
            let payload = nal::payload(unit, 1, SLICE_HEAD);
            let mut bits = Bits::new(&payload);
            bits.ue()?;
            bits.ue().filter(|slice| *slice < 10).map(|slice| slice % 5)
        })
}

/// Reads a sequence parameter set (7.3.2.1.1).
fn parse(bits: &mut Bits<'_>) -> Option<Sps> {
    let (profile_idc, constraint, level) = (bits.u8()?, bits.u8()?, bits.u8()?);
    bits.ue()?;
    let (chroma_idc, bit_depth) = if WITH_CHROMA.contains(&profile_idc) {
        chroma_and_depth(bits)?
    } else {
        (1, 8)
    };
    bits.ue()?;
    let order_type = skip_order_count(bits)?;
    bits.ue()?;
    bits.flag()?;
    let picture = Picture::read(bits, chroma_idc)?;
    let held = if bits.flag()? {
        max_num_reorder_frames(bits)
    } else {
        None
    };
    // Baseline has no B slices, and order count type 2 means output in decoding order.
    let in_order = profile_idc == 66 || order_type == 2;
    Some(Sps {
        profile_idc,
        constraint,
        level,
        width: picture.width,
        height: picture.height,
        reorder: if in_order { Some(0) } else { held },
        chroma: picture.chroma,
        bit_depth,
        interlaced: picture.interlaced,
    })
}

fn chroma_and_depth(bits: &mut Bits<'_>) -> Option<(u32, u8)> {
    let chroma_idc = bits.ue()?;
    if chroma_idc == 3 {
        bits.flag()?;
    }
    let bit_depth = u8::try_from(bits.ue()?.checked_add(8)?)
        .ok()
        .filter(|depth| *depth <= 14)?;
    bits.ue()?;
    bits.flag()?;
    if bits.flag()? {
        skip_scaling_lists(bits, if chroma_idc == 3 { 12 } else { 8 })?;
    }
    Some((chroma_idc, bit_depth))
}

struct Picture {
    width: u32,
    height: u32,
    chroma: &'static str,
    interlaced: bool,
}

impl Picture {
    fn read(bits: &mut Bits<'_>, chroma_idc: u32) -> Option<Self> {
        let (chroma, crop_x, crop_y) = chroma(chroma_idc)?;
        let width = bits.ue()?.checked_add(1)?.checked_mul(16)?;
        let map_units = bits.ue()?.checked_add(1)?.checked_mul(16)?;
        let frames_only = bits.flag()?;
        if !frames_only {
            bits.flag()?;
        }
        bits.flag()?;
        let fields = if frames_only { 1 } else { 2 };
        let (mut left_right, mut top_bottom) = (0, 0);
        if bits.flag()? {
            left_right = bits.ue()?.checked_add(bits.ue()?)?.checked_mul(crop_x)?;
            top_bottom = bits
                .ue()?
                .checked_add(bits.ue()?)?
                .checked_mul(crop_y * fields)?;
        }
        Some(Self {
            width: width.checked_sub(left_right)?,
            height: map_units.checked_mul(fields)?.checked_sub(top_bottom)?,
            chroma,
            interlaced: !frames_only,
        })
    }
}

/// 7.3.2.1.1.1: only the bits matter, not the values.
fn skip_scaling_lists(bits: &mut Bits<'_>, lists: usize) -> Option<()> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8, 8);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.se()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

fn skip_order_count(bits: &mut Bits<'_>) -> Option<u32> {
    let order_type = bits.ue()?;
    match order_type {
        0 => {
            bits.ue()?;
        }
        1 => {
            bits.flag()?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue().filter(|count| *count <= 255)? {
                bits.se()?;
            }
        }
        2 => {}
        _ => return None,
    }
    Some(order_type)
}

/// Reads the usability information (annex E) up to the one value that is of interest.
fn max_num_reorder_frames(bits: &mut Bits<'_>) -> Option<u8> {
    skip_appearance(bits)?;
    if bits.flag()? {
        bits.skip(65)?;
    }
    let mut buffering = false;
    for _ in ["NAL", "VCL"] {
        if bits.flag()? {
            skip_buffering(bits)?;
            buffering = true;
        }
    }
    bits.skip(usize::from(buffering))?;
    bits.flag()?;
    if !bits.flag()? {
        return None;
    }
    bits.flag()?;
    for _ in 0..4 {
        bits.ue()?;
    }
    bits.ue().and_then(|frames| u8::try_from(frames).ok())
}

/// Skips shape, range, colours and place of chroma.
fn skip_appearance(bits: &mut Bits<'_>) -> Option<()> {
    const EXTENDED_SAR: u8 = 255;
    if bits.flag()? && bits.u8()? == EXTENDED_SAR {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.flag()?;
    }
    if bits.flag()? {
        bits.skip(4)?;
        if bits.flag()? {
            bits.skip(24)?;
        }
    }
    if bits.flag()? {
        bits.ue()?;
        bits.ue()?;
    }
    Some(())
}

fn skip_buffering(bits: &mut Bits<'_>) -> Option<()> {
    let count = bits.ue().filter(|count| *count < 32)?.checked_add(1)?;
    bits.skip(8)?;
    for _ in 0..count {
        bits.ue()?;
        bits.ue()?;
        bits.flag()?;
    }
    bits.skip(20)
}
