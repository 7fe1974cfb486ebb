//! PATCH: candidates that come after the offer (RFC 8838, RFC 8840).

use std::sync::Arc;

use sluice_core::Problem;

use super::{Phase, Session};
use crate::viewers::{Patched, no_session};

impl Session {
    /// Takes a PATCH; the session goes on whatever it was.
    ///
    /// # Errors
    ///
    /// 404, 415, 428, 412, 400 and 413 as RFC 9725, 4.3 has them; 422 or 500 for an ICE restart that cannot be done.
    pub(crate) fn patch(
        self: &Arc<Self>,
        content_type: Option<&str>,
        if_match: Option<&str>,
        body: &str,
    ) -> Result<Patched, Problem> {
        let patch = {
            let state = self.state.lock();
            if matches!(state.phase, Phase::Closing | Phase::Closed) {
                return Err(no_session());
            }
            state.machine.on_patch(content_type, if_match, body)?
        };
        let producer = self.producer.upgrade().ok_or_else(no_session)?;
        let transport = producer.limits().transport;
        self.peer
            .patch(&self.places, &transport, &patch, |fragment| {
                self.state.lock().machine.on_restarted(fragment)
            })
    }
}
