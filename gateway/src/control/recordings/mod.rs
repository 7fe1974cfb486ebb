//! `/api/v1/recordings`: which recordings there are; and recordings that are started and stopped.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_core::problem::Problem;
use sluice_core::record::moment::{from_rfc3339, rfc3339};

use super::Control;
use super::api::fresh;
use super::error::Refusal;
use crate::recordings::{Recording, Uploads};

mod get;
mod range;

pub(super) use get::{cut, file, playlist};

/// An event is recorded for so long when nothing is said.
const EVENT: Duration = Duration::from_secs(30);
/// Whoever wants more starts and stops.
const LONGEST_EVENT: Duration = Duration::from_hours(1);

/// Part of a list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Span {
    from: Option<String>,
    to: Option<String>,
}

/// Lists the paths that are or can be recorded.
pub(super) async fn all(State(control): State<Control>) -> Result<Response, Refusal> {
    let mut paths = Vec::new();
    let names: Vec<_> = control.paths.recorded().map(str::to_owned).collect();
    for path in names {
        let list = list(&control, &path).await?;
        let ends = list.iter().map(|one| one.end);
        paths.push(json!({
            "path": path,
            "recordings": list.len(),
            "bytes": list.iter().map(|one| one.bytes).sum::<u64>(),
            "start": list.first().map(|one| rfc3339(one.start)),
            "end": ends.max().map(rfc3339),
            "upload": control.uploads.as_ref().map(|all| all.describe_path(&path)),
        }));
    }
    let upload = control.uploads.as_ref().map(|all| all.describe());
    Ok(fresh(json!({ "paths": paths, "upload": upload })))
}

/// Lists the recordings of one path.
pub(super) async fn of_path(
    State(control): State<Control>,
    Path(path): Path<String>,
    Query(span): Query<Span>,
) -> Result<Response, Refusal> {
    let from = time("from", span.from.as_deref())?.unwrap_or_default();
    let to = time("to", span.to.as_deref())?.unwrap_or(Duration::MAX);
    let list = list(&control, &path).await?;
    let list: Vec<_> = list
        .iter()
        .filter(|one| one.end >= from && one.start <= to)
        .map(|one| describe(one, control.uploads.as_deref()))
        .collect();
    Ok(fresh(json!({ "path": path, "recordings": list })))
}

pub(super) async fn start(
    State(control): State<Control>,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    switch(&control, &path, true, None).await
}

pub(super) async fn stop(
    State(control): State<Control>,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    switch(&control, &path, false, None).await
}

/// How long an event is recorded.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Event {
    duration: Option<String>,
}

pub(super) async fn event(
    State(control): State<Control>,
    Path(path): Path<String>,
    Query(event): Query<Event>,
) -> Result<Response, Refusal> {
    let span = match event.duration.as_deref() {
        Some(text) => get::seconds(Some(text), LONGEST_EVENT)?,
        None => EVENT,
    };
    switch(&control, &path, true, Some(span)).await
}

async fn switch(
    control: &Control,
    path: &str,
    on: bool,
    span: Option<Duration>,
) -> Result<Response, Refusal> {
    control.paths.record(path, on, span).await?;
    let described = control.paths.describe(path);
    let record = described.as_ref().and_then(|path| path.get("record"));
    Ok(fresh(json!({ "record": record })))
}

/// Reads what is on the disk, outside the threads that answer.
async fn list(control: &Control, path: &str) -> Result<Vec<Recording>, Refusal> {
    let spec = control.paths.record_spec(path)?.clone();
    let (archive, name) = (control.archive.clone(), path.to_owned());
    let list = tokio::task::spawn_blocking(move || archive.list(&name, &spec)).await;
    match list {
        Ok(Ok(list)) => Ok(list),
        Ok(Err(error)) => {
            tracing::warn!(path, %error, "recordings cannot be listed");
            let sentence = format!("The folder of the recordings cannot be read: {error}.");
            Err(Problem::new(503, sentence).into())
        }
        Err(_panicked) => Err(Problem::new(500, "The recordings could not be listed.").into()),
    }
}

fn describe(one: &Recording, uploads: Option<&Uploads>) -> Value {
    let tracks = one.contents.tracks.iter().map(|codec| {
        json!({
            "kind": codec.kind().label(),
            "codec": codec.label(),
        })
    });
    json!({
        "name": one.name,
        "state": one.state.name(),
        "format": one.container.name(),
        "start": rfc3339(one.start),
        "end": rfc3339(one.end),
        "duration_s": (one.end - one.start).as_secs_f64(),
        "bytes": one.bytes,
        "tracks": tracks.collect::<Vec<_>>(),
        "uploaded": uploads.map(|all| all.has(&one.file)),
    })
}

fn time(name: &str, text: Option<&str>) -> Result<Option<Duration>, Problem> {
    let Some(text) = text else { return Ok(None) };
    from_rfc3339(text).map(Some).ok_or_else(|| {
        let sentence =
            format!("`{name}` is no time; write it such as 2026-11-29T05:42:51Z, and + as %2B.");
        Problem::new(400, sentence)
    })
}
