//! Recordings that are started and stopped, and what people should hear of them.

use std::time::Duration;

use sluice_core::problem::Problem;
use sluice_pipelines::{Event, RecordStatus, Recorder};

/// A file is finished within this time, or its disk has trouble.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says why nobody can start a path's recording.
pub(super) fn not_configured() -> Problem {
    Problem::new(
        409,
        "The config does not say how this path is recorded; add `record: {when: asked}` to it.",
    )
}

/// Starts or ends a recording of a route that runs.
pub(super) async fn switch(recorder: Recorder, on: bool) -> Result<(), Problem> {
    // Elements are made, or a file is finished: not in an async thread.
    let done = tokio::task::spawn_blocking(move || {
        if on {
            recorder.start()
        } else {
            recorder.stop();
            Ok(())
        }
    });
    let Ok(done) = tokio::time::timeout(PATIENCE, done).await else {
        // The path must not wait with its disk: viewers come meanwhile.
        return Err(Problem::new(
            503,
            "The disk is slow: the recording ends as soon as it has taken all of it.",
        ));
    };
    match done {
        Ok(done) => done.map_err(|error| Problem::new(500, format!("{error}."))),
        Err(_panicked) => Err(Problem::new(500, "The recorder failed; its log says why.")),
    }
}

/// Describes a recorder as the API does.
pub(super) fn describe(status: &RecordStatus) -> serde_json::Value {
    serde_json::json!({
        "state": status.state,
        "reason": status.reason,
        "file": status.file,
        "left_out": status.left_out,
        "frames": status.frames,
        "bytes": status.bytes,
        "dropped": status.dropped,
        "segments": status.segments,
    })
}

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
