//! One segment: a private pipeline of parsers, muxer and file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use sluice_core::record::{Container, Moment, template};
use sluice_core::{Codec, Kind};

use crate::gather::gather;
use crate::keeper::{Keeper, Kept, said};
use crate::mend::{Starts, mend};
use crate::queue::{Frame, Order, Queue};
use crate::sink::Settings;
use crate::state::Report;
use crate::track::{self, Earlier};

/// What the parsers and the muxer may lag behind: the disk is too slow if it is more.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// How much of a track may wait for the other tracks in the muxer.
const MUXER_QUEUE: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// So many bytes of a track go on at once, with whatever follows or not.
const LIST_BYTES: usize = 1 << 20;

/// A track that sends nothing for so long ends, since the muxer would wait for it, in nanoseconds. Pictures may come once a
/// second; sound does not, and pictures that wait for it are lost if the gateway is killed. Opus that sends no silence
/// (DTX, RFC 7587, 3.1.3) still sends a packet each 400 ms.
const fn silence(kind: Kind) -> i64 {
    match kind {
        Kind::Video => 2_000_000_000,
        Kind::Audio => 700_000_000,
    }
}

/// So many files of one microsecond are looked for before giving up.
const COPIES: u32 = 1000;

struct Lane {
    track: usize,
    source: gst_app::AppSrc,
    caps: gst::Caps,
    begun: bool,
    last: i64,
    /// So long it may send nothing, in nanoseconds.
    silence: i64,
    ended: bool,
    /// Goes on with the next `flush`.
    list: Option<gst::BufferList>,
    listed: usize,
}

/// A segment that is being written.
pub(crate) struct Segment {
    pub(crate) serial: u64,
    lanes: Vec<Lane>,
    base: i64,
    shown: i64,
    starts: Starts,
    keeper: Keeper,
    pub(crate) location: String,
}

/// What is opened.
pub(crate) struct Opening<'a> {
    pub(crate) serial: u64,
    pub(crate) settings: &'a Settings,
    /// Tracks with their caps.
    pub(crate) tracks: Vec<(usize, gst::Caps)>,
    pub(crate) start: Moment,
    /// When the first frame is decoded: no time in the file is earlier.
    pub(crate) base: i64,
    /// When it is shown: the file begins there.
    pub(crate) shown: i64,
    /// When each track begins, by its place; filled by what is written.
    pub(crate) starts: Starts,
    /// The first frame says when it is decoded.
    pub(crate) decoded: bool,
    /// Known from the first frame, or filled by the segment's pipeline.
    pub(crate) earlier: Earlier,
}

impl Opening<'_> {
    /// Makes the file and starts its pipeline. Blocks as long as the disk does.
    pub(crate) fn open(&self, queue: &Arc<Queue>, report: &Arc<Report>) -> Result<Segment, String> {
        let codecs: Vec<_> = self
            .tracks
            .iter()
            .filter_map(|(_, caps)| track::codec(caps))
            .collect();
        let container = self.settings.format.container(&codecs);
        let (file, part, whole) = self.create(container.extension(&codecs))?;
        let built = self.build(container, &codecs, &part);
        let (pipeline, lanes) = built.map_err(|error| error.to_string())?;
        self.watch(&pipeline, &part, queue);
        let location = whole.to_string_lossy().into_owned();
        let started = pipeline.set_state(gst::State::Playing);
        let keeper = Keeper::start(
            Kept {
                serial: self.serial,
                pipeline,
                file,
                part: part.clone(),
                whole,
                container,
            },
            Arc::clone(queue),
            Arc::clone(report),
        );
        let keeper = keeper.map_err(|error| said(&part, &error))?;
        if started.is_err() {
            keeper.abandon();
            keeper.join();
            return Err(format!("{}: it could not be opened", part.display()));
        }
        Ok(Segment {
            serial: self.serial,
            lanes,
            base: self.base,
            shown: self.shown,
            starts: Arc::clone(&self.starts),
            keeper,
            location,
        })
    }

    /// Makes a file that nobody else has, under a name that was never given.
    fn create(&self, ending: &str) -> Result<(File, PathBuf, PathBuf), String> {
        let settings = self.settings;
        for copy in 0..COPIES {
            let name = settings.location.name(&settings.path, self.start, copy);
            let whole = PathBuf::from(format!("{name}.{ending}"));
            let part = PathBuf::from(format!("{name}.{ending}{}", template::PART));
            match self.create_part(&part, &whole) {
                Ok(file) => return Ok((file, part, whole)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(said(&part, &error)),
            }
        }
        Err("every name for this moment is taken".to_owned())
    }

    fn create_part(&self, part: &Path, whole: &Path) -> io::Result<File> {
        if whole.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // The fixed folder may be where a disk is mounted: it is made once, at the start, and not again.
        let root = self.settings.location.folder(&self.settings.path);
        fs::metadata(root)?;
        if let Some(parent) = part
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            // A file in a folder's place is not a name that is taken: another one would not help.
            fs::create_dir_all(parent).map_err(|error| {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    io::ErrorKind::NotADirectory.into()
                } else {
                    error
                }
            })?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(part)?;
        file.try_lock().map_err(io::Error::from)?;
        // Another process may have finished one of this name between the question and the answer.
        if whole.try_exists()? {
            fs::remove_file(part)?;
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(file)
    }

    fn build(
        &self,
        container: Container,
        codecs: &[Codec],
        part: &Path,
    ) -> Result<(gst::Pipeline, Vec<Lane>), glib::BoolError> {
        let pipeline = gst::Pipeline::new();
        let muxer = self.muxer(container, codecs)?;
        let file = gst::ElementFactory::make("filesink")
            .property("location", part.to_string_lossy().as_ref())
            .property_from_str("buffer-mode", "unbuffered")
            .property("async", false)
            .build()?;
        pipeline.add_many([&muxer, &file])?;
        muxer.link(&file)?;
        if matches!(container, Container::FragmentedMp4 | Container::Mp4) {
            mend(&muxer, &self.starts, &self.earlier, self.start.unix)?;
        }
        if container == Container::FragmentedMp4 {
            gather(&muxer, self.tracks.len())?;
        }
        let mut lanes = Vec::new();
        for (track, caps) in &self.tracks {
            let codec = track::codec(caps).ok_or_else(|| glib::bool_error!("no codec"))?;
            let source = gst_app::AppSrc::builder()
                .caps(&track::complete(caps, codec))
                .format(gst::Format::Time)
                .max_bytes(MOST_BYTES)
                .block(self.settings.block)
                .build();
            pipeline.add(&source)?;
            let mut last: gst::Element = source.clone().upcast();
            if let Some(parser) = track::parser(codec) {
                last = follow(&pipeline, &last, parser)?;
            }
            let timestamper = track::timestamper(container, codec).filter(|_| !self.decoded);
            if let Some((timestamper, caps)) = timestamper {
                last = follow(&pipeline, &last, "capsfilter")?;
                last.set_property("caps", caps);
                last = follow(&pipeline, &last, timestamper)?;
                track::measure(&last, lanes.len(), &self.earlier);
            }
            let in_place = container == Container::MpegTs;
            if let Some(parser) = track::parser(codec).filter(|_| in_place)
                && codec.kind() == Kind::Video
            {
                // A transport stream says its parameters before each key frame.
                last = follow(&pipeline, &last, parser)?;
                last.set_property("config-interval", -1i32);
            }
            let wanted = match container {
                Container::MpegTs => "sink_%d".to_owned(),
                Container::FragmentedMp4 | Container::Mp4 | Container::Matroska => {
                    format!("{}_%u", codec.kind().label())
                }
            };
            let input = muxer.request_pad_simple(&wanted);
            let input = input.ok_or_else(|| glib::bool_error!("the muxer has no pad"))?;
            let output = last.static_pad("src");
            let output = output.ok_or_else(|| glib::bool_error!("no source pad"))?;
            if codec == Codec::Vp9 {
                track::with_chroma_site(&output);
            }
            output
                .link(&input)
                .map_err(|error| glib::bool_error!("{error}"))?;
            lanes.push(Lane {
                track: *track,
                begun: false,
                source,
                caps: caps.clone(),
                last: self.base,
                silence: silence(codec.kind()),
                ended: false,
                list: None,
                listed: 0,
            });
        }
        Ok((pipeline, lanes))
    }

    fn muxer(
        &self,
        container: Container,
        codecs: &[Codec],
    ) -> Result<gst::Element, glib::BoolError> {
        let start = glib::DateTime::from_unix_utc(
            i64::try_from(self.start.unix.as_secs()).unwrap_or_default(),
        )?
        .add(glib::TimeSpan(self.start.unix.subsec_micros().into()))?;
        let muxer = match container {
            Container::FragmentedMp4 => gst::ElementFactory::make("mp4mux")
                .property("fragment-duration", self.settings.fragment_ms)
                .build()?,
            Container::Mp4 => gst::ElementFactory::make("mp4mux").build()?,
            Container::Matroska if container.is_webm(codecs) => {
                gst::ElementFactory::make("webmmux").build()?
            }
            Container::Matroska => gst::ElementFactory::make("matroskamux").build()?,
            Container::MpegTs => gst::ElementFactory::make("mpegtsmux").build()?,
        };
        if muxer.has_property("latency") {
            // How much may wait at its pads. Without, its thread and those before it wake each other for each frame.
            muxer.set_property("latency", MUXER_QUEUE.nseconds());
        }
        if muxer.has_property("creation-time") {
            muxer.set_property("creation-time", &start);
        }
        Ok(muxer)
    }

    /// Tells the writer of an error at once; leaves the rest that matters for the keeper.
    fn watch(&self, pipeline: &gst::Pipeline, part: &Path, queue: &Arc<Queue>) {
        let (serial, part) = (self.serial, part.to_owned());
        let queue = Arc::clone(queue);
        let Some(bus) = pipeline.bus() else {
            return;
        };
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                let full = error.error().matches(gst::ResourceError::NoSpaceLeft);
                let reason = if full {
                    said(&part, &io::ErrorKind::StorageFull.into())
                } else {
                    error.error().to_string()
                };
                queue.order(Order::Failed { serial, reason });
                return gst::BusSyncReply::Pass;
            }
            if message.type_() == gst::MessageType::Eos {
                gst::BusSyncReply::Pass
            } else {
                gst::BusSyncReply::Drop
            }
        });
    }
}

/// Puts an element behind another.
fn follow(
    pipeline: &gst::Pipeline,
    last: &gst::Element,
    factory: &str,
) -> Result<gst::Element, glib::BoolError> {
    let element = gst::ElementFactory::make(factory).build()?;
    pipeline.add(&element)?;
    last.link(&element)?;
    Ok(element)
}

impl Segment {
    /// Says whether a frame needs another segment: its track is not in this one, or was another.
    pub(crate) fn is_other(&mut self, frame: &Frame) -> bool {
        let mut lanes = self.lanes.iter_mut();
        let lane = lanes.find(|lane| lane.track == frame.track);
        lane.is_none_or(|lane| lane.ended || !lane.fits(&frame.caps))
    }

    /// Says whether the disk is too slow: more than half, or more than all that may wait.
    pub(crate) fn backlog(&self) -> (bool, bool) {
        let bytes: u64 = self
            .lanes
            .iter()
            .map(|lane| lane.source.current_level_bytes())
            .sum();
        (bytes > MOST_BYTES / 2, bytes > MOST_BYTES)
    }

    /// Writes a frame, with the next `flush` or before.
    pub(crate) fn write(&mut self, frame: &Frame) -> bool {
        let now = frame.at();
        for lane in &mut self.lanes {
            if lane.track != frame.track && !lane.ended && now - lane.last > lane.silence {
                lane.end();
            }
        }
        let base = self.base;
        let mut places = self.lanes.iter_mut().enumerate();
        let Some((place, lane)) = places.find(|(_, lane)| lane.track == frame.track) else {
            return false;
        };
        let clock = |time: i64| {
            let inside = u64::try_from(time - base).ok();
            inside.map(gst::ClockTime::from_nseconds)
        };
        let Some(pts) = clock(frame.pts) else {
            return false;
        };
        let mut buffer = frame.buffer.copy();
        let inside = buffer.make_mut();
        inside.set_pts(pts);
        inside.set_dts(
            frame
                .dts
                .map(|dts| clock(dts).unwrap_or(gst::ClockTime::ZERO)),
        );
        if !std::mem::replace(&mut lane.begun, true) {
            let begins = u64::try_from(frame.pts - self.shown).unwrap_or_default();
            let mut starts = self.starts.lock();
            if starts.len() <= place {
                starts.resize(place + 1, Duration::ZERO);
            }
            if let Some(start) = starts.get_mut(place) {
                *start = Duration::from_nanos(begins);
            }
        }
        lane.last = lane.last.max(now);
        if lane.ended {
            return false;
        }
        lane.add(buffer);
        true
    }

    /// Writes what came since the last time.
    pub(crate) fn flush(&mut self) {
        for lane in &mut self.lanes {
            lane.flush();
        }
    }

    /// Ends it; the file is finished by its own thread.
    pub(crate) fn finish(mut self) -> Keeper {
        for lane in self.lanes.iter_mut().filter(|lane| !lane.ended) {
            lane.end();
        }
        self.keeper.finish();
        self.keeper
    }

    /// Gives it up.
    pub(crate) fn abandon(self) -> Keeper {
        self.keeper.abandon();
        self.keeper
    }
}

impl Lane {
    /// Says whether what comes with these caps may go on in the file.
    fn fits(&mut self, caps: &gst::Caps) -> bool {
        // Nearly always they are the very same, and looking into them takes longer than all the rest.
        if self.caps.as_ptr() == caps.as_ptr() {
            return true;
        }
        let is_same = track::is_same_format(&self.caps, caps);
        if is_same {
            self.caps = caps.clone();
        }
        is_same
    }

    fn add(&mut self, buffer: gst::Buffer) {
        self.listed += buffer.size();
        let list = self.list.get_or_insert_with(gst::BufferList::new);
        if let Some(list) = list.get_mut() {
            list.add(buffer);
        }
        if self.listed > LIST_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.listed = 0;
        let list = self.list.take();
        if list.is_some_and(|list| self.source.push_buffer_list(list).is_err()) {
            gst::debug!(gst::CAT_DEFAULT, "frames of a failed segment");
        }
    }

    fn end(&mut self) {
        self.flush();
        self.ended = true;
        if self.source.end_of_stream().is_err() {
            gst::debug!(gst::CAT_DEFAULT, "a track of a failed segment");
        }
    }
}
