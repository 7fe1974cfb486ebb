//! What the viewer reports: that it lives, whether its network carries what it is sent, and what it asks for.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::breaker::{PICTURES, SOUND};
use sluice_core::rtcp::ntp_middle;
use sluice_core::whep::CloseReason;
use sluice_core::{Breaker, Tripped};

use super::Session;
use crate::peer::rtcp::purify;
use crate::probe::retain;

impl Session {
    /// Every RTCP packet of the viewer is a sign of life; its reports go to the circuit breaker.
    pub(super) fn watch_reports(self: &Arc<Self>) {
        let pad = self
            .peer
            .inner("dtlssrtpdec")
            .and_then(|dtlssrtpdec| dtlssrtpdec.static_pad("rtcp_src"));
        let Some(pad) = pad else {
            tracing::warn!(viewer = %self.id, "no RTCP pad to listen at");
            return;
        };
        let session = Arc::downgrade(self);
        let breaker = Mutex::new(self.breaker());
        let types = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(types, move |_pad, info| {
            let Some(session) = session.upgrade() else {
                return gst::PadProbeReturn::Ok;
            };
            session.hear();
            retain(info, |buffer| session.on_rtcp(&breaker, buffer))
        });
    }

    fn breaker(&self) -> Breaker {
        let lanes = &self.member.lanes;
        let pictures = lanes.iter().any(|lane| lane.video);
        let group = if pictures { PICTURES } else { SOUND };
        Breaker::new(lanes.iter().map(|lane| lane.ssrc), group)
    }

    /// Says whether anything of it is left for rtpbin.
    fn on_rtcp(self: &Arc<Self>, breaker: &Mutex<Breaker>, buffer: &mut gst::Buffer) -> bool {
        let said = match purify(buffer) {
            Ok(said) => said,
            Err(error) => {
                tracing::debug!(viewer = %self.id, %error, "RTCP is passed over");
                return false;
            }
        };
        for ssrc in &said.key_frames {
            let lane = self.member.lanes.iter().find(|lane| lane.ssrc == *ssrc);
            if let Some(lane) = lane.filter(|lane| lane.video) {
                self.on_key_frame_wanted(lane.track);
            }
        }
        // The sender reports carry this machine's time of day.
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let (ntp, now) = (ntp_middle(time.unwrap_or(Duration::ZERO)), Instant::now());
        let tripped = said.blocks.iter().find_map(|block| {
            let lane = self.member.lanes.iter().find(|l| l.ssrc == block.ssrc)?;
            let sent = lane.sent.so_far();
            breaker.lock().on_report(block, sent, ntp, now)
        });
        if let Some(tripped) = tripped {
            self.on_tripped(&tripped);
        }
        !said.leaves_nothing()
    }

    fn on_tripped(self: &Arc<Self>, tripped: &Tripped) {
        let reason = self.audience.ended(CloseReason::Congested);
        self.close(&format!("{reason}: {tripped}"));
    }
}
