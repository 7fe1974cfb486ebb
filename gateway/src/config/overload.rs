//! What keeps viewers from stuttering: `webrtc.max_cpu` and `webrtc.max_send_delay`, above which further ones are refused,
//! and `webrtc.pacing`.

use std::time::Duration;

use sluice_core::Watermarks;

use super::error::ConfigError;
use super::raw::{RawWebrtc, Text};
use super::units;

pub(super) fn convert(raw: &RawWebrtc, errors: &mut Vec<ConfigError>) -> Watermarks {
    let defaults = Watermarks::default();
    Watermarks {
        cpu_percent: read(
            &raw.max_cpu,
            ("webrtc.max_cpu", "write 1% to 100% of all cores, or off"),
            defaults.cpu_percent,
            percent,
            errors,
        ),
        send_delay: read(
            &raw.max_send_delay,
            ("webrtc.max_send_delay", "write 10ms to 60s, or off"),
            defaults.send_delay,
            delay,
            errors,
        ),
    }
}

/// Over which time a large frame is sent when nothing is said.
pub(super) const PACING: Duration = Duration::from_millis(20);

/// Reads over which time a large frame is sent.
pub(super) fn pacing(raw: &RawWebrtc, errors: &mut Vec<ConfigError>) -> Duration {
    let span = |text: &str| {
        let range = Duration::from_millis(1)..=Duration::from_millis(200);
        units::duration(text).filter(|span| range.contains(span))
    };
    let help = ("webrtc.pacing", "write 1ms to 200ms, or off");
    read(&raw.pacing, help, Some(PACING), span, errors).unwrap_or_default()
}

/// Reads a value; `off` is none.
fn read<T>(
    raw: &Text,
    (key, help): (&'static str, &'static str),
    default: Option<T>,
    parse: fn(&str) -> Option<T>,
    errors: &mut Vec<ConfigError>,
) -> Option<T> {
    let Some(entry) = raw else {
        return default;
    };
    if entry.value == "off" {
        return None;
    }
    let value = parse(&entry.value);
    if value.is_none() {
        let error = ConfigError::new(&entry.place, key, "cannot be used", help);
        errors.push(error.value(&entry.value));
    }
    value
}

fn percent(text: &str) -> Option<u32> {
    let number = text.trim().strip_suffix('%')?.trim_end().parse().ok();
    number.filter(|percent| (1..=100).contains(percent))
}

fn delay(text: &str) -> Option<Duration> {
    let range = Duration::from_millis(10)..=Duration::from_secs(60);
    units::duration(text).filter(|delay| range.contains(delay))
}
