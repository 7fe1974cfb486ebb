//! A path in the API's words.

use std::time::{Duration, Instant};

use gstsluicewebrtc::{Publishers, Push, Viewers};
use serde_json::{Value, json};
use sluice_pipelines::{RenditionStatus, Renditions};

use super::path::{Handle, Snapshot};

pub(super) fn outline(handle: &Handle, snapshot: &Snapshot, now: Instant) -> Value {
    let state = &snapshot.state;
    let mut sources: Vec<_> = handle
        .config
        .spec
        .sources
        .iter()
        .map(ToString::to_string)
        .collect();
    if handle.config.spec.publisher.is_some() {
        sources.push("publisher".to_owned());
    }
    let source = sources.get(state.source().unwrap_or_default());
    let publisher = snapshot.publishers.as_ref().and_then(Publishers::live);
    let tracks = snapshot
        .viewers
        .as_ref()
        .map(Viewers::tracks)
        .unwrap_or_default();
    let tracks: Vec<_> = tracks
        .iter()
        .map(|track| {
            json!({
                "kind": track.kind().label(),
                "codec": track.codec.label(),
                "detail": track.detail(),
            })
        })
        .collect();
    json!({
        "id": super::path::name(&handle.config).as_str(),
        "state": state.name(),
        "source": source,
        "sources": sources,
        "publisher": publisher,
        "on_demand": handle.config.on_demand,
        "recorded": handle.config.spec.record.is_some(),
        "reason": state.reason(),
        "retry_in_ms": state.retry_in(now).map(millis),
        "tracks": tracks,
        "viewers": snapshot.viewers.as_ref().map_or(0, Viewers::count),
        "uptime_s": snapshot.playing_since.map(|since| now.duration_since(since).as_secs()),
    })
}

pub(super) fn renditions(snapshot: &Snapshot) -> Vec<RenditionStatus> {
    let renditions = snapshot.renditions.as_ref().map(Renditions::status);
    renditions.unwrap_or_default()
}

pub(super) fn rendition(status: &RenditionStatus) -> Value {
    json!({
        "codec": status.codec.label(),
        "encoder": status.encoder,
        "decoder": status.decoder,
        "viewers": status.viewers,
        "frames_in": status.frames_in,
        "frames_out": status.frames_out,
        "dropped": status.dropped,
        "failures": status.failures,
    })
}

pub(super) fn forward(push: &Push) -> Value {
    let status = push.status();
    json!({
        "target": push.target(),
        "state": status.state.name(),
        "reason": status.reason,
        "attempt": status.attempt,
        "retry_in_ms": status.retry_in.map(millis),
        "packets": status.packets,
        "bytes": status.bytes,
        "uptime_s": status.running_for.map(|time| time.as_secs()),
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
