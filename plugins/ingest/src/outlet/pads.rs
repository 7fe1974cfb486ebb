//! The element's pads: they appear together, and survive redials.

use std::sync::Arc;

use gst::prelude::*;
use sluice_core::Kind;
use sluice_core::timeline::{Start, Timeline};

use super::{Outlet, State};
use crate::feed::Feed;
use crate::line::Line;
use crate::source::CAT;

/// One of the element's pads. It survives redials.
pub(super) struct Slot {
    kind: Kind,
    index: u32,
    pad: gst::Pad,
    caps: Option<gst::Caps>,
    /// A push is under way; one at a time, so that caps and frames of two dials cannot mix.
    busy: bool,
}

impl Slot {
    /// Takes the caps of a frame; says whether they are others than before.
    fn note_caps(&mut self, caps: &gst::Caps) -> bool {
        // Looking into them takes as long as a push: nearly always they are the very same.
        if self.caps.as_ref().map(|known| known.as_ptr()) == Some(caps.as_ptr()) {
            return false;
        }
        let before = self.caps.replace(caps.clone());
        before.as_ref() != Some(caps)
    }
}

impl Outlet {
    /// Makes the pads that the lines need, all before the first frame, and says which tracks there are.
    pub(super) fn open(self: &Arc<Self>, feed: &Feed, lines: &[Arc<Line>]) {
        let mut lines = lines.to_vec();
        lines.sort_by_key(|line| (line.kind, line.index));
        let added = lines.iter().filter(|line| self.add_pad(line)).count();
        // A file that loops says nothing new.
        if feed.item > 0 && added == 0 {
            return;
        }
        self.tell_tracks(feed, &lines);
    }

    /// Says which tracks there are.
    fn tell_tracks(&self, feed: &Feed, lines: &[Arc<Line>]) {
        let Some(element) = self.element.upgrade() else {
            return;
        };
        element.no_more_pads();
        let count = |kind| {
            u32::try_from(lines.iter().filter(|line| line.kind == kind).count()).unwrap_or(u32::MAX)
        };
        let tracks = gst::Structure::builder("sluice-tracks")
            .field("video", count(Kind::Video))
            .field("audio", count(Kind::Audio))
            .field("skipped", gst::List::new(feed.skipped()))
            .build();
        element
            .post_message(gst::message::Element::builder(tracks).src(&element).build())
            .unwrap_or_default();
    }

    /// Adds the line's pad; false if a dial before it brought it already.
    fn add_pad(&self, line: &Line) -> bool {
        let Some(element) = self.element.upgrade() else {
            return false;
        };
        let group = {
            let state = self.state.lock();
            if state.slot(line).is_some() {
                return false;
            }
            state.group
        };
        let Some(template) = element.pad_template(&format!("{}_%u", line.kind.label())) else {
            return false;
        };
        let name = line.pad_name();
        let pad = self.pad(&template, line, &name);
        self.state.lock().slots.push(Slot {
            kind: line.kind,
            index: line.index,
            pad: pad.clone(),
            caps: None,
            busy: false,
        });
        let id = format!("{}/{name}", element.name());
        let start = gst::event::StreamStart::builder(&id)
            .group_id(group)
            .build();
        if pad.set_active(true).is_ok() {
            pad.push_event(start);
            // Whoever links in pad-added decides by them.
            if let Some(caps) = line.caps() {
                pad.push_event(gst::event::Caps::new(&caps));
            }
        }
        if element.add_pad(&pad).is_err() {
            gst::error!(CAT, obj = element, "pad {name} could not be added");
        }
        true
    }

    fn pad(&self, template: &gst::PadTemplate, line: &Line, name: &str) -> gst::Pad {
        let (on_event, on_query) = (self.element.clone(), self.element.clone());
        let (kind, index) = (line.kind, line.index);
        gst::Pad::builder_from_template(template)
            .name(name)
            .event_function(move |_, _, event| {
                on_event
                    .upgrade()
                    .is_some_and(|element| element.on_upstream_event(kind, index, event))
            })
            .query_function(move |pad, parent, query| {
                if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
                    let min = on_query
                        .upgrade()
                        .map_or(gst::ClockTime::ZERO, |element| element.latency());
                    latency.set(true, min, gst::ClockTime::NONE);
                    return true;
                }
                gst::Pad::query_default(pad, parent, query)
            })
            .build()
    }

    pub(super) fn push(
        self: &Arc<Self>,
        feed: &Feed,
        line: &Line,
        buffer: gst::Buffer,
        caps: &gst::Caps,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        // A track that came to light after the others: its key frame took longer than the grace.
        if self.add_pad(line) {
            let known: Vec<_> = feed
                .lines()
                .into_iter()
                .filter(|line| line.is_known())
                .collect();
            self.tell_tracks(feed, &known);
        }
        let Some((pad, changed)) = self.take_slot(feed, line, caps) else {
            return Err(gst::FlowError::Flushing);
        };
        if let Some(caps) = changed {
            pad.push_event(gst::event::Caps::new(&caps));
            if pad.sticky_event::<gst::event::Segment>(0).is_none() {
                let segment = gst::FormattedSegment::<gst::ClockTime>::new();
                pad.push_event(gst::event::Segment::new(&segment));
            }
        }
        let flow = pad.push(buffer);
        self.give_slot_back(line);
        match flow {
            // Nobody wants this track, or no more of it; that is no reason to stop the others.
            Err(gst::FlowError::NotLinked | gst::FlowError::Eos) => Ok(gst::FlowSuccess::Ok),
            // What broke downstream has said so itself; the source is not to blame.
            Err(gst::FlowError::Flushing) => Err(gst::FlowError::Flushing),
            Err(_) | Ok(_) => Ok(gst::FlowSuccess::Ok),
        }
    }

    /// Waits for the pad to be free; gives it, and the caps if they are new.
    fn take_slot(
        &self,
        feed: &Feed,
        line: &Line,
        caps: &gst::Caps,
    ) -> Option<(gst::Pad, Option<gst::Caps>)> {
        let mut state = self.state.lock();
        loop {
            if state.active != Some(feed.dial) {
                return None;
            }
            let slot = state.slot_mut(line)?;
            if !slot.busy {
                slot.busy = true;
                let changed = slot.note_caps(caps);
                return Some((slot.pad.clone(), changed.then(|| caps.clone())));
            }
            self.changed.wait(&mut state);
        }
    }

    pub(super) fn give_slot_back(&self, line: &Line) {
        if let Some(slot) = self.state.lock().slot_mut(line) {
            slot.busy = false;
        }
        self.changed.notify_all();
    }

    /// Sends what belongs to the stream's end on every pad.
    pub(crate) fn end(&self) {
        let pads: Vec<_> = self
            .state
            .lock()
            .slots
            .iter()
            .map(|slot| slot.pad.clone())
            .collect();
        for pad in pads {
            pad.push_event(gst::event::Eos::new());
        }
    }

    /// Removes all pads; the timeline begins anew.
    pub(crate) fn clear(&self) {
        let slots = {
            let mut state = self.state.lock();
            state.timeline = Timeline::new(Start::AsIs);
            state.epoch = None;
            state.clock = None;
            std::mem::take(&mut state.slots)
        };
        let Some(element) = self.element.upgrade() else {
            return;
        };
        for slot in slots {
            if slot
                .pad
                .set_active(false)
                .and_then(|()| element.remove_pad(&slot.pad))
                .is_err()
            {
                gst::warning!(
                    CAT,
                    obj = element,
                    "pad {} did not want to go",
                    slot.pad.name()
                );
            }
        }
    }
}

impl State {
    fn slot(&self, line: &Line) -> Option<&Slot> {
        self.slots
            .iter()
            .find(|slot| slot.kind == line.kind && slot.index == line.index)
    }

    fn slot_mut(&mut self, line: &Line) -> Option<&mut Slot> {
        self.slots
            .iter_mut()
            .find(|slot| slot.kind == line.kind && slot.index == line.index)
    }
}
