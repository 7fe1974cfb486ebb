//! The bin: a sink ghost pad whose target is rebuilt on caps, and a source ghost pad behind it.

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use parking_lot::Mutex;

use super::settings::{self, Settings};
use crate::audio::{self, Step};
use crate::codec::VideoCodec;
use crate::video::{self, Video};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sluicetranscode",
        gst::DebugColorFlags::empty(),
        Some("Sluice transcoder"),
    )
});

/// Opus for music and speech alike; what browsers' own encoders use for stereo.
const OPUS_BITRATE_BPS: i32 = 96_000;

/// What stands between the two ghost pads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Chain {
    PassThrough,
    /// Media type and layer or version that the decoders were chosen for.
    Opus(String),
    /// Every codec of video, and each change from one to another.
    Video,
}

#[derive(Default)]
struct State {
    chain: Option<Chain>,
    elements: Vec<gst::Element>,
    video: Option<Video>,
}

// Lock order: settings, then state. Neither is held while pads or states change.
pub struct Transcode {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    sinkpad: gst::GhostPad,
    srcpad: gst::GhostPad,
}

/// Why a chain cannot be built: the sentence for the user.
#[derive(Debug, thiserror::Error)]
enum ChainError {
    #[error("no element {factory}; install {package}")]
    Missing {
        factory: &'static str,
        package: &'static str,
    },
    #[error("audio of type {media} cannot be turned into Opus")]
    Unknown { media: String },
    #[error("the chain for {media} cannot be linked: {cause}")]
    Link {
        media: String,
        cause: glib::BoolError,
    },
}

impl Transcode {
    fn sink_event(&self, pad: &gst::GhostPad, event: gst::Event) -> bool {
        if let gst::EventView::Caps(caps) = event.view()
            && let Err(error) = self.on_caps(caps.caps())
        {
            gst::element_imp_error!(self, gst::StreamError::CodecNotFound, ("{error}"));
            return false;
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    /// Answers for the whole template, since the present chain takes one codec but the next caps
    /// may bring another one.
    fn sink_query(&self, pad: &gst::GhostPad, query: &mut gst::QueryRef) -> bool {
        let ours = pad.pad_template_caps();
        if let gst::QueryViewMut::AcceptCaps(accept) = query.view_mut() {
            let accepted = accept.caps().is_subset(&ours);
            accept.set_result(accepted);
            return true;
        }
        if let gst::QueryViewMut::Caps(caps) = query.view_mut() {
            let answer = match caps.filter_owned() {
                Some(filter) => filter.intersect_with_mode(&ours, gst::CapsIntersectMode::First),
                None => ours,
            };
            caps.set_result(&answer);
            return true;
        }
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    /// Runs on the streaming thread, and no element of a chain has a queue: nothing is in flight.
    fn on_caps(&self, caps: &gst::CapsRef) -> Result<(), ChainError> {
        let chain = self.chain_for(caps)?;
        let old = {
            let mut state = self.state.lock();
            if state.chain.as_ref() == Some(&chain) {
                return Ok(());
            }
            state.chain = None;
            state.video = None;
            std::mem::take(&mut state.elements)
        };
        self.remove(&old);
        gst::debug!(CAT, imp = self, "{chain:?} for {caps}");
        let mut video = None;
        let elements = match &chain {
            Chain::Video => {
                let element = Video::new(self.settings.lock().wanted());
                video = Some(element.clone());
                vec![element.upcast()]
            }
            Chain::PassThrough => vec![make(&Step {
                factories: &["identity"],
                package: "libgstreamer1.0-0",
            })?],
            Chain::Opus(_) => opus_elements(caps)?,
        };
        self.install(&elements).map_err(|cause| ChainError::Link {
            media: caps.to_string(),
            cause,
        })?;
        let mut state = self.state.lock();
        state.chain = Some(chain);
        state.elements = elements;
        state.video = video;
        Ok(())
    }

    fn chain_for(&self, caps: &gst::CapsRef) -> Result<Chain, ChainError> {
        let media = caps
            .structure(0)
            .map_or("", |structure| structure.name().as_str());
        let settings = *self.settings.lock();
        if !media.starts_with("audio/") && settings.video_codec != VideoCodec::None {
            return Ok(Chain::Video);
        }
        let g711 = matches!(media, "audio/x-mulaw" | "audio/x-alaw");
        if !media.starts_with("audio/") || media == "audio/x-opus" || (g711 && settings.keep_g711) {
            return Ok(Chain::PassThrough);
        }
        let row = audio::decoding(caps).ok_or_else(|| ChainError::Unknown {
            media: media.to_owned(),
        })?;
        let field = row.field.map_or("", |(name, _)| name);
        Ok(Chain::Opus(format!("{media} {field}")))
    }

    fn install(&self, elements: &[gst::Element]) -> Result<(), glib::BoolError> {
        let bin = self.obj();
        bin.add_many(elements)?;
        gst::Element::link_many(elements)?;
        for element in elements {
            element.sync_state_with_parent()?;
        }
        let first = elements
            .first()
            .and_then(|element| element.static_pad("sink"));
        let last = elements
            .last()
            .and_then(|element| element.static_pad("src"));
        self.srcpad.set_target(last.as_ref())?;
        self.sinkpad.set_target(first.as_ref())
    }

    fn remove(&self, elements: &[gst::Element]) {
        let bin = self.obj();
        if !elements.is_empty()
            && (self.sinkpad.set_target(None::<&gst::Pad>).is_err()
                || self.srcpad.set_target(None::<&gst::Pad>).is_err())
        {
            gst::warning!(CAT, imp = self, "the old chain's pads did not let go");
        }
        for element in elements {
            // The element is ours and has no thread: both can only fail if it is gone already.
            if element.set_state(gst::State::Null).is_err() || bin.remove(element).is_err() {
                gst::warning!(CAT, imp = self, "{} did not leave cleanly", element.name());
            }
        }
    }
}

fn make(step: &Step) -> Result<gst::Element, ChainError> {
    step.factories
        .iter()
        .find_map(|factory| gst::ElementFactory::make(factory).build().ok())
        .ok_or_else(|| ChainError::Missing {
            factory: step.factories.first().copied().unwrap_or_default(),
            package: step.package,
        })
}

/// Parser, decoder, conversion to 48 kHz stereo, Opus encoder.
fn opus_elements(caps: &gst::CapsRef) -> Result<Vec<gst::Element>, ChainError> {
    const BASE: &str = "gstreamer1.0-plugins-base";
    let row = audio::decoding(caps).ok_or_else(|| ChainError::Unknown {
        media: caps.to_string(),
    })?;
    let mut elements = row.steps.iter().map(make).collect::<Result<Vec<_>, _>>()?;
    for factory in ["audioconvert", "audioresample", "capsfilter", "opusenc"] {
        let element = gst::ElementFactory::make(factory)
            .build()
            .map_err(|_missing| ChainError::Missing {
                factory,
                package: BASE,
            })?;
        match factory {
            "capsfilter" => element.set_property(
                "caps",
                gst::Caps::builder("audio/x-raw")
                    .field("rate", 48_000)
                    .field("channels", 2)
                    .build(),
            ),
            "opusenc" => {
                element.set_property("bitrate", OPUS_BITRATE_BPS);
                element.set_property("inband-fec", true);
                // The encoder adds FEC only if it is told to expect loss.
                element.set_property("packet-loss-percentage", 5);
                element.set_property_from_str("frame-size", "20");
            }
            _ => {}
        }
        elements.push(element);
    }
    Ok(elements)
}

#[glib::object_subclass]
impl ObjectSubclass for Transcode {
    const NAME: &'static str = "SluiceTranscode";
    type Type = super::Transcode;
    type ParentType = gst::Bin;

    fn with_class(klass: &Self::Class) -> Self {
        let template = |name| klass.pad_template(name).expect("declared in pad_templates");
        let sinkpad = gst::GhostPad::builder_from_template(&template("sink"))
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |this| this.sink_query(pad, query))
            })
            .build();
        let srcpad = gst::GhostPad::builder_from_template(&template("src")).build();
        Self {
            settings: Mutex::default(),
            state: Mutex::default(),
            sinkpad,
            srcpad,
        }
    }
}

impl ObjectImpl for Transcode {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let known = self.settings.lock().set(pspec.name(), value);
        if !known {
            gst::error!(CAT, imp = self, "no property {}", pspec.name());
        }
        if pspec.name() == "bitrate" {
            let video = self.state.lock().video.clone();
            let kbps = self.settings.lock().limits.bitrate_kbps;
            if let Some(video) = video {
                video.set_bitrate(kbps);
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let video = self.state.lock().video.clone();
        let codecs = || video.as_ref().map_or((None, None), Video::codecs);
        match pspec.name() {
            "encoder" => codecs().0.to_value(),
            "decoder" => codecs().1.to_value(),
            "stats" => video
                .as_ref()
                .map_or_else(video::no_stats, Video::stats)
                .to_value(),
            name => self
                .settings
                .lock()
                .get(name)
                .unwrap_or_else(|| pspec.default_value().clone()),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.add_pad(&self.sinkpad).expect("a new bin has no pads");
        obj.add_pad(&self.srcpad).expect("a new bin has no pads");
    }
}

impl GstObjectImpl for Transcode {}

impl ElementImpl for Transcode {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sluice transcoder",
                "Codec/Transcoder/Audio/Video",
                "Turns audio into Opus and, if asked, video into one codec; passes the rest",
                "The Sluice developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let mut sink = gst::Caps::new_empty();
            let mut src = gst::Caps::new_empty();
            {
                let sink = sink.get_mut().expect("just made");
                let src = src.get_mut().expect("just made");
                let passed = [
                    "video/x-h264",
                    "video/x-h265",
                    "video/x-vp8",
                    "video/x-vp9",
                    "video/x-av1",
                    "image/jpeg",
                    "audio/x-opus",
                    "audio/x-mulaw",
                    "audio/x-alaw",
                ];
                for media in passed {
                    src.append_structure(gst::Structure::new_empty(media));
                    sink.append_structure(gst::Structure::new_empty(media));
                }
                for media in [
                    "audio/mpeg",
                    "audio/G722",
                    "audio/x-raw",
                    "video/mpeg",
                    "video/x-raw",
                ] {
                    sink.append_structure(gst::Structure::new_empty(media));
                }
                // Pictures in any memory.
                let any = gst::CapsFeatures::new_any();
                sink.append_structure_full(gst::Structure::new_empty("video/x-raw"), Some(any));
            }
            let pad = |name, direction, caps: &gst::Caps| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps)
                    .expect("the names and caps above are valid")
            };
            vec![
                pad("sink", gst::PadDirection::Sink, &sink),
                pad("src", gst::PadDirection::Src, &src),
            ]
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            let old = {
                let mut state = self.state.lock();
                state.chain = None;
                state.video = None;
                std::mem::take(&mut state.elements)
            };
            self.remove(&old);
        }
        result
    }
}

impl BinImpl for Transcode {}
