//! The element: pads, properties, states.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::Mutex;
use sluice_core::Kind;

use super::settings::{self, Settings};
use crate::queue::{Frame, Order, Pushed, Queue};
use crate::state::{Doing, Report};
use crate::track;
use crate::writer::Writer;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sluicerecordsink",
        gst::DebugColorFlags::empty(),
        Some("Sluice recorder"),
    )
});

/// How long a frame may have been on its way.
const MOST_LATE: Duration = Duration::from_secs(2);

/// What is known of a requested pad.
struct Input {
    track: usize,
    kind: Kind,
    caps: Option<gst::Caps>,
    /// The format does not take it.
    left_out: bool,
    segment: gst::FormattedSegment<gst::ClockTime>,
}

#[derive(Default)]
struct State {
    /// By pad name.
    inputs: BTreeMap<String, Input>,
    /// Numbers are never used twice.
    tracks: usize,
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    dropping: bool,
}

// Lock order: settings, then state.
#[derive(Default)]
pub struct RecordSink {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    report: OnceLock<Arc<Report>>,
}

impl RecordSink {
    fn report(&self) -> &Arc<Report> {
        self.report
            .get_or_init(|| Arc::new(Report::new(self.obj().upcast_ref())))
    }

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings.lock().clone();
        let queue = Arc::new(Queue::default());
        let tracks: Vec<_> = {
            let mut state = self.state.lock();
            state.queue = Arc::clone(&queue);
            let inputs = state.inputs.values();
            inputs.map(|input| (input.track, input.kind)).collect()
        };
        for (track, kind) in tracks {
            queue.order(Order::Expect(track, kind));
        }
        let writer = Writer::new(settings, queue, Arc::clone(self.report()));
        let thread = std::thread::Builder::new()
            .name("sluice-record".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| {
                gst::error_msg!(gst::ResourceError::NoSpaceLeft, ["no thread: {error}"])
            })?;
        self.state.lock().thread = Some(thread);
        Ok(())
    }

    /// Waits until every file is finished.
    fn stop(&self) {
        let (queue, thread) = {
            let mut state = self.state.lock();
            (Arc::clone(&state.queue), state.thread.take())
        };
        queue.order(Order::Stop);
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            gst::error!(CAT, imp = self, "the writer panicked");
        }
    }

    fn chain(
        &self,
        pad: &gst::Pad,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let wait = self.settings.lock().block;
        let (frame, leads, queue) = {
            let state = self.state.lock();
            let silent = |input: &Input| input.kind == Kind::Audio || input.left_out;
            let leads_by_sound = state.inputs.values().all(silent);
            let Some(input) = state.inputs.get(pad.name().as_str()) else {
                return Err(gst::FlowError::Flushing);
            };
            if input.left_out {
                return Ok(gst::FlowSuccess::Ok);
            }
            let Some(caps) = input.caps.clone() else {
                return Err(gst::FlowError::NotNegotiated);
            };
            let running = |time: Option<gst::ClockTime>| {
                let time = input.segment.to_running_time_full(time?)?;
                Some(match time {
                    gst::Signed::Positive(time) => {
                        i64::try_from(time.nseconds()).unwrap_or(i64::MAX)
                    }
                    gst::Signed::Negative(time) => {
                        -i64::try_from(time.nseconds()).unwrap_or(i64::MAX)
                    }
                })
            };
            let dts = running(buffer.dts());
            let Some(pts) = running(buffer.pts()).or(dts) else {
                return Ok(gst::FlowSuccess::Ok);
            };
            let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            let frame = Frame {
                track: input.track,
                kind: input.kind,
                buffer,
                caps,
                key,
                pts,
                dts: dts.filter(|_| input.kind == Kind::Video),
                wall: self.wall(dts.unwrap_or(pts)),
            };
            let leads = input.kind == Kind::Video || leads_by_sound;
            (frame, leads, Arc::clone(&state.queue))
        };
        let taken = match queue.push(frame, leads, wait) {
            Pushed::Taken => true,
            Pushed::Dropped => false,
            Pushed::Closed => return Err(gst::FlowError::Flushing),
        };
        if !taken {
            self.report().dropped();
        }
        let was_dropping = std::mem::replace(&mut self.state.lock().dropping, !taken);
        if !taken && !was_dropping {
            self.report().is(
                Doing::Dropping,
                Some("the disk does not keep up: frames are dropped up to the next key frame"),
                None,
            );
        } else if taken && was_dropping {
            self.report().is(Doing::Recording, None, None);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// When a frame was taken that comes in now, by its running time: it may have been collected with others on its way.
    fn wall(&self, at: i64) -> SystemTime {
        let now = SystemTime::now();
        let running = self.obj().current_running_time();
        let late = running.and_then(|running| {
            let running = i64::try_from(running.nseconds()).ok()?;
            u64::try_from(running.checked_sub(at)?).ok()
        });
        // One that is later by more has lost its way elsewhere; without a clock, a frame is taken when it comes.
        let late = late
            .map(Duration::from_nanos)
            .filter(|late| *late <= MOST_LATE);
        now.checked_sub(late.unwrap_or_default()).unwrap_or(now)
    }

    fn event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        let view = event.view();
        if let gst::EventView::Caps(caps) = view {
            return self.on_caps(pad, caps.caps_owned());
        }
        if let gst::EventView::Segment(segment) = view {
            if let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>()
                && let Some(input) = self.state.lock().inputs.get_mut(pad.name().as_str())
            {
                input.segment = segment.clone();
            }
            return true;
        }
        if event.type_() == gst::EventType::Eos {
            self.end(pad);
            return true;
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    fn on_caps(&self, pad: &gst::Pad, caps: gst::Caps) -> bool {
        let (format, leave_out) = {
            let settings = self.settings.lock();
            (settings.format, settings.leave_out)
        };
        let refusal = track::accepts(format, &caps).err();
        if let Some(sentence) = refusal.as_ref().filter(|_| !leave_out) {
            gst::element_imp_error!(self, gst::StreamError::WrongType, ("{sentence}"));
            return false;
        }
        let told = {
            let mut state = self.state.lock();
            let queue = Arc::clone(&state.queue);
            state.inputs.get_mut(pad.name().as_str()).map(|input| {
                input.caps = Some(caps);
                input.left_out = refusal.is_some();
                (queue, input.track)
            })
        };
        if let Some((queue, track)) = told {
            if refusal.is_some() {
                queue.order(Order::LeftOut(track));
            }
            self.report().leaves_out(track, refusal.as_deref());
        }
        true
    }

    fn end(&self, pad: &gst::Pad) {
        let (queue, track) = {
            let state = self.state.lock();
            let input = state.inputs.get(pad.name().as_str());
            (Arc::clone(&state.queue), input.map(|input| input.track))
        };
        if let Some(track) = track {
            queue.order(Order::Ended(track));
        }
    }

    /// Gives the lowest free name if none was asked for.
    fn name_for(state: &State, kind: Kind, asked: Option<&str>) -> Option<String> {
        let prefix = kind.label();
        let is_free = |name: &str| !state.inputs.contains_key(name);
        if let Some(name) = asked {
            let number = name.strip_prefix(prefix)?.strip_prefix('_')?;
            return (number.parse::<u32>().is_ok() && is_free(name)).then(|| name.to_owned());
        }
        (0..u32::MAX)
            .map(|number| format!("{prefix}_{number}"))
            .find(|name| is_free(name))
    }
}

#[glib::object_subclass]
impl ObjectSubclass for RecordSink {
    const NAME: &'static str = "SluiceRecordSink";
    type Type = super::RecordSink;
    type ParentType = gst::Element;
}

impl ObjectImpl for RecordSink {
    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_element_flags(gst::ElementFlags::SINK);
    }

    fn properties() -> &'static [glib::ParamSpec] {
        settings::properties()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let set = self.settings.lock().set(pspec.name(), value);
        if let Err(why) = set {
            gst::warning!(CAT, imp = self, "{} ignored: {why}", pspec.name());
        }
        if pspec.name() == "recording" {
            let on = value.get().unwrap_or_default();
            let queue = Arc::clone(&self.state.lock().queue);
            queue.order(Order::Record(on));
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.report().stats().to_value(),
            name => self.settings.lock().get(name),
        }
    }
}

impl GstObjectImpl for RecordSink {}

impl ElementImpl for RecordSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sluice recorder",
                "Sink/File",
                "Writes encoded tracks into segments that survive a crash",
                "The Sluice authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let template = |kind: &str| {
                gst::PadTemplate::new(
                    &format!("{kind}_%u"),
                    gst::PadDirection::Sink,
                    gst::PadPresence::Request,
                    &track::template_caps(kind),
                )
                .expect("names and directions are right")
            };
            vec![template("video"), template("audio")]
        });
        &TEMPLATES
    }

    /// It takes frames whenever they come: whoever asks for the pipeline's latency is not told of any here.
    fn query(&self, query: &mut gst::QueryRef) -> bool {
        if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
            latency.set(false, gst::ClockTime::ZERO, gst::ClockTime::NONE);
            return true;
        }
        self.parent_query(query)
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let kind = if template.name_template().starts_with("video") {
            Kind::Video
        } else {
            Kind::Audio
        };
        let (name, track, queue) = {
            let mut state = self.state.lock();
            let name = Self::name_for(&state, kind, name)?;
            let track = state.tracks;
            state.tracks += 1;
            let input = Input {
                track,
                kind,
                caps: None,
                left_out: false,
                segment: gst::FormattedSegment::new(),
            };
            state.inputs.insert(name.clone(), input);
            (name, track, Arc::clone(&state.queue))
        };
        queue.order(Order::Expect(track, kind));
        let pad = gst::Pad::builder_from_template(template)
            .name(&name)
            .chain_function(|pad, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |imp| imp.chain(pad, buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.event(pad, event))
            })
            .build();
        pad.set_active(true).ok()?;
        self.obj().add_pad(&pad).ok()?;
        Some(pad)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        if pad.set_active(false).is_err() {
            gst::debug!(CAT, imp = self, "{} was not active", pad.name());
        }
        self.end(pad);
        self.state.lock().inputs.remove(pad.name().as_str());
        if self.obj().remove_pad(pad).is_err() {
            gst::debug!(CAT, imp = self, "{} was no pad of this sink", pad.name());
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused {
            self.start().map_err(|error| {
                self.post_error_message(error);
                gst::StateChangeError
            })?;
        }
        if transition == gst::StateChange::PausedToReady {
            let queue = Arc::clone(&self.state.lock().queue);
            queue.close();
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            self.stop();
        }
        result
    }
}
