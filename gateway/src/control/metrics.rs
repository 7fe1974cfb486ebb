//! `/metrics`: the figures of every path, in Prometheus's text format.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Control;
use crate::supervisor::metrics::{METRICS, Metric};

pub(super) async fn text(State(control): State<Control>) -> Response {
    let mut figures = control.paths.figures();
    figures.extend(control.uploads.iter().flat_map(|all| all.figures()));
    let mut text = String::new();
    for Metric { name, kind, help } in METRICS {
        let samples: Vec<_> = figures
            .iter()
            .filter(|figure| figure.name == *name)
            .collect();
        if samples.is_empty() {
            continue;
        }
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        for sample in samples {
            // Names of paths and states hold nothing that would have to be escaped.
            let labels = sample.labels.iter();
            let labels: Vec<_> = labels
                .map(|(label, value)| format!("{label}=\"{value}\""))
                .collect();
            text.push_str(&format!(
                "{name}{{{}}} {}\n",
                labels.join(","),
                sample.value
            ));
        }
    }
    (
        [
            (header::CONTENT_TYPE, "text/plain; version=0.0.4"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        text,
    )
        .into_response()
}
