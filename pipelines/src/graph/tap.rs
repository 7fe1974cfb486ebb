//! A tap at a video track: it keeps the group of pictures that is going on, so that whoever is attached begins with a whole
//! picture at once.

use std::ops::ControlFlow;
use std::sync::Arc;

use gst::glib;
use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::{GroupCache, GroupLimits};

/// What flows through a source's pad, for any number of further readers. They must not block.
#[derive(Debug)]
pub(super) struct Tap {
    source: glib::WeakRef<gst::Pad>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    group: GroupCache<gst::Buffer>,
    /// The media type of the caps.
    media: Option<glib::GString>,
    readers: Vec<gst::Pad>,
}

impl State {
    fn keep(&mut self, buffer: &gst::Buffer) {
        let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        // Without a time of its own it adds nothing to the span.
        let at = buffer.dts_or_pts().map(Into::into);
        let at = at.or_else(|| self.group.newest()).unwrap_or_default();
        self.group.push(buffer.clone(), key, at, buffer.size());
    }

    /// Says whether what was kept is of no use any more: of another codec. Parsers refine caps in the middle of a group.
    fn on_caps(&mut self, caps: &gst::CapsRef) -> bool {
        let media = caps
            .structure(0)
            .map(|structure| structure.name().to_owned());
        let before = std::mem::replace(&mut self.media, media);
        before.is_some() && before != self.media
    }
}

impl Tap {
    /// Taps a pad. Nothing is copied: frames are kept by reference.
    pub(super) fn new(source: &gst::Pad, limits: GroupLimits) -> Arc<Self> {
        let tap = Arc::new(Self {
            source: source.downgrade(),
            state: Mutex::new(State {
                group: GroupCache::new(limits),
                media: None,
                readers: Vec::new(),
            }),
        });
        let types = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        let weak = Arc::downgrade(&tap);
        source.add_probe(types, move |_source, info| {
            let Some(tap) = weak.upgrade() else {
                return gst::PadProbeReturn::Remove;
            };
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => tap.on_buffer(buffer),
                Some(gst::PadProbeData::Event(event)) => tap.on_event(event),
                Some(_) | None => {}
            }
            gst::PadProbeReturn::Ok
        });
        tap
    }

    fn on_buffer(&self, buffer: &gst::Buffer) {
        let mut state = self.state.lock();
        state.keep(buffer);
        for reader in &state.readers {
            // One that has ended is detached by whoever ended it; the others go on.
            if let Err(flow) = reader.push(buffer.clone()) {
                tracing::trace!(%flow, "a tap's reader took nothing");
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "GStreamer has 30 kinds of event; these matter"
    )]
    fn on_event(&self, event: &gst::Event) {
        let mut state = self.state.lock();
        let begins_anew = match event.view() {
            gst::EventView::Caps(caps) => state.on_caps(caps.caps()),
            gst::EventView::FlushStop(_) => true,
            _ => false,
        };
        if begins_anew {
            state.group.clear();
        }
        for reader in &state.readers {
            reader.push_event(event.clone());
        }
    }

    /// Links a further reader, and hands it the group that is going on. It must take that without waiting.
    ///
    /// # Errors
    /// The pads do not fit, or the source is gone.
    pub(super) fn attach(&self, to: &gst::Pad) -> Result<gst::Pad, glib::BoolError> {
        let source = self.source.upgrade();
        let source = source.ok_or_else(|| glib::bool_error!("the source is gone"))?;
        let reader = self.pad();
        reader.set_active(true)?;
        // It has no parent: it is not of any bin, and goes with its reader.
        reader
            .link_full(to, gst::PadLinkCheck::TEMPLATE_CAPS)
            .map_err(|error| glib::bool_error!("{}: {error}", to.name()))?;
        // Held, so that nothing flows meanwhile and nothing is missed.
        let mut state = self.state.lock();
        let mut ended = None;
        source.sticky_events_foreach(|event| {
            if event.type_() == gst::EventType::Eos {
                ended = Some(event.clone());
            } else {
                reader.push_event(event.clone());
            }
            ControlFlow::Continue(gst::EventForeachAction::Keep)
        });
        for buffer in state.group.frames() {
            reader
                .push(buffer.clone())
                .map_err(|flow| glib::bool_error!("it takes no pictures: {flow}"))?;
        }
        if let Some(ended) = ended {
            reader.push_event(ended);
        }
        state.readers.push(reader.clone());
        Ok(reader)
    }

    /// Takes a reader away; nothing flows to it when this returns.
    pub(super) fn detach(&self, reader: &gst::Pad) {
        self.state.lock().readers.retain(|one| one != reader);
        if let Some(peer) = reader.peer()
            && reader.unlink(&peer).is_err()
        {
            tracing::debug!("a tap was not linked");
        }
        if reader.set_active(false).is_err() {
            tracing::debug!("a tap was not active");
        }
    }

    fn pad(&self) -> gst::Pad {
        let (for_events, for_queries) = (self.source.clone(), self.source.clone());
        gst::Pad::builder(gst::PadDirection::Src)
            .name("tap")
            .event_function(move |_, _, event| {
                for_events
                    .upgrade()
                    .is_some_and(|source| source.send_event(event))
            })
            .query_function(move |pad, parent, query| {
                // How long the source's pictures were on their way, and whether they are live.
                if query.type_() == gst::QueryType::Latency {
                    return for_queries
                        .upgrade()
                        .is_some_and(|source| source.query(query));
                }
                gst::Pad::query_default(pad, parent, query)
            })
            .build()
    }
}
