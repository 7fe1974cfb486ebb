//! Other people's WebRTC stacks: aiortc, libdatachannel (what OBS uses) and werift, by the scripts in `tests/peers`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};
use parking_lot::Mutex;
use serde::Deserialize;

use crate::picture;
use crate::process::{Process, START};

/// What a peer says of itself, once a second.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The state of its connection.
    pub state: String,
    /// Frames that it decoded itself (aiortc).
    pub frames: u64,
    /// Frames or packets of sound.
    pub audio: u64,
    /// Packets of pictures, received or sent (the others).
    pub video: u64,
    /// Colours of the seven bars (aiortc).
    pub bars: Vec<[u8; 3]>,
    /// Where a publisher takes its packets.
    pub port: Option<u16>,
}

/// A running peer; killed when dropped.
#[derive(Debug)]
pub struct Peer(Process);

impl Peer {
    /// aiortc views a WHEP URL, and decodes by itself.
    pub fn aiortc_views(url: &str) -> Self {
        Self::aiortc(&["view", url])
    }

    /// aiortc publishes a file to a WHIP URL, in its own encodings (VP8 first).
    pub fn aiortc_publishes(url: &str, file: &Path) -> Self {
        Self::aiortc(&["publish", url, &file.display().to_string()])
    }

    /// libdatachannel views a WHEP URL; the pictures are decoded here.
    pub fn libdatachannel_views(url: &str, decoder: &Decoder) -> Self {
        let port = decoder.port().to_string();
        Self::node(&["datachannel.mjs", "view", url, &port])
    }

    /// libdatachannel publishes what is sent to the UDP port that comes with it.
    pub fn libdatachannel_publishes(url: &str) -> (Self, u16) {
        let peer = Self::node(&["datachannel.mjs", "publish", url]);
        let port = peer.0.wait_line(START, |line| parse(line)?.port);
        (peer, port)
    }

    /// werift views a WHEP URL; the pictures are decoded here.
    pub fn werift_views(url: &str, decoder: &Decoder) -> Self {
        let port = decoder.port().to_string();
        Self::node(&["werift.mjs", url, &port])
    }

    /// Waits for a report that satisfies, and returns it.
    ///
    /// # Panics
    /// When none comes in time, with the last one and all that was said.
    pub fn until(&self, limit: Duration, what: &str, wanted: impl Fn(&Report) -> bool) -> Report {
        let end = Instant::now() + limit;
        let mut last = None;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let Some(line) = self.0.next_line(left) else {
                break;
            };
            let report = parse(&line);
            if let Some(report) = report.as_ref().filter(|report| wanted(report)) {
                return report.clone();
            }
            last = report.or(last);
        }
        panic!(
            "no {what} within {limit:?}; last seen: {last:?}; it wrote:\n{}",
            self.0.log()
        );
    }

    fn aiortc(arguments: &[&str]) -> Self {
        let python = folder().join(".venv/bin/python");
        assert!(python.is_file(), "aiortc is not installed: run `make test`");
        let mut command = Command::new(python);
        command.current_dir(folder()).arg("aiortc_peer.py");
        Self(Process::spawn("aiortc", command.args(arguments)))
    }

    fn node(arguments: &[&str]) -> Self {
        assert!(
            folder().join("node_modules").is_dir(),
            "node-datachannel and werift are not installed: run `make test`"
        );
        let mut command = Command::new("node");
        command.current_dir(folder()).args(arguments);
        Self(Process::spawn(arguments[0], &mut command))
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers")
}

fn parse(line: &str) -> Option<Report> {
    serde_json::from_str(line).ok()
}

/// What was decoded so far.
#[derive(Debug, Clone, Default)]
pub struct Decoded {
    /// Frames.
    pub frames: u64,
    /// Colours of the seven bars.
    pub bars: Vec<[u8; 3]>,
}

/// Decodes H.264 that comes as RTP to a UDP port.
#[derive(Debug)]
pub struct Decoder {
    pipeline: gst::Pipeline,
    seen: Arc<Mutex<Decoded>>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Starts it at a free port.
    pub fn new() -> Self {
        let pipeline = launch(
            "udpsrc name=source address=127.0.0.1 port=0 buffer-size=2000000 \
             caps=application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96 ! \
             rtpjitterbuffer ! rtph264depay ! h264parse ! avdec_h264 ! videoconvert ! video/x-raw,format=RGB ! \
             appsink name=sink sync=false",
        );
        let seen = Arc::<Mutex<Decoded>>::default();
        let counted = Arc::clone(&seen);
        let on_sample = move |sink: &AppSink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let mut seen = counted.lock();
            seen.frames += 1;
            seen.bars = picture::row(&sample, (1, 3)).unwrap_or_default();
            Ok(gst::FlowSuccess::Ok)
        };
        let sink = pipeline.by_name("sink").expect("the appsink");
        let sink = sink.downcast_ref::<AppSink>().expect("an appsink");
        sink.set_callbacks(AppSinkCallbacks::builder().new_sample(on_sample).build());
        play(&pipeline);
        Self { pipeline, seen }
    }

    /// Where packets are to be sent.
    pub fn port(&self) -> u16 {
        let source = self.pipeline.by_name("source").expect("the source");
        u16::try_from(source.property::<i32>("port")).expect("a port")
    }

    /// What was decoded so far.
    pub fn seen(&self) -> Decoded {
        self.seen.lock().clone()
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        stop(&self.pipeline);
    }
}

/// Sends the known picture as H.264 packets to a UDP port of this machine; ended when dropped.
#[derive(Debug)]
pub struct PacketSource(gst::Pipeline);

impl PacketSource {
    /// Starts it: 640×360, 30 frames/s, a key frame each second, cut into slices as `tune=zerolatency` does.
    pub fn start(port: u16) -> Self {
        let pipeline = launch(&format!(
            "videotestsrc is-live=true pattern=smpte ! video/x-raw,format=I420,width=640,height=360,framerate=30/1 ! \
             timeoverlay valignment=bottom halignment=left ! videoconvert ! video/x-raw,format=I420 ! \
             x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=800 option-string=slices=2 ! \
             video/x-h264,profile=constrained-baseline ! rtph264pay pt=96 config-interval=-1 mtu=1200 ! \
             udpsink host=127.0.0.1 port={port}"
        ));
        play(&pipeline);
        Self(pipeline)
    }
}

impl Drop for PacketSource {
    fn drop(&mut self) {
        stop(&self.0);
    }
}

fn launch(line: &str) -> gst::Pipeline {
    gst::init().expect("GStreamer starts");
    #[expect(clippy::disallowed_methods, reason = "the kit's own line")]
    let pipeline = gst::parse::launch(line).expect("the kit's line");
    pipeline.downcast().expect("a pipeline")
}

fn play(pipeline: &gst::Pipeline) {
    pipeline
        .set_state(gst::State::Playing)
        .expect("the kit's pipeline starts");
}

fn stop(pipeline: &gst::Pipeline) {
    let stopped = pipeline.set_state(gst::State::Null);
    debug_assert!(stopped.is_ok(), "pipelines stop");
}
