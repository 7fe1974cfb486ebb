//! Which pages of other sites may read our answers.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use sluice_core::access::Relation;

/// What a page may read besides the body.
const EXPOSED: &str =
    "Location, ETag, Link, Retry-After, WWW-Authenticate, Accept-Patch, Accept-Post";

/// A browser asks whether a page may send what it wants to send.
pub(super) fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers a preflight where no handler has an answer of its own.
pub(super) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (
            ACCESS_CONTROL_ALLOW_METHODS,
            "DELETE, GET, HEAD, PATCH, POST",
        ),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, If-Match",
        ),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Says which origin may read the answer to this request, if one may.
pub(super) fn reader(request: &Request, page: Relation, any: bool) -> Option<HeaderValue> {
    match page {
        Relation::Allowed if any => Some(HeaderValue::from_static("*")),
        Relation::Allowed => request.headers().get(ORIGIN).cloned(),
        Relation::Own | Relation::Foreign => None,
    }
}

/// Shares the answer with this origin and with no other, whatever a handler said.
pub(super) fn apply(response: &mut Response, reader: Option<HeaderValue>) {
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(reader) = reader else {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            headers.remove(name);
        }
        return;
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, reader);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED),
    );
}
