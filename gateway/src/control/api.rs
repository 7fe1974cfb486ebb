//! `/api/v1/paths` and `/healthz`: reading only.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Control;
use super::error::Refusal;
use crate::supervisor;

/// Answers as long as the process can answer; what its paths do is another question.
pub(super) async fn health() -> Response {
    fresh(serde_json::json!({ "status": "ok" }))
}

pub(super) async fn paths(State(control): State<Control>) -> Response {
    fresh(control.paths.describe_all())
}

pub(super) async fn path(
    State(control): State<Control>,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    let value = control
        .paths
        .describe(&path)
        .ok_or_else(|| supervisor::unknown(&path))?;
    Ok(fresh(value))
}

pub(super) fn fresh(value: serde_json::Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(value)).into_response()
}
