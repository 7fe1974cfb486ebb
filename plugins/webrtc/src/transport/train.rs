//! Packets that one call sends: segmentation offload (`UDP_SEGMENT`) cuts them apart by one length.

/// The kernel takes no longer train at a time (`UDP_MAX_SEGMENTS` and 64 KiB).
const TRAIN_BYTES: usize = 65_000;

/// Cuts packets of these lengths into trains: where each begins and ends, and how long its packets are.
pub(super) fn trains(lengths: &[usize], most: usize) -> Vec<(usize, usize, usize)> {
    let mut trains: Vec<(usize, usize, usize)> = Vec::new();
    let (mut at, mut packets, mut ended) = (0, 0, true);
    for &length in lengths {
        let end = at + length;
        let longer = match trains.last_mut() {
            Some((start, last, segment))
                if !ended
                    && packets < most
                    && length <= *segment
                    && end - *start <= TRAIN_BYTES =>
            {
                *last = end;
                // Only the last one of a train may be shorter.
                ended = length < *segment;
                true
            }
            Some(_) | None => false,
        };
        if longer {
            packets += 1;
        } else {
            trains.push((at, end, length));
            (packets, ended) = (1, length == 0);
        }
        at = end;
    }
    trains
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trains_have_packets_of_one_length_and_one_shorter() {
        assert_eq!(trains(&[], 64), []);
        assert_eq!(trains(&[100], 64), [(0, 100, 100)]);
        assert_eq!(trains(&[100, 100, 40], 64), [(0, 240, 100)]);
        assert_eq!(
            trains(&[30, 100, 100, 40, 100], 64),
            [(0, 30, 30), (30, 270, 100), (270, 370, 100)]
        );
        assert_eq!(
            trains(&[10; 5], 2),
            [(0, 20, 10), (20, 40, 10), (40, 50, 10)]
        );
        assert_eq!(
            trains(&[10; 3], 1),
            [(0, 10, 10), (10, 20, 10), (20, 30, 10)]
        );
        let long = trains(&[1200; 60], 64);
        assert!(
            long.iter()
                .all(|(start, end, _)| end - start <= TRAIN_BYTES)
        );
        assert_eq!(long.len(), 2);
    }
}
