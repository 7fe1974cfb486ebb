//! What several test modules share.

use std::time::{Duration, Instant};

/// Gives an instant to count from; tests never ask the clock again.
#[expect(
    clippy::disallowed_methods,
    reason = "std has no other way to make an Instant; only the origin comes from the clock"
)]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

/// Gives `n` milliseconds.
pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The offers under `testdata`, by the name of who makes them.
pub(crate) const OFFERS: &[(&str, &str)] = &[
    (
        "chromium",
        include_str!("../testdata/offer-chromium-156.sdp"),
    ),
    ("firefox", include_str!("../testdata/offer-firefox-153.sdp")),
    ("str0m", include_str!("../testdata/offer-str0m-0.25.sdp")),
    ("ffmpeg", include_str!("../testdata/offer-ffmpeg-8.sdp")),
];

/// Gives an offer under `testdata` as text.
pub(crate) fn offer_text(name: &str) -> &'static str {
    OFFERS.iter().find(|(known, _)| *known == name).unwrap().1
}

/// Gives an offer under `testdata`.
pub(crate) fn offer(name: &str) -> crate::Offer {
    crate::Offer::parse(offer_text(name)).unwrap()
}
