//! What is known of a viewer.

use std::sync::atomic::Ordering::Relaxed;

use gst::glib;
use gst::prelude::*;
use sluice_core::Kind;

use super::{Phase, Session};
use crate::viewers::ViewerInfo;

/// What the viewer's own reports say.
#[derive(Default)]
struct Reported {
    nacks: u64,
    rtt_ms: Option<f64>,
    loss: Option<f64>,
}

impl Session {
    /// Gives what is known of the viewer. Reads the rtpsession's counters; takes its lock for a moment.
    pub(crate) fn info(&self) -> ViewerInfo {
        let phase = self.state.lock().phase;
        let reported = match phase {
            Phase::Verified | Phase::Playing { .. } => self.reported(),
            Phase::Connecting | Phase::Closing | Phase::Closed => Reported::default(),
        };
        let codec = |kind| {
            let mut codecs = self.codecs.iter();
            codecs
                .find(|codec| codec.kind() == kind)
                .map(|codec| codec.label())
        };
        let chosen = |kind| {
            let mut plan = self.plan.iter();
            plan.find(|(of, _)| *of == kind)
                .map(|(_, sentence)| sentence.clone())
        };
        ViewerInfo {
            id: self.id.to_string(),
            state: match phase {
                Phase::Connecting | Phase::Verified => "connecting",
                Phase::Playing { .. } => "playing",
                Phase::Closing | Phase::Closed => "closing",
            },
            since_s: self.created.elapsed().as_secs(),
            codec_video: codec(Kind::Video),
            codec_audio: codec(Kind::Audio),
            plan_video: chosen(Kind::Video),
            plan_audio: chosen(Kind::Audio),
            bytes_sent: self.member.sent.bytes(),
            packets_sent: self.member.sent.packets(),
            lists_around_fec: self.lists_around_fec.load(Relaxed),
            lists_encrypted: self.peer.lists_encrypted.load(Relaxed),
            nacks: reported.nacks,
            packets_again: self.member.packets_again(),
            plis: self.key_frames_wanted.load(Relaxed),
            frames_left_out: self.member.frames_left_out(),
            key_frames_only: self.member.is_thinned(),
            rtt_ms: reported.rtt_ms,
            loss: reported.loss,
            first_picture_ms: match phase {
                Phase::Playing { first_picture } => u64::try_from(first_picture.as_millis()).ok(),
                Phase::Connecting | Phase::Verified | Phase::Closing | Phase::Closed => None,
            },
        }
    }

    fn reported(&self) -> Reported {
        let mut reported = Reported::default();
        let Some(rtpsession) = self.peer.inner("rtpsession") else {
            return reported;
        };
        let Some(stats) = rtpsession.property::<Option<gst::Structure>>("stats") else {
            return reported;
        };
        let Ok(sources) = stats.get::<glib::ValueArray>("source-stats") else {
            return reported;
        };
        for source in sources.iter() {
            if let Ok(source) = source.get::<gst::Structure>() {
                reported.add(&source);
            }
        }
        reported
    }
}

impl Reported {
    fn add(&mut self, source: &gst::StructureRef) {
        if source.get::<bool>("internal").unwrap_or(false) {
            self.nacks += u64::from(source.get::<u32>("recv-nack-count").unwrap_or(0));
        }
        if source.get::<bool>("have-rb").unwrap_or(false) {
            let larger = |before: Option<f64>, value: f64| Some(before.unwrap_or(0.0).max(value));
            if let Ok(lost) = source.get::<u32>("rb-fractionlost") {
                self.loss = larger(self.loss, f64::from(lost) / 256.0);
            }
            // In units of 1/65536 s (RFC 3550, 6.4.1).
            if let Ok(round_trip) = source.get::<u32>("rb-round-trip") {
                self.rtt_ms = larger(self.rtt_ms, f64::from(round_trip) * 1000.0 / 65536.0);
            }
        }
    }
}
