//! PATCH: candidates that come after the offer, and ICE restart (RFC 8838, RFC 8840, RFC 9725 section 4.3).

use gst::prelude::*;
use sluice_core::ice_lite::Credentials;
use sluice_core::sdp::renewed;
use sluice_core::whep::Patch;
use sluice_core::{Problem, TrickleFragment};

use super::nice;
use super::{Peer, Places};
use crate::transport::Transport;
use crate::viewers::Patched;

impl Peer {
    /// Does what a PATCH asks for. `restarted` takes note of a restart, and gives the new entity tag.
    ///
    /// # Errors
    ///
    /// 422 or 500 for an ICE restart that cannot be done; the session stays as it was.
    pub(crate) fn patch(
        &self,
        places: &Places,
        transport: &Transport,
        patch: &Patch,
        restarted: impl FnOnce(&TrickleFragment) -> String,
    ) -> Result<Patched, Problem> {
        let fragment = match patch {
            Patch::Trickle(fragment) => {
                self.add_candidates(places, fragment);
                return Ok(Patched::Trickled);
            }
            Patch::Restart(fragment) => fragment,
        };
        // One after the other: the last one wins, whole.
        let _alone = self.restarts.lock();
        let body = self.restart(transport, fragment)?;
        self.add_candidates(places, fragment);
        Ok(Patched::Restarted {
            body,
            etag: restarted(fragment),
        })
    }

    /// Gives the fragment that answers. Media goes on meanwhile, and DTLS is not touched.
    fn restart(
        &self,
        transport: &Transport,
        fragment: &TrickleFragment,
    ) -> Result<String, Problem> {
        let (Some(ufrag), Some(pwd)) = (&fragment.ice_ufrag, &fragment.ice_pwd) else {
            return Err(Problem::new(
                400,
                "an ICE restart needs a=ice-ufrag and a=ice-pwd",
            ));
        };
        let failed = || {
            Problem::new(
                500,
                "ICE could not be restarted; POST an offer for a new session",
            )
        };
        let answer = self.local_description(transport).ok_or_else(failed)?;
        let theirs = Credentials {
            ufrag: ufrag.clone(),
            password: pwd.clone(),
        };
        let ours = match &self.ice {
            Some(agent) => agent.restart(&theirs),
            None => nice::Agent::of(&self.webrtcbin)
                .ok_or_else(|| {
                    Problem::new(
                        422,
                        "ICE cannot be restarted in this session; POST an offer for a new one",
                    )
                })?
                .restart(&theirs),
        };
        let ours = ours.ok_or_else(failed)?;
        renewed(&answer, &ours.ufrag, &ours.password).ok_or_else(failed)
    }

    /// Takes a fragment's candidates. webrtcbin queues them; this does not wait. With everything bundled there
    /// is one transport, and what names no section means that one.
    fn add_candidates(&self, places: &Places, fragment: &TrickleFragment) {
        for (mid, candidate) in fragment.candidates() {
            if !candidate.usable() {
                continue;
            }
            let named = mid.and_then(|mid| places.mids.iter().position(|known| known == mid));
            let Ok(mline) = u32::try_from(named.unwrap_or(places.transport)) else {
                continue;
            };
            let text = candidate.to_string();
            self.webrtcbin
                .emit_by_name::<()>("add-ice-candidate", &[&mline, &text]);
        }
    }
}
