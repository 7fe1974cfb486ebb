//! The built gateway against real sources and real viewers; one module per theme.
//!
//! One binary, because linking is what costs on a small machine. Needs root (network namespaces),
//! Chromium, Firefox ESR, ffmpeg and srt-tools: `make test` installs them.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod access;
mod browsers;
mod conformance;
mod errors;
mod faults;
mod hostile;
mod nat;
mod network;
mod overload;
mod pacing;
mod peers;
mod presets;
mod publish;
mod publishers;
mod record;
mod redial;
mod relay;
mod restart;
mod signalling;
mod soak;
mod sources;
mod transcodes;
mod viewers;

use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};

/// A gateway that serves this camera over TCP as `cam`.
fn serving(camera: &Camera) -> Gateway {
    let keys = [("source", camera.url()), ("rtsp_transport", "tcp")];
    GatewayOptions::new().path_with("cam", &keys).start()
}

/// The seconds' length of time.
const fn secs(n: u64) -> std::time::Duration {
    std::time::Duration::from_secs(n)
}
