//! What turning pictures into another codec costs, beside ffmpeg with the same encoder, settings and rate.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use parking_lot::Mutex;

/// Pictures of the file: 20 s.
const PICTURES: u32 = 500;

/// What the encoder of `sluicetranscode` is set to, in ffmpeg's words.
const X264: [&str; 18] = [
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-tune",
    "zerolatency",
    "-bf",
    "0",
    "-b:v",
    "2000k",
    "-maxrate",
    "2000k",
    "-bufsize",
    "1000k",
    "-profile:v",
    "baseline",
    "-g",
    "50",
];

/// What was measured.
#[derive(Debug)]
pub(crate) struct Cost {
    /// CPU ms for each second of pictures.
    pub(crate) sluice: f64,
    pub(crate) ffmpeg: f64,
    /// From the element's sink pad to its source pad, in ms, of live pictures.
    pub(crate) delays: Vec<f64>,
}

/// Measures H.264 to H.264 at 1280 × 720 and 25 pictures a second; `span` is for the delays.
pub(crate) fn measure(span: Duration) -> Cost {
    gst::init().expect("GStreamer starts");
    gstsluicecodec::plugin_register_static().expect("the element is ours");
    let folder = tempfile::tempdir().expect("a folder for the file");
    let file = folder.path().join("in.mp4");
    make(&file);
    let location = file.display();
    let sluice = cpu(|| {
        run(&format!(
            "filesrc location={location} ! qtdemux ! h264parse ! sluicetranscode video-codec=h264 bitrate=2000 ! fakesink"
        ));
    });
    let ffmpeg = cpu(|| {
        let status = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-i"])
            .arg(&file)
            .args(X264)
            .args(["-f", "null", "-"])
            .status();
        assert!(status.is_ok_and(|status| status.success()), "ffmpeg failed");
    });
    Cost {
        sluice,
        ffmpeg,
        delays: delays(span),
    }
}

fn make(file: &Path) {
    let location = file.display();
    run(&format!(
        "videotestsrc num-buffers={PICTURES} pattern=smpte horizontal-speed=4 ! video/x-raw,format=I420,width=1280,height=720,framerate=25/1 ! x264enc bitrate=4000 speed-preset=fast ! h264parse ! mp4mux ! filesink location={location}"
    ));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pipelines are literals of this file"
)]
fn launch(line: &str) -> gst::Pipeline {
    let pipeline = gst::parse::launch(line).expect("the elements are installed");
    pipeline.downcast().expect("several elements")
}

fn run(line: &str) {
    let pipeline = launch(line);
    let bus = pipeline.bus().expect("a pipeline has a bus");
    pipeline
        .set_state(gst::State::Playing)
        .expect("the pipeline starts");
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::NONE, &kinds);
    pipeline
        .set_state(gst::State::Null)
        .expect("the pipeline stops");
    let message = message.expect("no time limit");
    assert!(
        message.type_() == gst::MessageType::Eos,
        "{line}: {message:?}"
    );
}

/// CPU ms of this process and its children that ended, for each second of pictures.
fn cpu(work: impl FnOnce()) -> f64 {
    let before = all_cpu_ms();
    work();
    (all_cpu_ms() - before) / (f64::from(PICTURES) / 25.0)
}

fn all_cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("proc(5)");
    // Own user and system time, then those of children that were waited for, in ticks of 10 ms.
    let ticks = fields.split_whitespace().skip(11).take(4);
    ticks
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        * 10.0
}

fn delays(span: Duration) -> Vec<f64> {
    let pictures = span.as_secs() * 25;
    let line = format!(
        "videotestsrc is-live=true num-buffers={pictures} pattern=smpte horizontal-speed=4 ! video/x-raw,format=I420,width=1280,height=720,framerate=25/1 ! x264enc tune=zerolatency speed-preset=ultrafast ! h264parse ! sluicetranscode name=t video-codec=h264 ! appsink name=out sync=false"
    );
    let pipeline = launch(&line);
    let transcode = pipeline.by_name("t").expect("named above");
    let entered = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&entered);
    let sink = transcode.static_pad("sink").expect("it has one");
    sink.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let segment = pad.sticky_event::<gst::event::Segment>(0);
        let time = segment.and_then(|event| {
            let segment = event.segment().downcast_ref::<gst::ClockTime>()?.clone();
            segment.to_running_time(info.buffer()?.pts())
        });
        seen.lock().push((time, Instant::now()));
        gst::PadProbeReturn::Ok
    });
    let out = pipeline.by_name("out").expect("named above");
    let out = out.downcast::<gst_app::AppSink>().expect("an appsink");
    pipeline
        .set_state(gst::State::Playing)
        .expect("the pipeline starts");
    let mut delays = vec![];
    while let Ok(sample) = out.pull_sample() {
        let time = sample.buffer().and_then(gst::BufferRef::pts);
        let entered = entered.lock();
        if let Some((_, at)) = entered.iter().rev().find(|(entered, _)| *entered == time) {
            delays.push(at.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    pipeline
        .set_state(gst::State::Null)
        .expect("the pipeline stops");
    // Decoder and encoder start with the first ones.
    delays.split_off(delays.len().min(25))
}
