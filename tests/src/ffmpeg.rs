//! ffmpeg's WHIP publisher. Debian 12's ffmpeg has none: it is run in a folder of Debian's next release, which
//! `.ci/setup test` makes in the user's cache.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::Process;

/// The known picture, with something that moves in its corner,.
const GRAPH: &str = "color=white:s=92x360:r=30[0];color=yellow:s=92x360:r=30[1];color=cyan:s=92x360:r=30[2];\
    color=0x00ff00:s=92x360:r=30[3];color=magenta:s=92x360:r=30[4];color=red:s=92x360:r=30[5];\
    color=blue:s=88x360:r=30[6];[0][1][2][3][4][5][6]hstack=inputs=7[bars];testsrc=s=160x120:r=30[clock];\
    [bars][clock]overlay=x=0:y=H-h,realtime,format=yuv420p[video];\
    sine=frequency=440:sample_rate=48000,volume=4,arealtime,aformat=channel_layouts=stereo[audio]";

/// Who begins the DTLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    /// ffmpeg.
    Active,
    /// The gateway; ffmpeg's default.
    Passive,
}

/// A folder with an ffmpeg that publishes by WHIP.
#[derive(Debug)]
pub struct WhipFfmpeg {
    root: PathBuf,
}

impl WhipFfmpeg {
    /// Finds the folder. Without one says loudly why there is none, and the test has nothing to show.
    #[expect(clippy::print_stderr, reason = "nobody must overlook it")]
    pub fn find() -> Option<Self> {
        let root = root();
        if root.join(".complete").is_file() {
            return Some(Self { root });
        }
        let reason = std::fs::read_to_string(root.with_extension("missing"));
        let reason = reason.unwrap_or_else(|_| "`.ci/setup test` has not made it".to_owned());
        eprintln!(
            "\n!!! NOT TESTED: ffmpeg's WHIP publisher. There is no {}: {}\n",
            root.display(),
            reason.trim()
        );
        None
    }

    /// Publishes the known picture as H.264 and the known tone as Opus, with a key frame every `interval`.
    pub fn publish(&self, url: &str, role: DtlsRole, interval: Duration) -> Process {
        let mut command = Command::new("chroot");
        command
            .arg(&self.root)
            .args(["ffmpeg", "-hide_banner", "-nostats"])
            .args([
                "-filter_complex",
                GRAPH,
                "-map",
                "[video]",
                "-map",
                "[audio]",
            ])
            .args("-c:v libx264 -preset ultrafast -tune zerolatency".split(' '))
            .args("-profile:v baseline -b:v 1500k -sc_threshold 0 -g".split(' '))
            .arg((interval.as_secs() * 30).to_string())
            .args("-c:a libopus -ar 48000 -ac 2 -b:a 64k".split(' '));
        if role == DtlsRole::Active {
            command.args(["-whip_flags", "dtls_active"]);
        }
        Process::spawn("ffmpeg", command.args(["-f", "whip", url]))
    }
}

/// Where `.ci/setup` makes it.
fn root() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty());
    let cache = cache.map(PathBuf::from);
    let home = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    cache.unwrap_or_else(home).join("sluice/ffmpeg-whip")
}
