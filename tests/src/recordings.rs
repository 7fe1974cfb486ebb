//! Recordings as ffprobe and ffmpeg see them, and disks that are small.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::run;

/// Every file below a folder, in order of names.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Decodes all of it.
///
/// # Panics
/// When ffmpeg fails, or says as much as one word.
pub fn decodes(file: &Path) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        // In the file's own units of time: ffmpeg would guess a frame rate, and complain of what does not fit it, which
        // cameras do not in their first second.
        .args(["-fps_mode", "passthrough", "-enc_time_base", "-1"])
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{}: {said}",
        file.display()
    );
}

/// One track of a file.
#[derive(Debug, Clone, Default)]
pub struct Track {
    /// Its codec, as ffmpeg calls it.
    pub codec: String,
    /// When each packet is shown, in seconds, in order of time.
    pub times: Vec<f64>,
    /// Whether decoding can begin with its first packet.
    pub key: bool,
}

impl Track {
    /// The longest time between two packets, in seconds.
    pub fn longest_step(&self) -> f64 {
        let steps = self.times.windows(2).map(|pair| pair[1] - pair[0]);
        steps.fold(0.0, f64::max)
    }

    /// From the first packet to the end of the last, in seconds, if all last equally long.
    pub fn span(&self) -> f64 {
        let (Some(first), Some(last)) = (self.times.first(), self.times.last()) else {
            return 0.0;
        };
        let count = f64::from(u32::try_from(self.times.len()).unwrap_or(u32::MAX));
        (last - first) * count / (count - 1.0).max(1.0)
    }
}

/// What is in a file.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    /// The first video track.
    pub video: Option<Track>,
    /// The first audio track.
    pub audio: Option<Track>,
}

/// Reads every packet of a file.
///
/// # Panics
/// When ffprobe fails, or says as much as one word of an error.
pub fn probe(file: &Path) -> Probe {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_entries"])
        .arg("packet=stream_index,pts_time,flags:stream=index,codec_type,codec_name")
        .arg(file)
        .output()
        .expect("ffprobe is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{}: {said}",
        file.display()
    );
    let json: Value = serde_json::from_slice(&output.stdout).expect("ffprobe speaks JSON");
    Probe {
        video: track(&json, "video"),
        audio: track(&json, "audio"),
    }
}

fn track(json: &Value, kind: &str) -> Option<Track> {
    let streams = json["streams"].as_array()?;
    let stream = streams.iter().find(|stream| stream["codec_type"] == kind)?;
    let packets = json["packets"].as_array()?.iter();
    let packets: Vec<_> = packets
        .filter(|packet| packet["stream_index"] == stream["index"])
        .collect();
    let mut times: Vec<f64> = packets
        .iter()
        .filter_map(|packet| packet["pts_time"].as_str()?.parse().ok())
        .collect();
    times.sort_by(f64::total_cmp);
    let flags = packets.first().and_then(|packet| packet["flags"].as_str());
    Some(Track {
        codec: stream["codec_name"].as_str()?.to_owned(),
        times,
        key: flags.is_some_and(|flags| flags.starts_with('K')),
    })
}

/// A file system in memory with its own size; gone when dropped. Needs root.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Makes one that holds so many kilobytes.
    pub fn of_kilobytes(size: u32) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let options = format!("size={size}k");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "recordings"])
            .arg(folder.path()));
        Self { folder }
    }

    /// Where it is mounted.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets nobody write to it, root included, or lets them again.
    pub fn read_only(&self, on: bool) {
        let options = if on { "remount,ro" } else { "remount,rw" };
        run(Command::new("mount")
            .args(["-o", options])
            .arg(self.folder.path()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a gateway that the test has not ended yet may hold a file.
        let mut unmount = Command::new("umount");
        drop(unmount.arg("-l").arg(self.folder.path()).status());
    }
}
