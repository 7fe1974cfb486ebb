//! The element: properties, states, and the way to its publishers.

use std::sync::{Arc, LazyLock, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::Mutex;
use sluice_core::Kind;

use super::settings::Settings;
use super::{PublisherPolicy, signals};
use crate::listen::{Listener, OnePath};
use crate::own_server::{OwnServer, number};
use crate::publish::{Ingress, caps};
use crate::publishers::Publishers;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sluicewhipsrc",
        gst::DebugColorFlags::empty(),
        Some("Sluice WHIP source"),
    )
});

// Lock order: settings, then listener; never both across a call out.
#[derive(Default)]
pub struct WhipSrc {
    settings: Mutex<Settings>,
    listener: Mutex<Option<Listener>>,
    ingress: OnceLock<Arc<Ingress>>,
}

impl WhipSrc {
    fn ingress(&self) -> &Arc<Ingress> {
        self.ingress
            .get_or_init(|| Ingress::new(self.obj().upcast_ref()))
    }

    pub(super) fn publishers(&self) -> Publishers {
        Publishers::new(self.ingress())
    }

    /// Of what downstream sends, only the wish for a key frame concerns the publisher.
    pub(super) fn on_upstream_event(&self, event: &gst::Event) -> bool {
        const HARMLESS: [gst::EventType; 3] = [
            gst::EventType::Qos,
            gst::EventType::Latency,
            gst::EventType::Reconfigure,
        ];
        if gst_video::ForceKeyUnitEvent::is(event) {
            self.ingress().want_key_frame();
            return true;
        }
        HARMLESS.contains(&event.type_())
    }

    pub(super) fn latency(&self) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(u64::from(self.settings.lock().latency_ms()))
    }

    fn listen(&self) -> Result<(), gst::StateChangeError> {
        let server = self.settings.lock().server.clone();
        let publishing = |path: &str| OnePath::publishing(path, self.publishers());
        let listener = server
            .listen(self.obj().upcast_ref(), *CAT, publishing)
            .map_err(|error| {
                gst::element_imp_error!(self, gst::ResourceError::OpenWrite, ("{error}"));
                gst::StateChangeError
            })?;
        *self.listener.lock() = listener;
        Ok(())
    }

    fn start(&self) {
        let settings = self.settings.lock().of_publishers();
        self.ingress().start(settings);
    }
}

#[glib::object_subclass]
impl ObjectSubclass for WhipSrc {
    const NAME: &'static str = "SluiceWhipSrc";
    type Type = super::WhipSrc;
    type ParentType = gst::Element;
}

impl ObjectImpl for WhipSrc {
    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_element_flags(gst::ElementFlags::SOURCE);
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
        match pspec.name() {
            "latency" => settings.latency_ms = value.get().unwrap_or_default(),
            "policy" => settings.policy = value.get().unwrap_or_default(),
            name => {
                if let Err(why) = settings.server.set(name, value) {
                    gst::warning!(CAT, imp = self, "{name} ignored: {why}");
                }
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "state" => return self.ingress().last_notice().to_value(),
            "stats" => return signals::stats(&self.publishers()).to_value(),
            _ => {}
        }
        let settings = self.settings.lock();
        match pspec.name() {
            "latency" => settings.latency_ms.to_value(),
            "policy" => settings.policy.to_value(),
            name => {
                let value = settings.server.get(name);
                value.unwrap_or_else(|| pspec.default_value().clone())
            }
        }
    }
}

fn properties() -> Vec<glib::ParamSpec> {
    let mut all = OwnServer::properties("WHIP", "publishers");
    all.extend([
        number(
            "latency",
            "How long late packets are waited for, in milliseconds",
            200,
            60_000,
        ),
        glib::ParamSpecEnum::builder::<PublisherPolicy>("policy")
            .blurb("What happens to a second publisher")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("state")
            .blurb("The last message sluice-source: whether there is a publisher")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .blurb("What is known of each publisher")
            .read_only()
            .build(),
    ]);
    all
}

impl GstObjectImpl for WhipSrc {}

impl ElementImpl for WhipSrc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sluice WHIP source",
                "Source/Network/WebRTC",
                "Takes one WebRTC publisher at a time (WHIP), and gives its tracks as they were encoded",
                "The Sluice authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            [(Kind::Video, "video_%u"), (Kind::Audio, "audio_%u")]
                .into_iter()
                .filter_map(|(kind, name)| {
                    gst::PadTemplate::new(
                        name,
                        gst::PadDirection::Src,
                        gst::PadPresence::Sometimes,
                        &caps(kind),
                    )
                    .ok()
                })
                .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        use gst::StateChange::{
            NullToReady, PausedToReady, PlayingToPaused, ReadyToNull, ReadyToPaused,
        };
        if transition == NullToReady {
            self.listen()?;
        } else if transition == ReadyToPaused {
            self.start();
        }
        let success = self.parent_change_state(transition)?;
        if transition == PausedToReady {
            // The pads are shut by now, so that no push of a publisher waits.
            self.ingress().stop();
        } else if transition == ReadyToNull {
            let listener = self.listener.lock().take();
            drop(listener);
        } else if transition == ReadyToPaused || transition == PlayingToPaused {
            return Ok(gst::StateChangeSuccess::NoPreroll);
        }
        Ok(success)
    }
}
