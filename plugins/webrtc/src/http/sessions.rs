//! The WHEP and WHIP endpoints and their sessions: one set of rules.

use std::error::Error as _;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    CONTENT_TYPE, ETAG, IF_MATCH, LINK, LOCATION, VIA,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use http_body_util::LengthLimitError;
use sluice_core::Problem;

use super::peers::Side;
use super::{Shared, answers};
use crate::viewers::{Joined, Patched, no_session};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Largest offer; browsers' are below 10 KiB.
const OFFER: usize = 64 * 1024;
/// Largest trickle fragment.
const TRICKLE: usize = 16 * 1024;

const ENDPOINT_METHODS: &str = "GET, HEAD, OPTIONS, POST";
const SESSION_METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH";

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Serves `/{path}/whep` and `/{path}/whip`.
pub(super) async fn endpoint(
    side: Side,
    State(shared): State<Shared>,
    Path(path): Path<String>,
    request: Request,
) -> Response {
    if let Some(problem) = shared.refusal(side, &path) {
        return answers::problem(&problem);
    }
    match *request.method() {
        Method::POST => join(side, &shared, &path, request)
            .await
            .unwrap_or_else(|problem| answers::problem(&problem)),
        Method::OPTIONS => options(ENDPOINT_METHODS, (ACCEPT_POST, SDP)),
        Method::HEAD => {
            let mut response = answers::empty(StatusCode::OK);
            let sdp = HeaderValue::from_static(SDP);
            response.headers_mut().insert(CONTENT_TYPE, sdp);
            response
        }
        Method::GET => answers::empty(StatusCode::NO_CONTENT),
        _ => answers::not_allowed(ENDPOINT_METHODS),
    }
}

/// Serves `/{path}/whep/{session}` and `/{path}/whip/{session}`.
pub(super) async fn session(
    side: Side,
    State(shared): State<Shared>,
    Path((path, session)): Path<(String, String)>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    if method == Method::OPTIONS {
        // A preflight says nothing about which sessions there are.
        return options(SESSION_METHODS, (ACCEPT_PATCH, FRAGMENT));
    }
    let Some((id, peers)) = shared.peers_of(side, &path, &session) else {
        return answers::problem(&no_session());
    };
    match method {
        Method::DELETE => {
            if peers.leave(&id).await {
                answers::empty(StatusCode::OK)
            } else {
                answers::problem(&no_session())
            }
        }
        Method::PATCH => {
            let (kind, tag) = (header(&request, CONTENT_TYPE), header(&request, IF_MATCH));
            let patched = match text(request.into_body(), TRICKLE).await {
                Ok(body) => {
                    peers
                        .patch(&id, kind.as_deref(), tag.as_deref(), &body)
                        .await
                }
                Err(problem) => Err(problem),
            };
            patched.map_or_else(|problem| answers::problem(&problem), took)
        }
        Method::GET => answers::empty(StatusCode::NO_CONTENT),
        Method::HEAD => answers::empty(StatusCode::OK),
        _ => answers::not_allowed(SESSION_METHODS),
    }
}

async fn join(
    side: Side,
    shared: &Shared,
    path: &str,
    request: Request,
) -> Result<Response, Problem> {
    let kind = header(&request, CONTENT_TYPE);
    if !is_media_type(kind.as_deref(), SDP) {
        return Err(Problem::new(
            415,
            "The offer's content type must be application/sdp.",
        ));
    }
    let behind_proxy = is_behind_proxy(request.headers());
    let offer = text(request.into_body(), OFFER).await?;
    let (peers, joined) = shared.join(side, path, &offer).await?;
    shared.seat(joined.id.clone(), path, peers);
    created(side, path, &joined, behind_proxy)
}

fn created(
    side: Side,
    path: &str,
    joined: &Joined,
    behind_proxy: bool,
) -> Result<Response, Problem> {
    let invalid = |_error| Problem::new(500, "The answer has a header that HTTP does not allow.");
    let value = |text: &str| HeaderValue::try_from(text).map_err(invalid);
    // A proxy may have cut a prefix off the path; relative to the endpoint, the session is right anyway.
    let location = if behind_proxy {
        format!("{}/{}", side.name(), joined.id)
    } else {
        format!("/{path}/{}/{}", side.name(), joined.id)
    };
    let mut response = Response::new(Body::from(joined.answer.clone()));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(LOCATION, value(&location)?);
    headers.insert(ETAG, value(&joined.etag)?);
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT));
    for link in &joined.link {
        headers.append(LINK, value(link)?);
    }
    Ok(response)
}

/// Answers a PATCH that worked; candidates alone get no `ETag` (RFC 9725).
fn took(patched: Patched) -> Response {
    match patched {
        Patched::Trickled => answers::empty(StatusCode::NO_CONTENT),
        Patched::Restarted { body, etag } => {
            let mut response = Response::new(Body::from(body));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(FRAGMENT));
            if let Ok(etag) = HeaderValue::try_from(etag) {
                headers.insert(ETAG, etag);
            }
            response
        }
    }
}

fn options(methods: &'static str, accept: (HeaderName, &'static str)) -> Response {
    let mut response = answers::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static(methods);
    headers.insert(ALLOW, methods.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, If-Match"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    headers.insert(accept.0, HeaderValue::from_static(accept.1));
    response
}

async fn text(body: Body, limit: usize) -> Result<String, Problem> {
    let bytes = to_bytes(body, limit).await.map_err(|error| {
        if is_too_long(&error) {
            Problem::new(413, format!("The body may have {limit} bytes."))
        } else {
            Problem::new(
                400,
                "The body did not come whole: its chunks are malformed, or the connection broke.",
            )
        }
    })?;
    String::from_utf8(bytes.into())
        .map_err(|_invalid| Problem::new(400, "The body is not UTF-8 text."))
}

/// Says whether a body was cut because it is too long, here or by a layer around us.
fn is_too_long(error: &axum::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<LengthLimitError>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

fn header(request: &Request, name: HeaderName) -> Option<String> {
    let value = request.headers().get(name)?;
    value.to_str().ok().map(ToOwned::to_owned)
}

/// Compares without parameters and without letter case, as RFC 9110 has it.
fn is_media_type(value: Option<&str>, expected: &str) -> bool {
    value
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(expected))
}

fn is_behind_proxy(headers: &HeaderMap) -> bool {
    let by_proxies = ["forwarded", "x-forwarded-for", "x-forwarded-prefix"];
    headers.contains_key(VIA) || by_proxies.iter().any(|name| headers.contains_key(*name))
}
