//! Two gateways in a row: one pushes to the other by WHIP, or the other pulls from it by WHEP. And the stock elements
//! of gst-plugin-webrtc at our endpoints.

mod pull;
mod push;
mod rights;
mod stock;
mod targets;

use serde_json::Value;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::publisher::PublisherOptions;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers};

use crate::secs;

/// A gateway that waits for a publisher at `cam`.
fn target() -> Gateway {
    let gateway = GatewayOptions::new()
        .path_with("cam", &[("source", "publisher")])
        .start();
    gateway.wait_state("cam", "waiting", secs(15));
    gateway
}

/// The same at this port, so that it can come back.
fn target_at(port: u16, top: Option<&str>) -> Gateway {
    let options = GatewayOptions::new().path_with("cam", &[("source", "publisher")]);
    let options = match top {
        Some(top) => options.top(top),
        None => options,
    };
    let yaml = options
        .yaml()
        .replace("listen: \":0\"", &format!("listen: \":{port}\""));
    GatewayOptions::new().yaml_text(&yaml).start()
}

fn whip_at(port: u16) -> String {
    format!("whip://127.0.0.1:{port}/cam/whip")
}

/// A gateway that takes publishers at `cam` and pushes them on.
fn pushing(forward: &str) -> Gateway {
    let keys = [("source", "publisher"), ("forward", forward)];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    gateway.wait_state("cam", "waiting", secs(15));
    gateway
}

/// A gateway that shows `source` at `cam`.
fn pulling(source: &str) -> Gateway {
    let source = format!("\"{source}\"");
    let keys = [("source", source.as_str()), ("on_demand", "false")];
    GatewayOptions::new().path_with("cam", &keys).start()
}

/// The WHEP address of another gateway, as a source.
fn whep_of(gateway: &Gateway) -> String {
    gateway.whep("cam").replace("http://", "whep://")
}

fn small(codec: Payload) -> PublisherOptions {
    PublisherOptions {
        video: Some(codec),
        size: (640, 360),
        ..PublisherOptions::default()
    }
}

fn takes(codec: Payload) -> ViewerOptions {
    ViewerOptions {
        codecs: vec![codec],
        ..ViewerOptions::default()
    }
}

/// Waits until the first forward of `cam` is as wanted.
fn wait_forward(gateway: &Gateway, limit: u64, wanted: impl Fn(&Value) -> bool) -> Value {
    let path = gateway.wait_path("cam", secs(limit), |path| wanted(&path["forward"][0]));
    path["forward"][0].clone()
}

fn is_running(forward: &Value) -> bool {
    forward["state"] == "running"
}

fn watches(viewers: &Viewers, gateway: &Gateway, codec: Payload) -> Viewer {
    let viewer = viewers.watch(&gateway.whep("cam"), takes(codec));
    viewer.wait_frames(60, secs(30));
    viewer.wait_audio(60, secs(30));
    viewer
}

/// Publishing needs this token.
const SECRET: &str = "t0ken-of-the-target";
const WRONG: &str = "wr0ng-of-somebody";

fn guarded() -> String {
    format!(
        "auth:\n  rate_limit: off\n  tokens:\n    pusher: {{token: {SECRET}}}\n  allow:\n    - {{who: anyone, may: [read, api]}}\n    - {{who: pusher, may: publish}}\n"
    )
}
