//! NAL units of an H.264 or H.265 byte stream (H.264, annex B).

/// Gives the NAL units of a byte stream, without start codes and trailing zeros; none without a start code.
pub(super) fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        loop {
            let here = rest?;
            let next = start_code(here);
            let unit = here.get(..next.unwrap_or(here.len()))?;
            rest = next.and_then(|at| here.get(at + 3..));
            let unit = trimmed(unit);
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    })
}

/// Gives a unit's payload: without the bytes that keep start codes out of it, at most `most` bytes.
pub(super) fn payload(unit: &[u8], header: usize, most: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(unit.len().min(most));
    let mut zeros = 0;
    for byte in unit.iter().skip(header) {
        if payload.len() == most {
            break;
        }
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        payload.push(*byte);
    }
    payload
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    start_code(stream).and_then(|at| stream.get(at + 3..))
}

fn start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

fn trimmed(unit: &[u8]) -> &[u8] {
    let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
    unit.get(..unit.len() - zeros).unwrap_or_default()
}
