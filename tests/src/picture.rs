//! The known picture: seven colour bars, a strip of seven more colours below them, and a clock that moves.

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

/// The strip under the bars, from left to right.
pub const STRIP: [(&str, [u8; 3]); 7] = [
    ("blue", [0, 0, 255]),
    ("black", [0, 0, 0]),
    ("magenta", [255, 0, 255]),
    ("black", [0, 0, 0]),
    ("cyan", [0, 255, 255]),
    ("black", [0, 0, 0]),
    ("white", [255, 255, 255]),
];

/// The middle of each of the seven bars, or of the strip's seven fields.
pub type Row = Vec<[u8; 3]>;

/// Codecs and the choice of BT.601 or BT.709 shift colours by some 25 of 255; a swapped plane or a
/// wrong chroma format shifts them by more than a hundred.
pub const TOLERANCE: u8 = 48;

/// Says what is wrong with the bars, if anything is.
///
/// # Errors
/// The first bar whose colour is another one.
pub fn check(bars: &[[u8; 3]]) -> Result<(), String> {
    compare(&BARS, bars)
}

/// Says what is wrong with the picture from its top to its bottom, if anything is: frames are cut into slices,
/// and each of them may be missing.
///
/// # Errors
/// Where another colour was seen, and which.
pub fn check_whole(rows: &[Row]) -> Result<(), String> {
    let [upper, middle, strip] = rows else {
        return Err(format!("{} rows instead of 3", rows.len()));
    };
    compare(&BARS, upper).map_err(|wrong| format!("in the upper third {wrong}"))?;
    compare(&BARS, middle).map_err(|wrong| format!("in the middle {wrong}"))?;
    compare(&STRIP, strip).map_err(|wrong| format!("in the lower third {wrong}"))
}

/// Reads a row of each third of a picture in RGB, for [`check_whole`].
pub fn whole(sample: &gst::Sample) -> Option<Vec<Row>> {
    [(1, 6), (1, 2), (17, 24)]
        .into_iter()
        .map(|height| row(sample, height))
        .collect()
}

/// Reads one row of a picture in RGB, at this part of its height.
pub fn row(sample: &gst::Sample, (part, of): (usize, usize)) -> Option<Row> {
    let caps = sample.caps()?.structure(0)?;
    let number = |name| usize::try_from(caps.get::<i32>(name).ok()?).ok();
    let (width, height) = (number("width")?, number("height")?);
    let map = sample.buffer()?.map_readable().ok()?;
    // Rows are padded to four bytes.
    let begin = (width * 3).next_multiple_of(4) * (height * part / of);
    let pixel = |bar: usize| {
        let start = begin + (2 * bar + 1) * width / (2 * BARS.len()) * 3;
        map.get(start..start + 3)?.try_into().ok()
    };
    (0..BARS.len()).map(pixel).collect()
}

fn compare(wanted: &[(&str, [u8; 3])], seen: &[[u8; 3]]) -> Result<(), String> {
    if seen.len() != wanted.len() {
        return Err(format!("{} bars instead of {}", seen.len(), wanted.len()));
    }
    for ((name, wanted), seen) in wanted.iter().zip(seen) {
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
