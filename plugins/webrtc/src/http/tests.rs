//! What CONFORMANCE.md wants of the HTTP side, without a viewer.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use sluice_core::Problem;
use tower::ServiceExt;

use super::{Directory, router};
use crate::publishers::Publishers;
use crate::viewers::Viewers;

/// An offer that can be read.
const OFFER: &str = include_str!("../../../core/testdata/offer-str0m-0.25.sdp");

/// One path, whose source does not play.
struct Asleep;

impl Directory for Asleep {
    fn open<'a>(&'a self, _path: &'a str) -> BoxFuture<'a, Result<Viewers, Problem>> {
        let wait = std::time::Duration::from_millis(1500);
        let problem = Problem::new(503, "the camera does not answer").retry_after(wait);
        Box::pin(async { Err(problem) })
    }

    fn publishers<'a>(&'a self, _path: &'a str) -> BoxFuture<'a, Result<Publishers, Problem>> {
        Box::pin(async { Err(Problem::new(503, "not yet")) })
    }

    fn knows(&self, path: &str) -> bool {
        path == "door" || self.takes_publishers(path)
    }

    fn takes_publishers(&self, path: &str) -> bool {
        path == "studio"
    }

    fn status(&self, path: &str) -> Option<serde_json::Value> {
        self.knows(path)
            .then(|| serde_json::json!({"state": "waiting"}))
    }
}

async fn ask(
    method: &str,
    path: &str,
    kind: Option<&str>,
    body: impl Into<Body>,
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    let request = request.body(body.into()).unwrap();
    let response = router(Arc::new(Asleep)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (parts.status, parts.headers, text)
}

#[tokio::test]
async fn every_method_has_its_status() {
    let sdp = Some("application/sdp");
    for (method, path, kind, status) in [
        ("POST", "/door/whep", sdp, 503),
        (
            "POST",
            "/door/whep",
            Some("Application/SDP; charset=utf-8"),
            503,
        ),
        ("POST", "/door/whep", Some("text/plain"), 415),
        ("POST", "/door/whep", None, 415),
        ("POST", "/nowhere/whep", sdp, 404),
        ("GET", "/door/whep", None, 204),
        ("HEAD", "/door/whep", None, 200),
        ("OPTIONS", "/door/whep", None, 204),
        ("PUT", "/door/whep", None, 405),
        ("PATCH", "/door/whep", None, 405),
        ("OPTIONS", "/door/whep/AAAAAAAAAAAAAAAAAAAAAA", None, 204),
        ("DELETE", "/door/whep/AAAAAAAAAAAAAAAAAAAAAA", None, 404),
        ("PATCH", "/door/whep/AAAAAAAAAAAAAAAAAAAAAA", None, 404),
        ("DELETE", "/door/whep/..%2f..%2fetc", None, 404),
        ("POST", "/studio/whip", sdp, 503),
        ("POST", "/studio/whip", Some("text/plain"), 415),
        ("POST", "/studio/whip", None, 415),
        ("POST", "/door/whip", sdp, 404),
        ("OPTIONS", "/door/whip", None, 404),
        ("POST", "/nowhere/whip", sdp, 404),
        ("GET", "/studio/whip", None, 204),
        ("HEAD", "/studio/whip", None, 200),
        ("OPTIONS", "/studio/whip", None, 204),
        ("PUT", "/studio/whip", None, 405),
        ("PATCH", "/studio/whip", None, 405),
        ("OPTIONS", "/studio/whip/AAAAAAAAAAAAAAAAAAAAAA", None, 204),
        ("DELETE", "/studio/whip/AAAAAAAAAAAAAAAAAAAAAA", None, 404),
        ("PATCH", "/studio/whip/AAAAAAAAAAAAAAAAAAAAAA", None, 404),
        ("GET", "/studio/publish", None, 200),
        ("GET", "/door/publish", None, 404),
        ("GET", "/nowhere/publish", None, 404),
        ("GET", "/_sluice/publish.js", None, 200),
        ("GET", "/door", None, 200),
        ("GET", "/nowhere", None, 404),
        ("GET", "/door/", None, 308),
        ("GET", "/door/status.json", None, 200),
        ("GET", "/nowhere/status.json", None, 404),
        ("GET", "/_sluice/player.js", None, 200),
    ] {
        let offer = match path {
            "/studio/whip" => OFFER.replace("recvonly", "sendonly"),
            _ => OFFER.to_owned(),
        };
        let (got, ..) = ask(method, path, kind, offer).await;
        assert_eq!(got, status, "{method} {path} {kind:?}");
    }
}

#[tokio::test]
async fn an_offer_that_cannot_be_read_is_400_and_no_reason_to_start_a_source() {
    let sdp = Some("application/sdp");
    let (status, _, body) = ask("POST", "/door/whep", sdp, "v=0\r\n").await;
    assert_eq!(status, 400, "{body}");
    let (status, _, body) = ask("POST", "/studio/whip", sdp, OFFER).await;
    assert_eq!(status, 422, "a viewer's offer: {body}");
}

#[tokio::test]
async fn a_problem_is_json_with_a_sentence_and_when_to_come_back() {
    let (status, headers, body) = ask("POST", "/door/whep", Some("application/sdp"), OFFER).await;
    assert_eq!(status, 503);
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["retry-after"], "2");
    assert!(body.contains("the camera does not answer"), "{body}");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_413() {
    let long = "x".repeat(70_000);
    for path in ["/door/whep", "/studio/whip"] {
        let (status, ..) = ask("POST", path, Some("application/sdp"), long.clone()).await;
        assert_eq!(status, 413, "{path}");
    }
}

#[tokio::test]
async fn browsers_of_any_origin_may_use_it_and_read_its_headers() {
    let (_, headers, _) = ask("OPTIONS", "/door/whep", None, "").await;
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert_eq!(headers["accept-post"], "application/sdp");
    let methods = headers["access-control-allow-methods"].to_str().unwrap();
    assert!(methods.contains("POST"), "{methods}");
    let (_, headers, _) = ask("POST", "/door/whep", None, "").await;
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    for name in [
        "Location",
        "ETag",
        "Link",
        "Retry-After",
        "WWW-Authenticate",
    ] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let (_, headers, _) = ask("OPTIONS", "/door/whep/x", None, "").await;
    assert_eq!(headers["accept-patch"], "application/trickle-ice-sdpfrag");
    assert!(headers.get("link").is_none());
}

#[tokio::test]
async fn a_method_that_is_not_allowed_names_those_that_are() {
    let (status, headers, _) = ask("DELETE", "/door/whep", None, "").await;
    assert_eq!(status, 405);
    assert_eq!(headers["allow"], "GET, HEAD, OPTIONS, POST");
}

#[tokio::test]
async fn the_page_runs_only_what_comes_from_here() {
    let (_, headers, body) = ask("GET", "/door", None, "").await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self'"), "{policy}");
    assert!(body.contains("_sluice/player.js"));
    let (_, headers, _) = ask("GET", "/door/", None, "").await;
    assert_eq!(headers["location"], "../door");
}

#[tokio::test]
async fn a_body_that_breaks_is_400_and_one_that_is_too_long_413() {
    let broken = || std::io::Error::other("an invalid chunk size line");
    let parts = |count| futures::stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(OFFER)));
    let cut = parts(1).chain(futures::stream::iter([Err(broken())]));
    let long = parts(100);
    for (body, status, says) in [
        (Body::from_stream(cut), 400, "did not come whole"),
        (Body::from_stream(long), 413, "65536"),
    ] {
        let (answered, _, text) = ask("POST", "/door/whep", Some("application/sdp"), body).await;
        assert_eq!(answered, status, "{text}");
        assert!(text.contains(says), "{text}");
    }
}
