//! The player page, the publish page, and what they need.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sluice_core::Problem;

use super::peers::Side;
use super::{Shared, answers};

/// The page runs only what comes from here; it may be embedded anywhere.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *";

/// Files below `/_sluice/`, with their media types.
const ASSETS: &[(&str, &str, &str)] = &[
    (
        "/_sluice/player.css",
        "text/css; charset=utf-8",
        include_str!("player.css"),
    ),
    (
        "/_sluice/player.js",
        "text/javascript; charset=utf-8",
        include_str!("player.js"),
    ),
    (
        "/_sluice/session.js",
        "text/javascript; charset=utf-8",
        include_str!("session.js"),
    ),
    (
        "/_sluice/whep.js",
        "text/javascript; charset=utf-8",
        include_str!("whep.js"),
    ),
    (
        "/_sluice/access.js",
        "text/javascript; charset=utf-8",
        include_str!("access.js"),
    ),
    (
        "/_sluice/whip.js",
        "text/javascript; charset=utf-8",
        include_str!("whip.js"),
    ),
    (
        "/_sluice/publish.css",
        "text/css; charset=utf-8",
        include_str!("publish.css"),
    ),
    (
        "/_sluice/publish.js",
        "text/javascript; charset=utf-8",
        include_str!("publish.js"),
    ),
    (
        "/_sluice/stats.js",
        "text/javascript; charset=utf-8",
        include_str!("stats.js"),
    ),
    (
        "/_sluice/icon.svg",
        "image/svg+xml",
        include_str!("icon.svg"),
    ),
];

/// Makes the routes of the assets.
pub(super) fn assets() -> Router {
    ASSETS
        .iter()
        .fold(Router::new(), |router, (path, kind, text)| {
            router.route(path, get(move || async move { file(kind, text) }))
        })
}

/// Serves the player page of a path.
pub(super) async fn player(State(shared): State<Shared>, Path(path): Path<String>) -> Response {
    match shared.refusal(Side::View, &path) {
        Some(problem) => answers::problem(&problem),
        None => page(include_str!("player.html")),
    }
}

/// Serves the publish page of a path.
pub(super) async fn publish(State(shared): State<Shared>, Path(path): Path<String>) -> Response {
    match shared.refusal(Side::Publish, &path) {
        Some(problem) => answers::problem(&problem),
        None => page(include_str!("publish.html")),
    }
}

fn page(text: &'static str) -> Response {
    let mut page = file("text/html; charset=utf-8", text);
    page.headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    page
}

/// Leads to the page's only address, so that its relative links fit; works behind a path prefix too.
pub(super) async fn without_slash(Path(path): Path<String>) -> Response {
    let to = format!("../{}", percent_encoded(&path));
    match HeaderValue::try_from(to) {
        Ok(to) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, to)]).into_response(),
        Err(_invalid) => answers::problem(&no_path()),
    }
}

/// Says how the path is.
pub(super) async fn status(State(shared): State<Shared>, Path(path): Path<String>) -> Response {
    match shared.directory.status(&path) {
        Some(status) => {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            (headers, axum::Json(status)).into_response()
        }
        None => answers::problem(&no_path()),
    }
}

/// Refuses a path that nobody configured.
pub(super) fn no_path() -> Problem {
    Problem::new(404, "There is no such path here.")
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ];
    (headers, text).into_response()
}

/// Only names of routes lead anywhere; others are told so without being repeated.
fn percent_encoded(path: &str) -> &str {
    if path.parse::<sluice_core::RouteId>().is_ok() {
        path
    } else {
        ""
    }
}
