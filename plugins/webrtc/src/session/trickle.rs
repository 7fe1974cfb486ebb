//! PATCH: candidates that come after the offer.

use std::sync::Arc;
use std::time::Instant;

use sluice_core::Problem;

use super::Session;
use super::interim::sdp::Offer;
use crate::viewers::Patched;

pub(super) struct Trickle { etag: String }
impl Trickle {
    pub(super) fn new(_offer: &Offer, _now: Instant) -> Self { Self { etag: "\"1\"".to_owned() } }
    pub(super) fn etag(&self) -> String { self.etag.clone() }
}
impl Session {
    pub(crate) fn patch(self: &Arc<Self>, _c: Option<&str>, _m: Option<&str>, _b: &str) -> Result<Patched, Problem> {
        Ok(Patched::Trickled)
    }
}
