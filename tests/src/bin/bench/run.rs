//! One measured run: a camera, a server, its viewers.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::proc::{Usage, usage};
use sluice_tests::process::{Process, START};
use sluice_tests::viewer::rtp::{Payload, Totals};
use sluice_tests::viewer::{Counts, Viewer, ViewerOptions, Viewers};
use sluice_tests::wait::{pass, within};

/// Viewers that read everything, as browsers do; the others read headers only after their first
/// picture, so that this program does not take the processor from the server.
const FULL: usize = 10;
const RAMP: Duration = Duration::from_millis(50);
const SETTLE: Duration = Duration::from_secs(3);
/// Of the 30 that the camera sends.
const ENOUGH: f64 = 29.0;
const FIRST_PICTURE: Duration = Duration::from_secs(20);

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The gateway.
    Sluice,
    /// The gateway, with the line below `webrtc` in its config that makes sending dearer.
    SluiceWith(&'static str),
    /// One appsrc → webrtcbin pipeline per viewer.
    Webrtcbin,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sluice => "Sluice",
            Self::SluiceWith(line) => return write!(f, "Sluice, `{line}`"),
            Self::Webrtcbin => "plain webrtcbin",
        })
    }
}

/// What a run has shown.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) server: Server,
    pub(crate) viewers: usize,
    /// Viewers that never saw a picture; no other figure has them in it.
    pub(crate) blind: usize,
    pub(crate) cpu_ms: f64,
    pub(crate) rss_kb: f64,
    pub(crate) threads: f64,
    pub(crate) answers: Vec<f64>,
    pub(crate) first_pictures: Vec<f64>,
    pub(crate) loss: f64,
    pub(crate) latencies: Vec<f64>,
    pub(crate) frames_per_s: f64,
}

/// Keeps the server alive while it is measured.
enum Running {
    Sluice(Gateway),
    Webrtcbin(Process, String),
}

impl Running {
    fn start(server: Server, camera: &Camera) -> Self {
        match server {
            Server::Sluice | Server::SluiceWith(_) => {
                let keys = [
                    ("source", camera.url()),
                    ("rtsp_transport", "tcp"),
                    ("on_demand", "false"),
                ];
                let mut options = GatewayOptions::new().path_with("cam", &keys).udp_range(400);
                if let Server::SluiceWith(line) = server {
                    options = options.webrtc(line);
                }
                let gateway = options.start();
                gateway.wait_state("cam", "running", START);
                Self::Sluice(gateway)
            }
            Server::Webrtcbin => {
                let me = std::env::current_exe().expect("a running program has a path");
                let mut command = Command::new(me);
                command.args(["--baseline", camera.url()]);
                let process = Process::spawn("baseline", &mut command);
                let url = process.wait_line(START, |l| {
                    l.strip_prefix("The baseline is ready: ").map(str::to_owned)
                });
                Self::Webrtcbin(process, url)
            }
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Sluice(gateway) => gateway.whep("cam"),
            Self::Webrtcbin(_, url) => url.clone(),
        }
    }

    /// What it said, for a run that went wrong.
    fn log(&self) -> String {
        match self {
            Self::Sluice(gateway) => gateway.log(),
            Self::Webrtcbin(process, _) => process.log(),
        }
    }

    fn usage(&self) -> Usage {
        let pid = match self {
            Self::Sluice(gateway) => gateway.process().pid(),
            Self::Webrtcbin(process, _) => process.pid(),
        };
        usage(pid).expect("the server runs")
    }
}

/// Starts everything anew and measures one window of `span`.
pub(crate) fn measure(server: Server, count: usize, span: Duration) -> Row {
    let camera = Camera::with("--audio opus --stamp --transports tcp --key-interval 2");
    let running = Running::start(server, &camera);
    pass(SETTLE);
    let begin = (Instant::now(), running.usage());
    pass(SETTLE);
    let idle = running.usage();
    let idle_ms = (idle.cpu_ms - begin.1.cpu_ms) / begin.0.elapsed().as_secs_f64();

    let group = Viewers::new();
    let mut viewers = ramp(&group, &running.url(), count);
    let to_picture = |v: &Viewer| within(FIRST_PICTURE, || v.counts().to_key_frame);
    let first_pictures: Vec<f64> = viewers.iter().filter_map(to_picture).map(ms).collect();
    viewers.retain(|v| v.counts().to_key_frame.is_some());
    pass(SETTLE);

    let before: Vec<Counts> = viewers.iter().map(Viewer::counts).collect();
    viewers.iter().for_each(|v| drop(v.take_ages_us()));
    let (start, from) = (Instant::now(), running.usage());
    pass(span);
    let (to, seconds) = (running.usage(), start.elapsed().as_secs_f64());
    let after: Vec<Counts> = viewers.iter().map(Viewer::counts).collect();

    let gained = before
        .iter()
        .zip(&after)
        .map(|(b, a)| a.video.since(b.video));
    let total = gained.fold(Totals::default(), Totals::plus);
    let lost: f64 = after
        .iter()
        .zip(&before)
        .map(|(a, b)| lost(a) - lost(b))
        .sum();
    let latencies = viewers
        .iter()
        .flat_map(Viewer::take_ages_us)
        .map(|us| us as f64 / 1000.0);
    let n = viewers.len() as f64;
    let frames_per_s = total.frames as f64 / seconds / n;
    if frames_per_s < ENOUGH {
        let log = running.log();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        eprintln!("only {frames_per_s:.1} frames per s; the server's last words, last first:");
        tail.iter().for_each(|line| eprintln!("  {line}"));
    }
    Row {
        server,
        viewers: count,
        blind: count - viewers.len(),
        cpu_ms: ((to.cpu_ms - from.cpu_ms) / seconds - idle_ms) / n,
        rss_kb: (to.rss_kb as f64 - idle.rss_kb as f64) / n,
        threads: (to.threads as f64 - idle.threads as f64) / n,
        answers: after.iter().filter_map(|c| c.to_answer).map(ms).collect(),
        first_pictures,
        loss: lost.max(0.0) / (total.expected as f64).max(1.0),
        latencies: latencies.collect(),
        frames_per_s,
    }
}

fn ramp(group: &Viewers, url: &str, count: usize) -> Vec<Viewer> {
    let join = |n: usize| {
        let started = Instant::now();
        let codecs = vec![Payload::H264];
        let options = ViewerOptions {
            codecs,
            light: n >= FULL,
            ..ViewerOptions::default()
        };
        let viewer = group.join(url, options);
        assert_eq!(
            viewer.reply.status, 201,
            "viewer {n}: {}",
            viewer.reply.body
        );
        pass(RAMP.saturating_sub(started.elapsed()));
        viewer
    };
    (0..count).map(join).collect()
}

fn lost(counts: &Counts) -> f64 {
    counts.video.lost as f64
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
