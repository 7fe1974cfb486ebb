//! The element: properties, state changes, and the way to its supervisor.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread::JoinHandle;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::Mutex;
use sluice_core::Kind;

use super::CAT;
use super::settings::{PROPERTIES, Settings};
use crate::announce::Announcer;
use crate::outlet::Outlet;
use crate::supervisor::{INPUTS, Input, Supervisor};

/// Lock order: settings, then running; never both across a call out.
#[derive(Default)]
pub struct SluiceSrc {
    settings: Mutex<Settings>,
    running: Mutex<Option<Running>>,
    parts: OnceLock<(Arc<Outlet>, Announcer)>,
}

/// The supervisor's thread, between READY and PAUSED.
struct Running {
    inputs: SyncSender<Input>,
    thread: JoinHandle<()>,
}

impl SluiceSrc {
    fn parts(&self) -> &(Arc<Outlet>, Announcer) {
        self.parts.get_or_init(|| {
            let element = self.obj();
            (Arc::new(Outlet::new(&element)), Announcer::new(&element))
        })
    }

    fn inputs(&self) -> Option<SyncSender<Input>> {
        self.running
            .lock()
            .as_ref()
            .map(|running| running.inputs.clone())
    }

    /// Tells the supervisor; waits for room in its queue, which it empties whatever its dials do.
    fn tell(&self, input: Input) -> bool {
        self.inputs()
            .is_some_and(|inputs| inputs.send(input).is_ok())
    }

    fn check(&self) -> Result<(), gst::StateChangeError> {
        let checked = self.settings.lock().check();
        checked.map_err(|sentence| {
            gst::element_imp_error!(self, gst::ResourceError::Settings, ("{sentence}"));
            gst::StateChangeError
        })
    }

    fn start(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings.lock().clone();
        let (outlet, announcer) = self.parts().clone();
        let (inputs, inbox) = sync_channel(INPUTS);
        let supervisor = Supervisor::new(settings, outlet, announcer, inputs.clone());
        let thread = std::thread::Builder::new()
            .name("sluice-source".to_owned())
            .spawn(move || supervisor.run(&inbox))
            .map_err(|error| {
                gst::element_imp_error!(
                    self,
                    gst::ResourceError::Failed,
                    ("No thread for the source: {error}.")
                );
                gst::StateChangeError
            })?;
        *self.running.lock() = Some(Running { inputs, thread });
        Ok(())
    }

    fn play(&self) {
        let element = self.obj();
        let clock = element.clock().unwrap_or_else(gst::SystemClock::obtain);
        let base = element.base_time().unwrap_or_else(|| clock.time());
        self.tell(Input::Play { clock, base });
    }

    fn stop(&self) {
        let Some(running) = self.running.lock().take() else {
            return;
        };
        if running.thread.join().is_err() {
            gst::error!(CAT, imp = self, "the supervisor panicked");
        }
        self.parts().0.clear();
    }

    pub(super) fn on_upstream_event(&self, kind: Kind, index: u32, event: gst::Event) -> bool {
        const HARMLESS: [gst::EventType; 3] = [
            gst::EventType::Qos,
            gst::EventType::Latency,
            gst::EventType::Reconfigure,
        ];
        // Of what downstream sends, only the wish for a key frame concerns the source.
        if event.type_() == gst::EventType::CustomUpstream {
            let input = Input::Upstream { kind, index, event };
            return self
                .inputs()
                .is_some_and(|inputs| inputs.try_send(input).is_ok());
        }
        HARMLESS.contains(&event.type_())
    }

    pub(super) fn latency(&self) -> gst::ClockTime {
        gst::ClockTime::try_from(self.settings.lock().latency).unwrap_or_default()
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SluiceSrc {
    const NAME: &'static str = "SluiceSrc";
    type Type = super::SluiceSrc;
    type ParentType = gst::Element;
}

impl ObjectImpl for SluiceSrc {
    fn properties() -> &'static [glib::ParamSpec] {
        static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut all = PROPERTIES.clone();
            all.push(
                glib::ParamSpecBoxed::builder::<gst::Structure>("state")
                    .blurb("The last message sluice-source: what the source does")
                    .read_only()
                    .build(),
            );
            all
        });
        ALL.as_ref()
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_element_flags(gst::ElementFlags::SOURCE);
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let set = self.settings.lock().set(pspec.name(), value);
        if let Err(sentence) = set {
            gst::warning!(CAT, imp = self, "{} refused: {sentence}", pspec.name());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "state" {
            return self.parts().1.last().to_value();
        }
        let value = self.settings.lock().get(pspec.name());
        value.unwrap_or_else(|| pspec.default_value().clone())
    }
}

impl GstObjectImpl for SluiceSrc {}

impl ElementImpl for SluiceSrc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sluice source",
                "Source/Network",
                "Any source URI as parsed, still encoded, live-paced tracks; redials for ever",
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
                    let caps = crate::branch::caps(kind);
                    gst::PadTemplate::new(
                        name,
                        gst::PadDirection::Src,
                        gst::PadPresence::Sometimes,
                        &caps,
                    )
                    .ok()
                })
                .collect()
        });
        TEMPLATES.as_ref()
    }

    fn send_event(&self, event: gst::Event) -> bool {
        event.type_() == gst::EventType::Eos && self.tell(Input::Finish)
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        use gst::StateChange::{
            NullToReady, PausedToPlaying, PausedToReady, PlayingToPaused, ReadyToPaused,
        };
        if transition == NullToReady {
            self.check()?;
        } else if transition == ReadyToPaused {
            self.start()?;
        } else if transition == PlayingToPaused {
            self.tell(Input::Pause);
        } else if transition == PausedToReady {
            // Before the pads are shut, so that what waits in a dial does not push into them again.
            self.tell(Input::Quit);
        }
        let success = self.parent_change_state(transition)?;
        if transition == PausedToPlaying {
            self.play();
        } else if transition == PausedToReady {
            self.stop();
        } else if transition == ReadyToPaused || transition == PlayingToPaused {
            return Ok(gst::StateChangeSuccess::NoPreroll);
        }
        Ok(success)
    }
}
