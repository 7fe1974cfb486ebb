//! One thread for each segment: syncs its file each second, and finishes it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use gst::prelude::*;
use sluice_core::record::{Container, Repair};

use crate::leftovers::{sync_folder, whole};
use crate::queue::{Order, Queue};
use crate::state::Report;

/// A muxer that was told the end and does not come to it in this time will not.
const END: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// How often the file is synced to the disk: without power, so much more may be lost.
const EACH: Duration = Duration::from_secs(1);

/// What a keeper needs to know.
pub(crate) struct Kept {
    pub(crate) serial: u64,
    pub(crate) pipeline: gst::Pipeline,
    /// Holds the lock that says that somebody writes here.
    pub(crate) file: File,
    pub(crate) part: PathBuf,
    pub(crate) whole: PathBuf,
    pub(crate) container: Container,
}

enum Word {
    /// All frames are in: finish.
    Finish,
    /// The segment failed.
    Abandon,
}

pub(crate) struct Keeper {
    words: SyncSender<Word>,
    thread: JoinHandle<()>,
}

impl Keeper {
    pub(crate) fn start(kept: Kept, queue: Arc<Queue>, report: Arc<Report>) -> io::Result<Self> {
        let (words, heard) = sync_channel(2);
        let thread = std::thread::Builder::new()
            .name("sluice-segment".to_owned())
            .spawn(move || kept.run(&heard, &queue, &report))?;
        Ok(Self { words, thread })
    }

    /// Lets the segment be finished. Never blocks.
    pub(crate) fn finish(&self) {
        self.say(Word::Finish);
    }

    /// Gives the segment up. Never blocks.
    pub(crate) fn abandon(&self) {
        self.say(Word::Abandon);
    }

    fn say(&self, word: Word) {
        if self.words.try_send(word).is_err() {
            gst::debug!(gst::CAT_DEFAULT, "the segment has ended");
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until it is done.
    pub(crate) fn join(self) {
        if self.thread.join().is_err() {
            gst::error!(gst::CAT_DEFAULT, "a segment's thread panicked");
        }
    }
}

impl Kept {
    fn run(self, heard: &Receiver<Word>, queue: &Queue, report: &Report) {
        let mut failed = false;
        loop {
            match heard.recv_timeout(EACH) {
                Ok(Word::Finish) => break,
                Ok(Word::Abandon) | Err(RecvTimeoutError::Disconnected) => {
                    self.give_up();
                    return;
                }
                Err(RecvTimeoutError::Timeout) if failed => {}
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(reason) = self.sync() {
                        failed = true;
                        queue.order(Order::Failed {
                            serial: self.serial,
                            reason,
                        });
                    }
                }
            }
        }
        match self.finish() {
            Ok(bytes) => report.finished(&self.whole.to_string_lossy(), bytes),
            Err(reason) => {
                queue.order(Order::Failed {
                    serial: self.serial,
                    reason,
                });
                self.give_up();
            }
        }
    }

    fn sync(&self) -> Result<(), String> {
        self.file
            .sync_data()
            .map_err(|error| said(&self.part, &error))?;
        // A file whose folder was taken away is written on, and seen by nobody.
        match fs::symlink_metadata(&self.part) {
            Ok(_) => Ok(()),
            Err(error) => Err(said(&self.part, &error)),
        }
    }

    fn finish(&self) -> Result<u64, String> {
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let bus = self.pipeline.bus();
        let message = bus.and_then(|bus| bus.timed_pop_filtered(END, &ends));
        let ended = message.is_some_and(|message| message.type_() == gst::MessageType::Eos);
        self.stop();
        if !ended {
            return Err(format!("{} could not be finished", self.part.display()));
        }
        let finished = || -> io::Result<u64> {
            self.file.sync_all()?;
            fs::rename(&self.part, &self.whole)?;
            sync_folder(&self.whole)?;
            Ok(self.file.metadata()?.len())
        };
        finished().map_err(|error| said(&self.part, &error))
    }

    /// Leaves what is there for the next repair. A file with nothing in it yet is of no use to anybody, and a full
    /// disk would make one at each try.
    fn give_up(&self) {
        self.stop();
        let empty = || -> io::Result<bool> {
            let len = self.file.metadata()?.len();
            let nothing = whole(self.container, &self.file, len)? == Repair::Broken;
            Ok(len == 0 || (nothing && self.container != Container::Mp4))
        };
        if empty().unwrap_or(false)
            && let Err(error) = fs::remove_file(&self.part)
        {
            gst::debug!(gst::CAT_DEFAULT, "{}: {error}", self.part.display());
        }
    }

    fn stop(&self) {
        if self.pipeline.set_state(gst::State::Null).is_err() {
            gst::debug!(gst::CAT_DEFAULT, "a segment's pipeline did not stop");
        }
    }
}

/// What a disk says, and what people call it.
const KNOWN: &[(io::ErrorKind, &str)] = &[
    (io::ErrorKind::StorageFull, "the disk is full"),
    (io::ErrorKind::QuotaExceeded, "the disk is full"),
    (io::ErrorKind::ReadOnlyFilesystem, "the disk is read-only"),
    (io::ErrorKind::NotFound, "the folder is gone"),
    (io::ErrorKind::NotADirectory, "the folder is gone"),
    (
        io::ErrorKind::AlreadyExists,
        "a file is in the place of the folder",
    ),
];

/// Puts an error of the disk into a sentence with the file's name.
pub(crate) fn said(file: &Path, error: &io::Error) -> String {
    let known = KNOWN.iter().find(|(kind, _)| *kind == error.kind());
    let why = known.map_or_else(|| error.to_string(), |(_, why)| (*why).to_owned());
    format!("{}: {why}", file.display())
}
