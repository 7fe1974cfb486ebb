//! Whether what an encoder made can be what it was asked for.

use crate::bitstream::{vp8, vp9};
use crate::track::Codec;

/// Says whether a unit looks like a picture of the codec and size; `key` is what its flags say.
///
/// H.264 and AV1 pass a parser, which lets no garbage through: for them all units look right.
pub fn is_plausible(codec: Codec, key: bool, unit: &[u8], size: (u32, u32)) -> bool {
    let (is_key, found) = if codec == Codec::Vp8 {
        (vp8::is_key(unit), vp8::size(unit))
    } else if codec == Codec::Vp9 {
        (vp9::is_key(unit), vp9::size(unit))
    } else {
        return !unit.is_empty();
    };
    is_key == key && (!key || found.is_some_and(|found| (found.width, found.height) == size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_no_vp8() {
        let key = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00];
        assert!(is_plausible(Codec::Vp8, true, &key, (320, 240)));
        assert!(!is_plausible(Codec::Vp8, true, &key, (640, 480)));
        assert!(!is_plausible(Codec::Vp8, false, &key, (320, 240)));
        assert!(!is_plausible(Codec::Vp8, true, &[0xff; 100], (320, 240)));
        assert!(!is_plausible(Codec::Vp9, true, &[0xff; 100], (320, 240)));
        assert!(!is_plausible(Codec::H264, true, &[], (320, 240)));
    }
}
