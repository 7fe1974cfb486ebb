//! Renditions of a route's pictures: a transcoder for each codec that viewers need, while they need it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gstsluicecodec::can_encode;
use gstsluicewebrtc::{FIRST_RENDITION, Lease, Renditions, WhepSink};
use parking_lot::Mutex;
use sluice_core::id::RouteId;
use sluice_core::rendition::{Ledger, Taken};
use sluice_core::{Codec, Policy, Problem, Transcode, redact};

use super::tap::Tap;
use super::{link as link_pads, millis, remove, static_pad};
use crate::rendition::RenditionStatus;
use crate::slots::Slot;
use crate::spec::{RouteSpec, TranscodeSpec};

/// A video pad's number, and what is made of its track.
type Key = (u32, Codec);

/// What a viewer is asked to wait for before it comes again.
const RETRY: Duration = Duration::from_secs(5);

/// Timers of the clock and of the ledger are not the same to the last millisecond.
const SLACK: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// A route's renditions. Lock order: `turn`, then `state`, then a tap's.
#[derive(Debug)]
pub(crate) struct RouteRenditions {
    me: Weak<Self>,
    id: RouteId,
    spec: TranscodeSpec,
    limits: sluice_core::group::GroupLimits,
    pipeline: glib::WeakRef<gst::Pipeline>,
    sink: glib::WeakRef<WhepSink>,
    /// One start at a time: it takes several steps.
    turn: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taps: BTreeMap<u32, Arc<Tap>>,
    ledger: Ledger<Key>,
    made: BTreeMap<Key, Made>,
    /// The one that is being made: it may fail before it is whole.
    starting: Option<(Key, gst::Element)>,
    count: u32,
}

/// A rendition's elements, and its place on this machine.
#[derive(Debug)]
struct Made {
    number: u32,
    transcode: gst::Element,
    tap: Arc<Tap>,
    reader: gst::Pad,
    to: gst::Pad,
    _slot: Slot,
}

impl RouteRenditions {
    /// Makes the maker, and gives it to the sink.
    pub(super) fn new(spec: &RouteSpec, pipeline: &gst::Pipeline, sink: &WhepSink) -> Arc<Self> {
        let renditions = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            id: spec.id.clone(),
            spec: spec.transcode.clone(),
            limits: spec.group,
            pipeline: pipeline.downgrade(),
            sink: sink.downgrade(),
            turn: Mutex::default(),
            state: Mutex::default(),
        });
        sink.render_with(renditions.clone());
        renditions
    }

    /// Taps a source's video pad, where what flows through it to the sink's pad may have to become something else.
    pub(super) fn tap(&self, source: &gst::Pad, to: &gst::Pad) {
        let name = to.name();
        let number = name.strip_prefix("video_").map(str::parse);
        if let Some(Ok(number)) = number
            && self.spec.policy.transcode != Transcode::Never
        {
            let tap = Tap::new(source, self.limits);
            self.state.lock().taps.insert(number, tap);
        }
    }

    /// Says how each rendition is.
    pub(crate) fn status(&self) -> Vec<RenditionStatus> {
        let made: Vec<_> = {
            let state = self.state.lock();
            let running = state.ledger.running();
            let made = running.filter_map(|(key, users)| {
                let made = state.made.get(&key)?;
                Some((key, users, made.transcode.clone()))
            });
            made.collect()
        };
        let made = made.into_iter();
        made.map(|((_, codec), viewers, transcode)| {
            RenditionStatus::read(codec, viewers, &transcode)
        })
        .collect()
    }

    /// Takes an error of an element for itself, if the element is one of a rendition: its viewers lose it, the route goes on.
    pub(crate) fn on_message(&self, message: &gst::Message) -> bool {
        let gst::MessageView::Error(error) = message.view() else {
            return false;
        };
        let Some(source) = message.src() else {
            return false;
        };
        let failed = {
            let state = self.state.lock();
            let made = state.made.iter().map(|(key, made)| (key, &made.transcode));
            let starting = state
                .starting
                .iter()
                .map(|(key, transcode)| (key, transcode));
            let mut all = made.chain(starting);
            all.find(|(_, transcode)| {
                source == transcode.upcast_ref::<gst::Object>()
                    || source.has_as_ancestor(*transcode)
            })
            .map(|(key, _)| *key)
        };
        let Some(key) = failed else {
            return false;
        };
        tracing::debug!(path = %self.id, debug = %redact(&error.debug().unwrap_or_default()), "a rendition's error");
        self.fail(key, &redact(&error.error().to_string()));
        true
    }

    fn fail(&self, key: Key, why: &str) {
        tracing::warn!(path = %self.id, codec = %key.1, reason = why, "a rendition failed");
        let made = {
            let mut state = self.state.lock();
            state.ledger.on_failed(key, why, Instant::now());
            state.made.remove(&key)
        };
        self.take_down(made);
    }

    fn start(&self, key: Key) -> Result<Made, Problem> {
        let slots = &self.spec.slots;
        let slot = slots.take().ok_or_else(|| {
            let limit = slots.limit();
            let sentence = format!(
                "This viewer needs the pictures transcoded to {}, and this machine transcodes as many streams as it may ({limit}); try again later, or set `transcodes` to more.",
                key.1
            );
            Problem::new(503, sentence).retry_after(RETRY)
        })?;
        self.build(key, slot).map_err(|error| {
            tracing::error!(path = %self.id, codec = %key.1, %error, "no rendition");
            let sentence = format!(
                "The pictures cannot be transcoded to {}: {}; see the gateway's log.",
                key.1, error.message
            );
            Problem::new(503, sentence).retry_after(RETRY)
        })
    }

    fn build(&self, (of, to): Key, slot: Slot) -> Result<Made, glib::BoolError> {
        let gone = || glib::bool_error!("the route is gone");
        let pipeline = self.pipeline.upgrade().ok_or_else(gone)?;
        let sink = self.sink.upgrade().ok_or_else(gone)?;
        let (tap, number) = {
            let mut state = self.state.lock();
            let tap = state.taps.get(&of).cloned().ok_or_else(gone)?;
            state.count += 1;
            (tap, FIRST_RENDITION + state.count)
        };
        let transcode = self.transcoder(to)?;
        self.state.lock().starting = Some(((of, to), transcode.clone()));
        let pad = sink.request_pad_simple(&format!("video_{number}"));
        let pad = pad.ok_or_else(|| glib::bool_error!("sluicewhepsink takes no more pads"))?;
        let built = pipeline
            .add(&transcode)
            .and_then(|()| link_pads(&static_pad(&transcode, "src")?, &pad))
            .and_then(|()| transcode.sync_state_with_parent())
            .and_then(|()| tap.attach(&static_pad(&transcode, "sink")?));
        match built {
            Ok(reader) => {
                tracing::info!(path = %self.id, codec = %to, "a rendition starts");
                Ok(Made {
                    number,
                    transcode,
                    tap,
                    reader,
                    to: pad,
                    _slot: slot,
                })
            }
            Err(error) => {
                remove(Some(&pipeline), &transcode);
                sink.release_request_pad(&pad);
                Err(error)
            }
        }
    }

    fn transcoder(&self, to: Codec) -> Result<gst::Element, glib::BoolError> {
        let spec = &self.spec;
        let transcode = gst::ElementFactory::make("sluicetranscode").build()?;
        let codec = to.encoding_name().unwrap_or_default().to_ascii_lowercase();
        transcode.set_property_from_str("video-codec", &codec);
        transcode.set_property("max-width", spec.max_width);
        transcode.set_property("max-height", spec.max_height);
        transcode.set_property("max-framerate", spec.max_framerate);
        transcode.set_property("bitrate", spec.bitrate_kbps);
        transcode.set_property("key-interval", millis(spec.key_interval));
        Ok(transcode)
    }

    /// Takes a rendition down, on a thread that may wait for its elements. Its viewers are closed with its pad.
    fn take_down(&self, made: Option<Made>) {
        let (Some(made), Some(pipeline)) = (made, self.pipeline.upgrade()) else {
            return;
        };
        let sink = self.sink.upgrade();
        pipeline.call_async(move |pipeline| {
            made.tap.detach(&made.reader);
            remove(Some(pipeline), &made.transcode);
            if let Some(sink) = sink {
                sink.release_request_pad(&made.to);
            }
        });
    }

    fn release(&self, key: Key, run: u64) {
        let now = Instant::now();
        let due = {
            let mut state = self.state.lock();
            state.ledger.release(key, run, now);
            state.ledger.poll_timeout()
        };
        let Some(due) = due else {
            return;
        };
        // The system's clock has a thread for this; a thread of ours would be one for each path.
        let clock = gst::SystemClock::obtain();
        let wait = gst::ClockTime::try_from(due.duration_since(now)).unwrap_or(SLACK);
        let at = clock.time() + wait + SLACK;
        let me = self.me.clone();
        let set = clock.new_single_shot_id(at).wait_async(move |_, _, _| {
            if let Some(renditions) = me.upgrade() {
                renditions.end_idle();
            }
        });
        if set.is_err() {
            tracing::warn!(path = %self.id, "no timer: a rendition stays although nobody needs it");
        }
    }

    fn end_idle(&self) {
        let over: Vec<_> = {
            let mut state = self.state.lock();
            let keys = state.ledger.handle_timeout(Instant::now());
            let over = keys.into_iter();
            over.map(|key| (key, state.made.remove(&key))).collect()
        };
        for (key, made) in over {
            tracing::info!(path = %self.id, codec = %key.1, "a rendition ends, since nobody needs it");
            self.take_down(made);
        }
    }
}

impl Renditions for RouteRenditions {
    fn policy(&self) -> Policy {
        let mut policy = self.spec.policy.clone();
        let codecs = policy.codecs.iter().copied();
        policy.unmade = codecs.filter(|codec| !can_encode(*codec)).collect();
        policy
    }

    fn running(&self, of: u32) -> Vec<Codec> {
        let state = self.state.lock();
        let running = state.ledger.running().map(|(key, _)| key);
        running
            .filter(|(pad, _)| *pad == of)
            .map(|(_, codec)| codec)
            .collect()
    }

    fn lease(&self, of: u32, to: Codec) -> Result<Arc<dyn Lease>, Problem> {
        let _turn = self.turn.lock();
        let key = (of, to);
        let taken = self.state.lock().ledger.take(key, Instant::now());
        let run = match taken {
            Taken::Shared(run) => run,
            Taken::Failed { why, again_in } => {
                return Err(Problem::new(503, why).retry_after(again_in));
            }
            Taken::First(run) => {
                let made = self.start(key);
                let mut state = self.state.lock();
                state.starting = None;
                let made = made.inspect_err(|_problem| state.ledger.on_refused(key))?;
                // It may have failed already.
                if state.ledger.is(key, run) {
                    state.made.insert(key, made);
                } else {
                    drop(state);
                    self.take_down(Some(made));
                }
                run
            }
        };
        let pad = self.state.lock().made.get(&key).map(|made| made.number);
        let lease = Leased {
            renditions: self.me.clone(),
            key,
            run,
            // None has this number: `failure` says why.
            pad: pad.unwrap_or(u32::MAX),
        };
        Ok(Arc::new(lease))
    }
}

/// Somebody's use of a rendition.
#[derive(Debug)]
struct Leased {
    renditions: Weak<RouteRenditions>,
    key: Key,
    run: u64,
    pad: u32,
}

impl Lease for Leased {
    fn pad(&self) -> u32 {
        self.pad
    }

    fn failure(&self) -> Option<Problem> {
        let Some(renditions) = self.renditions.upgrade() else {
            return Some(Problem::new(503, "The source has just been stopped.").retry_after(RETRY));
        };
        let state = renditions.state.lock();
        if state.ledger.is(self.key, self.run) {
            return None;
        }
        let why = state.ledger.failure(self.key);
        let why = why.unwrap_or("the rendition has just ended");
        Some(Problem::new(503, why).retry_after(RETRY))
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let Some(renditions) = self.renditions.upgrade() {
            renditions.release(self.key, self.run);
        }
    }
}
