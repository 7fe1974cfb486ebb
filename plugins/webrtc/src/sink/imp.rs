//! The element: pads, properties, states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::Mutex;
use sluice_core::Kind;

use super::forward::Forward;
use super::input::Input;
use super::settings::Settings;
use super::signals;
use crate::listen::{Listener, OnePath};
use crate::own_server::{OwnServer, number};
use crate::producer::Producer;
use crate::push::{Push, Pushing, Target};
use crate::viewers::Viewers;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sluicewhepsink",
        gst::DebugColorFlags::empty(),
        Some("Sluice WHEP sink"),
    )
});

#[derive(Default)]
struct State {
    /// By pad name; with the number that the producer knows it by.
    inputs: BTreeMap<String, Arc<Input>>,
    /// Names of pads that are being made.
    reserved: BTreeSet<String>,
    next_id: usize,
    listener: Option<Listener>,
    pushing: Vec<Pushing>,
}

// Lock order: settings, then state.
#[derive(Default)]
pub struct WhepSink {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    producer: OnceLock<Arc<Producer>>,
}

impl WhepSink {
    pub(super) fn producer(&self) -> Arc<Producer> {
        self.producer
            .get_or_init(|| Producer::new(self.obj().upcast_ref()))
            .clone()
    }

    pub(super) fn viewers(&self) -> Viewers {
        Viewers::new(&self.producer())
    }

    pub(super) fn push_to(&self, targets: Vec<Target>) -> Vec<Push> {
        let pushes: Vec<_> = targets.into_iter().map(Push::new).collect();
        self.settings.lock().forward.pushes.clone_from(&pushes);
        pushes
    }

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings.lock().clone();
        let pushes = settings
            .forward
            .checked()
            .map_err(|sentence| gst::error_msg!(gst::ResourceError::Settings, ["{sentence}"]))?;
        self.producer().start(settings.limits()).map_err(|error| {
            gst::error_msg!(gst::ResourceError::NoSpaceLeft, ["no thread: {error}"])
        })?;
        let watching = |path: &str| OnePath::watching(path, self.viewers());
        let listener = settings
            .server
            .listen(self.obj().upcast_ref(), *CAT, watching)
            .map_err(|error| gst::error_msg!(gst::ResourceError::OpenWrite, ["{error}"]))?;
        self.state.lock().listener = listener;
        for push in &pushes {
            let pushing = Pushing::start(self.obj().upcast_ref(), &self.producer(), push);
            let pushing = pushing.map_err(|error| {
                gst::error_msg!(gst::ResourceError::NoSpaceLeft, ["no thread: {error}"])
            })?;
            self.state.lock().pushing.push(pushing);
        }
        Ok(())
    }

    fn stop(&self) {
        let (listener, pushing) = {
            let mut state = self.state.lock();
            (state.listener.take(), std::mem::take(&mut state.pushing))
        };
        drop(listener);
        Pushing::stop_all(pushing);
        self.producer().stop("the source is going away");
    }

    fn kind_of(template: &gst::PadTemplate) -> Kind {
        if template.name_template().starts_with("video") {
            Kind::Video
        } else {
            Kind::Audio
        }
    }

    /// Gives the lowest free name if none was asked for.
    fn name_for(state: &State, kind: Kind, asked: Option<&str>) -> Option<(String, u32)> {
        let prefix = kind.label();
        let is_free =
            |name: &str| !state.inputs.contains_key(name) && !state.reserved.contains(name);
        if let Some(name) = asked {
            let number = name.strip_prefix(prefix)?.strip_prefix('_')?.parse().ok()?;
            return is_free(name).then(|| (name.to_owned(), number));
        }
        (0..u32::MAX)
            .map(|number| (format!("{prefix}_{number}"), number))
            .find(|(name, _)| is_free(name))
    }
}

#[glib::object_subclass]
impl ObjectSubclass for WhepSink {
    const NAME: &'static str = "SluiceWhepSink";
    type Type = super::WhepSink;
    type ParentType = gst::Bin;
}

impl ObjectImpl for WhepSink {
    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.set_element_flags(gst::ElementFlags::SINK);
        element.set_suppressed_flags(gst::ElementFlags::SINK | gst::ElementFlags::SOURCE);
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(signals::all);
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = self.settings.lock();
        let number = || value.get::<u32>().unwrap_or_default();
        match pspec.name() {
            "max-viewers" => settings.max_viewers = number(),
            "group-bytes" => settings.set_group_bytes(number()),
            "group-span" => settings.set_group_span_ms(number()),
            name if settings.forward.set(name, value) => {}
            name => {
                if let Err(why) = settings.server.set(name, value) {
                    gst::warning!(CAT, imp = self, "{name} ignored: {why}");
                }
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "viewers" => {
                return u32::try_from(self.producer().count())
                    .unwrap_or(u32::MAX)
                    .to_value();
            }
            "watched" => return self.producer().is_watched().to_value(),
            "stats" => return signals::stats(&self.viewers()).to_value(),
            _ => {}
        }
        let settings = self.settings.lock();
        match pspec.name() {
            "max-viewers" => settings.max_viewers.to_value(),
            "group-bytes" => settings.group_bytes().to_value(),
            "group-span" => settings.group_span_ms().to_value(),
            name => {
                let value = settings.server.get(name);
                let value = value.or_else(|| settings.forward.get(name));
                value.unwrap_or_else(|| pspec.default_value().clone())
            }
        }
    }
}

fn properties() -> Vec<glib::ParamSpec> {
    let defaults = Settings::default();
    let mut all = OwnServer::properties("WHEP", "viewers");
    all.extend(Forward::properties());
    all.extend([
        number(
            "max-viewers",
            "Most viewers at a time; 0 is no limit",
            0,
            u32::MAX,
        ),
        number(
            "group-bytes",
            "Largest group of pictures that is kept for viewers who join, in bytes",
            defaults.group_bytes(),
            u32::MAX,
        ),
        number(
            "group-span",
            "Longest group of pictures that is kept for viewers who join, in milliseconds",
            defaults.group_span_ms(),
            u32::MAX,
        ),
        glib::ParamSpecUInt::builder("viewers")
            .blurb("How many viewers there are")
            .read_only()
            .build(),
        glib::ParamSpecBoolean::builder("watched")
            .blurb("Whether anybody watches, is about to, or is pushed to; changes are notified")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .blurb("What is known of each viewer")
            .read_only()
            .build(),
    ]);
    all
}

impl GstObjectImpl for WhepSink {}

impl ElementImpl for WhepSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sluice WHEP sink",
                "Sink/Network/WebRTC",
                "Serves encoded tracks to any number of WebRTC viewers (WHEP)",
                "The Sluice authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let video = gst::Caps::builder_full()
                .structure(annex_b("video/x-h264"))
                .structure(annex_b("video/x-h265"))
                .structure(gst::Structure::new_empty("video/x-vp8"))
                .structure(gst::Structure::new_empty("video/x-vp9"))
                .structure(gst::Structure::new_empty("image/jpeg"))
                .structure(mpeg())
                .structure(
                    gst::Structure::builder("video/x-av1")
                        .field("stream-format", "obu-stream")
                        .field("alignment", "tu")
                        .build(),
                )
                .build();
            let audio = gst::Caps::builder_full()
                .structure(gst::Structure::new_empty("audio/x-opus"))
                .structure(g711("audio/x-mulaw"))
                .structure(g711("audio/x-alaw"))
                .build();
            let template = |name, caps| {
                gst::PadTemplate::new(
                    name,
                    gst::PadDirection::Sink,
                    gst::PadPresence::Request,
                    caps,
                )
                .expect("names and directions are right")
            };
            vec![template("video_%u", &video), template("audio_%u", &audio)]
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let kind = Self::kind_of(template);
        let mut ssrc = [0; 4];
        // Without randomness every id would be guessable too: nothing is served.
        getrandom::fill(&mut ssrc).ok()?;
        // gst-launch links tracks that come at one moment from a thread each: both may ask for the same pad.
        let (name, number, id) = {
            let mut state = self.state.lock();
            let (name, number) = Self::name_for(&state, kind, name)?;
            state.next_id += 1;
            state.reserved.insert(name.clone());
            (name, number, state.next_id)
        };
        let ghost = gst::GhostPad::builder_from_template(template)
            .name(&name)
            .build();
        let producer = self.producer();
        let ssrc = u32::from_be_bytes(ssrc);
        let bin = self.obj();
        let input = Input::new(id, kind, ssrc, bin.upcast_ref(), &ghost, producer.clone());
        let pad = Arc::downgrade(&input);
        let watched = move |watched| {
            let input = pad.upgrade();
            input.is_some_and(|input| input.set_watched(watched))
        };
        producer.add_input(
            id,
            crate::producer::Input {
                kind,
                number,
                ssrc,
                pad: ghost.upcast_ref::<gst::Pad>().downgrade(),
                track: None,
                seen: false,
                key_frame: None,
                watched: Arc::new(watched),
            },
        );
        {
            let mut state = self.state.lock();
            state.reserved.remove(&name);
            state.inputs.insert(name, input);
        }
        ghost.set_active(true).ok()?;
        self.obj().add_pad(&ghost).ok()?;
        Some(ghost.upcast())
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let input = self.state.lock().inputs.remove(pad.name().as_str());
        if pad.set_active(false).is_err() {
            gst::debug!(CAT, imp = self, "{} was not active", pad.name());
        }
        if let Some(input) = input {
            input.remove();
        }
        self.parent_release_pad(pad);
        if self.obj().remove_pad(pad).is_err() {
            gst::debug!(CAT, imp = self, "{} was no pad of this sink", pad.name());
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::NullToReady {
            self.start().map_err(|error| {
                self.post_error_message(error);
                gst::StateChangeError
            })?;
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToNull {
            self.stop();
        }
        result
    }
}

impl BinImpl for WhepSink {}

fn annex_b(name: &str) -> gst::Structure {
    gst::Structure::builder(name)
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .build()
}

/// Nothing that viewers take, but something that can be made into that.
fn mpeg() -> gst::Structure {
    gst::Structure::builder("video/mpeg")
        .field("mpegversion", gst::List::new([1, 2, 4]))
        .field("systemstream", false)
        .build()
}

fn g711(name: &str) -> gst::Structure {
    gst::Structure::builder(name)
        .field("rate", 8000)
        .field("channels", 1)
        .build()
}
