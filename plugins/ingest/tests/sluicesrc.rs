//! `sluicesrc` over real files and the known picture: pads, timestamps, messages.
#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use gst::prelude::*;
use parking_lot::Mutex;

/// The longest that any step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstsluiceingest::plugin_register_static().unwrap();
    });
}

/// A frame as it left a pad, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Frame {
    pts: f64,
    order: f64,
    key: bool,
    discont: bool,
}

/// A pipeline of `sluicesrc` with a sink behind every pad.
struct Player {
    pipeline: gst::Pipeline,
    source: gst::Element,
    frames: Arc<Mutex<Vec<(String, Frame)>>>,
}

impl Player {
    fn new(set: impl FnOnce(&gst::Element)) -> Self {
        init();
        let pipeline = gst::Pipeline::new();
        let source = gst::ElementFactory::make("sluicesrc").build().unwrap();
        set(&source);
        pipeline.add(&source).unwrap();
        let frames = Arc::<Mutex<Vec<(String, Frame)>>>::default();
        let (weak, all) = (pipeline.downgrade(), Arc::clone(&frames));
        source.connect_pad_added(move |_, pad| {
            let sink = sink(pad.name().to_string(), &all);
            weak.upgrade().unwrap().add(&sink).unwrap();
            sink.sync_state_with_parent().unwrap();
            pad.link(&sink.static_pad("sink").unwrap()).unwrap();
        });
        Self {
            pipeline,
            source,
            frames,
        }
    }

    fn play(set: impl FnOnce(&gst::Element)) -> Self {
        let player = Self::new(set);
        player.pipeline.set_state(gst::State::Playing).unwrap();
        player
    }

    fn frames(&self, pad: &str) -> Vec<Frame> {
        let all = self.frames.lock();
        all.iter()
            .filter(|(name, _)| name == pad)
            .map(|(_, frame)| *frame)
            .collect()
    }

    /// Waits until a pad has given `count` frames.
    fn wait_frames(&self, pad: &str, count: usize) -> Vec<Frame> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let frames = self.frames(pad);
            if frames.len() >= count {
                return frames;
            }
            assert!(
                Instant::now() < deadline,
                "{pad} gave {} of {count} frames",
                frames.len()
            );
            self.message_within(Duration::from_millis(20));
        }
    }

    fn message_within(&self, time: Duration) -> Option<gst::Message> {
        self.pipeline
            .bus()
            .unwrap()
            .timed_pop(gst::ClockTime::try_from(time).unwrap())
    }

    /// Waits for a message that `wanted` takes something from.
    fn wait<T>(&self, what: &str, wanted: impl Fn(&gst::Message) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(found) = self
                .message_within(Duration::from_millis(100))
                .and_then(|message| wanted(&message))
            {
                return found;
            }
        }
        panic!("no {what}")
    }

    fn wait_state(&self, state: &str) -> gst::Structure {
        self.wait(state, |message| {
            let structure = message
                .structure()
                .filter(|s| s.name() == "sluice-source")?;
            (structure.get::<&str>("state").unwrap() == state).then(|| structure.to_owned())
        })
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

fn sink(pad: String, frames: &Arc<Mutex<Vec<(String, Frame)>>>) -> gst::Element {
    let frames = Arc::clone(frames);
    let ms = |at: Option<gst::ClockTime>| {
        at.map(|at| f64::from(u32::try_from(at.useconds()).unwrap()) / 1000.0)
    };
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let buffer = sample.buffer().unwrap();
            let pts = ms(buffer.pts()).unwrap();
            let frame = Frame {
                pts,
                order: ms(buffer.dts()).unwrap_or(pts),
                key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
                discont: buffer.flags().contains(gst::BufferFlags::DISCONT),
            };
            frames.lock().push((pad.clone(), frame));
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    gst_app::AppSink::builder()
        .sync(false)
        .async_(false)
        .callbacks(callbacks)
        .build()
        .upcast()
}

/// Makes a file with a literal pipeline of this test.
#[expect(
    clippy::disallowed_methods,
    reason = "test pipelines are literals of this file"
)]
fn file(name: &str, description: &str) -> PathBuf {
    init();
    let path = std::env::temp_dir().join(format!("sluice-ingest-{}-{name}", std::process::id()));
    let line = format!("{description} ! filesink location={}", path.display());
    let pipeline = gst::parse::launch(&line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(30),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        )
        .unwrap();
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    path
}

/// One second of H.264 with AAC.
fn second_of_mp4(name: &str) -> PathBuf {
    seconds_of_mp4(name, 1)
}

fn seconds_of_mp4(name: &str, seconds: u32) -> PathBuf {
    let (pictures, sounds) = (seconds * 25, seconds * 47);
    file(
        name,
        &format!(
            "videotestsrc num-buffers={pictures} ! video/x-raw,width=160,height=120,framerate=25/1 ! \
             x264enc key-int-max=25 bframes=0 ! h264parse ! mux. \
             audiotestsrc num-buffers={sounds} samplesperbuffer=1024 ! audio/x-raw,rate=48000,channels=2 ! \
             avenc_aac ! aacparse ! mux. mp4mux name=mux"
        ),
    )
}

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_file_loops_without_a_seam() {
    let path = second_of_mp4("loop.mp4");
    let player = Player::play(|source| {
        source.set_property("uri", path.to_str().unwrap());
        source.set_property("loop", true);
    });
    let video = player.wait_frames("video_0", 70);
    let audio = player.frames("audio_0");
    for (frames, step) in [(&video, 40.0), (&audio, 21.4)] {
        for (at, pair) in frames.windows(2).enumerate() {
            let gap = pair[1].order - pair[0].order;
            // The longer track gives the loop's length; the other waits for it, at most one frame of it.
            assert!(gap > 0.0 && gap < step + 25.0, "frame {at}: {pair:?}");
        }
        assert!(frames.iter().skip(1).all(|frame| !frame.discont));
    }
    let keys: Vec<_> = video
        .iter()
        .enumerate()
        .filter(|(_, frame)| frame.key)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(keys, [0, 25, 50]);
    let apart = (video.last().unwrap().pts - audio.last().unwrap().pts).abs();
    assert!(apart < 150.0, "picture and sound are {apart} ms apart");
    remove(&path);
}

#[test]
fn a_file_is_paced_to_the_clock_and_then_ends() {
    let path = second_of_mp4("once.mp4");
    let begun = Instant::now();
    let player = Player::play(|source| source.set_property("uri", path.to_str().unwrap()));
    player.wait("EOS", |message| {
        (message.type_() == gst::MessageType::Eos).then_some(())
    });
    assert!(
        begun.elapsed() >= Duration::from_millis(950),
        "one second lasted {:?}",
        begun.elapsed()
    );
    assert_eq!(player.frames("video_0").len(), 25);
    assert_eq!(player.frames("audio_0").len(), 48);
    remove(&path);
}

#[test]
fn a_playlist_goes_on_where_the_file_before_ended() {
    let paths = [second_of_mp4("one.mp4"), second_of_mp4("two.mp4")];
    let player = Player::play(|source| {
        source.set_property(
            "uris",
            gst::Array::new(paths.iter().map(|path| path.to_str().unwrap())),
        );
        source.set_property("playlist", true);
    });
    player.wait("EOS", |message| {
        (message.type_() == gst::MessageType::Eos).then_some(())
    });
    let video = player.frames("video_0");
    assert_eq!(video.len(), 50);
    let gap = video[25].pts - video[24].pts;
    assert!((39.0..65.0).contains(&gap), "the seam is {gap} ms wide");
    paths.iter().for_each(|path| remove(path));
}

#[test]
fn a_playlist_opens_every_file_before_the_one_in_front_of_it_ends() {
    // The second is short enough to be read whole while the first one plays.
    let paths = [
        second_of_mp4("first.mp4"),
        seconds_of_mp4("second.mp4", 4),
        second_of_mp4("third.mp4"),
    ];
    let player = Player::play(|source| {
        source.set_property(
            "uris",
            gst::Array::new(paths.iter().map(|path| path.to_str().unwrap())),
        );
        source.set_property("playlist", true);
    });
    let deadline = Instant::now() + PATIENCE;
    while !is_open(&paths[2]) {
        assert!(Instant::now() < deadline, "the third file is never opened");
        player.message_within(Duration::from_millis(20));
    }
    let before = player.frames("video_0").len();
    assert!(before < 125, "the third file opens at the second's end");
    player.wait("EOS", |message| {
        (message.type_() == gst::MessageType::Eos).then_some(())
    });
    assert_eq!(player.frames("video_0").len(), 150);
    paths.iter().for_each(|path| remove(path));
}

/// Says whether this process has the file open.
fn is_open(path: &Path) -> bool {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(Result::ok)
        .any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == path))
}

#[test]
fn a_missing_file_fails_with_one_sentence_and_is_not_hammered() {
    let player = Player::play(|source| source.set_property("uri", "/no/such/file.mp4"));
    let failed = player.wait_state("failed");
    assert_eq!(
        failed.get::<&str>("reason").unwrap(),
        "The file does not exist."
    );
    assert_eq!(
        failed.get::<&str>("uri").unwrap(),
        "file:///no/such/file.mp4"
    );
    assert!(failed.get::<u64>("retry-in-ms").unwrap() >= 20_000);
}

#[test]
fn a_wrong_scheme_is_refused_with_a_sentence_when_the_element_starts() {
    let player = Player::new(|source| source.set_property("uri", "gopher://example.org/film"));
    assert_eq!(player.source.property::<Option<String>>("uri"), None);
    assert!(player.pipeline.set_state(gst::State::Playing).is_err());
    let sentence = player.wait("error", |message| match message.view() {
        gst::MessageView::Error(error) => Some(error.error().message().to_owned()),
        _ => None,
    });
    assert!(
        sentence.contains("\"gopher\"") && sentence.contains("rtsp"),
        "{sentence}"
    );
}

#[test]
fn secrets_of_a_uri_are_not_shown() {
    let player = Player::new(|source| source.set_property("uri", "rtsp://me:secret@127.0.0.1/cam"));
    let shown: String = player.source.property("uri");
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn an_unknown_track_is_skipped_with_a_warning_and_the_rest_plays() {
    let path = file(
        "flac.mkv",
        "videotestsrc num-buffers=50 ! video/x-raw,width=160,height=120,framerate=25/1 ! \
         x264enc key-int-max=25 bframes=0 ! h264parse ! mux. \
         audiotestsrc num-buffers=100 ! flacenc ! flacparse ! mux. matroskamux name=mux",
    );
    let player = Player::play(|source| source.set_property("uri", path.to_str().unwrap()));
    let warning = player.wait("warning", |message| match message.view() {
        gst::MessageView::Warning(warning) => Some(warning.error().message().to_owned()),
        _ => None,
    });
    assert!(warning.contains("audio/x-flac"), "{warning}");
    let tracks = player.wait("tracks", |message| {
        message
            .structure()
            .filter(|s| s.name() == "sluice-tracks")
            .map(ToOwned::to_owned)
    });
    assert_eq!(tracks.get::<u32>("video").unwrap(), 1);
    assert_eq!(tracks.get::<u32>("audio").unwrap(), 0);
    player.wait_frames("video_0", 10);
    remove(&path);
}

#[test]
fn the_known_picture_plays_live_with_key_frames_and_sound() {
    let player =
        Player::play(|source| source.set_property("uri", "test:?size=320x180&key-interval=1"));
    let video = player.wait_frames("video_0", 65);
    assert!(video[0].key && video[0].discont);
    let keys = video.iter().filter(|frame| frame.key).count();
    assert!(
        (2..=4).contains(&keys),
        "{keys} key frames in {} frames",
        video.len()
    );
    assert!(video.windows(2).all(|pair| pair[1].order > pair[0].order));
    assert!(player.wait_frames("audio_0", 80).len() >= 80);
    let caps = player
        .source
        .static_pad("video_0")
        .unwrap()
        .current_caps()
        .unwrap();
    let structure = caps.structure(0).unwrap();
    assert_eq!(
        structure.get::<&str>("stream-format").unwrap(),
        "byte-stream"
    );
    assert_eq!(structure.get::<i32>("width").unwrap(), 320);
}

#[test]
fn a_wish_for_a_key_frame_reaches_the_encoder() {
    let player =
        Player::play(|source| source.set_property("uri", "test:?size=320x180&key-interval=60"));
    player.wait_frames("video_0", 20);
    let wish = gst::Structure::builder("GstForceKeyUnit")
        .field("all-headers", true)
        .build();
    player
        .source
        .static_pad("video_0")
        .unwrap()
        .send_event(gst::event::CustomUpstream::new(wish));
    let deadline = Instant::now() + PATIENCE;
    while player
        .frames("video_0")
        .iter()
        .filter(|frame| frame.key)
        .count()
        < 2
    {
        assert!(Instant::now() < deadline, "no second key frame");
        player.message_within(Duration::from_millis(20));
    }
}

#[test]
fn pads_survive_a_failover() {
    let path = second_of_mp4("slate.mp4");
    let player = Player::play(|source| {
        let uris = ["rtsp://127.0.0.1:1/cam", path.to_str().unwrap()];
        source.set_property("uris", gst::Array::new(uris));
        source.set_property("loop", true);
    });
    let running = player.wait_state("running");
    assert_eq!(running.get::<u32>("source").unwrap(), 1);
    let first = player.wait_frames("video_0", 5).len();
    // A pause hangs up; the next dial's frames come out of the same pads, later.
    player.pipeline.set_state(gst::State::Paused).unwrap();
    let pads = player.source.src_pads();
    player.pipeline.set_state(gst::State::Playing).unwrap();
    let frames = player.wait_frames("video_0", first + 30);
    assert_eq!(player.source.src_pads(), pads);
    assert!(frames.windows(2).all(|pair| pair[1].order > pair[0].order));
    assert!(
        frames
            .iter()
            .filter(|frame| frame.discont)
            .all(|frame| frame.key)
    );
    remove(&path);
}

#[test]
fn stopping_and_starting_again_plays_again() {
    let player = Player::play(|source| source.set_property("uri", "test:?size=320x180"));
    player.wait_frames("video_0", 5);
    player.pipeline.set_state(gst::State::Null).unwrap();
    assert!(player.source.src_pads().is_empty());
    player.frames.lock().clear();
    player.pipeline.set_state(gst::State::Playing).unwrap();
    player.wait_frames("video_0", 5);
}

/// A pipeline shut down while its demuxer was being added used to hang for ever.
#[test]
fn stopping_at_any_moment_of_a_dial_does_not_hang() {
    let path = second_of_mp4("hasty.mp4");
    for round in 0..60_u64 {
        let player = Player::play(|source| source.set_property("uri", path.to_str().unwrap()));
        let moment = Instant::now() + Duration::from_micros(round * 700);
        while let Some(left) = moment
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            player.message_within(left);
        }
        let begun = Instant::now();
        player.pipeline.set_state(gst::State::Null).unwrap();
        assert!(
            begun.elapsed() < Duration::from_millis(1900),
            "round {round}: {:?}",
            begun.elapsed()
        );
    }
    remove(&path);
}
