//! The control plane: HTTP in, [`Paths`] asked. It knows no GStreamer type.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use sluice_core::IceSource;
use sluice_core::problem::Problem;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::recordings::{Archive, Uploads};
use crate::supervisor::Paths;

mod access;
mod api;
mod cors;
mod error;
mod ice;
mod listen;
mod metrics;
mod pages;
mod recordings;
mod refused;
mod serve;
mod signalling;
mod thumbnail;
mod tls;

pub(crate) use access::check_keys;
pub use access::{Gate, Peer};
pub use listen::{ListenError, addresses, bind};
pub use serve::serve;
pub use signalling::Sockets;
pub use tls::{Certificate, TlsError};

/// No body that Sluice takes is longer: offers of browsers are below 20 kB.
const MAX_BODY: usize = 256 * 1024;

/// Makes the one router: WHEP and players of every path, the list of paths, the API.
///
/// `gate` decides about every request; `ice_servers` are told to those who may watch; `sockets` keeps those of
/// `/ws`; `recordings` knows their files.
/// `patience` is how long a source may take to start; requests end some seconds after it.
pub fn router(
    paths: &Arc<Paths>,
    gate: Arc<Gate>,
    ice_servers: &[IceSource],
    patience: Duration,
    sockets: &Arc<Sockets>,
    recordings: Recordings,
) -> Router {
    let ours = Router::new()
        .route("/", get(pages::index))
        .route("/_sluice/index.css", get(pages::style))
        .route("/_sluice/index.js", get(pages::script))
        .route("/healthz", get(api::health))
        .route("/metrics", get(metrics::text))
        .route("/api/v1/paths", get(api::paths))
        .route("/api/v1/ports", get(api::ports))
        .route("/api/v1/paths/{path}", get(api::path))
        .route(
            "/api/v1/paths/{path}/plan",
            get(api::plan).post(api::plan_of_body),
        )
        .route("/api/v1/paths/{path}/record/start", post(recordings::start))
        .route("/api/v1/paths/{path}/record/stop", post(recordings::stop))
        .route("/api/v1/paths/{path}/record/event", post(recordings::event))
        .route("/api/v1/recordings", get(recordings::all))
        .route("/api/v1/recordings/{path}", get(recordings::of_path))
        .route("/api/v1/recordings/{path}/get", get(recordings::cut))
        .route(
            "/api/v1/recordings/{path}/index.m3u8",
            get(recordings::playlist),
        )
        .route(
            "/api/v1/recordings/{path}/files/{*name}",
            get(recordings::file),
        )
        .route("/{path}/recordings", get(pages::recordings))
        .route("/_sluice/recordings.css", get(pages::recordings_style))
        .route("/_sluice/recordings.js", get(pages::recordings_script))
        .route("/{path}/thumbnail.jpg", get(thumbnail::jpeg))
        .with_state(Control {
            paths: Arc::clone(paths),
            thumbnails: Arc::default(),
            archive: recordings.archive,
            uploads: recordings.uploads,
        });
    let players = gstsluicewebrtc::http::router(
        Arc::clone(paths) as Arc<dyn gstsluicewebrtc::http::Directory>
    );
    ours.merge(players)
        .merge(signalling::route(paths, sockets))
        .fallback(nothing_here)
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            patience + Duration::from_secs(10),
        ))
        .layer(middleware::from_fn_with_state(
            Arc::<[IceSource]>::from(ice_servers),
            ice::links,
        ))
        .layer(middleware::from_fn_with_state(gate, access::guard))
        .layer(middleware::from_fn(headers))
}

/// What is known of recordings.
#[derive(Debug, Clone, Default)]
pub struct Recordings {
    /// Their files.
    pub archive: Arc<Archive>,
    /// Those on their way elsewhere, if any go.
    pub uploads: Option<Arc<Uploads>>,
}

/// What the handlers share.
#[derive(Debug, Clone)]
struct Control {
    paths: Arc<Paths>,
    thumbnails: Arc<thumbnail::Thumbnails>,
    archive: Arc<Archive>,
    uploads: Option<Arc<Uploads>>,
}

async fn nothing_here() -> Response {
    error::Refusal(Problem::new(
        404,
        "There is nothing at this address; / lists the paths.",
    ))
    .into_response()
}

/// Headers that every answer has, unless its handler chose its own.
const HEADERS: [(header::HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        // Thumbnails are fetched with credentials, and shown from memory; recordings are, too.
        "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors *",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
