use super::answer::{AnswerEdit, Handshake, finish};
use super::fragment::TrickleFragment;
use super::offer::{Offer, for_webrtcbin};
use crate::testing::OFFERS;

/// Gives texts made from a good one: cut, with a line left out, twice or elsewhere, with odd characters.
fn mutations(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut texts = vec![];
    for at in (0..lines.len()).step_by(3) {
        let mut left_out = lines.clone();
        let line = left_out.remove(at);
        texts.push(left_out.join("\n"));
        left_out.push(line);
        texts.push(left_out.join("\n"));
        for (from, to) in [
            (":", ""),
            (" ", ""),
            ("0", "99999999999"),
            ("=", "=="),
            ("a", "ü"),
            ("/", "\0"),
        ] {
            let mut changed = lines.clone();
            let odd = line.replace(from, to);
            changed[at] = &odd;
            texts.push(changed.join("\n"));
        }
    }
    texts.extend(
        (0..text.len())
            .step_by(61)
            .filter_map(|at| text.get(..at))
            .map(str::to_owned),
    );
    texts
}

#[test]
fn damaged_texts_are_read_without_panic() {
    let edit = AnswerEdit {
        stream: "s".to_owned(),
        fingerprint: None,
        announce: vec![[192, 0, 2, 1].into()],
        tcp: true,
        lite: false,
        handshake: Handshake::Theirs,
        trickles: false,
    };
    for (_, text) in OFFERS {
        for text in mutations(text) {
            if let Ok(offer) = Offer::parse(&text) {
                assert!(!offer.ice_ufrag.is_empty() && offer.transport_index().is_some());
            }
            // Reading what was cleaned is reading the same thing, and errors are one line.
            let again = Offer::parse(&for_webrtcbin(&text));
            assert!(
                again
                    .err()
                    .is_none_or(|error| !error.sentence.contains('\n'))
            );
            finish(&text, &edit);
            if let Ok(fragment) = TrickleFragment::parse(&text) {
                assert!(fragment.to_string().len() <= 2 * text.len() + 64);
            }
        }
    }
}
