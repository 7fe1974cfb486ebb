//! What a recorded stream costs, and what it costs with ffmpeg, which reads the same camera at the same time.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::proc::{Usage, usage};
use sluice_tests::process::{Process, START};
use sluice_tests::recordings;
use sluice_tests::wait::pass;
use tempfile::TempDir;

/// So many recordings of each, at once.
const STREAMS: usize = 4;
const SETTLE: Duration = Duration::from_secs(5);

/// What one recorder takes for a stream, its reading of the camera included.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) recorder: &'static str,
    pub(crate) cpu_ms: f64,
    pub(crate) rss_kb: f64,
}

/// Measures both in one window of `span`.
pub(crate) fn measure(span: Duration) -> Vec<Cost> {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with("--audio opus --transports tcp --key-interval 2");
    let [ours, theirs] = ["sluice", "ffmpeg"].map(|name| folder.path().join(name));
    let gateway = sluice(&camera, &ours, "true");
    let bare = sluice(&camera, &ours, "false");
    let ffmpegs: Vec<_> = (0..STREAMS)
        .map(|number| ffmpeg(camera.url(), &theirs.join(number.to_string())))
        .collect();
    for number in 0..STREAMS {
        gateway.wait_path(&format!("cam{number}"), START, |path| {
            path["record"]["state"] == "recording"
        });
    }
    pass(SETTLE);
    let look = || {
        let one = |gateway: &Gateway| all(std::iter::once(gateway.process().pid()));
        let pids = ffmpegs.iter().map(Process::pid);
        [one(&gateway), one(&bare), all(pids)]
    };
    let (start, from) = (Instant::now(), look());
    pass(span);
    let (to, seconds) = (look(), start.elapsed().as_secs_f64());
    for folder in [&ours, &theirs] {
        let files = recordings::files(folder);
        let bytes: u64 = files
            .iter()
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum();
        assert!(bytes > 1_000_000, "{}: {bytes} bytes", folder.display());
    }
    let names = [
        "Sluice",
        "Sluice, the same paths with `record: false`",
        "`ffmpeg -c copy -f segment`",
    ];
    let costs = names.into_iter().zip(from.iter().zip(&to));
    let n = STREAMS as f64;
    costs
        .map(|(recorder, (from, to))| Cost {
            recorder,
            cpu_ms: (to.cpu_ms - from.cpu_ms) / seconds / n,
            rss_kb: to.rss_kb as f64 / n,
        })
        .collect()
}

/// A gateway whose paths all run, recorded or not.
fn sluice(camera: &Camera, folder: &Path, record: &str) -> Gateway {
    let mut options = GatewayOptions::new().recordings(folder).udp_range(10);
    let keys = [
        ("source", camera.url()),
        ("rtsp_transport", "tcp"),
        ("on_demand", "false"),
        ("record", record),
    ];
    for number in 0..STREAMS {
        options = options.path_with(&format!("cam{number}"), &keys);
    }
    options.start()
}

fn all(pids: impl Iterator<Item = u32>) -> Usage {
    pids.map(|pid| usage(pid).expect("the recorder runs"))
        .fold(Usage::default(), |sum, one| Usage {
            cpu_ms: sum.cpu_ms + one.cpu_ms,
            rss_kb: sum.rss_kb + one.rss_kb,
            ..sum
        })
}

/// Fragments at key frames, as Sluice writes them.
fn ffmpeg(url: &str, folder: &Path) -> Process {
    std::fs::create_dir_all(folder).expect("a folder");
    let mut command = Command::new("ffmpeg");
    command
        .args([
            "-v",
            "error",
            "-nostdin",
            "-rtsp_transport",
            "tcp",
            "-i",
            url,
        ])
        .args(["-c", "copy", "-f", "segment", "-segment_time", "10"])
        .args([
            "-segment_format_options",
            "movflags=frag_keyframe+empty_moov+default_base_moof",
        ])
        .arg(folder.join("%06d.mp4"));
    Process::spawn("ffmpeg", &mut command)
}
