//! What people should hear of recordings.

use sluice_pipelines::Event;

/// Logs what a recorder tells; nothing for other events.
pub(super) fn log(event: &Event) {
    match event {
        Event::Recording {
            state,
            reason,
            left_out,
        } => {
            for why in left_out {
                tracing::warn!(%why, "a track is not recorded");
            }
            match (state.as_str(), reason) {
                ("recording", _) => tracing::info!("recording"),
                ("dropping", Some(reason)) => tracing::warn!(%reason, "not all is recorded"),
                ("failed", Some(reason)) => tracing::error!(%reason, "not recorded"),
                _ => {}
            }
        }
        Event::Recorded { file, bytes } => tracing::debug!(file, bytes, "file finished"),
        Event::Repaired {
            file,
            playable: true,
        } => {
            tracing::info!(file, "a file that was not finished can be played again");
        }
        Event::Repaired {
            file,
            playable: false,
        } => {
            tracing::warn!(file, "a file that was not finished cannot be played");
        }
        Event::Changed
        | Event::Skipped { .. }
        | Event::Forward { .. }
        | Event::Warned { .. }
        | Event::Broken { .. } => {}
    }
}
