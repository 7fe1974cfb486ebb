//! `/{path}/thumbnail.jpg`: the newest key frame, small.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use parking_lot::Mutex;
use sluice_core::problem::Problem;
use tokio::sync::Semaphore;

use super::Control;
use super::error::Refusal;
use crate::supervisor;

/// A picture is served again for this long.
const FRESH: Duration = Duration::from_secs(2);
/// When there is nothing to show, ask again after this long.
const RETRY: Duration = Duration::from_secs(5);

/// Pictures made lately. One is made at a time: thumbnails must not take the CPU from viewers.
#[derive(Debug)]
pub(super) struct Thumbnails {
    one: Semaphore,
    made: Mutex<HashMap<String, Made>>,
}

impl Default for Thumbnails {
    fn default() -> Self {
        Self {
            one: Semaphore::new(1),
            made: Mutex::default(),
        }
    }
}

#[derive(Debug, Clone)]
struct Made {
    at: Instant,
    /// The key frame's time in the stream: the same frame needs no second decode.
    frame: Duration,
    jpeg: Bytes,
}

pub(super) async fn jpeg(
    State(control): State<Control>,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    // Only what runs already: looking at the list must not wake every camera.
    let view = control
        .paths
        .view(&path)
        .ok_or_else(|| supervisor::unknown(&path))?;
    let nothing = || {
        Refusal(
            Problem::new(503, "There is no picture, since nobody watches this path.")
                .retry_after(RETRY),
        )
    };
    if let Some(jpeg) = control.thumbnails.fresh(&path) {
        return Ok(answer(jpeg));
    }
    let viewers = view.viewers.ok_or_else(nothing)?;
    let thumbnails = &control.thumbnails;
    let Ok(_turn) = thumbnails.one.acquire().await else {
        return Err(nothing());
    };
    // Whoever had the turn before may have made it.
    if let Some(jpeg) = thumbnails.fresh(&path) {
        return Ok(answer(jpeg));
    }
    let frame = viewers
        .key_frame()
        .ok_or_else(|| Problem::new(503, "There is no picture yet.").retry_after(RETRY))?;
    if let Some(jpeg) = thumbnails.again(&path, frame.at) {
        return Ok(answer(jpeg));
    }
    let at = frame.at;
    let made = tokio::task::spawn_blocking(move || sluice_pipelines::thumbnail(&frame)).await;
    match made {
        Ok(Ok(jpeg)) => {
            thumbnails.made.lock().insert(
                path,
                Made {
                    at: Instant::now(),
                    frame: at,
                    jpeg: jpeg.clone(),
                },
            );
            Ok(answer(jpeg))
        }
        Ok(Err(error)) => {
            tracing::debug!(%path, %error, "no thumbnail");
            Err(
                Problem::new(503, format!("There is no thumbnail: {error}."))
                    .retry_after(RETRY)
                    .into(),
            )
        }
        Err(_panicked) => Err(Problem::new(500, "The thumbnail could not be made.").into()),
    }
}

impl Thumbnails {
    fn fresh(&self, path: &str) -> Option<Bytes> {
        self.made
            .lock()
            .get(path)
            .filter(|made| made.at.elapsed() < FRESH)
            .map(|made| made.jpeg.clone())
    }

    /// Serves the same frame's picture again, whatever its age.
    fn again(&self, path: &str, frame: Duration) -> Option<Bytes> {
        let mut made = self.made.lock();
        let made = made.get_mut(path).filter(|made| made.frame == frame)?;
        made.at = Instant::now();
        Some(made.jpeg.clone())
    }
}

fn answer(jpeg: Bytes) -> Response {
    (
        [
            (header::CONTENT_TYPE, "image/jpeg"),
            (header::CACHE_CONTROL, "max-age=1"),
        ],
        jpeg,
    )
        .into_response()
}
