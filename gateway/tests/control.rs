//! The control plane over a real supervisor, without a network.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use serde_json::Value;
use sluice::config::Config;
use sluice::control;
use sluice::supervisor::{Paths, Supervisor};
use tower::ServiceExt as _;

const CONFIG: &str = "
defaults: {idle_stop: 100ms}
paths:
  bars: {source: 'test:?size=320x180&fps=10'}
  always: {source: 'test:?size=320x180&fps=10', on_demand: false}
  gone: {source: 'file:///nowhere/at/all.mp4'}
  shut: {source: 'rtsp://bob:hunter2@127.0.0.1:1/x'}
";

fn gateway() -> (Supervisor, axum::Router, Arc<Paths>) {
    sluice_pipelines::init().unwrap();
    let config = Config::parse("test.yaml", CONFIG, &[]).unwrap();
    let supervisor = Supervisor::start(&config);
    let paths = supervisor.paths();
    let gate = control::Gate::new(config.access.clone()).unwrap();
    let router = control::router(
        &paths,
        gate,
        &config.ice_servers,
        Duration::from_secs(10),
        &control::Sockets::new(),
        control::Recordings::default(),
    );
    (supervisor, router, paths)
}

/// A viewer's offer whose codecs nobody has: it starts a source, and becomes no session.
fn offer() -> String {
    include_str!("../../plugins/core/testdata/offer-str0m-0.25.sdp")
        .replace("H264/90000", "x264/90000")
        .replace("VP8/90000", "x8/90000")
}

async fn ask(router: &axum::Router, method: &str, address: &str) -> Response<Body> {
    let request = Request::builder()
        .method(method)
        .uri(address)
        .header("content-type", "application/sdp")
        .header("host", "localhost:8889")
        .extension(control::Peer("127.0.0.1:4711".parse().unwrap()))
        .body(Body::from(offer()))
        .unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn json(response: Response<Body>) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

/// Waits until the API says that a path is in a state.
async fn until(paths: &Paths, path: &str, state: &str) {
    let reached = async {
        while paths.describe(path).unwrap()["state"] != state {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), reached)
        .await
        .unwrap();
}

/// A process must not end in the middle of its routes.
async fn end(supervisor: Supervisor) {
    assert_eq!(supervisor.drain(Duration::from_secs(10)).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_not_there_is_404_with_a_sentence() {
    let (supervisor, router, _) = gateway();
    for (method, address) in [
        ("GET", "/api/v1/paths/none"),
        ("GET", "/none/thumbnail.jpg"),
        ("POST", "/none/whep"),
        ("GET", "/no/such/thing"),
    ] {
        let response = ask(&router, method, address).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{address}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json",
            "{address}"
        );
        assert!(
            json(response).await["detail"]
                .as_str()
                .unwrap()
                .ends_with('.'),
            "{address}"
        );
    }
    end(supervisor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_the_security_headers() {
    let (supervisor, router, _) = gateway();
    for address in [
        "/",
        "/_sluice/index.js",
        "/_sluice/player.js",
        "/bars",
        "/healthz",
        "/api/v1/paths",
        "/x/y/z",
    ] {
        let response = ask(&router, "GET", address).await;
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'self'"), "{address}: {policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{address}");
    }
    end(supervisor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_the_list_starts_nothing() {
    let (supervisor, router, paths) = gateway();
    let response = ask(&router, "GET", "/bars/thumbnail.jpg").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(
        ask(&router, "GET", "/api/v1/paths").await.status(),
        StatusCode::OK
    );
    assert_eq!(ask(&router, "GET", "/bars").await.status(), StatusCode::OK);
    assert_eq!(paths.describe("bars").unwrap()["state"], "idle");
    end(supervisor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_starts_an_on_demand_path_which_stops_when_nobody_comes() {
    let (supervisor, router, paths) = gateway();
    let response = ask(&router, "POST", "/bars/whep").await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(paths.describe("bars").unwrap()["state"], "running");
    assert_eq!(
        paths.describe("bars").unwrap()["tracks"][0]["kind"],
        "video"
    );
    until(&paths, "bars", "idle").await;
    end(supervisor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_always_runs_has_a_thumbnail() {
    let (supervisor, router, paths) = gateway();
    until(&paths, "always", "running").await;
    let made = async {
        loop {
            let response = ask(&router, "GET", "/always/thumbnail.jpg").await;
            if response.status() == StatusCode::OK {
                return response;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let response = tokio::time::timeout(Duration::from_secs(15), made)
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "image/jpeg");
    let jpeg = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    assert!(
        jpeg.starts_with(&[0xff, 0xd8]),
        "not a JPEG: {} bytes",
        jpeg.len()
    );
    end(supervisor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_not_there_is_502_in_its_own_words_while_others_play() {
    let (supervisor, router, paths) = gateway();
    for path in ["gone", "shut"] {
        let response = ask(&router, "POST", &format!("/{path}/whep")).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{path}");
        assert!(
            json(response).await["detail"]
                .as_str()
                .unwrap()
                .ends_with('.'),
            "{path}"
        );
    }
    until(&paths, "always", "running").await;
    let all = text(ask(&router, "GET", "/api/v1/paths").await).await;
    assert!(!all.contains("hunter2"), "{all}");
    assert!(!format!("{paths:?}").contains("hunter2"));
    end(supervisor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_stops_every_path_and_refuses_new_viewers() {
    let (supervisor, router, paths) = gateway();
    until(&paths, "always", "running").await;
    assert_eq!(supervisor.drain(Duration::from_secs(5)).await, 0);
    let response = ask(&router, "POST", "/bars/whep").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
}
