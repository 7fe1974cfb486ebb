//! `/api/v1/paths`, `/api/v1/ports` and `/healthz`: reading only.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use serde::Deserialize;
use sluice_core::problem::Problem;

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

pub(super) async fn ports(State(control): State<Control>) -> Response {
    fresh(control.paths.describe_ports())
}

/// An offer in a URL.
#[derive(Debug, Deserialize)]
pub(super) struct Offered {
    offer: Option<String>,
}

/// Says what a viewer with the offer in the query would get.
pub(super) async fn plan(
    State(control): State<Control>,
    Path(path): Path<String>,
    Query(offered): Query<Offered>,
) -> Result<Response, Refusal> {
    let offer = offered.offer.ok_or_else(|| {
        Problem::new(
            400,
            "An SDP offer is missing; write ?offer=… with the offer percent-encoded, or POST it.",
        )
    })?;
    Ok(fresh(control.paths.plan(&path, &offer)?))
}

/// Says what a viewer with the offer in the body would get.
pub(super) async fn plan_of_body(
    State(control): State<Control>,
    Path(path): Path<String>,
    offer: String,
) -> Result<Response, Refusal> {
    Ok(fresh(control.paths.plan(&path, &offer)?))
}

pub(super) fn fresh(value: serde_json::Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(value)).into_response()
}
