//! The list of paths and the page of recordings, compiled in.

use axum::http::header;
use axum::response::{IntoResponse, Response};

const INDEX: &str = include_str!("../pages/index.html");
const STYLE: &str = include_str!("../pages/index.css");
const SCRIPT: &str = include_str!("../pages/index.js");

const RECORDINGS: &str = include_str!("../pages/recordings.html");
const RECORDINGS_STYLE: &str = include_str!("../pages/recordings.css");
const RECORDINGS_SCRIPT: &str = include_str!("../pages/recordings.js");

pub(super) async fn index() -> Response {
    asset("text/html; charset=utf-8", INDEX)
}

pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn recordings() -> Response {
    asset("text/html; charset=utf-8", RECORDINGS)
}

pub(super) async fn recordings_style() -> Response {
    asset("text/css; charset=utf-8", RECORDINGS_STYLE)
}

pub(super) async fn recordings_script() -> Response {
    asset("text/javascript; charset=utf-8", RECORDINGS_SCRIPT)
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    // A new version of Sluice brings new pages: browsers must ask each time.
    (
        [
            (header::CONTENT_TYPE, media_type),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
        .into_response()
}
