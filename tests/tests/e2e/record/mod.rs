//! Recording: what came in is in files that others play, and no disk disturbs who watches.

mod clock;
mod control;
mod crashes;
mod day;
mod disks;
mod formats;
mod lips;
mod playback;
mod retention;
mod upload;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::process::our_binary;
use sluice_tests::publisher::{Publisher, PublisherOptions};
use sluice_tests::recordings::{self, Disk, Probe, Track};
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{Viewer, ViewerOptions, Viewers};
use tempfile::TempDir;

use crate::secs;

/// A key frame each second.
const CAMERA: &str = "--key-interval 1 --size 640x360";

/// A gateway that records this camera as `cam`.
fn recording(camera: &Camera, folder: &Path, record: &str) -> Gateway {
    let keys = [
        ("source", camera.url()),
        ("rtsp_transport", "tcp"),
        ("record", record),
    ];
    GatewayOptions::new()
        .recordings(folder)
        .path_with("cam", &keys)
        .path_with(PLAIN, &keys[..2])
        .start()
}

/// The same camera on a path that is not recorded: what its viewer misses, the machine did not manage.
const PLAIN: &str = "plain";

/// A viewer of a recorded path, beside one of the same camera that is not recorded.
struct Pair {
    viewers: [Viewer; 2],
    before: [u64; 2],
}

impl Pair {
    fn watch(gateway: &Gateway, all: &Viewers) -> Self {
        let viewers = ["cam", PLAIN].map(|path| {
            let options = ViewerOptions {
                nack: true,
                ..ViewerOptions::default()
            };
            let viewer = all.watch(&gateway.whep(path), options);
            viewer.wait_frames(30, secs(15));
            viewer
        });
        let before = viewers.each_ref().map(|one| one.counts().video.ended);
        Self { viewers, before }
    }

    /// Both have seen as many pictures since the begin, and go on.
    fn undisturbed(&self) {
        let [viewer, control] = &self.viewers;
        viewer.wait_frames(30, secs(15));
        control.wait_frames(1, secs(15));
        let seen = self.viewers.each_ref().map(|one| one.counts().video.ended);
        let [mine, others] = [0, 1].map(|one| seen[one] - self.before[one]);
        assert!(
            mine + 15 >= others,
            "{mine} of {others} pictures: {:?}",
            viewer.counts()
        );
    }
}

fn wait_segments(gateway: &Gateway, count: u64) -> Value {
    gateway.wait_path("cam", secs(30), |path| {
        path["record"]["segments"].as_u64() >= Some(count)
    })
}

fn wait_recording(gateway: &Gateway, state: &str) -> Value {
    gateway.wait_path("cam", secs(15), |path| path["record"]["state"] == state)
}

/// Ends the gateway; then every file is whole, and everybody can play it.
fn all_whole(gateway: &mut Gateway, folder: &Path, ending: &str) -> Vec<Probe> {
    let status = gateway.terminate(secs(10));
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let files = recordings::files(folder);
    let probes = files.iter().map(|file| {
        let name = file.to_string_lossy();
        assert!(name.ends_with(ending), "{files:?}");
        recordings::decodes(file);
        recordings::probe(file)
    });
    probes.collect()
}

fn video(probe: &Probe) -> &Track {
    probe.video.as_ref().expect("it has pictures")
}

fn audio(probe: &Probe) -> &Track {
    probe.audio.as_ref().expect("it has sound")
}

#[test]
fn a_camera_is_recorded_as_it_comes_while_somebody_watches() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio aac"));
    let mut gateway = recording(&camera, folder.path(), "{segment: 2s}");
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let path = wait_segments(&gateway, 2);
    viewer.wait_frames(30, secs(10));
    assert_eq!(path["record"]["state"], "recording", "{path:#}");
    assert_eq!(path["on_demand"], false, "{path:#}");
    let metrics = gateway.get("metrics").body;
    for line in [
        "sluice_recording_state{path=\"cam\",state=\"recording\"} 1\n",
        "sluice_recording_segments_total{path=\"cam\"} ",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }

    let files = all_whole(&mut gateway, folder.path(), ".mp4");
    assert!(files.len() >= 3, "{files:?}");
    for (number, file) in files.iter().enumerate() {
        let (video, audio) = (video(file), audio(file));
        assert_eq!(
            (video.codec.as_str(), audio.codec.as_str()),
            ("h264", "aac")
        );
        assert!(video.key, "{file:?}");
        // Nothing is missing within a file, and the sound is as long as the pictures.
        assert!(video.longest_step() < 0.1, "{file:?}");
        assert!(audio.longest_step() < 0.1, "{file:?}");
        assert!((video.span() - audio.span()).abs() < 0.3, "{file:?}");
        // The last one was cut short by the end.
        if number + 1 < files.len() {
            assert!((1.9..3.2).contains(&video.span()), "{file:?}");
        }
    }
}

/// A gateway that records a camera in each of these formats, in segments of 2 s, by a path of the format's name.
fn in_formats(camera: &Camera, folder: &Path, formats: &[&str]) -> GatewayOptions {
    let mut options = GatewayOptions::new().recordings(folder);
    for format in formats {
        let record = format!("{{segment: 2s, format: {format}}}");
        let keys = [
            ("source", camera.url()),
            ("rtsp_transport", "tcp"),
            ("record", record.as_str()),
        ];
        options = options.path_with(format, &keys);
    }
    options
}

#[test]
fn pictures_that_come_in_another_order_than_they_are_shown_are_shown_in_theirs() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio aac --b-frames 2"));
    let formats = ["fmp4", "mp4", "mkv", "mpegts"];
    let mut gateway = in_formats(&camera, folder.path(), &formats).start();
    for format in formats {
        gateway.wait_path(format, secs(30), |path| {
            path["record"]["segments"].as_u64() >= Some(2)
        });
    }
    gateway.terminate(secs(10));
    let files = recordings::files(folder.path());
    assert!(files.len() >= 2 * formats.len(), "{files:?}");
    let mut begun = None;
    for file in files {
        // Until rtspsrc's jitter buffer knows the camera's clock, it gives two pictures one time on a busy machine, of which
        // ffmpeg complains: in the first second.
        let home = file.parent().map(Path::to_owned);
        if home == begun {
            recordings::decodes(&file);
        }
        begun = home;
        let probe = recordings::probe(&file);
        let (video, audio) = (video(&probe), audio(&probe));
        // The end came in the middle of one: its last picture stands without those before it.
        if video.times.len() < 30 {
            continue;
        }
        // A busy machine makes the camera stumble; pictures that went elsewhere in time leave more behind.
        assert!(video.longest_step() < 0.5, "{} {probe:?}", file.display());
        // Both begin with the segment, but for a frame of sound and what is reordered.
        let apart = (video.times[0] - audio.times[0]).abs();
        assert!(apart < 0.12, "{} {apart}", file.display());
    }
}

#[test]
fn g711_is_recorded_as_it_came_in_a_container_that_takes_it() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio pcma"));
    let mut gateway = recording(&camera, folder.path(), "{segment: 1s}");
    wait_segments(&gateway, 1);
    let files = all_whole(&mut gateway, folder.path(), ".mkv");
    assert_eq!(video(&files[0]).codec, "h264");
    assert_eq!(audio(&files[0]).codec, "pcm_alaw");
}

#[test]
fn a_track_that_no_container_takes_is_said_and_the_rest_is_recorded() {
    let folder = TempDir::new().expect("a folder");
    let camera = Camera::with(&format!("{CAMERA} --audio l16"));
    let mut gateway = recording(&camera, folder.path(), "{segment: 1s}");
    let path = wait_segments(&gateway, 1);
    assert_eq!(
        path["record"]["left_out"][0], "L16 cannot be recorded; no format takes it",
        "{path:#}"
    );
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    viewer.wait_audio(50, secs(10));
    let files = all_whole(&mut gateway, folder.path(), ".mp4");
    assert!(files[0].audio.is_none(), "{files:?}");
    assert!(video(&files[0]).times.len() >= 25, "{files:?}");
}

#[test]
fn publishers_are_recorded_in_the_codecs_that_they_send() {
    for (codec, ending, name) in [
        (Payload::H264, ".mp4", "h264"),
        (Payload::Vp8, ".webm", "vp8"),
        (Payload::Vp9, ".mp4", "vp9"),
    ] {
        let folder = TempDir::new().expect("a folder");
        let mut gateway = GatewayOptions::new()
            .recordings(folder.path())
            .path_with("cam", &[("source", "publisher"), ("record", "true")])
            .start();
        gateway.wait_state("cam", "waiting", secs(10));
        let options = PublisherOptions {
            video: Some(codec),
            size: (640, 360),
            ..PublisherOptions::default()
        };
        let publisher = Publisher::start(&gateway.whip("cam"), &options);
        gateway.wait_path("cam", secs(20), |path| {
            path["record"]["frames"].as_u64() >= Some(200)
        });
        drop(publisher);
        let files = all_whole(&mut gateway, folder.path(), ending);
        let file = &files[0];
        let (video, audio) = (video(file), audio(file));
        assert_eq!((video.codec.as_str(), audio.codec.as_str()), (name, "opus"));
        assert!(video.key && video.times.len() >= 30, "{file:?}");
        // How far its encoder was when it left is the publisher's own affair.
        assert!((video.times[0] - audio.times[0]).abs() < 0.1, "{file:?}");
        assert!(audio.times.len() >= 50, "{file:?}");
    }
}

#[test]
fn check_refuses_a_folder_that_takes_no_files() {
    let disk = Disk::of_kilobytes(100);
    disk.read_only(true);
    let folder = disk.folder().display().to_string();
    let config = TempDir::new().expect("a folder");
    let file = config.path().join("sluice.yaml");
    let yaml =
        format!("record: {{dir: {folder}}}\npaths: {{cam: {{source: 'test:', record: true}}}}\n");
    std::fs::write(&file, yaml).expect("a config");
    let check = || {
        let output = Command::new(our_binary("sluice"))
            .arg("check")
            .arg(&file)
            .output()
            .expect("sluice runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, said) = check();
    assert_eq!(code, Some(2), "{said}");
    let begins = format!("`paths.cam.record`: {folder}/cam cannot be written to (Read-only");
    assert!(said.starts_with(&begins), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    disk.read_only(false);
    assert_eq!(check(), (Some(0), String::new()));
    assert!(recordings::files(disk.folder()).is_empty());
}
