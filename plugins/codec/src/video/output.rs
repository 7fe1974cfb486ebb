//! The source pad's task: what came out of the encoder goes downstream, in running time.

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CAT;
use super::imp::Video;
use super::mail::{BASE, Output};

/// Two pictures are at least one tick of the 90 kHz clock apart.
const TICK: gst::ClockTime = gst::ClockTime::from_nseconds(11_112);

/// What went downstream so far.
#[derive(Default)]
pub(super) struct Sent {
    start: bool,
    pub(super) segment: bool,
    caps: Option<gst::Caps>,
    pts: Option<gst::ClockTime>,
}

impl Video {
    /// Runs on the source pad's task, again and again.
    pub(super) fn send_next(&self) {
        let output = self
            .post()
            .and_then(|post| Some((post.next_output()?, post)));
        let Some((output, post)) = output else {
            if self.srcpad.pause_task().is_err() {
                gst::debug!(CAT, imp = self, "the task is gone already");
            }
            return;
        };
        match output {
            Output::Packet(caps, buffer) => {
                if let Err(error) = self.send_packet(&caps, buffer)
                    && error != gst::FlowError::Flushing
                {
                    post.with(|mail| mail.refused = Some(error));
                    post.made_room();
                }
            }
            Output::Eos => {
                self.send_start();
                self.srcpad.push_event(gst::event::Eos::new());
            }
        }
    }

    fn send_start(&self) {
        if std::mem::replace(&mut self.sent.lock().start, true) {
            return;
        }
        let own = gst::event::StreamStart::builder("sluicetranscode").build();
        let event = self
            .sinkpad
            .sticky_event::<gst::event::StreamStart>(0)
            .map_or(own, gst::Event::from);
        self.srcpad.push_event(event);
    }

    fn send_packet(
        &self,
        caps: &gst::Caps,
        mut buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let out = |time: Option<gst::ClockTime>| time.and_then(|time| time.checked_sub(BASE));
        // Before the segment: the source wants it decoded and not shown.
        if buffer.pts().is_some_and(|pts| pts < BASE) {
            return Ok(gst::FlowSuccess::Ok);
        }
        self.send_start();
        let (new_caps, new_segment, pts) = {
            let mut sent = self.sent.lock();
            let new_caps = sent.caps.as_ref() != Some(caps);
            if new_caps {
                sent.caps = Some(caps.clone());
            }
            let new_segment = !std::mem::replace(&mut sent.segment, true);
            let after = sent.pts.filter(|_| !new_segment).map(|pts| pts + TICK);
            let pts = out(buffer.pts()).max(after);
            sent.pts = pts;
            (new_caps, new_segment, pts)
        };
        if new_caps {
            self.srcpad.push_event(gst::event::Caps::new(caps));
        }
        if new_segment {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.srcpad.push_event(gst::event::Segment::new(&segment));
        }
        {
            let buffer = buffer.make_mut();
            // Without B-frames both times are the same.
            buffer.set_pts(pts);
            buffer.set_dts(pts);
        }
        self.srcpad.push(buffer)
    }
}
