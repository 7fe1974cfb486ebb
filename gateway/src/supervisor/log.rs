//! What people should hear of routes, pushes and viewers.

use gstsluicewebrtc::ViewerEvent;
use sluice_pipelines::RouteState;

use crate::config::PathConfig;

/// Logs another state of a route.
pub(super) fn change(before: &RouteState, now: &RouteState, config: &PathConfig) {
    if before.name() == now.name() && before.reason() == now.reason() {
        return;
    }
    match now {
        RouteState::Idle => tracing::debug!("idle"),
        RouteState::Starting => tracing::info!("starting"),
        RouteState::Running { source } => {
            // The scheme only: addresses are for the debug level.
            let scheme = config
                .spec
                .sources
                .get(*source)
                .map(|source| source.scheme().as_str());
            tracing::info!(source, scheme, "running");
        }
        RouteState::Unpublished { reason } => tracing::info!(%reason, "no publisher"),
        RouteState::Waiting { reason, .. } => tracing::warn!(%reason, "waiting for the source"),
        RouteState::Failed { reason, .. } => tracing::error!(%reason, "failed"),
    }
}

/// Logs another state of a push.
pub(super) fn forward(target: &str, state: &str, reason: Option<&str>) {
    // Addresses are for the debug level.
    tracing::debug!(to = target, state, "forward");
    match (state, reason) {
        ("running", _) => tracing::info!("forwarded"),
        ("waiting", Some(reason)) => tracing::warn!(%reason, "not forwarded"),
        ("failed", Some(reason)) => tracing::error!(%reason, "not forwarded"),
        _ => {}
    }
}

/// Logs what a viewer does.
pub(super) fn viewer(event: &ViewerEvent, count: usize) {
    match event {
        ViewerEvent::Joined { id } => tracing::debug!(viewer = %id, count, "viewer joined"),
        ViewerEvent::Playing { id, .. } => tracing::info!(viewer = %id, count, "viewer plays"),
        ViewerEvent::Thinned {
            id,
            carries_kbps,
            stream_kbps,
        } => tracing::info!(
            viewer = %id, carries_kbps, stream_kbps,
            "the viewer's network is too slow for the stream: it gets key frames and sound"
        ),
        ViewerEvent::Whole { id, trial } => {
            tracing::info!(viewer = %id, trial, "the viewer gets all pictures again");
        }
        ViewerEvent::Left { id, reason } => {
            tracing::info!(viewer = %id, count, %reason, "viewer left")
        }
    }
}
