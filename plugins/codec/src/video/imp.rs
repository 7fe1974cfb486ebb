//! Pads and states: the source's side puts into the mail, the source pad's task takes out of it.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::Mutex;
use sluice_core::KeyFrameGate;

use super::CAT;
use super::chain::Wanted;
use super::engine::Engine;
use super::mail::{Counts, Door, Input, Post};
use super::output::Sent;
use super::stage;

/// What decoder, encoder and the ways between them take at most on a machine that keeps up.
const LATENCY: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// The source is asked for key frames at most so often.
const ASKS: Duration = Duration::from_secs(1);

struct State {
    wanted: Option<Wanted>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// How often the source is asked for a key frame.
    asks: KeyFrameGate,
    running: Option<(Arc<Post>, std::thread::JoinHandle<()>)>,
}

// Lock order: state, then sent. Neither is held while anything is pushed.
pub struct Video {
    state: Mutex<State>,
    pub(super) sent: Mutex<Sent>,
    pub(super) sinkpad: gst::Pad,
    pub(super) srcpad: gst::Pad,
}

pub(super) fn structure(counts: &Counts) -> gst::Structure {
    gst::Structure::builder("sluice-transcode-stats")
        .field("frames-in", counts.frames_in)
        .field("frames-out", counts.frames_out)
        .field("dropped", counts.dropped)
        .field("encoder", counts.encoder)
        .field("decoder", counts.decoder)
        .field("failures", counts.failures)
        .build()
}

impl Video {
    pub(super) fn set_wanted(&self, wanted: Wanted) {
        self.state.lock().wanted = Some(wanted);
    }

    pub(super) fn set_bitrate(&self, kbps: u32) {
        if let Some(post) = self.post() {
            post.with(|mail| mail.requests.bitrate = Some(kbps));
        }
    }

    pub(super) fn stats(&self) -> gst::Structure {
        self.post().map_or_else(super::no_stats, |post| {
            structure(&post.peek(|mail| mail.counts.clone()))
        })
    }

    pub(super) fn codecs(&self) -> (Option<&'static str>, Option<&'static str>) {
        self.post().map_or((None, None), |post| {
            post.peek(|mail| (mail.counts.encoder, mail.counts.decoder))
        })
    }

    pub(super) fn post(&self) -> Option<Arc<Post>> {
        let state = self.state.lock();
        state.running.as_ref().map(|(post, _)| Arc::clone(post))
    }

    fn sink_chain(&self, mut buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let post = self.post().ok_or(gst::FlowError::Flushing)?;
        let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let segment = self.state.lock().segment.clone();
        let time = |time: Option<gst::ClockTime>| {
            segment
                .as_ref()
                .and_then(|segment| segment.to_running_time_full(time))
                .and_then(stage::inside)
        };
        let (pts, dts) = (time(buffer.pts()), time(buffer.dts()));
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(pts);
            buffer.set_dts(dts);
        }
        let torn = post.on_picture(buffer, key)?;
        if torn && self.state.lock().asks.on_request(Instant::now()) {
            gst::debug!(CAT, imp = self, "asks the source for a key frame");
            let event = gst_video::UpstreamForceKeyUnitEvent::builder()
                .all_headers(true)
                .build();
            // A camera may not know how: then the next one that comes by itself must do.
            self.sinkpad.push_event(event);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        let Some(post) = self.post() else {
            return gst::Pad::event_default(pad, Some(&*self.obj()), event);
        };
        let view = event.view();
        if let gst::EventView::Caps(caps) = view {
            let caps = caps.caps_owned();
            let live = self.is_live();
            post.with(|mail| {
                mail.live = live;
                mail.input.push_mark(Input::Caps(caps));
            });
        } else if let gst::EventView::Segment(segment) = view {
            let segment = segment.segment().downcast_ref::<gst::ClockTime>().cloned();
            self.state.lock().segment = segment;
        } else if let gst::EventView::Eos(_) = view {
            post.with(|mail| mail.input.push_mark(Input::Eos));
        } else if let gst::EventView::FlushStart(_) = view {
            post.flush(Door::Flushing);
            return self.srcpad.push_event(event);
        } else if let gst::EventView::FlushStop(_) = view {
            post.flush(Door::Open);
            self.sent.lock().segment = false;
            return self.srcpad.push_event(event);
        } else if gst_video::ForceKeyUnitEvent::is(&event) {
            post.with(|mail| mail.requests.key = true);
        }
        // The task sends its own stream start, caps and segment; the rest tells of the old codec.
        true
    }

    /// Says whether upstream follows a clock: then nothing may hold it up.
    fn is_live(&self) -> bool {
        let mut query = gst::query::Latency::new();
        !self.sinkpad.peer_query(&mut query) || query.result().0
    }

    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        // Buffers leave this thread, and what decodes them is not known yet.
        if let gst::QueryViewMut::Allocation(_) | gst::QueryViewMut::Drain(_) = query.view_mut() {
            return false;
        }
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    fn src_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        if gst_video::ForceKeyUnitEvent::is(&event) {
            if let Some(post) = self.post() {
                post.with(|mail| mail.requests.key = true);
            }
            return true;
        }
        // Being late downstream says nothing of the source, whose pictures are all needed here.
        let ours = [gst::EventType::Qos, gst::EventType::Reconfigure];
        ours.contains(&event.type_()) || gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
            let mut upstream = gst::query::Latency::new();
            if !self.sinkpad.peer_query(&mut upstream) {
                return false;
            }
            let (live, min, max) = upstream.result();
            latency.set(live, min + LATENCY, max.map(|max| max + LATENCY));
            return true;
        }
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    fn activate_src(&self, pad: &gst::Pad, active: bool) -> Result<(), gst::LoggableError> {
        if active {
            let this = self.obj().downgrade();
            pad.start_task(move || {
                if let Some(this) = this.upgrade() {
                    this.imp().send_next();
                }
            })
            .map_err(|_error| gst::loggable_error!(CAT, "the task does not start"))
        } else {
            if let Some(post) = self.post() {
                post.stop();
            }
            pad.stop_task()
                .map_err(|_error| gst::loggable_error!(CAT, "the task does not stop"))
        }
    }

    fn start(&self) -> Result<(), gst::StateChangeError> {
        let post = Arc::new(Post::new());
        let mut state = self.state.lock();
        let wanted = state.wanted.ok_or(gst::StateChangeError)?;
        let engine = Engine::new(Arc::clone(&post), &self.obj(), wanted);
        let thread = std::thread::Builder::new()
            .name("sluice-engine".to_owned())
            .spawn(move || engine.run())
            .map_err(|error| {
                gst::error!(CAT, imp = self, "no thread: {error}");
                gst::StateChangeError
            })?;
        state.running = Some((post, thread));
        state.segment = None;
        drop(state);
        *self.sent.lock() = Sent::default();
        Ok(())
    }

    fn stop(&self) {
        let running = self.state.lock().running.take();
        if let Some((post, thread)) = running {
            post.stop();
            if thread.join().is_err() {
                gst::error!(CAT, imp = self, "the engine panicked");
            }
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Video {
    const NAME: &'static str = "SluiceTranscodeVideo";
    type Type = super::Video;
    type ParentType = gst::Element;

    fn with_class(klass: &Self::Class) -> Self {
        let template = |name| klass.pad_template(name).expect("declared in pad_templates");
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |this| this.sink_chain(buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_query(pad, query))
            })
            .build();
        let srcpad = gst::Pad::builder_from_template(&template("src"))
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.src_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |this| this.src_query(pad, query))
            })
            .activatemode_function(|pad, parent, _mode, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "panicked")),
                    |this| this.activate_src(pad, active),
                )
            })
            .build();
        Self {
            state: Mutex::new(State {
                wanted: None,
                segment: None,
                asks: KeyFrameGate::new(ASKS),
                running: None,
            }),
            sent: Mutex::default(),
            sinkpad,
            srcpad,
        }
    }
}

impl ObjectImpl for Video {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.add_pad(&self.sinkpad)
            .expect("a new element has no pads");
        obj.add_pad(&self.srcpad)
            .expect("a new element has no pads");
    }
}

impl GstObjectImpl for Video {}

impl ElementImpl for Video {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sluice transcoder of video",
                "Codec/Transcoder/Video",
                "Turns video into one codec",
                "The Sluice developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            [
                ("sink", gst::PadDirection::Sink),
                ("src", gst::PadDirection::Src),
            ]
            .map(|(name, direction)| {
                let any = gst::Caps::new_any();
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &any)
                    .expect("the names and caps above are valid")
            })
            .into()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            self.start()?;
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            self.stop();
        }
        result
    }
}
