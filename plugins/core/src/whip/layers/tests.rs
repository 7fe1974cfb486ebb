use super::*;
use crate::testing::{ms, origin};

const SIZES: [(u32, u32); 3] = [(320, 180), (640, 360), (1280, 720)];

/// When a layer sends, in ms.
type Span = (usize, u64, u64);

/// What came of it: changes of what goes out, with their times.
struct Seen {
    changes: Vec<(u64, usize)>,
    asked: Vec<(u64, usize)>,
    /// Frames that went out beside those of the layer that was taken.
    mixed: usize,
}

/// Lets three layers send 25 frames/s in these spans, each with a key frame 80 ms after it is asked and at the
/// beginning of each span, till `end`.
fn run(spans: &[Span], end: u64) -> Seen {
    let start = origin();
    let mut layers = Layers::default();
    for _ in SIZES {
        layers.add(start);
    }
    let mut seen = Seen {
        changes: vec![],
        asked: vec![],
        mixed: 0,
    };
    let mut keys: Vec<(u64, usize)> = vec![];
    for at in (0..end).step_by(40) {
        for &(layer, from, to) in spans {
            if !(from..to).contains(&at) {
                continue;
            }
            let due = keys
                .iter()
                .position(|key| *key <= (at, layer) && key.1 == layer);
            let is_key = at < from + 40 || due.map(|due| keys.remove(due)).is_some();
            let (width, height) = SIZES[layer];
            let size = is_key.then_some(Size { width, height });
            let step = layers.on_frame(layer, size, is_key, start + ms(at));
            if step.changes {
                seen.changes.push((at, layer));
            }
            if let Some(asked) = step.ask {
                seen.asked.push((at, asked));
                keys.push((at + 80, asked));
            }
            seen.mixed += usize::from(step.goes_out && layers.taken() != Some(layer));
        }
    }
    seen
}

#[test]
fn the_best_layer_goes_out_soon_and_then_nothing_else() {
    // As browsers begin: the smallest first, the others as the line is found to be good.
    let seen = run(
        &[(0, 0, 20_000), (1, 1000, 20_000), (2, 3000, 20_000)],
        20_000,
    );
    assert_eq!(seen.changes, [(0, 0), (1600, 1), (3600, 2)]);
    assert_eq!(seen.asked, [(1520, 1), (3520, 2)]);
    assert_eq!(seen.mixed, 0);
    // In which order they come does not matter.
    let seen = run(&[(2, 0, 9000), (0, 0, 9000), (1, 0, 9000)], 9000);
    assert_eq!(seen.changes, [(0, 2)]);
    assert!(seen.asked.is_empty(), "{:?}", seen.asked);
}

#[test]
fn when_the_best_stops_the_next_best_goes_out_and_when_it_is_back_and_steady_the_best_again() {
    let whole = [(0, 0, 40_000), (1, 0, 40_000)];
    let seen = run(
        &[&whole[..], &[(2, 0, 5000), (2, 10_000, 40_000)]].concat(),
        40_000,
    );
    let order: Vec<_> = seen.changes.iter().map(|(_, layer)| *layer).collect();
    assert_eq!(order, [0, 2, 1, 2], "{:?}", seen.changes);
    let [_, _, (down, _), (up, _)] = seen.changes[..] else {
        panic!("{:?}", seen.changes);
    };
    // A second of silence, a key frame; four seconds of flowing, a key frame.
    assert!((6000..6300).contains(&down), "{down}");
    assert!((14_000..14_300).contains(&up), "{up}");
}

#[test]
fn a_layer_that_stops_again_and_again_is_trusted_less_and_less() {
    let mut spans = vec![(0, 0, 120_000)];
    // Five seconds on, five seconds off.
    spans.extend((0..12).map(|n| (2, n * 10_000, n * 10_000 + 5000)));
    let seen = run(&spans, 120_000);
    let ups = seen.changes.iter().filter(|(_, layer)| *layer == 2).count();
    assert_eq!(ups, 2, "{:?}", seen.changes);
    assert_eq!(seen.mixed, 0);
}

#[test]
fn a_still_screen_with_a_frame_a_second_gets_its_best_layer_and_keeps_it() {
    let start = origin();
    let mut layers = Layers::default();
    let both = [layers.add(start), layers.add(start)];
    let (mut changes, mut asked) = (vec![], None);
    for n in 0..60_u64 {
        for (layer, size) in both.into_iter().zip([SIZES[0], SIZES[2]]) {
            let (width, height) = size;
            // They come together, one a little later than the other, and not always at the same pace.
            let at = start + ms(n * 1000 + 7 * (n % 3) + 5 * u64::try_from(layer).unwrap());
            let is_key = n == 0 || asked == Some(layer);
            let step = layers.on_frame(layer, Some(Size { width, height }), is_key, at);
            asked = step.ask.or(asked.filter(|_| !is_key));
            changes.extend(step.changes.then_some((n, layer)));
        }
    }
    assert_eq!(changes, [(0, both[0]), (1, both[1])]);
}

#[test]
fn an_unknown_layer_and_a_layer_alone_are_no_trouble() {
    let start = origin();
    let mut layers = Layers::default();
    assert_eq!(layers.on_frame(3, None, true, start), Step::default());
    let only = layers.add(start);
    // It is asked until its key frame comes, once a second.
    let asked = (0..25_u64).filter(|n| {
        layers
            .on_frame(only, None, false, start + ms(n * 100))
            .ask
            .is_some()
    });
    assert_eq!(asked.count(), 3);
    assert!(layers.on_frame(only, None, true, start + ms(2500)).goes_out);
    // After ten seconds of nothing it goes on, since there is nothing else.
    assert!(
        layers
            .on_frame(only, None, false, start + ms(12_500))
            .goes_out
    );
}
