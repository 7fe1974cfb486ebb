//! What every answer has: problems in words, and headers that browsers may read.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_TYPE,
    RETRY_AFTER,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use sluice_core::Problem;

/// Headers that a player in a browser reads.
const EXPOSED: &str =
    "Location, ETag, Link, Retry-After, WWW-Authenticate, Accept-Patch, Accept-Post";

/// Lets pages of any origin use WHEP: a viewer's right is shown by its token, not by its origin.
pub(super) async fn share_with_browsers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED),
    );
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Gives an answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Turns a problem into its answer (RFC 9457). The one mapping of this crate.
pub(super) fn problem(problem: &Problem) -> Response {
    let mut response = Response::new(Body::from(problem.to_json()));
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if let Some(seconds) = problem.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Refuses a method on a resource that has others.
pub(super) fn not_allowed(allowed: &'static str) -> Response {
    let mut response = problem(&Problem::new(
        405,
        format!("This resource takes {allowed}."),
    ));
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
