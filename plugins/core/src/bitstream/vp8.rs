//! VP8 frames (RFC 6386, 9.1).

use super::Size;

/// Says whether a decoder can begin with this frame.
pub fn is_key(frame: &[u8]) -> bool {
    size(frame).is_some()
}

/// Gives the picture's size; only key frames carry it.
pub fn size(frame: &[u8]) -> Option<Size> {
    let [first, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = frame else {
        return None;
    };
    // The two highest bits are for scaling.
    let of = |low: &u8, high: &u8| u32::from(u16::from_le_bytes([*low, *high]) & 0x3fff);
    (first & 1 == 0).then(|| Size {
        width: of(w0, w1),
        height: of(h0, h1),
    })
}
