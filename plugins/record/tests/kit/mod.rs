//! Records into a folder of the test's own, and asks ffprobe and ffmpeg what is there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use gst::prelude::*;
use serde_json::Value;

fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstsluicerecord::plugin_register_static().unwrap();
    });
}

/// Reads from memory as from a file.
pub(crate) fn reading(data: &[u8]) -> impl FnMut(u64, usize) -> std::io::Result<Vec<u8>> {
    |at, len| {
        let at = usize::try_from(at).unwrap().min(data.len());
        let end = at.saturating_add(len).min(data.len());
        Ok(data[at..end].to_vec())
    }
}

/// A picture and a tone for so many seconds, as inputs of an element named `r`.
pub(crate) fn both(video: &str, audio: &str, rate: u32, channels: u32, seconds: u64) -> String {
    format!(
        "videotestsrc num-buffers={} ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 ! {video} ! r.video_0 \
         audiotestsrc num-buffers={} samplesperbuffer={} ! audio/x-raw,rate={rate},channels={channels} ! {audio} ! r.audio_0",
        seconds * 25,
        seconds * 50,
        rate / 50,
    )
}

/// One test's folder and format.
pub(crate) struct Take {
    format: String,
    /// What the last recording said of tracks that it left out.
    left_out: std::cell::RefCell<Vec<String>>,
    root: tempfile::TempDir,
}

impl Take {
    pub(crate) fn new(format: &str) -> Self {
        init();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("take")).unwrap();
        Self {
            format: format.to_owned(),
            left_out: std::cell::RefCell::default(),
            root,
        }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("take")
    }

    fn sink(&self, settings: &str) -> String {
        format!(
            "sluicerecordsink name=r block=true format={} location={}/%Y-%m-%dT%H-%M-%S-%f {settings}",
            self.format,
            self.folder().display()
        )
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "test pipelines are literals of these files"
    )]
    fn pipeline(&self, settings: &str, sources: &str) -> gst::Pipeline {
        let line = format!("{} {sources}", self.sink(settings));
        let element = gst::parse::launch(&line).unwrap();
        element.downcast().unwrap_or_else(|alone| {
            // A line of one element gives no pipeline.
            let pipeline = gst::Pipeline::new();
            pipeline.add(&alone).unwrap();
            pipeline
        })
    }

    /// Records sources to their end; gives the files in order of time.
    pub(crate) fn record(&self, sources: &str, settings: &str) -> Vec<String> {
        let pipeline = self.pipeline(settings, sources);
        pipeline.set_state(gst::State::Playing).unwrap();
        let files = until_eos(&pipeline);
        let stats: gst::Structure = pipeline.by_name("r").unwrap().property("stats");
        let left_out: gst::Array = stats.get("left-out").unwrap();
        let left_out = left_out.iter().map(|why| why.get().unwrap());
        *self.left_out.borrow_mut() = left_out.collect();
        pipeline.set_state(gst::State::Null).unwrap();
        files
    }

    /// Gives why the last recording left tracks out.
    pub(crate) fn left_out(&self) -> Vec<String> {
        self.left_out.borrow().clone()
    }

    /// Gives the error of a source that cannot be recorded.
    pub(crate) fn refusal(&self, video: &str) -> String {
        let source = format!("videotestsrc num-buffers=5 ! {video} ! r.video_0");
        let pipeline = self.pipeline("", &source);
        pipeline.set_state(gst::State::Playing).unwrap();
        let bus = pipeline.bus().unwrap();
        let types = [gst::MessageType::Error, gst::MessageType::Eos];
        let mut errors = vec![];
        while let Some(message) = bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &types) {
            let gst::MessageView::Error(error) = message.view() else {
                break;
            };
            errors.push(error.error().to_string());
            if message.src().is_some_and(|source| source.name() == "r") {
                break;
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
        errors.join("; ")
    }
}

/// Waits for the end; gives the files that were said to be whole.
fn until_eos(pipeline: &gst::Pipeline) -> Vec<String> {
    let types = [
        gst::MessageType::Element,
        gst::MessageType::Eos,
        gst::MessageType::Error,
    ];
    let mut files = vec![];
    loop {
        let bus = pipeline.bus().unwrap();
        let message = bus
            .timed_pop_filtered(gst::ClockTime::from_seconds(30), &types)
            .unwrap_or_else(|| panic!("no end; {files:?}"));
        assert_ne!(message.type_(), gst::MessageType::Error, "{message:?}");
        if message.type_() == gst::MessageType::Eos {
            files.sort();
            return files;
        }
        let structure = message.structure().unwrap();
        if structure.name() == "sluice-recorded" {
            files.push(structure.get("location").unwrap());
        }
    }
}

/// A recorder that the test feeds picture by picture, as a live source does.
pub(crate) struct Recorder {
    pipeline: gst::Pipeline,
    pad: gst::Pad,
    sound: Option<gst::Pad>,
    frames: Vec<(u32, Vec<gst::Sample>)>,
    begun: bool,
    reason: String,
}

impl Recorder {
    pub(crate) fn start(take: &Take, settings: &str) -> Self {
        let pipeline = take.pipeline(settings, "");
        let sink = pipeline.by_name("r").unwrap();
        let pad = sink.request_pad_simple("video_0").unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            pipeline,
            pad,
            sound: None,
            frames: vec![],
            begun: false,
            reason: String::new(),
        }
    }

    /// Sends `count` frames of one group of pictures, the first of which is frame number `first` of 25 a second.
    pub(crate) fn video(&mut self, width: u32, height: u32, first: u64, count: usize) {
        let samples = self.encoded(width, height);
        let is_first = !std::mem::replace(&mut self.begun, true);
        begin(&self.pad, is_first, &samples[0]);
        for (number, sample) in (first..).zip(samples.iter().take(count)) {
            let mut buffer = sample.buffer_owned().unwrap();
            let inside = buffer.make_mut();
            inside.set_pts(gst::ClockTime::from_mseconds(40 * number));
            inside.set_dts(gst::ClockTime::from_mseconds(40 * number));
            self.pad.chain(buffer).unwrap();
        }
    }

    /// Sends a tone from the begin for so long, as Opus, and nothing behind it: it does not end.
    pub(crate) fn sound(&mut self, seconds: u64) {
        let sink = self.pipeline.by_name("r").unwrap();
        let pad = sink.request_pad_simple("audio_0").unwrap();
        let samples = encode(&format!(
            "audiotestsrc num-buffers={} samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=2 ! opusenc",
            50 * seconds
        ));
        begin(&pad, true, &samples[0]);
        for sample in samples {
            pad.chain(sample.buffer_owned().unwrap()).unwrap();
        }
        self.sound = Some(pad);
    }

    /// Sends groups of pictures until the recorder says a state that is meant; gives the next frame's number.
    pub(crate) fn video_until(&mut self, first: u64, meant: impl Fn(&str) -> bool) -> u64 {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(15);
        let bus = self.pipeline.bus().unwrap();
        let types = [gst::MessageType::Element, gst::MessageType::Error];
        let mut at = first;
        while std::time::Instant::now() < deadline {
            self.video(320, 240, at, 25);
            at += 25;
            // At the pace of a source, so that waiting for the disk takes no thousand groups.
            let pace = gst::ClockTime::from_mseconds(100);
            while let Some(message) = bus.timed_pop_filtered(pace, &types) {
                assert_eq!(message.type_(), gst::MessageType::Element, "{message:?}");
                let structure = message.structure().unwrap();
                if structure.name() != "sluice-record" {
                    continue;
                }
                if meant(structure.get("state").unwrap()) {
                    self.reason = structure
                        .get::<Option<String>>("reason")
                        .unwrap()
                        .unwrap_or_default();
                    return at;
                }
            }
        }
        panic!("the state never came");
    }

    /// Sends pictures until so many bytes are in the file; gives its name and what is in it then.
    pub(crate) fn video_until_written(&mut self, bytes: usize) -> (PathBuf, Vec<u8>) {
        let bus = self.pipeline.bus().unwrap();
        for group in 0..200 {
            self.video(320, 240, 25 * group, 25);
            let pace = gst::ClockTime::from_mseconds(50);
            bus.timed_pop_filtered(pace, &[gst::MessageType::Error]);
            if let Some(part) = parts(self.folder()).first() {
                let written = std::fs::read(part).unwrap();
                if written.len() > bytes {
                    return (part.clone(), written);
                }
            }
        }
        panic!("nothing was written");
    }

    fn folder(&self) -> PathBuf {
        let sink = self.pipeline.by_name("r").unwrap();
        let location: String = sink.property("location");
        Path::new(&location).parent().unwrap().to_path_buf()
    }

    /// Waits until there are so many pictures in the file that is being written, as another program reads it.
    pub(crate) fn until_there(&self, pictures: u64) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let bus = self.pipeline.bus().unwrap();
        let mut seen = 0;
        while std::time::Instant::now() < deadline {
            seen = parts(self.folder()).first().map_or(0, |part| count(part));
            if seen >= pictures {
                return;
            }
            let pace = gst::ClockTime::from_mseconds(100);
            bus.timed_pop_filtered(pace, &[gst::MessageType::Error]);
        }
        panic!("{seen} pictures");
    }

    /// Writes what comes, or keeps it.
    pub(crate) fn set_recording(&self, on: bool) {
        let sink = self.pipeline.by_name("r").unwrap();
        sink.set_property("recording", on);
    }

    pub(crate) fn reason(&self) -> String {
        self.reason.clone()
    }

    /// Waits for a leftover that is dealt with; gives its new name and whether it can be played.
    pub(crate) fn repaired(&self) -> (String, bool) {
        let said = self.told("sluice-repaired", |_| true);
        (said.get("location").unwrap(), said.get("playable").unwrap())
    }

    /// Gives the file that is being written.
    pub(crate) fn location(&self) -> String {
        let sink = self.pipeline.by_name("r").unwrap();
        let stats: gst::Structure = sink.property("stats");
        stats.get("location").unwrap()
    }

    /// Waits until this file is whole.
    pub(crate) fn until_whole(&self, file: &str) {
        self.told("sluice-recorded", |said| {
            said.get::<String>("location").unwrap() == file
        });
    }

    fn told(&self, name: &str, meant: impl Fn(&gst::StructureRef) -> bool) -> gst::Structure {
        let bus = self.pipeline.bus().unwrap();
        loop {
            let message = bus
                .timed_pop_filtered(
                    gst::ClockTime::from_seconds(10),
                    &[gst::MessageType::Element],
                )
                .unwrap();
            let structure = message.structure().unwrap();
            if structure.name() == name && meant(structure) {
                return structure.to_owned();
            }
        }
    }

    /// Ends the recording; gives the files that were finished since the last look.
    pub(crate) fn finish(self) -> Vec<String> {
        for pad in [Some(&self.pad), self.sound.as_ref()].into_iter().flatten() {
            pad.send_event(gst::event::Eos::new());
        }
        until_eos(&self.pipeline)
    }

    fn encoded(&mut self, width: u32, height: u32) -> Vec<gst::Sample> {
        if let Some((_, samples)) = self.frames.iter().find(|(known, _)| *known == width) {
            return samples.clone();
        }
        let samples = encode(&format!(
            "videotestsrc num-buffers=25 ! video/x-raw,width={width},height={height},framerate=25/1 ! \
             x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! \
             video/x-h264,stream-format=byte-stream,alignment=au"
        ));
        self.frames.push((width, samples.clone()));
        samples
    }
}

/// Says what comes on a pad.
fn begin(pad: &gst::Pad, is_first: bool, sample: &gst::Sample) {
    if is_first {
        pad.send_event(gst::event::StreamStart::new("test"));
    }
    pad.send_event(gst::event::Caps::new(&sample.caps_owned().unwrap()));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    pad.send_event(gst::event::Segment::new(&segment));
}

/// Gives all that comes out of a line of elements.
#[expect(
    clippy::disallowed_methods,
    reason = "test pipelines are literals of these files"
)]
fn encode(line: &str) -> Vec<gst::Sample> {
    let line = format!("{line} ! appsink name=out sync=false");
    let pipeline = gst::parse::launch(&line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let sink = pipeline.by_name("out").unwrap();
    let sink = sink.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut samples = vec![];
    while let Ok(sample) = sink.pull_sample() {
        samples.push(sample);
    }
    pipeline.set_state(gst::State::Null).unwrap();
    samples
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// Files in a folder that are not whole.
pub(crate) fn parts(folder: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "part"))
        .collect()
}

/// How many pictures of a file can be read, whatever ffprobe says of its end.
fn count(file: &Path) -> u64 {
    let output = Command::new("ffprobe")
        .args(["-v", "quiet", "-count_packets", "-select_streams", "v:0"])
        .args(["-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // Of a transport stream it says so for each program, too.
    let first = said.lines().next().map(|line| line.trim_end_matches(','));
    first
        .and_then(|count| count.parse().ok())
        .unwrap_or_default()
}

/// Decodes all of it: neither an error nor a word of one.
pub(crate) fn decodes(file: &str) {
    assert!(Path::new(file).exists(), "{file}");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i", file, "-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{file}: {said}");
}

#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) frames: u64,
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) key: bool,
    pub(crate) width: u64,
}

impl Stream {
    /// From the first frame to the end of the last.
    pub(crate) fn span(&self) -> f64 {
        let between = (self.last - self.first) / (self.frames.max(2) - 1) as f64;
        self.last - self.first + between
    }
}

#[derive(Debug, Default)]
pub(crate) struct Probe {
    pub(crate) video: Stream,
    pub(crate) audio: Stream,
}

fn ffprobe(arguments: &[&str], file: &str) -> Value {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json"])
        .args(arguments)
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{file}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Reads every packet.
pub(crate) fn probe(file: &str) -> Probe {
    let json = ffprobe(
        &[
            "-show_entries",
            "packet=codec_type,pts_time,flags:stream=codec_type,width",
        ],
        file,
    );
    let mut probe = Probe::default();
    for (kind, stream) in [("video", &mut probe.video), ("audio", &mut probe.audio)] {
        let of_kind = |key: &str| {
            let all = json[key].as_array().unwrap();
            let mine = all.iter().filter(|one| one["codec_type"] == kind);
            mine.cloned().collect::<Vec<_>>()
        };
        let packets = of_kind("packets");
        let times: Vec<f64> = packets
            .iter()
            .filter_map(|packet| packet["pts_time"].as_str()?.parse().ok())
            .collect();
        stream.frames = packets.len() as u64;
        stream.first = times.iter().copied().fold(f64::MAX, f64::min);
        stream.last = times.iter().copied().fold(f64::MIN, f64::max);
        let first = packets.first().and_then(|packet| packet["flags"].as_str());
        stream.key = first.is_some_and(|flags| flags.starts_with('K'));
        let width = of_kind("streams").first().map(|one| one["width"].clone());
        stream.width = width.and_then(|width| width.as_u64()).unwrap_or_default();
    }
    probe
}

/// Gives a tag of the file.
pub(crate) fn tag(file: &str, name: &str) -> String {
    let json = ffprobe(&["-show_entries", "format_tags"], file);
    let tag = json["format"]["tags"][name].as_str();
    tag.unwrap_or_else(|| panic!("{json}")).to_owned()
}
