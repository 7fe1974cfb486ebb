//! What the user sets.

use gst::glib;
use gst::prelude::*;
use sluice_core::transcode::Limits;

use crate::codec::VideoCodec;
use crate::video::Wanted;

const KEY_INTERVAL_MS: u32 = 2_000;

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) keep_g711: bool,
    pub(super) video_codec: VideoCodec,
    pub(super) limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep_g711: false,
            video_codec: VideoCodec::None,
            limits: Limits {
                width: 0,
                height: 0,
                bitrate_kbps: 0,
                framerate: 0,
                key_interval_ms: KEY_INTERVAL_MS,
            },
        }
    }
}

impl Settings {
    pub(super) const fn wanted(&self) -> Wanted {
        Wanted {
            codec: self.video_codec.made(),
            limits: self.limits,
        }
    }

    /// Takes a property; false if there is none of the name.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        const CHECKED: &str = "checked by the type system";
        match name {
            "keep-g711" => self.keep_g711 = value.get().expect(CHECKED),
            "video-codec" => self.video_codec = value.get().expect(CHECKED),
            "max-width" => self.limits.width = value.get().expect(CHECKED),
            "max-height" => self.limits.height = value.get().expect(CHECKED),
            "max-framerate" => self.limits.framerate = value.get().expect(CHECKED),
            "bitrate" => self.limits.bitrate_kbps = value.get().expect(CHECKED),
            "key-interval" => self.limits.key_interval_ms = value.get().expect(CHECKED),
            _ => return false,
        }
        true
    }

    pub(super) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "keep-g711" => self.keep_g711.to_value(),
            "video-codec" => self.video_codec.to_value(),
            "max-width" => self.limits.width.to_value(),
            "max-height" => self.limits.height.to_value(),
            "max-framerate" => self.limits.framerate.to_value(),
            "bitrate" => self.limits.bitrate_kbps.to_value(),
            "key-interval" => self.limits.key_interval_ms.to_value(),
            _ => return None,
        })
    }
}

fn number(
    name: &'static str,
    blurb: &'static str,
    default: u32,
) -> glib::ParamSpecUIntBuilder<'static> {
    glib::ParamSpecUInt::builder(name)
        .nick(name)
        .blurb(blurb)
        .maximum(1_000_000)
        .default_value(default)
}

fn factory(name: &'static str, blurb: &'static str) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name)
        .nick(name)
        .blurb(blurb)
        .read_only()
        .build()
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecBoolean::builder("keep-g711")
            .nick("Keep G.711")
            .blurb("Pass G.711 (µ-law and A-law) as it is; otherwise it becomes Opus")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("video-codec", VideoCodec::None)
            .nick("Video codec")
            .blurb("What video becomes; none passes it as it is")
            .mutable_ready()
            .build(),
        number("max-width", "Largest width in pixels; 0 is the source's", 0)
            .mutable_ready()
            .build(),
        number(
            "max-height",
            "Largest height in pixels; 0 is the source's",
            0,
        )
        .mutable_ready()
        .build(),
        number(
            "max-framerate",
            "Most pictures a second; 0 is the source's",
            0,
        )
        .mutable_ready()
        .build(),
        number("bitrate", "Of video in kbit/s; 0 is by size and rate", 0)
            .mutable_playing()
            .build(),
        number(
            "key-interval",
            "Longest time between key frames in ms",
            KEY_INTERVAL_MS,
        )
        .mutable_ready()
        .build(),
        factory("encoder", "Factory of the video encoder in use"),
        factory("decoder", "Factory of the video decoder in use"),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Of video: frames-in, frames-out, dropped, encoder, decoder, failures")
            .read_only()
            .build(),
    ]
}
