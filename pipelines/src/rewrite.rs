//! A recording put into MP4 in fragments, coded as it is.

use std::fs;
use std::path::{Path, PathBuf};

use gst::glib;
use gst::prelude::*;

/// A file that gives no frame for so long is given up.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(30);
/// Names in the folder; there is one of them.
const NAME: &str = "%Y-%m-%dT%H-%M-%S-%f";
/// Long ones: nobody loses anything by a crash here, and each is synced to the disk.
const FRAGMENT_MS: u32 = 4000;

/// Why a file was not rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// An element is missing, or they do not fit.
    #[error("its pipeline could not be built ({0})")]
    Build(String),
    /// The file, or the disk.
    #[error("{0}")]
    Failed(String),
}

/// Writes what is in a recording (MP4, Matroska, MPEG-TS) into a file in this empty folder, as MP4 in fragments; gives where that is. Its
/// tracks must be such as MP4 takes. Blocks as long as it takes to read and write it: not for an async task.
///
/// # Errors
/// When an element is missing, the file cannot be read as what it is called, or the folder takes nothing.
pub fn rewrite(file: &Path, folder: &Path) -> Result<PathBuf, RewriteError> {
    let pipeline = gst::Pipeline::new();
    let run = run(&pipeline, file, folder);
    if pipeline.set_state(gst::State::Null).is_err() {
        tracing::debug!("a rewriting pipeline did not stop");
    }
    run?;
    let files = fs::read_dir(folder).map_err(|error| RewriteError::Failed(error.to_string()))?;
    let mut files = files.filter_map(Result::ok).map(|entry| entry.path());
    // Where a file has a hole in its times, or two formats, it becomes several; the recorder writes none such.
    match (files.next(), files.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(RewriteError::Failed("there is no frame in it".to_owned())),
        (Some(_), Some(_)) => Err(RewriteError::Failed("it has a hole in it".to_owned())),
    }
}

fn run(pipeline: &gst::Pipeline, file: &Path, folder: &Path) -> Result<(), RewriteError> {
    let build = |error: glib::BoolError| RewriteError::Build(error.message.to_string());
    let make = |factory: &str| gst::ElementFactory::make(factory).build().map_err(build);
    let (source, parser) = (make("filesrc")?, make("parsebin")?);
    let sink = make("sluicerecordsink")?;
    source.set_property("location", file.to_string_lossy().as_ref());
    // A folder's own percent signs are no fields.
    let folder = folder.to_string_lossy().replace('%', "%%");
    sink.set_property("location", format!("{folder}/{NAME}"));
    sink.set_property("format", "fmp4");
    sink.set_property("segment-duration", u32::MAX);
    sink.set_property("fragment-duration", FRAGMENT_MS);
    sink.set_property("block", true);
    pipeline
        .add_many([&source, &parser, &sink])
        .map_err(build)?;
    source.link(&parser).map_err(build)?;
    let into = sink.downgrade();
    parser.connect_pad_added(move |_, pad| {
        if let Some(sink) = into.upgrade()
            && let Err(error) = link(pad, &sink)
        {
            tracing::debug!(pad = %pad.name(), %error, "a track is left out");
        }
    });
    let playing = pipeline.set_state(gst::State::Playing);
    playing.map_err(|error| RewriteError::Build(error.to_string()))?;
    let bus = pipeline
        .bus()
        .ok_or_else(|| RewriteError::Build("it has no bus".to_owned()))?;
    let mut frames = 0;
    loop {
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = bus.timed_pop_filtered(PATIENCE, &ends);
        let stats: gst::Structure = sink.property("stats");
        if let Some(message) = message {
            if let gst::MessageView::Error(error) = message.view() {
                return Err(RewriteError::Failed(error.error().to_string()));
            }
            // A disk that is full is no error of the element.
            let reason = stats.get::<Option<String>>("reason").ok().flatten();
            return reason.map_or(Ok(()), |reason| Err(RewriteError::Failed(reason)));
        }
        let now = stats.get::<u64>("frames").unwrap_or_default();
        if now <= std::mem::replace(&mut frames, now) {
            return Err(RewriteError::Failed("it cannot be read on".to_owned()));
        }
    }
}

fn link(pad: &gst::Pad, sink: &gst::Element) -> Result<(), glib::BoolError> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let name = caps.structure(0).map(|one| one.name().to_string());
    let is_sound = name.is_some_and(|name| name.starts_with("audio"));
    let wanted = if is_sound { "audio_%u" } else { "video_%u" };
    let input = sink.request_pad_simple(wanted);
    let input = input.ok_or_else(|| glib::bool_error!("the recorder takes no more"))?;
    pad.link(&input)
        .map(drop)
        .map_err(|error| glib::bool_error!("{error}"))
}
