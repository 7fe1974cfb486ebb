//! Every codec in every container that is promised to take it.

use std::path::{Path, PathBuf};
use std::process::Command;

use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::process::run;
use sluice_tests::recordings;
use tempfile::TempDir;

use super::{Track, audio, video};
use crate::secs;

/// A key frame each second, 30 frames a second, and sound from the same moment on.
const SOURCES: &[(&str, &[&str], &[&str])] = &[
    ("avc", &["libx264", "-bf", "2"], &["aac"]),
    (
        "hevc",
        &["libx265", "-x265-params", "log-level=none:no-open-gop=1"],
        &["libopus"],
    ),
    (
        "vp9",
        &["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
        &["libmp3lame"],
    ),
    (
        "av1",
        &["libaom-av1", "-usage", "realtime", "-cpu-used", "8"],
        &["aac"],
    ),
    (
        "vp8",
        &["libvpx", "-deadline", "realtime", "-cpu-used", "8"],
        &["libopus"],
    ),
    (
        "mjpeg",
        &["mjpeg", "-pix_fmt", "yuvj420p"],
        &["pcm_mulaw", "-ar", "8000", "-ac", "1"],
    ),
    (
        "alaw",
        &["libx264"],
        &["pcm_alaw", "-ar", "8000", "-ac", "1"],
    ),
    ("mp3", &["libx264", "-bf", "2"], &["libmp3lame"]),
];

/// Which of them each container takes; together all that core says it does.
const PROMISED: &[(&str, &[&str])] = &[
    ("fmp4", &["avc", "hevc", "vp9", "av1"]),
    ("mp4", &["avc", "hevc", "vp9", "av1"]),
    (
        "mkv",
        &["avc", "hevc", "vp9", "av1", "vp8", "mjpeg", "alaw", "mp3"],
    ),
    ("mpegts", &["avc", "hevc", "mp3"]),
];

const FRAME: f64 = 1.0 / 30.0;

/// Six seconds of a picture that changes and a tone.
fn source(folder: &Path, (name, video, audio): &(&str, &[&str], &[&str])) -> PathBuf {
    // What MP4 has not room for is in Matroska.
    let ending = if video.contains(&"-bf") || *name == "hevc" {
        "mp4"
    } else {
        "mkv"
    };
    let file = folder.join(format!("{name}.{ending}"));
    run(Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc=s=160x120:r=30:d=6",
        ])
        .args(["-f", "lavfi", "-i", "sine=f=440:r=48000:d=6"])
        .args([
            "-pix_fmt",
            "yuv420p",
            "-g",
            "30",
            "-keyint_min",
            "30",
            "-c:v",
        ])
        .args(*video)
        .arg("-c:a")
        .args(*audio)
        .arg(&file));
    file
}

/// How long the file says that it is, in seconds.
fn duration(file: &Path) -> f64 {
    let said = run(Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "csv=p=0",
            "-show_entries",
            "format=duration",
        ])
        .arg(file));
    said.trim().parse().expect("it is a number")
}

#[test]
fn each_container_has_the_pictures_and_the_sound_of_each_codec_at_their_times() {
    let folder = TempDir::new().expect("a folder");
    let scratch = TempDir::new().expect("a folder");
    let made: Vec<_> = SOURCES
        .iter()
        .map(|one| (one.0, source(scratch.path(), one)))
        .collect();
    let mut options = GatewayOptions::new().recordings(folder.path());
    let mut paths = Vec::new();
    for (format, names) in PROMISED {
        for name in *names {
            let path = format!("{format}-{name}");
            let file = made
                .iter()
                .find(|(made, _)| made == name)
                .map(|(_, file)| file);
            let url = format!("file://{}", file.expect("it was made").display());
            // The key frame at 2 s ends it, however its time was rounded on its way. Of Motion JPEG each is one.
            let segment = if *name == "mjpeg" { "2s" } else { "1800ms" };
            let record = format!("{{segment: {segment}, format: {format}}}");
            options = options.path_with(&path, &[("source", &url), ("record", &record)]);
            paths.push(path);
        }
    }
    let mut gateway = options.start();
    for path in &paths {
        gateway.wait_path(path, secs(30), |path| {
            path["record"]["segments"].as_u64() >= Some(2)
        });
    }
    let lists: Vec<_> = paths.iter().map(|path| lengths(&gateway, path)).collect();
    gateway.terminate(secs(10));
    let mut wrong = Vec::new();
    for (path, said) in paths.iter().zip(lists) {
        for (number, file) in recordings::files(&folder.path().join(path))
            .iter()
            .enumerate()
            .take(2)
        {
            wrong.extend(wrongs(&format!("{path} {number}"), file, said[number]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// How long the API says that a path's files are, in seconds.
fn lengths(gateway: &Gateway, path: &str) -> Vec<f64> {
    let list = gateway.get(&format!("api/v1/recordings/{path}")).json();
    let list = list["recordings"].as_array().cloned().unwrap_or_default();
    list.iter()
        .filter_map(|one| one["duration_s"].as_f64())
        .collect()
}

/// Looks at one file of 60 pictures; gives what it saw if that is not as it must be.
fn wrongs(name: &str, file: &Path, said: f64) -> Option<String> {
    recordings::decodes(file);
    let probe = recordings::probe(file);
    let (video, audio) = (video(&probe), audio(&probe));
    let longest = video.longest_step();
    let apart = video.times[0] - audio.times[0];
    let last = |track: &Track| track.times.last().copied().expect("it has packets");
    let ends = last(video) - last(audio);
    let lasts = duration(file);
    let begins = video.times[0].min(audio.times[0]);
    let end = (last(video) + longest).max(last(audio) + audio.longest_step());
    let shown = end - begins;
    // A frame of the track that ends last.
    let frame = if last(audio) + audio.longest_step() > last(video) + longest {
        audio.longest_step()
    } else {
        longest
    };
    let line = format!(
        "{name}: {} pictures, longest {longest:.3}, apart {apart:.3} and {ends:.3} at the end, {shown:.3} s, {lasts:.3} by ffprobe, {said:.3} by the API, frame {frame:.3}",
        video.times.len()
    );
    println!("{line}");
    // A frame of MP3 is as long as 24 ms; Matroska counts in milliseconds.
    let good = video.key
        && video.times.len() == 60
        && longest < FRAME + 0.002
        && apart.abs() < 0.040
        && ends.abs() < 0.040
        && (shown - 2.0).abs() <= frame
        && (said - 2.0).abs() <= frame
        // Which adds the time before the sound begins to its end, in fragments.
        && (lasts - 2.0).abs() <= FRAME;
    (!good).then_some(line)
}
