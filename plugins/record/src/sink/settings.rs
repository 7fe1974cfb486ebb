//! Properties, typed.

use std::sync::LazyLock;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use sluice_core::record::{Container, Format, Limits, Template, template};

/// A third of the second that a crash may lose: a camera's frames wait 0.2 s for their order before they come here, 0.1 s in the queue,
/// and up to 0.1 s for the other track.
const FRAGMENT_MS: u32 = 300;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) location: Template,
    pub(crate) path: String,
    pub(crate) format: Format,
    segment_ms: u32,
    segment_bytes: u64,
    pub(crate) fragment_ms: u32,
    pub(crate) block: bool,
    pub(crate) leave_out: bool,
    pub(crate) recording: bool,
    pre_roll_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            location: Template::parse(template::DEFAULT).expect("a constant that its tests read"),
            path: "live".to_owned(),
            format: Format::Always(Container::FragmentedMp4),
            segment_ms: 600_000,
            segment_bytes: 0,
            fragment_ms: FRAGMENT_MS,
            block: false,
            leave_out: false,
            recording: true,
            pre_roll_ms: 0,
        }
    }
}

impl Settings {
    pub(crate) const fn limits(&self) -> Limits {
        Limits {
            duration: Duration::from_millis(self.segment_ms as u64),
            bytes: self.segment_bytes,
        }
    }

    pub(crate) const fn pre_roll(&self) -> Duration {
        Duration::from_millis(self.pre_roll_ms as u64)
    }

    /// Takes a property's value; the error says why it is none.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), String> {
        let text = || {
            value
                .get::<Option<String>>()
                .ok()
                .flatten()
                .unwrap_or_default()
        };
        let number = || value.get::<u32>().unwrap_or_default();
        match name {
            "location" => {
                self.location = Template::parse(&text()).map_err(|error| error.to_string())?;
            }
            "path" => {
                let path = text();
                let bad = |part: &str| part.is_empty() || part == "." || part == "..";
                if path.split('/').any(bad) || path.contains('\0') {
                    return Err(format!("{path:?} is no path"));
                }
                self.path = path;
            }
            "format" => {
                let text = text();
                self.format = Format::from_name(&text)
                    .ok_or_else(|| format!("{text} is none of {}", Format::NAMES))?;
            }
            "segment-duration" => self.segment_ms = number(),
            "segment-size" => self.segment_bytes = value.get().unwrap_or_default(),
            "fragment-duration" => self.fragment_ms = number(),
            "pre-roll" => self.pre_roll_ms = number(),
            "recording" => self.recording = value.get().unwrap_or_default(),
            "leave-out" => self.leave_out = value.get().unwrap_or_default(),
            _ => self.block = value.get().unwrap_or_default(),
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "location" => self.location.text().to_value(),
            "path" => self.path.to_value(),
            "format" => self.format.name().to_value(),
            "segment-duration" => self.segment_ms.to_value(),
            "segment-size" => self.segment_bytes.to_value(),
            "fragment-duration" => self.fragment_ms.to_value(),
            "pre-roll" => self.pre_roll_ms.to_value(),
            "recording" => self.recording.to_value(),
            "leave-out" => self.leave_out.to_value(),
            _ => self.block.to_value(),
        }
    }
}

pub(super) fn properties() -> &'static [glib::ParamSpec] {
    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(all);
    &PROPERTIES
}

fn all() -> Vec<glib::ParamSpec> {
    let text = |name: &'static str, blurb: &'static str, default: &'static str| {
        glib::ParamSpecString::builder(name)
            .blurb(blurb)
            .default_value(Some(default))
            .mutable_ready()
            .build()
    };
    let number = |name: &'static str, blurb: &'static str, least: u32, default: u32| {
        glib::ParamSpecUInt::builder(name)
            .blurb(blurb)
            .minimum(least)
            .default_value(default)
            .mutable_ready()
            .build()
    };
    vec![
        text(
            "location",
            "Template of the files' names without ending: %p is the path, %Y %m %d %H %M %S %f %z are the time of the first frame in UTC, %lY … in local time",
            template::DEFAULT,
        ),
        text("path", "What %p in location stands for", "live"),
        text(
            "format",
            "fmp4, mp4, mkv (webm where the codecs allow), mpegts, or auto: fmp4, and mkv where a codec needs it",
            "fmp4",
        ),
        number(
            "segment-duration",
            "A segment ends at the first key frame after so many milliseconds",
            1,
            600_000,
        ),
        glib::ParamSpecUInt64::builder("segment-size")
            .blurb("A segment ends at the first key frame after so many bytes; 0 is no limit")
            .mutable_ready()
            .build(),
        number(
            "fragment-duration",
            "Longest fragment, in milliseconds: what a crash loses is at most this and what is on its way to it",
            100,
            FRAGMENT_MS,
        ),
        number(
            "pre-roll",
            "How many milliseconds from before are in what recording=true begins; they are kept in memory, 64 MiB at most",
            0,
            0,
        ),
        glib::ParamSpecBoolean::builder("recording")
            .blurb("Write frames; false keeps those of pre-roll, and ends the segment")
            .default_value(true)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("block")
            .blurb("When the disk is too slow, hold the source up (for files) instead of dropping (for live sources)")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoolean::builder("leave-out")
            .blurb("Leave tracks out that the format does not take, and say so, instead of failing")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .blurb("State, reason, file, tracks that are left out, and what was written and dropped")
            .read_only()
            .build(),
    ]
}
