//! One measured run: a camera, a server, its viewers.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::proc::{Usage, usage};
use sluice_tests::process::{Process, START};
use sluice_tests::stamp;
use sluice_tests::viewer::rtp::{Payload, Totals};
use sluice_tests::viewer::{Counts, Viewer, ViewerOptions, Viewers};
use sluice_tests::wait::{pass, within};

use crate::baseline::source;

/// Viewers that read everything, as browsers do; the others read headers only after their first
/// picture, so that this program does not take the processor from the server.
const FULL: usize = 10;
const SETTLE: Duration = Duration::from_secs(3);
/// Of the 30 that the camera sends.
const ENOUGH: f64 = 29.0;
const FIRST_PICTURE: Duration = Duration::from_secs(20);

/// Who watches what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// The camera's options.
    pub(crate) camera: &'static str,
    /// So many viewers.
    pub(crate) viewers: usize,
    /// One comes so long after the other.
    pub(crate) ramp: Duration,
}

impl Load {
    /// Viewers of the camera that all parts have.
    pub(crate) const fn usual(viewers: usize) -> Self {
        Self {
            camera: "--audio opus --stamp --transports tcp --key-interval 2",
            viewers,
            ramp: Duration::from_millis(50),
        }
    }
}

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The gateway.
    Sluice,
    /// The gateway, with lines below `webrtc` in its config that make sending dearer.
    SluiceWith(&'static [&'static str]),
    /// One appsrc → webrtcbin pipeline per viewer.
    Webrtcbin,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sluice => "Sluice",
            Self::SluiceWith(lines) => return write!(f, "Sluice, `{}`", lines.join("`, `")),
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
    /// What a viewer's coming takes beside, once.
    pub(crate) setup_ms: f64,
    /// What of it the pictures take that it begins with, as much as pictures take later.
    pub(crate) group_ms: f64,
    pub(crate) rss_kb: f64,
    pub(crate) threads: f64,
    pub(crate) answers: Vec<f64>,
    pub(crate) first_pictures: Vec<f64>,
    pub(crate) loss: f64,
    /// How much older each picture is at the first viewer, one in the middle and the last than at somebody who reads the camera.
    pub(crate) latencies: Vec<f64>,
    pub(crate) frames_per_s: f64,
}

/// Keeps the server alive while it is measured.
pub(crate) enum Running {
    Sluice(Gateway),
    Webrtcbin(Process, String),
}

impl Running {
    pub(crate) fn start(server: Server, camera: &Camera) -> Self {
        match server {
            Server::Sluice | Server::SluiceWith(_) => {
                let keys = [
                    ("source", camera.url()),
                    ("rtsp_transport", "tcp"),
                    ("on_demand", "false"),
                ];
                let mut options = GatewayOptions::new().path_with("cam", &keys).udp_range(400);
                if let Server::SluiceWith(lines) = server {
                    options = lines
                        .iter()
                        .fold(options, |options, line| options.webrtc(line));
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

    pub(crate) fn url(&self) -> String {
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

/// Reads the camera itself: how old its pictures are when they come out of it.
struct Straight {
    pipeline: gst::Pipeline,
    ages: Arc<Mutex<BTreeMap<u64, u64>>>,
}

impl Straight {
    fn start(camera: &Camera) -> Self {
        gst::init().expect("GStreamer is there");
        let ages = Arc::<Mutex<BTreeMap<u64, u64>>>::default();
        let seen = Arc::clone(&ages);
        let pipeline = source::start(camera.url(), move |_kind, sample| {
            let map = sample
                .buffer()
                .and_then(|buffer| buffer.map_readable().ok());
            if let Some(at) = map.and_then(|bytes| stamp::find(&bytes)) {
                seen.lock().insert(at, stamp::now_us().saturating_sub(at));
            }
        });
        Self {
            pipeline: pipeline.expect("the camera can be read"),
            ages,
        }
    }

    /// How much older a picture is elsewhere, in ms.
    fn added(&self, (at, age): (u64, u64)) -> Option<f64> {
        let here = *self.ages.lock().get(&at)?;
        Some((age as f64 - here as f64) / 1000.0)
    }
}

impl Drop for Straight {
    fn drop(&mut self) {
        let _stopped = self.pipeline.set_state(gst::State::Null);
    }
}

/// Starts everything anew and measures one window of `span`.
pub(crate) fn measure(server: Server, load: Load, span: Duration) -> Row {
    let camera = Camera::with(load.camera);
    let straight = Straight::start(&camera);
    let running = Running::start(server, &camera);
    pass(SETTLE);
    let begin = (Instant::now(), running.usage());
    pass(SETTLE);
    let idle = (Instant::now(), running.usage());
    let idle_ms = (idle.1.cpu_ms - begin.1.cpu_ms) / (idle.0 - begin.0).as_secs_f64();

    let (group, alone) = (Viewers::new(), Viewers::new());
    let mut viewers = ramp(&group, &alone, &running.url(), load);
    let to_picture = |(_, v): &(Instant, Viewer)| within(FIRST_PICTURE, || v.counts().to_key_frame);
    let first_pictures: Vec<f64> = viewers.iter().filter_map(to_picture).map(ms).collect();
    viewers.retain(|(_, v)| v.counts().to_key_frame.is_some());
    pass(SETTLE);

    let before: Vec<Counts> = viewers.iter().map(|(_, v)| v.counts()).collect();
    viewers.iter().for_each(|(_, v)| drop(v.take_stamped()));
    let (start, from) = (Instant::now(), running.usage());
    pass(span);
    let (to, seconds) = (running.usage(), start.elapsed().as_secs_f64());
    let after: Vec<Counts> = viewers.iter().map(|(_, v)| v.counts()).collect();

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
    let latencies = viewers.iter().enumerate();
    let latencies = latencies.filter(|(n, _)| is_timed(*n, load.viewers));
    let latencies = latencies.flat_map(|(_, (_, v))| v.take_stamped());
    let n = viewers.len() as f64;
    let frames_per_s = total.frames as f64 / seconds / n;
    if frames_per_s < ENOUGH {
        let log = running.log();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        eprintln!("only {frames_per_s:.1} frames per s; the server's last words, last first:");
        tail.iter().for_each(|line| eprintln!("  {line}"));
    }
    let cpu_ms = ((to.cpu_ms - from.cpu_ms) / seconds - idle_ms) / n;
    let watched = viewers
        .iter()
        .map(|(came, _)| (start - *came).as_secs_f64());
    let watched = watched.sum::<f64>();
    let had = before.iter().map(|counts| counts.video.frames as f64);
    let ahead = had.sum::<f64>() / frames_per_s - watched;
    let usual = idle_ms * (start - idle.0).as_secs_f64() + cpu_ms * watched;
    Row {
        server,
        viewers: load.viewers,
        blind: load.viewers - viewers.len(),
        cpu_ms,
        setup_ms: (from.cpu_ms - idle.1.cpu_ms - usual) / n,
        group_ms: cpu_ms * ahead.max(0.0) / n,
        rss_kb: (to.rss_kb as f64 - idle.1.rss_kb as f64) / n,
        threads: (to.threads as f64 - idle.1.threads as f64) / n,
        answers: after.iter().filter_map(|c| c.to_answer).map(ms).collect(),
        first_pictures,
        loss: lost.max(0.0) / (total.expected as f64).max(1.0),
        latencies: latencies.filter_map(|one| straight.added(one)).collect(),
        frames_per_s,
    }
}

/// Whether a viewer's pictures are timed: of who is served first, in the middle, and last.
const fn is_timed(number: usize, viewers: usize) -> bool {
    number == 0 || number == viewers / 2 || number == viewers - 1
}

/// Lets one come after the other. Those who are timed have a group of their own: that is read more often.
fn ramp(group: &Viewers, alone: &Viewers, url: &str, load: Load) -> Vec<(Instant, Viewer)> {
    paced(load.viewers, load.ramp, |n| {
        let timed = is_timed(n, load.viewers);
        let group = if timed { alone } else { group };
        join(group, url, n >= FULL && !timed)
    })
}

/// Lets so many come, one `each`; gives when they began to.
pub(crate) fn paced(
    count: usize,
    each: Duration,
    come: impl Fn(usize) -> Viewer,
) -> Vec<(Instant, Viewer)> {
    let one = |n| {
        let began = Instant::now();
        let viewer = come(n);
        pass(each.saturating_sub(began.elapsed()));
        (began, viewer)
    };
    (0..count).map(one).collect()
}

/// Joins, and must be let in.
pub(crate) fn join(group: &Viewers, url: &str, light: bool) -> Viewer {
    let options = ViewerOptions {
        codecs: vec![Payload::H264],
        light,
        ..ViewerOptions::default()
    };
    let viewer = group.join(url, options);
    let reply = &viewer.reply;
    assert_eq!(reply.status, 201, "{}", reply.body);
    viewer
}

fn lost(counts: &Counts) -> f64 {
    counts.video.lost as f64
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
