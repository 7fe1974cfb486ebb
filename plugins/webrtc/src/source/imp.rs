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
        gst::ClockTime::from_mseconds(u64::from(self.settings.lock().latency_ms))
    }

    fn listen(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings.lock().clone();
        let Some(address) = settings.listen else {
            return Ok(());
        };
        let path = settings.path.as_str();
        let home = format!("/{path}/publish");
        let listener =
            Listener::start(address, &home, OnePath::publishing(path, self.publishers()));
        let listener = listener.map_err(|error| {
            gst::element_imp_error!(
                self,
                gst::ResourceError::OpenWrite,
                ("cannot listen on {address}: {error}")
            );
            gst::StateChangeError
        })?;
        let url = listener.url();
        gst::info!(CAT, imp = self, "Listening on {url}");
        let structure = gst::Structure::builder("sluice-listening")
            .field("url", &url)
            .build();
        *self.listener.lock() = Some(listener);
        let message = gst::message::Element::builder(structure)
            .src(&*self.obj())
            .build();
        if self.obj().post_message(message).is_err() {
            gst::debug!(CAT, imp = self, "nobody reads the bus");
        }
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
        let refused = |why: &str| gst::warning!(CAT, imp = self, "{} ignored: {why}", pspec.name());
        let mut settings = self.settings.lock();
        let number = || value.get::<u32>().unwrap_or_default();
        let port = || u16::try_from(number()).unwrap_or(u16::MAX);
        let text = || value.get::<Option<String>>().ok().flatten();
        match pspec.name() {
            "listen" => match text().map(|text| text.parse()).transpose() {
                Ok(address) => settings.listen = address,
                Err(_invalid) => refused("it must be ADDRESS:PORT, such as 127.0.0.1:8889"),
            },
            "path" => match text().and_then(|text| text.parse().ok()) {
                Some(path) => settings.path = path,
                None => refused("it must be 1 to 64 of a-z 0-9 - _"),
            },
            "udp-port-min" => settings.udp_port_min = port(),
            "udp-port-max" => settings.udp_port_max = port(),
            "stun-server" => settings.stun_server = text(),
            "latency" => settings.latency_ms = number(),
            "policy" => settings.policy = value.get().unwrap_or_default(),
            _ => {}
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
            "listen" => settings
                .listen
                .map(|address| address.to_string())
                .to_value(),
            "path" => settings.path.as_str().to_value(),
            "udp-port-min" => u32::from(settings.udp_port_min).to_value(),
            "udp-port-max" => u32::from(settings.udp_port_max).to_value(),
            "stun-server" => settings.stun_server.to_value(),
            "latency" => settings.latency_ms.to_value(),
            "policy" => settings.policy.to_value(),
            _ => pspec.default_value().clone(),
        }
    }
}

fn properties() -> Vec<glib::ParamSpec> {
    let text = |name: &'static str, blurb: &'static str, default: Option<&'static str>| {
        glib::ParamSpecString::builder(name)
            .blurb(blurb)
            .default_value(default)
            .mutable_ready()
            .build()
    };
    let number = |name: &'static str, blurb: &'static str, default: u32, max: u32| {
        glib::ParamSpecUInt::builder(name)
            .blurb(blurb)
            .default_value(default)
            .maximum(max)
            .mutable_ready()
            .build()
    };
    vec![
        text(
            "listen",
            "ADDRESS:PORT of an own WHIP server; none by default",
            None,
        ),
        text("path", "Path below the own WHIP server", Some("live")),
        number(
            "udp-port-min",
            "Lowest UDP port of the publishers' sessions",
            0,
            65535,
        ),
        number(
            "udp-port-max",
            "Highest UDP port of the publishers' sessions",
            65535,
            65535,
        ),
        text("stun-server", "STUN server, as stun://HOST:PORT", None),
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
    ]
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
