//! A refusal for people: a page with the sentence.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sluice_core::problem::Problem;

const PAGE: &str = include_str!("../pages/refused.html");

/// Makes the page; `depth` is how many slashes the address has, so that the style sheet is found.
pub(super) fn page(problem: &Problem, depth: usize) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
    let page = PAGE
        .replace("{up}", &"../".repeat(depth.saturating_sub(1).min(8)))
        .replace("{sentence}", &escaped(&problem.detail));
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, page).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_from_the_address_is_no_markup() {
        let problem = Problem::new(403, "not \"<script>alert(1)</script>\" & co");
        let page = axum::body::to_bytes(page(&problem, 2).into_body(), 1 << 16).await;
        let page = String::from_utf8(page.unwrap().to_vec()).unwrap();
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
        assert!(page.contains("href=\"../_sluice/index.css\""), "{page}");
    }
}
