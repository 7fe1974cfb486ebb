//! The element's pads: they appear with the first publisher's tracks, and stay.

use std::sync::Arc;

use gst::prelude::*;
use sluice_core::Kind;

use super::outlet::{Line, Outlet, State};
use super::pad_name;

/// One of the element's pads.
pub(super) struct Slot {
    kind: Kind,
    pad: gst::Pad,
    caps: Option<gst::Caps>,
    /// A push is under way; one at a time, so that caps and frames of two publishers cannot mix.
    busy: bool,
}

impl Outlet {
    /// Says that all tracks of the publisher are there.
    pub(super) fn tell_tracks(&self) {
        if let Some(element) = self.element.upgrade() {
            element.no_more_pads();
        }
    }

    /// Adds the pad of a kind, unless a publisher before brought it already.
    pub(super) fn add_pad(&self, kind: Kind, caps: &gst::CapsRef) {
        let Some(element) = self.element.upgrade() else {
            return;
        };
        let Some(template) = element.pad_template(&format!("{}_%u", kind.label())) else {
            return;
        };
        let name = pad_name(kind);
        let (on_event, on_query) = (self.element.clone(), self.element.clone());
        let pad = gst::Pad::builder_from_template(&template)
            .name(name)
            .event_function(move |_, _, event| {
                let element = on_event.upgrade();
                element.is_some_and(|element| crate::source::on_upstream_event(&element, &event))
            })
            .query_function(move |pad, parent, query| {
                if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
                    let element = on_query.upgrade();
                    let min = element.map_or(gst::ClockTime::ZERO, |element| {
                        crate::source::latency(&element)
                    });
                    latency.set(true, min, gst::ClockTime::NONE);
                    return true;
                }
                gst::Pad::query_default(pad, parent, query)
            })
            .build();
        let group = {
            let mut state = self.state.lock();
            if state.slot_mut(kind).is_some() {
                return;
            }
            state.slots.push(Slot {
                kind,
                pad: pad.clone(),
                caps: None,
                busy: false,
            });
            state.group
        };
        let id = format!("{}/{name}", element.name());
        let start = gst::event::StreamStart::builder(&id)
            .group_id(group)
            .build();
        if pad.set_active(true).is_ok() {
            pad.push_event(start);
            // Whoever links in pad-added decides by them.
            pad.push_event(gst::event::Caps::new(&caps.to_owned()));
        }
        if element.add_pad(&pad).is_err() {
            tracing::error!(name, "the pad could not be added");
        }
    }

    pub(super) fn push(
        self: &Arc<Self>,
        line: &Line,
        buffer: gst::Buffer,
        caps: &gst::CapsRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        // A track that was found too late for the others, or while another publisher was the active one.
        self.add_pad(line.kind, caps);
        let Some((pad, changed)) = self.take_slot(line, caps) else {
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
        self.give_slot_back(line.kind);
        match flow {
            Err(gst::FlowError::Flushing) => Err(gst::FlowError::Flushing),
            // Nobody wants this track, or downstream broke and has said so itself: the publisher goes on.
            Err(_) | Ok(_) => Ok(gst::FlowSuccess::Ok),
        }
    }

    /// Waits for the pad to be free; gives it, and the caps if they are new.
    fn take_slot(&self, line: &Line, caps: &gst::CapsRef) -> Option<(gst::Pad, Option<gst::Caps>)> {
        let mut state = self.state.lock();
        loop {
            if !line.is_active(&state) {
                return None;
            }
            let slot = state.slot_mut(line.kind)?;
            if !slot.busy {
                slot.busy = true;
                let changed = slot.caps.as_deref() != Some(caps);
                if changed {
                    slot.caps = Some(caps.to_owned());
                }
                return Some((slot.pad.clone(), changed.then(|| caps.to_owned())));
            }
            self.changed.wait(&mut state);
        }
    }

    fn give_slot_back(&self, kind: Kind) {
        if let Some(slot) = self.state.lock().slot_mut(kind) {
            slot.busy = false;
        }
        self.changed.notify_all();
    }

    /// Removes all pads; the timeline begins anew.
    pub(super) fn clear(&self) {
        let slots = self.state.lock().begin_anew();
        self.changed.notify_all();
        let Some(element) = self.element.upgrade() else {
            return;
        };
        for slot in slots {
            let gone = slot.pad.set_active(false);
            if gone.and_then(|()| element.remove_pad(&slot.pad)).is_err() {
                tracing::warn!(pad = %slot.pad.name(), "the pad did not want to go");
            }
        }
    }
}

impl State {
    fn slot_mut(&mut self, kind: Kind) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.kind == kind)
    }
}
