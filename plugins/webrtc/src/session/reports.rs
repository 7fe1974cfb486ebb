//! What the viewer reports: that it lives, what its network carries of what it is sent, and what it asks for.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::breaker::{PICTURES, SOUND};
use sluice_core::rtcp::{Said, ntp_middle};
use sluice_core::whep::CloseReason;
use sluice_core::{Breaker, Thinned, Thinning, Tripped};

use super::{Audience, Session};
use crate::peer::rtcp::purify;
use crate::probe::{PACKETS, retain};
use crate::viewers::ViewerEvent;

/// What judges the viewer's network.
struct Watch {
    breaker: Breaker,
    /// Where there is something to leave out.
    thinning: Option<Thinning>,
}

impl Watch {
    fn thinned(&mut self, said: &Said, sent: u64, now: Instant) -> Option<Thinned> {
        let thinning = self.thinning.as_mut()?;
        let tried = thinning.handle_timeout(now);
        tried.or_else(|| thinning.on_estimate(said.estimate?, sent, now))
    }
}

impl Session {
    /// Every RTCP packet of the viewer is a sign of life; its reports go to the circuit breaker, and its estimates say
    /// how much it is sent.
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
        let watch = Mutex::new(Watch {
            breaker: self.breaker(),
            thinning: self.thinning(),
        });
        pad.add_probe(PACKETS, move |_pad, info| {
            let Some(session) = session.upgrade() else {
                return gst::PadProbeReturn::Ok;
            };
            session.hear();
            retain(info, |buffer| session.on_rtcp(&watch, buffer))
        });
    }

    fn breaker(&self) -> Breaker {
        let lanes = &self.member.lanes;
        let pictures = lanes.iter().any(|lane| lane.video);
        let group = if pictures { PICTURES } else { SOUND };
        Breaker::new(lanes.iter().map(|lane| lane.ssrc), group)
    }

    /// A server that we push to may want all of it, whatever it estimates: to record it, for instance.
    fn thinning(&self) -> Option<Thinning> {
        let pictures = self.member.lanes.iter().any(|lane| lane.video);
        (pictures && self.audience == Audience::Viewer).then(|| Thinning::new(Instant::now()))
    }

    /// Says whether anything of it is left for rtpbin.
    fn on_rtcp(self: &Arc<Self>, watch: &Mutex<Watch>, buffer: &mut gst::Buffer) -> bool {
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
        self.on_lost(&said);
        // The sender reports carry this machine's time of day.
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let (ntp, now) = (ntp_middle(time.unwrap_or(Duration::ZERO)), Instant::now());
        let (tripped, thinned) = {
            let mut watch = watch.lock();
            let tripped = said.blocks.iter().find_map(|block| {
                let lane = self.member.lanes.iter().find(|l| l.ssrc == block.ssrc)?;
                lane.looks.on_report();
                let sent = lane.sent.so_far();
                watch.breaker.on_report(block, sent, ntp, now)
            });
            (tripped, watch.thinned(&said, self.member.sent.bytes(), now))
        };
        if let Some(thinned) = thinned {
            self.on_thinned(thinned);
        }
        if let Some(tripped) = tripped {
            self.on_tripped(&tripped);
        }
        !said.leaves_nothing()
    }

    /// Sends again what we send again; for all else GStreamer hears of it.
    fn on_lost(&self, said: &Said) {
        let Some(fanout) = self.producer.upgrade().and_then(|p| p.fanout()) else {
            return;
        };
        for (ssrc, numbers) in &said.lost {
            let mut lanes = self.member.lanes.iter();
            let lane = lanes.position(|lane| lane.ssrc == *ssrc && lane.again.is_some());
            if let Some(lane) = lane {
                fanout.resend(&self.member, lane, numbers);
            }
        }
    }

    fn on_thinned(&self, thinned: Thinned) {
        let id = self.id.clone();
        self.member
            .thin(matches!(thinned, Thinned::KeyFrames { .. }));
        let Some(producer) = self.producer.upgrade() else {
            return;
        };
        let event = match thinned {
            Thinned::KeyFrames {
                carries_kbps,
                stream_kbps,
            } => ViewerEvent::Thinned {
                id,
                carries_kbps,
                stream_kbps,
            },
            Thinned::No { trial } => ViewerEvent::Whole { id, trial },
        };
        producer.tell(event);
        // Either begins with a key frame, and the network may have eaten the pictures until then.
        let lanes = self.member.lanes.iter().filter(|lane| lane.video);
        if let Some(fanout) = producer.fanout() {
            for lane in lanes {
                fanout.want_key_frame(lane.track, self.id.clone());
            }
        }
    }

    fn on_tripped(self: &Arc<Self>, tripped: &Tripped) {
        let reason = self.audience.ended(CloseReason::Congested);
        self.close(&format!("{reason}: {tripped}"));
    }
}
