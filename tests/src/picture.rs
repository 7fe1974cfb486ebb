//! The known picture: seven colour bars, and a clock that moves.

/// The bars of `videotestsrc pattern=smpte` from left to right, as a browser paints them.
pub const BARS: [(&str, [u8; 3]); 7] = [
    ("white", [255, 255, 255]),
    ("yellow", [255, 255, 0]),
    ("cyan", [0, 255, 255]),
    ("green", [0, 255, 0]),
    ("magenta", [255, 0, 255]),
    ("red", [255, 0, 0]),
    ("blue", [0, 0, 255]),
];

/// Codecs and the choice of BT.601 or BT.709 shift colours by some 25 of 255; a swapped plane or a
/// wrong chroma format shifts them by more than a hundred.
pub const TOLERANCE: u8 = 48;

/// Says what is wrong with the bars, if anything is.
///
/// # Errors
/// The first bar whose colour is another one.
pub fn check(bars: &[[u8; 3]]) -> Result<(), String> {
    if bars.len() != BARS.len() {
        return Err(format!("{} bars instead of 7", bars.len()));
    }
    for ((name, wanted), seen) in BARS.iter().zip(bars) {
        let close = wanted
            .iter()
            .zip(seen)
            .all(|(w, s)| w.abs_diff(*s) <= TOLERANCE);
        if !close {
            return Err(format!("{name} is {seen:?} instead of about {wanted:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shifted_colour_passes_and_a_swapped_one_does_not() {
        let mut bars: Vec<[u8; 3]> = BARS.iter().map(|(_, c)| *c).collect();
        bars[1] = [233, 240, 18];
        assert_eq!(check(&bars), Ok(()));
        bars[5] = [0, 0, 255];
        assert!(check(&bars).is_err_and(|e| e.starts_with("red")));
    }
}
