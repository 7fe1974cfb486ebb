//! Tells where fragments begin and end in what a muxer writes piece by piece.

/// What is larger than a fragment ever is goes on as it comes.
const MOST: u64 = 64 << 20;

/// Follows the pieces of a fragmented MP4: `moof`, the head of its `mdat`, and frames. Boxes begin where pieces do.
#[derive(Debug)]
pub struct Gathering {
    stage: Stage,
    /// So many fragments must be whole before the first one is.
    missing: usize,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Between,
    /// Behind a `moof`.
    Head,
    /// Within an `mdat` of which so many bytes are left.
    Frames(u64),
}

impl Gathering {
    /// Follows a file of so many tracks. Each fragment is of one of them; players refuse a file in which a track has
    /// none, so the first fragments of all are one.
    pub const fn new(tracks: usize) -> Self {
        Self {
            stage: Stage::Between,
            missing: tracks,
        }
    }

    /// Takes the first bytes of a piece, at least 16 or all, and its size in bytes. Says whether what came until now is
    /// whole.
    pub fn on_piece(&mut self, head: &[u8], bytes: u64) -> bool {
        let before = self.stage;
        self.stage = match (self.stage, size_of(head)) {
            (Stage::Between, Some((b"moof", size))) if size == bytes => Stage::Head,
            (Stage::Head, Some((b"mdat", size))) if size < MOST => left(size, bytes),
            (Stage::Between | Stage::Head, _) => Stage::Between,
            (Stage::Frames(size), _) => left(size, bytes),
        };
        if !matches!(self.stage, Stage::Between) {
            return false;
        }
        if !matches!(before, Stage::Between) {
            self.missing = self.missing.saturating_sub(1);
        }
        self.missing == 0 || matches!(before, Stage::Between)
    }
}

const fn left(size: u64, bytes: u64) -> Stage {
    match size.saturating_sub(bytes) {
        0 => Stage::Between,
        left => Stage::Frames(left),
    }
}

/// Gives a box's kind and size in bytes (ISO/IEC 14496-12, 4.2); not of one that goes on to the end of the file.
fn size_of(head: &[u8]) -> Option<(&[u8; 4], u64)> {
    let (size, rest) = head.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let size = match u32::from_be_bytes(*size) {
        0 => return None,
        1 => u64::from_be_bytes(*rest.first_chunk()?),
        size => size.into(),
    };
    Some((kind, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u32, kind: &[u8; 4]) -> Vec<u8> {
        [&size.to_be_bytes()[..], kind].concat()
    }

    #[test]
    fn a_fragment_is_whole_with_its_last_frame() {
        let long = [&head(1, b"mdat")[..], &316u64.to_be_bytes()].concat();
        for (mdat, bytes) in [(head(308, b"mdat"), 8), (long, 16)] {
            let mut gathering = Gathering::new(1);
            assert!(gathering.on_piece(&head(24, b"ftyp"), 24));
            assert!(gathering.on_piece(&head(700, b"moov"), 700));
            for _ in 0..2 {
                assert!(!gathering.on_piece(&head(100, b"moof"), 100));
                assert!(!gathering.on_piece(&mdat, bytes));
                // What a frame looks like says nothing.
                assert!(!gathering.on_piece(&head(100, b"moof"), 100));
                assert!(!gathering.on_piece(&[0; 3], 3));
                assert!(gathering.on_piece(&[0; 16], 197));
            }
        }
    }

    #[test]
    fn the_first_fragments_of_all_tracks_are_one() {
        let mut gathering = Gathering::new(2);
        assert!(gathering.on_piece(&head(24, b"ftyp"), 24));
        for is_whole in [false, true, true] {
            gathering.on_piece(&head(100, b"moof"), 100);
            gathering.on_piece(&head(108, b"mdat"), 8);
            assert_eq!(gathering.on_piece(&[0; 16], 100), is_whole);
        }
    }

    #[test]
    fn what_is_no_fragment_goes_on_as_it_comes() {
        for pieces in [
            // A file without fragments, whose size is not known yet.
            [head(24, b"ftyp"), head(0, b"mdat")],
            [head(200, b"moof"), head(0, b"mdat")],
            [head(100, b"moof"), head(u32::MAX, b"mdat")],
            [head(100, b"moof"), head(100, b"free")],
        ] {
            let mut gathering = Gathering::new(1);
            gathering.on_piece(&pieces[0], 100);
            assert!(gathering.on_piece(&pieces[1], 8), "{pieces:?}");
            assert!(gathering.on_piece(&[0; 16], 100));
        }
    }
}
