//! Other people's programs as sources: ffmpeg, srt-live-transmit, and media files made by GStreamer.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Process, run};

/// Media files with the known picture and tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// H.264 and AAC in MP4; 4 s, so that a 10 s look passes its seam twice.
    Mp4,
    /// VP8 and Opus in WebM.
    Webm,
    /// H.264 and AAC in MPEG-TS.
    Ts,
}

/// Returns the file, made at the first call on this machine.
pub fn media(kind: Media) -> PathBuf {
    let (name, video, audio, mux) = match kind {
        Media::Mp4 => ("v1-4s.mp4", H264, AAC, "mp4mux"),
        Media::Webm => ("v1-4s.webm", VP8, OPUS, "webmmux"),
        Media::Ts => ("v1-4s.ts", H264, AAC, "mpegtsmux"),
    };
    let folder = std::env::temp_dir().join("sluice-test-media");
    let file = folder.join(name);
    if file.is_file() {
        return file;
    }
    std::fs::create_dir_all(&folder).expect("a folder for media");
    // Several tests may make it at once: the last one renames over the others.
    let unfinished = folder.join(format!("{}-{name}", std::process::id()));
    let line = format!(
        "videotestsrc num-buffers=120 pattern=smpte ! \
         video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! \
         timeoverlay valignment=bottom halignment=left ! {video} ! queue ! m. \
         audiotestsrc num-buffers=200 samplesperbuffer=960 wave=sine freq=440 volume=0.5 ! \
         audio/x-raw,rate=48000,channels=2 ! {audio} ! queue ! m. \
         {mux} name=m ! filesink location={}",
        unfinished.display()
    );
    run(Command::new("gst-launch-1.0")
        .arg("-q")
        .args(line.split_whitespace()));
    std::fs::rename(&unfinished, &file).expect("the finished file");
    file
}

const H264: &str = "x264enc speed-preset=ultrafast tune=zerolatency bitrate=2000 key-int-max=60 \
                    option-string=scenecut=0 ! video/x-h264,profile=high ! h264parse";
const VP8: &str = "vp8enc deadline=1 cpu-used=8 target-bitrate=2000000 keyframe-max-dist=60";
const AAC: &str = "avenc_aac bitrate=128000 ! aacparse";
const OPUS: &str = "opusenc bitrate=64000";

/// Sends a TS file in a loop and in real time to an URL (`srt://…`, `udp://…`).
pub fn ffmpeg_sends(file: &Path, url: &str) -> Process {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-hide_banner", "-nostats", "-loglevel", "warning"])
        .args(["-re", "-stream_loop", "-1", "-i"])
        .arg(file)
        .args(["-c", "copy", "-f", "mpegts", url]);
    Process::spawn("ffmpeg", &mut command)
}

/// Carries what comes at one URL to another (`udp://…` to `srt://…`).
pub fn srt_live_transmit(from: &str, to: &str) -> Process {
    let mut command = Command::new("srt-live-transmit");
    command.args(["-q", "-a:yes", from, to]);
    Process::spawn("srt-live-transmit", &mut command)
}

/// A self-signed certificate and its key in one PEM file, and the certificate's SHA-256.
pub fn certificate(folder: &Path) -> (PathBuf, String) {
    let (key, cert) = (folder.join("key.pem"), folder.join("cert.pem"));
    run(Command::new("openssl")
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '),
        )
        .args([
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
        ])
        .arg(&key)
        .arg("-out")
        .arg(&cert));
    let print = run(Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&cert));
    let digits: String = print
        .rsplit('=')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .collect();
    let read = |file: &PathBuf| std::fs::read_to_string(file).expect("openssl wrote it");
    let both = folder.join("both.pem");
    std::fs::write(&both, read(&cert) + &read(&key)).expect("a PEM file");
    (both, digits.to_ascii_lowercase())
}
