//! `Link` headers with STUN and TURN servers, for those who may watch or publish (RFC 9725, 4.6).

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{Request, State};
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, LINK};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use sluice_core::IceSource;

use super::access::Caller;

/// Adds the headers to the 201 of a POST, and to the answer of an OPTIONS that is no preflight: a player
/// needs them before it makes its offer.
pub(super) async fn links(
    State(servers): State<Arc<[IceSource]>>,
    request: Request,
    next: Next,
) -> Response {
    let client = client(&request);
    let asked = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let Some(client) = client else {
        return response;
    };
    if !(asked || response.status() == StatusCode::CREATED) {
        return response;
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    for server in servers.iter() {
        let link = server.link(&client, now).ok();
        match link.and_then(|link| HeaderValue::try_from(link).ok()) {
            Some(mut link) => {
                link.set_sensitive(true);
                response.headers_mut().append(LINK, link);
            }
            None => tracing::warn!(
                server = server.url(),
                "an ICE server cannot be written into a header"
            ),
        }
    }
    response
}

/// Names the client for the TURN server's log; `None` for whoever gets no servers.
fn client(request: &Request) -> Option<String> {
    let caller = request.extensions().get::<Caller>()?;
    let mut parts = request.uri().path().split('/').skip(1);
    let (path, end) = (parts.next()?, parts.next()?);
    let endpoint = matches!(end, "whep" | "whip") && parts.next().is_none();
    let method = match *request.method() {
        Method::POST => true,
        Method::OPTIONS => !request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD),
        _ => false,
    };
    (endpoint && method).then(|| caller.name.clone().unwrap_or_else(|| path.to_owned()))
}
