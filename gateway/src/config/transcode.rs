//! `transcode` and `transcodes`: what is made of pictures, and how much of that at a time.

use std::time::Duration;

use sluice_core::{Codec, Policy, Transcode};
use sluice_pipelines::{Slots, TranscodeSpec};

use super::error::ConfigError;
use super::path::Settings;
use super::raw::{RawList, Text};
use super::raw_transcode::RawTranscode;
use super::units;

const CODECS: &str = "write some of h264, vp8, vp9 and av1, the best first, each once";
const SIZE: &str = "write width and height in pixels, 64 to 8192 each, such as 1280x720";
const FRAMERATE: &str = "write frames a second, 1 to 240, such as 30";
const BITRATE: &str = "write a rate with a unit, kbps or Mbps, 50kbps at least, such as 2Mbps";
const KEY_INTERVAL: &str = "write 500ms to 60s, such as 2s";

/// Gives the machine's places for renditions.
pub(super) fn slots(raw: &Text, errors: &mut Vec<ConfigError>) -> Slots {
    let Some(entry) = raw else {
        return Slots::for_this_machine();
    };
    match entry.value.parse() {
        Ok(limit) => Slots::new(limit),
        Err(_) => {
            let error = ConfigError::new(
                &entry.place,
                "transcodes",
                "is no number of streams",
                "write how many streams may be transcoded at a time on this machine, 0 for none",
            );
            errors.push(error.value(&entry.value));
            Slots::for_this_machine()
        }
    }
}

/// Lays one level of keys over a path's settings.
pub(super) fn apply(settings: &mut Settings<'_>, raw: &RawTranscode, spec: &mut TranscodeSpec) {
    let keys = &raw.keys;
    settings.set(
        "transcode",
        &keys.when,
        &mut spec.policy.transcode,
        when,
        "write auto, never, always, or keys such as {size: 1280x720}",
    );
    if let Some(list) = &keys.codecs {
        match codecs(list) {
            Some(codecs) => spec.policy.codecs = codecs,
            None => settings.refuse("transcode.codecs", list, CODECS),
        }
    }
    let mut size = (spec.max_width, spec.max_height);
    settings.set("transcode.size", &keys.size, &mut size, units::pixels, SIZE);
    (spec.max_width, spec.max_height) = size;
    settings.set(
        "transcode.framerate",
        &keys.framerate,
        &mut spec.max_framerate,
        framerate,
        FRAMERATE,
    );
    settings.set(
        "transcode.bitrate",
        &keys.bitrate,
        &mut spec.bitrate_kbps,
        units::kbps,
        BITRATE,
    );
    settings.set(
        "transcode.key_interval",
        &keys.key_interval,
        &mut spec.key_interval,
        key_interval,
        KEY_INTERVAL,
    );
}

fn when(text: &str) -> Option<Transcode> {
    Transcode::ALL.into_iter().find(|when| when.nick() == text)
}

fn codecs(list: &RawList) -> Option<Vec<Codec>> {
    let mut codecs = Vec::new();
    for entry in &list.0 {
        let codec = Codec::from_encoding_name(&entry.value)?;
        if !Policy::PICTURES.contains(&codec) || codecs.contains(&codec) {
            return None;
        }
        codecs.push(codec);
    }
    (!codecs.is_empty()).then_some(codecs)
}

fn framerate(text: &str) -> Option<u32> {
    text.parse().ok().filter(|rate| (1..=240).contains(rate))
}

fn key_interval(text: &str) -> Option<Duration> {
    let allowed = Duration::from_millis(500)..=Duration::from_mins(1);
    units::duration(text).filter(|time| allowed.contains(time))
}
