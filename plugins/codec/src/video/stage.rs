//! A stage: decoder or encoder with its neighbours, in a pipeline of its own.
//!
//! A pipeline of its own can be left behind when an element in it hangs, its errors reach no bus but its
//! own, and its thread is neither the source's nor downstream's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::Codec;
use sluice_core::transcode::is_plausible;

use super::mail::{BASE, Notice, Post};

/// Units that lie in front of a stage, so that its thread never waits for ours.
const LEVEL: u64 = 2;

/// Contexts of devices, such as the CUDA context: all stages of the process share them, so that pictures
/// can go from one to the other without leaving the device.
static CONTEXTS: Mutex<Vec<gst::Context>> = Mutex::new(Vec::new());

/// Which half it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Decode,
    Encode,
}

/// The elements of a stage in order, and which of them is the codec.
pub(crate) struct Chain {
    pub(crate) elements: Vec<gst::Element>,
    pub(crate) codec: gst::Element,
    pub(crate) factory: &'static str,
    /// What comes in.
    pub(crate) caps: gst::Caps,
    /// What it makes, if it encodes: codec, width and height.
    pub(crate) makes: Option<(Codec, (u32, u32))>,
}

#[derive(Default)]
struct Flow {
    taken: AtomicU64,
    made: AtomicU64,
}

pub(super) struct Stage {
    pub(super) id: u64,
    pub(super) factory: &'static str,
    pub(super) codec: gst::Element,
    pipeline: gst::Pipeline,
    src: gst_app::AppSrc,
    flow: Arc<Flow>,
}

impl Stage {
    /// Builds and starts it. May block for as long as the codec's device takes to open.
    ///
    /// # Errors
    /// Says why the elements do not start.
    pub(super) fn start(
        id: u64,
        side: Side,
        chain: Chain,
        post: &Arc<Post>,
    ) -> Result<Self, String> {
        let flow = Arc::<Flow>::default();
        let pipeline = gst::Pipeline::new();
        let src = source(&chain.caps);
        count(&src, &flow, post);
        let sink = sink(id, side, chain.makes, &flow, post);
        let reason = Arc::new(Mutex::new(None));
        listen(&pipeline, id, post, &reason)?;
        let mut all = vec![src.clone().upcast::<gst::Element>()];
        all.extend(chain.elements);
        all.push(sink.upcast());
        let started = pipeline
            .add_many(&all)
            .and_then(|()| gst::Element::link_many(&all))
            .map_err(|error| error.to_string())
            .and_then(|()| {
                pipeline
                    .set_state(gst::State::Playing)
                    .map_err(|error| error.to_string())
            });
        let stage = Self {
            id,
            factory: chain.factory,
            codec: chain.codec,
            pipeline,
            src,
            flow,
        };
        match started {
            Ok(_) => Ok(stage),
            Err(error) => {
                stage.close();
                Err(reason.lock().take().unwrap_or(error))
            }
        }
    }

    /// Says whether it takes another unit without queueing more than it must.
    pub(super) fn has_room(&self) -> bool {
        self.src.current_level_buffers() < LEVEL
    }

    /// Gives how many units went in and came out, and how many wait in front.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        (
            self.flow.taken.load(Ordering::Relaxed),
            self.flow.made.load(Ordering::Relaxed),
            self.src.current_level_buffers(),
        )
    }

    /// Hands it one unit; never blocks.
    pub(super) fn push(&self, buffer: gst::Buffer) {
        if let Err(error) = self.src.push_buffer(buffer) {
            // Its error comes by the bus, or it ends.
            gst::debug!(super::CAT, obj = self.codec, "refuses a picture: {error}");
        }
    }

    /// Tells it the format of what follows.
    pub(super) fn set_caps(&self, caps: &gst::Caps) {
        self.src.set_caps(Some(caps));
    }

    /// Tells it that nothing follows; it answers with `Ended` once everything is out.
    pub(super) fn end(&self) {
        if let Err(error) = self.src.end_of_stream() {
            gst::debug!(super::CAT, obj = self.codec, "refuses the end: {error}");
        }
    }

    /// Asks the encoder for a key frame from this time on, or as soon as it can.
    pub(super) fn force_key(&self, from: Option<gst::ClockTime>) {
        let event = gst_video::UpstreamForceKeyUnitEvent::builder()
            .all_headers(true)
            .running_time(from)
            .build();
        if let Some(pad) = self.codec.static_pad("src")
            && !pad.send_event(event)
        {
            gst::debug!(super::CAT, obj = self.codec, "takes no key-frame request");
        }
    }

    /// Stops it. Blocks for ever if an element hangs, hence `Slot` does it on a thread that can be left behind.
    pub(super) fn close(self) {
        if self.pipeline.set_state(gst::State::Null).is_err() {
            gst::warning!(super::CAT, obj = self.codec, "did not stop cleanly");
        }
    }
}

fn source(caps: &gst::Caps) -> gst_app::AppSrc {
    gst_app::AppSrc::builder()
        .caps(caps)
        .format(gst::Format::Time)
        .stream_type(gst_app::AppStreamType::Stream)
        .max_bytes(0)
        .build()
}

/// Counts what the stage takes, and lets the engine hand it more.
fn count(src: &gst_app::AppSrc, flow: &Arc<Flow>, post: &Arc<Post>) {
    let (flow, post) = (Arc::clone(flow), Arc::clone(post));
    let pad = src.static_pad("src").expect("every source has a pad");
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        flow.taken.fetch_add(1, Ordering::Relaxed);
        post.with(|_| ());
        gst::PadProbeReturn::Ok
    });
}

fn sink(
    id: u64,
    side: Side,
    makes: Option<(Codec, (u32, u32))>,
    flow: &Arc<Flow>,
    post: &Arc<Post>,
) -> gst_app::AppSink {
    let sink = gst_app::AppSink::builder()
        .sync(false)
        .async_(false)
        .qos(false)
        .enable_last_sample(false)
        .build();
    let (flow, to, ended) = (Arc::clone(flow), Arc::clone(post), Arc::clone(post));
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_ended| gst::FlowError::Eos)?;
                flow.made.fetch_add(1, Ordering::Relaxed);
                if let Some((caps, buffer)) = in_running_time(&sample) {
                    if !makes.is_none_or(|makes| is_right(makes, &buffer)) {
                        let sentence = "what it makes is no picture".to_owned();
                        to.with(|mail| mail.notices.push_back(Notice::Failed(id, sentence)));
                        return Err(gst::FlowError::Error);
                    }
                    match side {
                        Side::Decode => to.on_frame(Some(id), caps, buffer),
                        Side::Encode => to.on_packet(id, caps, buffer),
                    }
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| ended.with(|mail| mail.notices.push_back(Notice::Ended(id))))
            .build(),
    );
    if side == Side::Decode {
        let pad = sink.static_pad("sink").expect("every sink has a pad");
        // Pictures with padded lines need no copy then.
        pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
            if let Some(query) = info.query_mut()
                && let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
            {
                allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
                return gst::PadProbeReturn::Handled;
            }
            gst::PadProbeReturn::Ok
        });
    }
    sink
}

fn is_right((codec, size): (Codec, (u32, u32)), buffer: &gst::BufferRef) -> bool {
    let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
    buffer
        .map_readable()
        .is_ok_and(|unit| is_plausible(codec, key, &unit, size))
}

/// Some encoders shift their times by hours and say so in the segment: only running time means something.
fn in_running_time(sample: &gst::Sample) -> Option<(gst::Caps, gst::Buffer)> {
    let caps = sample.caps_owned()?;
    let mut buffer = sample.buffer_owned()?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let of = |time: Option<gst::ClockTime>| {
        segment
            .to_running_time_full(time)
            .and_then(gst::Signed::positive)
    };
    let (pts, dts) = (of(buffer.pts()), of(buffer.dts()));
    if (pts, dts) != (buffer.pts(), buffer.dts()) {
        let buffer = buffer.make_mut();
        buffer.set_pts(pts);
        buffer.set_dts(dts);
    }
    Some((caps, buffer))
}

/// Hears what the elements say: errors go to the engine, contexts to whoever needs them.
fn listen(
    pipeline: &gst::Pipeline,
    id: u64,
    post: &Arc<Post>,
    reason: &Arc<Mutex<Option<String>>>,
) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    let (post, reason) = (Arc::clone(post), Arc::clone(reason));
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Error(error) = message.view() {
            let sentence = error.error().to_string();
            gst::debug!(super::CAT, "{sentence} ({:?})", error.debug());
            *reason.lock() = Some(sentence.clone());
            post.with(|mail| mail.notices.push_back(Notice::Failed(id, sentence)));
        } else if let gst::MessageView::HaveContext(have) = message.view() {
            let context = have.context();
            let mut contexts = CONTEXTS.lock();
            contexts.retain(|known| known.context_type() != context.context_type());
            contexts.push(context);
        } else if let gst::MessageView::NeedContext(need) = message.view() {
            let kind = need.context_type();
            let known = CONTEXTS
                .lock()
                .iter()
                .find(|known| known.context_type() == kind)
                .cloned();
            let element = message
                .src()
                .and_then(|source| source.downcast_ref::<gst::Element>());
            if let (Some(context), Some(element)) = (known, element) {
                element.set_context(&context);
            }
        }
        gst::BusSyncReply::Drop
    });
    Ok(())
}

/// Gives a time inside for a running time; a negative one is a picture before the segment.
pub(super) fn inside(time: gst::Signed<gst::ClockTime>) -> Option<gst::ClockTime> {
    match time {
        gst::Signed::Positive(after) => after.checked_add(BASE),
        gst::Signed::Negative(before) => BASE.checked_sub(before),
    }
}
