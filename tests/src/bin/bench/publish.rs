//! The way from a publisher to a viewer, with and without the gateway between.

use std::time::{Duration, Instant};

use sluice_tests::gateway::GatewayOptions;
use sluice_tests::process::START;
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers};
use sluice_tests::wait::pass;

/// Joining and the group of pictures that comes first are over after it.
const SETTLE: Duration = Duration::from_secs(4);

/// What one way has shown.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// The gateway's `latency`.
    pub(crate) jitter_buffer: Option<String>,
    /// Of frames at the viewer, in ms.
    pub(crate) ages: Vec<f64>,
}

/// Measures straight, then through the gateway with each of these jitter buffers.
pub(crate) fn measure(span: Duration, latencies: &[String]) -> Vec<Way> {
    let through = latencies.iter().map(|latency| through(latency, span));
    [straight(span)].into_iter().chain(through).collect()
}

fn publisher() -> PublisherOptions {
    PublisherOptions {
        stamp: true,
        ..PublisherOptions::default()
    }
}

fn viewer() -> ViewerOptions {
    ViewerOptions {
        codecs: vec![Payload::H264],
        ..ViewerOptions::default()
    }
}

fn straight(span: Duration) -> Way {
    let viewers = Viewers::new();
    let mut watching = None;
    let _publisher = Publisher::straight(&publisher(), |offer| {
        let viewer = viewers.answer(offer, Instant::now(), viewer());
        let answer = viewer.offer.clone();
        watching = Some(viewer);
        answer
    });
    let viewer = watching.expect("the viewer answered");
    viewer.wait_frames(30, START);
    Way {
        name: "straight",
        jitter_buffer: None,
        ages: ages(&viewer, span),
    }
}

fn through(latency: &str, span: Duration) -> Way {
    let keys = [("source", "publisher"), ("latency", latency)];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    gateway.wait_state("cam", "waiting", START);
    let _publisher = Publisher::start(&gateway.whip("cam"), &publisher());
    gateway.wait_state("cam", "running", START);
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), viewer());
    Way {
        name: "through Sluice",
        jitter_buffer: Some(latency.to_owned()),
        ages: ages(&viewer, span),
    }
}

fn ages(viewer: &Viewer, span: Duration) -> Vec<f64> {
    pass(SETTLE);
    drop(viewer.take_stamped());
    pass(span);
    let ages = viewer.take_stamped();
    ages.into_iter().map(|(_, us)| us as f64 / 1000.0).collect()
}
