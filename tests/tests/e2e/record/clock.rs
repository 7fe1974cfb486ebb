//! The clock of the machine jumps while it is recorded.

use std::fs;
use std::path::Path;
use std::process::Command;

use sluice_tests::process::{Process, our_plugins};
use sluice_tests::recordings;
use sluice_tests::wait::until;
use tempfile::TempDir;

use crate::secs;

/// Seven seconds; each begins a file.
const LINE: &str = "exec gst-launch-1.0 -q videotestsrc is-live=true num-buffers=210 ! \
    video/x-raw,framerate=30/1,width=160,height=120 ! x264enc tune=zerolatency key-int-max=30 ! h264parse ! \
    sluicerecordsink path=cam segment-duration=1000 location=";

/// Debian's libfaketime: what a program takes for the time is said in a file. The gateway's allocator does not bear it, so that
/// the element is run by itself.
fn library() -> String {
    let found = ["x86_64", "aarch64"]
        .map(|machine| format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1"));
    let found = found.into_iter().find(|file| Path::new(file).exists());
    found.expect("libfaketime is installed: run `make test`")
}

#[test]
fn a_clock_that_jumps_keeps_the_order_of_files_and_gives_no_name_twice() {
    let folder = TempDir::new().expect("a folder");
    let scratch = TempDir::new().expect("a folder");
    let offset = scratch.path().join("offset");
    let jump = |by: &str| {
        let beside = scratch.path().join("next");
        fs::write(&beside, by).expect("it is written");
        fs::rename(&beside, &offset).expect("it is there at once");
    };
    jump("+0\n");
    let location = folder.path().join("%p/%Y-%m-%dT%H-%M-%S-%fZ");
    let line = format!("{LINE}{}", location.display());
    let mut command = Command::new("bash");
    command
        .args(["-c", &line])
        .env("GST_PLUGIN_PATH", our_plugins("sluicerecord"))
        .env("LD_PRELOAD", library())
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut process = Process::spawn("gst-launch", &mut command);
    for (count, by) in [(2, "-3600\n"), (4, "+3600\n"), (6, "-7200\n")] {
        until(secs(20), "a file", || {
            (recordings::files(folder.path()).len() >= count).then_some(())
        });
        jump(by);
    }
    let status = process.wait_exit(secs(20));
    assert!(
        status.is_some_and(|status| status.success()),
        "{}",
        process.log()
    );

    // By the true time at which each was finished.
    let mut files = recordings::files(folder.path());
    files.sort_by_key(|file| fs::metadata(file).and_then(|file| file.modified()).ok());
    // A name that came twice would have been written over, or be a copy's.
    assert_eq!(files.len(), 7, "{files:?}");
    assert!(files.is_sorted(), "{files:?}");
    files.iter().for_each(|file| recordings::decodes(file));
    let length = |file: &Path| file.to_string_lossy().len();
    assert!(
        files.iter().all(|file| length(file) == length(&files[0])),
        "{files:?}"
    );
    // It did jump: the hour of the last is not that of the first.
    let hour = |file: &Path| {
        let name = file.file_name()?.to_str()?;
        name.get(..13).map(str::to_owned)
    };
    assert_ne!(hour(&files[0]), hour(&files[6]));
}
