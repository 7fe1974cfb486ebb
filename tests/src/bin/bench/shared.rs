//! One rendition for one viewer, and for twenty: what decodes and encodes must cost the same.

use std::fs;
use std::time::{Duration, Instant};

use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::process::START;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers};
use sluice_tests::wait::pass;

const VIEWERS: [usize; 2] = [1, 20];
const SETTLE: Duration = Duration::from_secs(5);
const FIRST_PICTURE: Duration = Duration::from_secs(20);

/// The threads of `sluicetranscode`: its own, and those of the pipelines in it. Libraries' threads are called as those that
/// started them.
const CODEC_THREADS: [&str; 3] = ["appsrc", "sluice-engine", "sluicetranscode"];

/// What a rendition took while so many viewers watched it.
#[derive(Debug)]
pub(crate) struct Rendition {
    pub(crate) viewers: usize,
    /// CPU ms per second of decoding and encoding.
    pub(crate) codec_ms: f64,
    /// CPU ms per second of the whole process.
    pub(crate) all_ms: f64,
    pub(crate) frames_per_s: f64,
    /// Frames left out, in the whole run.
    pub(crate) dropped: u64,
}

/// Measures one after the other, each with a gateway of its own.
pub(crate) fn measure(span: Duration) -> Vec<Rendition> {
    VIEWERS.map(|count| one(count, span)).into()
}

fn one(count: usize, span: Duration) -> Rendition {
    let camera = Camera::with("--transports tcp --key-interval 2");
    let keys = [
        ("source", camera.url()),
        ("rtsp_transport", "tcp"),
        ("transcode", "{codecs: [vp8], bitrate: 2Mbps}"),
        ("on_demand", "false"),
    ];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    gateway.wait_state("cam", "running", START);
    let group = Viewers::new();
    let join = |number| {
        let options = ViewerOptions {
            codecs: vec![Payload::Vp8],
            light: number > 0,
            ..ViewerOptions::default()
        };
        group.watch(&gateway.whep("cam"), options)
    };
    let viewers: Vec<_> = (0..count).map(join).collect();
    for viewer in &viewers {
        viewer.wait_key_frame(FIRST_PICTURE);
    }
    pass(SETTLE);
    let frames = || viewers.iter().map(seen).sum::<u64>();
    let (start, from, frames_from) = (Instant::now(), cpu_ms(&gateway), frames());
    pass(span);
    let (to, frames_to) = (cpu_ms(&gateway), frames());
    let seconds = start.elapsed().as_secs_f64();
    let rendition = &gateway.path("cam")["renditions"][0];
    Rendition {
        viewers: count,
        codec_ms: (to.0 - from.0) / seconds,
        all_ms: (to.1 - from.1) / seconds,
        frames_per_s: (frames_to - frames_from) as f64 / seconds / count as f64,
        dropped: rendition["dropped"].as_u64().unwrap_or_default(),
    }
}

fn seen(viewer: &Viewer) -> u64 {
    viewer.counts().video.frames
}

/// CPU ms of the codec's threads, and of all.
fn cpu_ms(gateway: &Gateway) -> (f64, f64) {
    let folder = format!("/proc/{}/task", gateway.process().pid());
    let threads = fs::read_dir(folder).expect("the gateway runs");
    let of_thread = |thread: fs::DirEntry| {
        // One that has just ended takes nothing.
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        // User and system time, in ticks of 10 ms: the 14th and 15th field (proc(5)).
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
        let codec = CODEC_THREADS.iter().any(|begin| name.starts_with(begin));
        Some((codec, ticks * 10.0))
    };
    let (mut codec, mut all) = (0.0, 0.0);
    for (is_codec, ms) in threads.filter_map(Result::ok).filter_map(of_thread) {
        all += ms;
        codec += if is_codec { ms } else { 0.0 };
    }
    (codec, all)
}
