//! Every ready pipeline of `pipelines/presets` runs: as gateway config, and as gst-launch line.

use std::path::{Path, PathBuf};
use std::process::Command;

use sluice_tests::camera::Camera;
use sluice_tests::children::{self, Media};
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::process::{Process, free_tcp_port, free_udp_port, our_plugins};
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::viewer::{ViewerOptions, Viewers};
use sluice_tests::wait::within;

use crate::secs;

/// A preset's stand-ins for the addresses in it, and the sources behind them.
struct Scene {
    camera: Camera,
    file: PathBuf,
    srt: u16,
    http: u16,
    whip: u16,
    /// Another server, with a stream to pull and a path to push to.
    other: Gateway,
}

impl Scene {
    fn new() -> Self {
        Self {
            camera: Camera::with("--audio aac"),
            file: children::media(Media::Mp4),
            srt: free_udp_port(),
            http: free_tcp_port(),
            whip: free_tcp_port(),
            other: GatewayOptions::new()
                .path("live", "test:?size=640x360")
                .path_with("studio", &[("source", "publisher")])
                .start(),
        }
    }

    fn localise(&self, text: &str) -> String {
        text.replace("rtsp://127.0.0.1:8554/camera", self.camera.url())
            .replace("/srv/media/film.mp4", &self.file.display().to_string())
            .replace("srt://:9000", &format!("srt://:{}", self.srt))
            .replace("127.0.0.1:8889", &format!("127.0.0.1:{}", self.http))
            .replace("127.0.0.1:8888", &format!("127.0.0.1:{}", self.whip))
            .replace(
                "127.0.0.1:8887",
                &format!("127.0.0.1:{}", self.other.port()),
            )
    }

    /// The SRT caller that the preset listens for; other presets do not hear it.
    fn caller(&self, preset: &Path) -> Option<Process> {
        let srt = preset.ends_with("srt-to-whep");
        let url = format!("srt://127.0.0.1:{}?mode=caller", self.srt);
        srt.then(|| children::ffmpeg_sends(&children::media(Media::Ts), &url))
    }

    /// The publisher that the preset waits for: in the gateway at the one port, else at its own.
    fn publisher(&self, preset: &Path, port: u16) -> Option<Publisher> {
        let url = format!("http://127.0.0.1:{port}/live/whip");
        let publishes = preset.ends_with("publisher-to-whep") || pushes(preset);
        publishes.then(|| Publisher::start(&url, &PublisherOptions::default()))
    }

    /// A viewer gets a picture and goes on getting it.
    fn plays(&self, preset: &Path, process: &mut Process, whip: u16) {
        let url = format!("http://127.0.0.1:{}/live/whep", self.http);
        let up = within(secs(30), || {
            std::net::TcpStream::connect(("127.0.0.1", self.http)).ok()
        });
        assert!(
            up.is_some(),
            "{} listens nowhere:\n{}",
            preset.display(),
            process.log()
        );
        let _caller = self.caller(preset);
        let _publisher = self.publisher(preset, whip);
        let viewers = Viewers::new();
        let viewer = within(secs(30), || {
            let viewer = viewers.join(&url, ViewerOptions::default());
            (viewer.reply.status == 201).then_some(viewer)
        });
        let Some(viewer) = viewer else {
            let reply = viewers.join(&url, ViewerOptions::default()).reply.clone();
            panic!(
                "{}: {} {}\n{}",
                preset.display(),
                reply.status,
                reply.body,
                process.log()
            );
        };
        viewer.wait_key_frame(secs(15));
        viewer.wait_audio(50, secs(10));
        viewer.wait_frames(60, secs(10));
        if pushes(preset) {
            self.other.wait_state("studio", "running", secs(20));
        }
    }
}

fn pushes(preset: &Path) -> bool {
    preset.ends_with("publisher-to-whip")
}

fn preset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../pipelines/presets")
        .join(name)
}

fn runs_in_the_gateway(name: &str) {
    let (scene, preset) = (Scene::new(), preset(name));
    let yaml = std::fs::read_to_string(preset.join("gateway.yaml")).expect("gateway.yaml");
    let mut gateway = GatewayOptions::new()
        .yaml_text(&scene.localise(&yaml))
        .spawn();
    scene.plays(&preset, gateway.process_mut(), scene.http);
}

fn runs_in_gst_launch(name: &str) {
    let (scene, preset) = (Scene::new(), preset(name));
    let readme = std::fs::read_to_string(preset.join("README.md")).expect("README.md");
    let line = readme
        .lines()
        .find(|l| l.starts_with("gst-launch-1.0 "))
        .expect("a line");
    let line = format!("exec {}", scene.localise(line));
    let folder = our_plugins("sluicewebrtc");
    let mut command = Command::new("bash");
    command.args(["-c", &line]).env("GST_PLUGIN_PATH", folder);
    let mut process = Process::spawn("gst-launch", &mut command);
    scene.plays(&preset, &mut process, scene.whip);
}

#[test]
fn every_preset_has_a_test() {
    let folder = std::fs::read_dir(preset("")).expect("presets");
    let mut names: Vec<_> = folder
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("ASCII"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "file-loop-to-whep",
            "publisher-to-whep",
            "publisher-to-whip",
            "rtsp-to-whep",
            "srt-to-whep",
            "test-to-whep",
            "whep-to-whep"
        ]
    );
}

#[test]
fn file_loop_to_whep_runs_in_the_gateway() {
    runs_in_the_gateway("file-loop-to-whep");
}

#[test]
fn file_loop_to_whep_runs_in_gst_launch() {
    runs_in_gst_launch("file-loop-to-whep");
}

#[test]
fn publisher_to_whep_runs_in_the_gateway() {
    runs_in_the_gateway("publisher-to-whep");
}

#[test]
fn publisher_to_whep_runs_in_gst_launch() {
    runs_in_gst_launch("publisher-to-whep");
}

#[test]
fn publisher_to_whip_runs_in_the_gateway() {
    runs_in_the_gateway("publisher-to-whip");
}

#[test]
fn publisher_to_whip_runs_in_gst_launch() {
    runs_in_gst_launch("publisher-to-whip");
}

#[test]
fn rtsp_to_whep_runs_in_the_gateway() {
    runs_in_the_gateway("rtsp-to-whep");
}

#[test]
fn rtsp_to_whep_runs_in_gst_launch() {
    runs_in_gst_launch("rtsp-to-whep");
}

#[test]
fn srt_to_whep_runs_in_the_gateway() {
    runs_in_the_gateway("srt-to-whep");
}

#[test]
fn srt_to_whep_runs_in_gst_launch() {
    runs_in_gst_launch("srt-to-whep");
}

#[test]
fn test_to_whep_runs_in_the_gateway() {
    runs_in_the_gateway("test-to-whep");
}

#[test]
fn test_to_whep_runs_in_gst_launch() {
    runs_in_gst_launch("test-to-whep");
}

#[test]
fn whep_to_whep_runs_in_the_gateway() {
    runs_in_the_gateway("whep-to-whep");
}

#[test]
fn whep_to_whep_runs_in_gst_launch() {
    runs_in_gst_launch("whep-to-whep");
}
