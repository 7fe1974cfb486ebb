//! Takes parameter sets out of the middle of an access unit.
//!
//! `rtph264pay config-interval=-1`, and cameras built on it, repeat SPS and PPS before each slice of a key frame.
//! Behind the first slice they say nothing new, but parsers take them for the next access unit and split the
//! frame in two: half a picture.

use gst::prelude::*;

/// What NAL units of a codec mean.
struct Syntax {
    media: &'static str,
    unit_type: fn(u8) -> u8,
    is_slice: fn(u8) -> bool,
    is_header: fn(u8) -> bool,
}

const SYNTAXES: &[Syntax] = &[
    Syntax {
        media: "video/x-h264",
        unit_type: |byte| byte & 0x1f,
        is_slice: |unit| (1..=5).contains(&unit),
        // SPS, PPS, access unit delimiter.
        is_header: |unit| (7..=9).contains(&unit),
    },
    Syntax {
        media: "video/x-h265",
        unit_type: |byte| (byte >> 1) & 0x3f,
        is_slice: |unit| unit < 32,
        // VPS, SPS, PPS, access unit delimiter.
        is_header: |unit| (32..=35).contains(&unit),
    },
];

/// Tidies the access units that pass `pad`, if their codec has parameter sets.
pub(crate) fn watch(pad: &gst::Pad, media: &str) {
    let Some(syntax) = SYNTAXES.iter().find(|syntax| syntax.media == media) else {
        return;
    };
    let added = pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
            && let Some(tidy) = tidied(buffer, syntax)
        {
            *buffer = tidy;
        }
        gst::PadProbeReturn::Ok
    });
    debug_assert!(
        added.is_some(),
        "a probe that does not block is never refused"
    );
}

fn tidied(buffer: &gst::BufferRef, syntax: &Syntax) -> Option<gst::Buffer> {
    let data = {
        let map = buffer.map_readable().ok()?;
        without_late_headers(map.as_slice(), syntax)?
    };
    let mut tidy = gst::Buffer::from_mut_slice(data);
    let flags =
        gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META;
    buffer.copy_into(tidy.get_mut()?, flags, ..).ok()?;
    Some(tidy)
}

/// Gives the access unit without headers after its first slice; `None` if there are none.
fn without_late_headers(unit: &[u8], syntax: &Syntax) -> Option<Vec<u8>> {
    let starts = starts(unit);
    let ends = starts.iter().skip(1).copied().chain([unit.len()]);
    let mut seen_slice = false;
    let mut kept: Option<Vec<u8>> = None;
    for (&start, end) in starts.iter().zip(ends) {
        let nal = unit.get(start..end)?;
        let header = nal
            .iter()
            .position(|byte| *byte == 1)
            .and_then(|one| nal.get(one + 1));
        let kind = header.map(|byte| (syntax.unit_type)(*byte));
        seen_slice |= kind.is_some_and(syntax.is_slice);
        let late = seen_slice && kind.is_some_and(syntax.is_header);
        match (&mut kept, late) {
            (None, true) => kept = Some(unit.get(..start)?.to_vec()),
            (Some(kept), false) => kept.extend_from_slice(nal),
            (None, false) | (Some(_), true) => {}
        }
    }
    kept
}

/// Finds where each NAL unit's start code begins, a fourth zero byte included.
fn starts(unit: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    for (at, window) in unit.windows(3).enumerate() {
        if window == [0, 0, 1] {
            let long = at > 0 && unit.get(at - 1) == Some(&0);
            starts.push(if long { at - 1 } else { at });
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2];
    const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 3];
    const SLICE: &[u8] = &[0, 0, 1, 0x65, 9, 9, 0, 0, 3];

    #[test]
    fn parameter_sets_after_the_first_slice_go_and_nothing_else() {
        let unit = [SPS, PPS, SLICE, SPS, PPS, SLICE].concat();
        let tidy = without_late_headers(&unit, &SYNTAXES[0]).unwrap();
        assert_eq!(tidy, [SPS, PPS, SLICE, SLICE].concat());
    }

    #[test]
    fn a_tidy_unit_is_not_copied() {
        assert_eq!(
            without_late_headers(&[SPS, PPS, SLICE, SLICE].concat(), &SYNTAXES[0]),
            None
        );
        assert_eq!(without_late_headers(&[], &SYNTAXES[0]), None);
    }
}
