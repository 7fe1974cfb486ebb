//! One requested pad: its payloader, and the packets that come out of it.

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::{Codec, Kind};

use crate::packetize::{Gatherer, Payloader, track_from_caps};
use crate::producer::Producer;
use crate::sink::hold::Hold;
use crate::sink::judge::Judge;

/// What is behind the ghost pad. It is built when the caps are known, and again when the codec changes.
struct Chain {
    codec: Codec,
    /// From the ghost pad to the appsink: parser if there is one, payloader, appsink.
    elements: Vec<gst::Element>,
    /// Whether the appsink holds frames back until they are due.
    paces: bool,
}

/// A requested pad of the sink.
pub(super) struct Input {
    id: usize,
    kind: Kind,
    ssrc: u32,
    bin: gst::glib::WeakRef<gst::Bin>,
    ghost: gst::GhostPad,
    producer: Arc<Producer>,
    chain: Mutex<Option<Chain>>,
    gatherer: Arc<Mutex<Gatherer>>,
    judge: Mutex<Judge>,
    hold: Mutex<Hold>,
    segment: Mutex<gst::FormattedSegment<gst::ClockTime>>,
}

impl Input {
    /// Makes the pad's inner side and watches what comes in.
    pub(super) fn new(
        id: usize,
        kind: Kind,
        ssrc: u32,
        bin: &gst::Bin,
        ghost: &gst::GhostPad,
        producer: Arc<Producer>,
    ) -> Arc<Self> {
        let hold = Hold::new(producer.limits().group);
        let input = Arc::new(Self {
            id,
            kind,
            ssrc,
            bin: bin.downgrade(),
            ghost: ghost.clone(),
            producer,
            chain: Mutex::default(),
            gatherer: Arc::new(Mutex::new(Gatherer::new(id, kind == Kind::Video))),
            judge: Mutex::default(),
            hold: Mutex::new(hold),
            segment: Mutex::default(),
        });
        let weak = Arc::downgrade(&input);
        let types = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        ghost.add_probe(types, move |_ghost, info| {
            let Some(input) = weak.upgrade() else {
                return gst::PadProbeReturn::Remove;
            };
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => input.on_buffer(buffer),
                Some(gst::PadProbeData::Event(event)) => input.on_event(event),
                Some(_) | None => {}
            }
            gst::PadProbeReturn::Ok
        });
        // What rests ends behind the pad: whoever probes it sees what the source sends.
        let weak = Arc::downgrade(&input);
        if let Some(inner) = ghost.internal() {
            inner.add_probe(gst::PadProbeType::BUFFER, move |_inner, _info| {
                match weak.upgrade() {
                    Some(input) if input.hold.lock().is_resting() => gst::PadProbeReturn::Drop,
                    Some(_) | None => gst::PadProbeReturn::Ok,
                }
            });
        }
        input
    }

    /// Takes the inner side down. The pad must be inactive.
    pub(super) fn remove(&self) {
        let chain = self.chain.lock().take();
        if let Some(chain) = chain {
            self.take_down(&chain);
        }
        self.producer.remove_input(self.id);
    }

    /// Follows whether somebody watches. Without anybody, pictures are kept from the last key frame on and nothing is made into
    /// packets; the first who comes gets them all at once. Says whether it rests now; waits for the frame that is on its way.
    pub(super) fn set_watched(&self, watched: bool) -> bool {
        if watched {
            self.wake();
            return false;
        }
        // A file without a clock would be over in a moment.
        let rests = self.chain.lock().as_ref().is_some_and(|chain| !chain.paces);
        if rests {
            self.hold.lock().rest();
        }
        rests
    }

    fn wake(&self) {
        // Nothing comes in between.
        let _stream = self.ghost.stream_lock();
        let held = self.hold.lock().wake();
        let Some(inner) = self.ghost.internal() else {
            return;
        };
        for buffer in held {
            self.announce(&buffer);
            // If it is not taken, the source hears of it with its next frame.
            if inner.push(buffer).is_err() {
                return;
            }
        }
    }

    fn on_event(&self, event: &gst::Event) {
        let view = event.view();
        if let gst::EventView::Caps(caps) = view {
            self.on_caps(caps.caps());
        } else if let gst::EventView::Segment(segment) = view {
            if let Some(time) = segment.segment().downcast_ref::<gst::ClockTime>() {
                self.on_segment(time);
            }
        } else if event.type_() == gst::EventType::FlushStop {
            self.gatherer.lock().clear();
            self.hold.lock().clear();
        }
    }

    fn on_segment(&self, segment: &gst::FormattedSegment<gst::ClockTime>) {
        let before = std::mem::replace(&mut *self.segment.lock(), segment.clone());
        if before != *segment {
            self.hold.lock().clear();
        }
    }

    fn on_buffer(&self, buffer: &gst::Buffer) {
        if self.kind == Kind::Video {
            let (key, at) = (is_key(buffer), self.running_time(buffer));
            self.look(buffer, key, at);
            self.hold.lock().keep(buffer, key, at);
        }
        if !self.hold.lock().is_resting() {
            self.announce(buffer);
        }
    }

    /// Says what the packets that come next are made of.
    fn announce(&self, buffer: &gst::BufferRef) {
        let gap = buffer.flags().contains(gst::BufferFlags::DISCONT);
        let unended = self.gatherer.lock().on_unit(is_key(buffer), gap);
        if let Some(frame) = unended {
            self.producer.push(frame);
        }
    }

    /// Judges a picture, and keeps it for thumbnails if it is a whole one.
    fn look(&self, buffer: &gst::Buffer, key: bool, at: Duration) {
        let Some(codec) = self.chain.lock().as_ref().map(|chain| chain.codec) else {
            return;
        };
        let verdict = match buffer.map_readable() {
            Ok(unit) => self.judge.lock().on_frame(codec, &unit, key),
            Err(_unreadable) => None,
        };
        if let Some(seen) = verdict {
            self.producer.set_seen(self.id, seen);
        }
        if key {
            self.producer.set_key_frame(self.id, buffer.clone(), at);
        }
    }

    fn running_time(&self, buffer: &gst::BufferRef) -> Duration {
        let at = self.segment.lock().to_running_time(buffer.pts());
        at.map_or(Duration::ZERO, Into::into)
    }

    fn on_caps(&self, caps: &gst::CapsRef) {
        let Some(bin) = self.bin.upgrade() else {
            return;
        };
        let Some(track) = track_from_caps(caps) else {
            // The pad template keeps others away.
            return;
        };
        let codec = track.codec;
        let current = self.chain.lock().as_ref().map(|chain| chain.codec);
        if current != Some(codec)
            && let Err(problem) = self.rebuild(&bin, codec)
        {
            gst::element_error!(bin, gst::CoreError::MissingPlugin, ["{problem}"]);
            return;
        }
        self.producer.set_track(self.id, track);
    }

    fn rebuild(&self, bin: &gst::Bin, codec: Codec) -> Result<(), String> {
        let old = self.chain.lock().take();
        if let Some(old) = old {
            self.take_down(&old);
        }
        self.gatherer.lock().clear();
        *self.hold.lock() = Hold::new(self.producer.limits().group);
        *self.judge.lock() = Judge::default();
        // A codec without a payloader is known and refused by the plan, as H.265 is: its frames end here.
        let mut elements = Payloader::make(codec).transpose()?.unwrap_or_default();
        if let Some(payloader) = elements.last() {
            // By text: a number of 32 bits in GStreamer's payloaders, of 64 in those of gst-plugin-rtp.
            payloader.set_property_from_str("ssrc", &self.ssrc.to_string());
        }
        let paces = !self.is_live();
        elements.push(self.appsink(paces).upcast());
        bin.add_many(&elements).map_err(|error| error.to_string())?;
        gst::Element::link_many(&elements).map_err(|error| error.to_string())?;
        for element in &elements {
            element
                .sync_state_with_parent()
                .map_err(|error| error.to_string())?;
        }
        let first = elements.first().and_then(|first| first.static_pad("sink"));
        let target = first.ok_or("no sink pad")?;
        self.ghost
            .set_target(Some(&target))
            .map_err(|error| error.to_string())?;
        *self.chain.lock() = Some(Chain {
            codec,
            elements,
            paces,
        });
        self.set_watched(self.producer.is_watched());
        // The last may have left just then.
        if !self.producer.is_watched() {
            self.set_watched(false);
        }
        Ok(())
    }

    fn take_down(&self, chain: &Chain) {
        if let Err(error) = self.ghost.set_target(None::<&gst::Pad>) {
            tracing::debug!(%error, "the pad had no target");
        }
        let Some(bin) = self.bin.upgrade() else {
            return;
        };
        for element in &chain.elements {
            if element.set_state(gst::State::Null).is_err() || bin.remove(element).is_err() {
                tracing::debug!(element = %element.name(), "not removed");
            }
        }
    }

    /// A live source's packets leave as they come; a file that plays too fast is held to the clock.
    fn is_live(&self) -> bool {
        let mut query = gst::query::Latency::new();
        self.ghost.peer_query(&mut query) && query.result().0
    }

    fn appsink(&self, paces: bool) -> gst_app::AppSink {
        let gatherer = self.gatherer.clone();
        let producer = self.producer.clone();
        let on_sample = move |sink: &gst_app::AppSink| {
            let sample = sink.pull_sample().map_err(|_eos| gst::FlowError::Eos)?;
            take_sample(&sample, &gatherer, &producer);
            Ok(gst::FlowSuccess::Ok)
        };
        let appsink = gst_app::AppSink::builder()
            .sync(paces)
            .async_(false)
            .qos(false)
            .enable_last_sample(false)
            .buffer_list(true)
            .max_buffers(1)
            .callbacks(
                gst_app::AppSinkCallbacks::builder()
                    .new_sample(on_sample)
                    .build(),
            )
            .build();
        appsink.set_property("processing-deadline", 0u64);
        appsink
    }
}

fn is_key(buffer: &gst::BufferRef) -> bool {
    !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
}

fn take_sample(sample: &gst::Sample, gatherer: &Mutex<Gatherer>, producer: &Producer) {
    let segment = sample
        .segment()
        .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
    let take = |buffer: &gst::BufferRef| {
        // x264enc shifts its PTS by 1000 hours: only the running time means anything (F18).
        let at = segment.and_then(|segment| segment.to_running_time(buffer.pts()));
        let at = at.map_or(Duration::ZERO, Into::into);
        let frame = gatherer.lock().on_packet(buffer, at);
        if let Some(frame) = frame {
            producer.push(frame);
        }
    };
    if let Some(list) = sample.buffer_list() {
        list.iter().for_each(take);
    } else if let Some(buffer) = sample.buffer() {
        take(buffer);
    }
}
