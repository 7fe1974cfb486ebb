//! The element: a webrtcbin inside, its pads outside.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::WebRTCRTPTransceiver;
use parking_lot::Mutex;
use sluice_core::Failure;
use sluice_core::relay::Refusal;

use super::session::{Session, Told};
use super::settings::Settings;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sluicewhepsrc",
        gst::DebugColorFlags::empty(),
        Some("Sluice WHEP source"),
    )
});

/// After the first track, the others may take this long: a server that promised two and sends one must not
/// keep everybody waiting.
const LAST_TRACK: Duration = Duration::from_secs(3);

/// How many tracks there are.
#[derive(Default)]
struct Tracks {
    promised: usize,
    come: usize,
    /// Dropping it ends the wait for the last track.
    patience: Option<SyncSender<()>>,
    complete: bool,
}

// Lock order: settings, then attempt, then tracks; each is held for a copy only.
#[derive(Default)]
pub struct WhepSrc {
    settings: Mutex<Settings>,
    /// The one attempt of this element, from READY on.
    attempt: Mutex<Option<Arc<Session>>>,
    tracks: Mutex<Tracks>,
}

impl WhepSrc {
    fn prepare(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings.lock().clone();
        if let Err(what) = settings.endpoint() {
            self.fail(&Refusal::new(Failure::NotFound, what));
            return Err(gst::StateChangeError);
        }
        let weak = self.obj().downgrade();
        let session = Session::new(settings, move |told| {
            if let Some(element) = weak.upgrade() {
                element.imp().on_told(told);
            }
        });
        let session = session.map_err(|error| {
            gst::error!(CAT, imp = self, "no session: {error}");
            gst::StateChangeError
        })?;
        let weak = self.obj().downgrade();
        session.webrtcbin.connect_pad_added(move |_webrtcbin, pad| {
            if let Some(element) = weak.upgrade() {
                element.imp().on_pad(pad);
            }
        });
        let added = self.obj().add(&session.webrtcbin);
        if added.is_err() {
            gst::error!(CAT, imp = self, "webrtcbin could not be added");
            return Err(gst::StateChangeError);
        }
        *self.tracks.lock() = Tracks::default();
        *self.attempt.lock() = Some(session);
        Ok(())
    }

    /// Ends the attempt. Blocks for the server's answer to DELETE, one second at most.
    fn end(&self) {
        let Some(attempt) = self.attempt.lock().take() else {
            return;
        };
        attempt.hang_up();
        self.tracks.lock().patience = None;
        for pad in self.obj().src_pads() {
            if self.obj().remove_pad(&pad).is_err() {
                gst::debug!(CAT, imp = self, "{} was gone already", pad.name());
            }
        }
        if attempt.webrtcbin.set_state(gst::State::Null).is_err()
            || self.obj().remove(&attempt.webrtcbin).is_err()
        {
            gst::debug!(CAT, imp = self, "webrtcbin did not want to go");
        }
    }

    fn on_told(&self, told: Told) {
        match told {
            Told::Answered { tracks } => self.tracks.lock().promised = tracks,
            Told::Refused(refusal) => self.fail(&refusal),
            Told::Lost(reason) => self.fail(&Refusal::new(Failure::Lost, reason)),
        }
    }

    /// Posts the error, with what `sluicesrc` needs to know of it.
    fn fail(&self, refusal: &Refusal) {
        let retry_after = refusal.retry_after.map_or(0, |wait| {
            u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
        });
        let kind = match refusal.failure {
            Failure::Unauthorized => gst::ResourceError::NotAuthorized,
            Failure::NotFound => gst::ResourceError::NotFound,
            Failure::Unreachable | Failure::Timeout => gst::ResourceError::OpenRead,
            Failure::Lost
            | Failure::Stalled
            | Failure::Ended
            | Failure::MissingElement
            | Failure::Unsupported => gst::ResourceError::Read,
        };
        let details = gst::Structure::builder("sluice-refusal")
            .field("retry-after-ms", retry_after)
            .build();
        let message = gst::message::Error::builder(kind, &refusal.reason)
            .details(details)
            .src(&*self.obj())
            .build();
        if self.obj().post_message(message).is_err() {
            gst::debug!(CAT, imp = self, "no bus: nobody listens");
        }
    }

    /// A track's packets are about to flow. Called from a streaming thread.
    fn on_pad(&self, inner: &gst::Pad) {
        let element = self.obj();
        if inner.direction() != gst::PadDirection::Src {
            return;
        }
        let Some(template) = element.pad_template("src_%u") else {
            return;
        };
        let number = {
            let mut tracks = self.tracks.lock();
            tracks.come += 1;
            tracks.come - 1
        };
        let ghost = gst::GhostPad::builder_from_template_with_target(&template, inner)
            .map(|builder| builder.name(format!("src_{number}")).build());
        let added = ghost.and_then(|ghost| {
            ghost.set_active(true)?;
            element.add_pad(&ghost)
        });
        if let Err(error) = added {
            gst::error!(CAT, imp = self, "a track's pad could not be made: {error}");
        }
        let transceiver = inner.property::<Option<WebRTCRTPTransceiver>>("transceiver");
        if transceiver.is_some_and(|one| one.kind() == gst_webrtc::WebRTCKind::Video) {
            want_key_frame(inner);
        }
        self.count(number == 0);
    }

    /// Says that all tracks are there, now or when the last one had its time.
    fn count(&self, first: bool) {
        let complete = {
            let tracks = self.tracks.lock();
            tracks.come >= tracks.promised && tracks.promised > 0
        };
        if complete {
            self.complete();
        } else if first {
            let (patience, waits) = sync_channel::<()>(0);
            self.tracks.lock().patience = Some(patience);
            let weak = self.obj().downgrade();
            let spawned = std::thread::Builder::new()
                .name("sluice-tracks".to_owned())
                .spawn(move || {
                    let late = waits.recv_timeout(LAST_TRACK) == Err(RecvTimeoutError::Timeout);
                    if let Some(element) = weak.upgrade().filter(|_| late) {
                        element.imp().complete();
                    }
                });
            if spawned.is_err() {
                self.complete();
            }
        }
    }

    fn complete(&self) {
        let news = {
            let mut tracks = self.tracks.lock();
            tracks.patience = None;
            !std::mem::replace(&mut tracks.complete, true)
        };
        if news {
            self.obj().no_more_pads();
        }
    }
}

/// Asks for a key frame now and once more: without one there is no picture, and the first may have come before its
/// track was ready for it.
fn want_key_frame(pad: &gst::Pad) {
    const AGAIN: Duration = Duration::from_millis(1500);
    let weak = pad.downgrade();
    let spawned = std::thread::Builder::new()
        .name("sluice-key-frame".to_owned())
        .spawn(move || {
            for wait in [Duration::ZERO, AGAIN] {
                std::thread::park_timeout(wait);
                let Some(pad) = weak.upgrade() else { return };
                let event = gst_video::UpstreamForceKeyUnitEvent::builder()
                    .all_headers(true)
                    .build();
                pad.send_event(event);
            }
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread to ask for a key frame");
    }
}

#[glib::object_subclass]
impl ObjectSubclass for WhepSrc {
    const NAME: &'static str = "SluiceWhepSrc";
    type Type = super::WhepSrc;
    type ParentType = gst::Bin;
}

impl ObjectImpl for WhepSrc {
    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_element_flags(gst::ElementFlags::SOURCE);
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(Settings::properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.settings.lock().set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let value = self.settings.lock().get(pspec.name());
        value.unwrap_or_else(|| pspec.default_value().clone())
    }
}

impl GstObjectImpl for WhepSrc {}

impl ElementImpl for WhepSrc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sluice WHEP source",
                "Source/Network/WebRTC",
                "Watches a stream of another WHEP server, and gives its tracks as RTP",
                "The Sluice authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            gst::PadTemplate::new(
                "src_%u",
                gst::PadDirection::Src,
                gst::PadPresence::Sometimes,
                &gst::Caps::new_empty_simple("application/x-rtp"),
            )
            .into_iter()
            .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::NullToReady {
            self.prepare()?;
        }
        let changed = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToPaused && changed.is_ok() {
            let attempt = self.attempt.lock().clone();
            if let Some(attempt) = attempt {
                attempt.ask();
            }
        }
        if matches!(
            transition,
            gst::StateChange::PausedToReady | gst::StateChange::ReadyToNull
        ) {
            self.end();
        }
        changed
    }
}

impl BinImpl for WhepSrc {}
