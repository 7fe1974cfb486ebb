//! AV1 temporal units as low-overhead OBU stream (AV1 bitstream specification, 5).

use super::Size;
use super::bits::Bits;

const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// What a sequence header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// 0 main, 1 high, 2 professional.
    pub profile: u8,
    /// The largest picture.
    pub size: Size,
}

/// Says whether a decoder can begin with this temporal unit: a sequence header and a key frame.
pub fn is_key(unit: &[u8]) -> bool {
    let has_sequence = obus(unit).any(|(kind, _)| kind == SEQUENCE_HEADER);
    let first_frame = obus(unit).find(|(kind, _)| matches!(*kind, FRAME_HEADER | FRAME));
    // show_existing_frame is 0 and frame_type is 0.
    has_sequence
        && first_frame.is_some_and(|(_, body)| body.first().is_some_and(|head| head & 0xe0 == 0))
}

/// Finds and reads the sequence header.
pub fn sequence(unit: &[u8]) -> Option<Sequence> {
    let (_, body) = obus(unit).find(|(kind, _)| *kind == SEQUENCE_HEADER)?;
    let mut bits = Bits::new(body);
    let profile = u8::try_from(bits.u(3)?).ok()?;
    bits.flag()?;
    let reduced = bits.flag()?;
    if reduced {
        bits.skip(5)?;
    } else {
        skip_operating_points(&mut bits)?;
    }
    let (width_bits, height_bits) = (bits.u(4)? + 1, bits.u(4)? + 1);
    let size = Size {
        width: bits.u(width_bits)? + 1,
        height: bits.u(height_bits)? + 1,
    };
    Some(Sequence { profile, size })
}

/// Gives type and body of each OBU.
fn obus(unit: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = unit;
    std::iter::from_fn(move || {
        let (head, mut after) = rest.split_first()?;
        if head & 0x04 != 0 {
            (_, after) = after.split_first()?;
        }
        let size = if head & 0x02 != 0 {
            let (size, behind) = leb128(after)?;
            after = behind;
            size
        } else {
            after.len()
        };
        let (body, behind) = after.split_at_checked(size)?;
        rest = behind;
        Some((head >> 3 & 0x0f, body))
    })
}

fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

/// Skips timing and operating points (5.5.1).
fn skip_operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_length = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            // uvlc has the form of an Exp-Golomb number.
            bits.ue()?;
        }
        if bits.flag()? {
            delay_length = Some(usize::try_from(bits.u(5)?).ok()? + 1);
            bits.skip(42)?;
        }
    }
    let display_delay = bits.flag()?;
    for _ in 0..=bits.u(5)? {
        bits.skip(12)?;
        if bits.u(5)? > 7 {
            bits.flag()?;
        }
        if let Some(length) = delay_length
            && bits.flag()?
        {
            bits.skip(2 * length + 1)?;
        }
        if display_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Some(())
}
