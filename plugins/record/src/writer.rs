//! The thread that puts frames in order, cuts segments and feeds them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use gst::glib;
use parking_lot::Mutex;
use sluice_core::Kind;
use sluice_core::record::{Cutter, DiskRetry, Merge, Moment, PreRoll, Verdict, cut, moment};

use crate::keeper::{Keeper, said};
use crate::leftovers;
use crate::queue::{Frame, Order, Queue};
use crate::segment::{Opening, Segment};
use crate::sink::Settings;
use crate::state::{Doing, Report};

/// Running time counts from here, so that pictures that are decoded before it have a time too.
const ORIGIN: i64 = 3_600_000_000_000;

/// How far a live track may be ahead of one that is silent. Both come in time, but for what the network does to one of two ports; what
/// waits is lost if the gateway is killed.
const LIVE: Duration = Duration::from_millis(500);

/// Sound comes at once, the first picture with the next key frame. Until then there is nothing to begin a file with but the sound, which
/// would be a file without pictures.
const FIRST_PICTURE: Duration = Duration::from_secs(10);

/// And one that is read from a file, as fast as it can be.
const FILES: Duration = Duration::from_secs(60);

pub(crate) struct Writer {
    settings: Settings,
    queue: Arc<Queue>,
    report: Arc<Report>,
    merge: Merge<Frame>,
    cutter: Cutter,
    retry: DiskRetry,
    starts: moment::Order,
    began: Instant,
    segment: Option<Segment>,
    keepers: Vec<Keeper>,
    serial: u64,
    /// How much later the newest key frame of each track is shown than decoded, in nanoseconds.
    ahead: BTreeMap<usize, i64>,
    /// The newest caps of each track.
    caps: BTreeMap<usize, (Kind, gst::Caps)>,
    expected: BTreeSet<usize>,
    ended: BTreeSet<usize>,
    /// The disk is too slow: nothing is kept up to a key frame.
    skipping: bool,
    /// The fixed folder is there, or was: it is made once, since a disk may be mounted there.
    has_folder: bool,
    /// Frames are written; otherwise the last ones are kept.
    on: bool,
    before: PreRoll<Frame>,
}

impl Writer {
    pub(crate) fn new(settings: Settings, queue: Arc<Queue>, report: Arc<Report>) -> Self {
        Self {
            cutter: Cutter::new(settings.limits()),
            on: settings.recording,
            before: PreRoll::new(settings.pre_roll()),
            merge: Merge::new(if settings.block { FILES } else { LIVE }),
            settings,
            queue,
            report,
            retry: DiskRetry::default(),
            starts: moment::Order::default(),
            began: Instant::now(),
            segment: None,
            keepers: Vec::new(),
            serial: 0,
            ahead: BTreeMap::new(),
            caps: BTreeMap::new(),
            expected: BTreeSet::new(),
            ended: BTreeSet::new(),
            skipping: false,
            has_folder: false,
        }
    }

    /// Runs until it is told to stop; then every file is finished.
    pub(crate) fn run(mut self) {
        match self.make_folder() {
            Ok(()) => self.tidy(),
            Err(reason) => self.failed(&reason),
        }
        if !self.on {
            self.report.is(Doing::Armed, None, None);
        }
        loop {
            let order = self.queue.next().unwrap_or_else(|| {
                if let Some(segment) = &mut self.segment {
                    segment.flush();
                }
                self.queue.pop()
            });
            match order {
                Order::Frame(frame) => {
                    let at = self.placed(&frame).saturating_add(ORIGIN);
                    let at = u64::try_from(at).unwrap_or_default();
                    self.ended.remove(&frame.track);
                    self.expected.insert(frame.track);
                    let caps = || (frame.kind, frame.caps.clone());
                    self.caps.entry(frame.track).or_insert_with(caps);
                    self.merge
                        .push(frame.track, Duration::from_nanos(at), frame);
                    self.drain();
                }
                Order::Expect(track, kind) => {
                    self.expected.insert(track);
                    let first = match kind {
                        Kind::Video => FIRST_PICTURE,
                        Kind::Audio => LIVE,
                    };
                    let patience = if self.settings.block { FILES } else { first };
                    self.merge.expect(track, patience);
                }
                Order::Ended(track) => {
                    self.ended.insert(track);
                    self.merge.end(track);
                    self.drain();
                    self.end_if_all_ended();
                }
                Order::Record(on) => self.switch(on),
                Order::LeftOut(track) => {
                    self.expected.remove(&track);
                    self.caps.remove(&track);
                    self.merge.end(track);
                    self.drain();
                }
                Order::Failed { serial, reason } => self.on_failed(serial, &reason),
                Order::Stop => break,
            }
        }
        for track in self.expected.clone() {
            self.merge.end(track);
        }
        self.drain();
        self.close();
        self.join(true);
    }

    /// Gives the time by which frames of all tracks are put in order and cut. That of a key frame is when it is shown: what is heard
    /// before belongs to the pictures before. Those behind it are as much later than they are decoded.
    fn placed(&mut self, frame: &Frame) -> i64 {
        let Some(decoded) = frame.dts else {
            return frame.pts;
        };
        if frame.key {
            let ahead = frame.pts.saturating_sub(decoded).max(0);
            self.ahead.insert(frame.track, ahead);
        }
        let ahead = self.ahead.get(&frame.track).copied();
        decoded.saturating_add(ahead.unwrap_or_default())
    }

    fn drain(&mut self) {
        while let Some((at, _, frame)) = self.merge.pop() {
            if self.on {
                self.on_frame(at, &frame);
            } else {
                self.hold(at, frame);
            }
        }
        self.join(false);
    }

    fn switch(&mut self, on: bool) {
        if std::mem::replace(&mut self.on, on) == on {
            return;
        }
        if on {
            self.report.is(Doing::Idle, None, None);
            let before: Vec<_> = self.before.take().collect();
            for (at, frame) in before {
                self.on_frame(at, &frame);
            }
        } else {
            self.close();
            self.cutter.on_closed();
            self.report.is(Doing::Armed, None, None);
        }
    }

    fn hold(&mut self, at: Duration, frame: Frame) {
        let caps = frame.caps.clone();
        self.caps.insert(frame.track, (frame.kind, caps));
        let begins = frame.key && self.leader(&frame) == Some(frame.track);
        let bytes = frame.buffer.size() as u64;
        self.before.push(at, begins, bytes, frame);
    }

    fn end_if_all_ended(&mut self) {
        if self.expected.is_subset(&self.ended) {
            self.close();
            self.join(true);
            self.report.eos();
        }
    }

    fn on_frame(&mut self, at: Duration, frame: &Frame) {
        let caps = frame.caps.clone();
        self.caps.insert(frame.track, (frame.kind, caps));
        let leads = self.leader(frame) == Some(frame.track);
        let other = self
            .segment
            .as_mut()
            .is_some_and(|segment| segment.is_other(frame));
        if self.segment.is_none() && leads && frame.key && !self.retry.may_open(Instant::now()) {
            self.report.dropped();
            return;
        }
        let verdict = self.cutter.on_frame(cut::Frame {
            leads,
            key: frame.key,
            at,
            bytes: frame.buffer.size() as u64,
            other,
        });
        match verdict {
            Verdict::Begin => {
                self.close();
                self.open(frame);
                self.write(frame, leads);
            }
            Verdict::Keep if other => self.report.dropped(),
            Verdict::Keep => self.write(frame, leads),
            Verdict::Drop => self.report.dropped(),
            Verdict::End => {
                self.close();
                self.report.dropped();
            }
        }
    }

    /// The first video track says where segments begin; without one, the first sound.
    fn leader(&self, frame: &Frame) -> Option<usize> {
        let live = |kind: Kind| {
            let of_kind = self.caps.iter().filter(|(_, (known, _))| *known == kind);
            let mut tracks = of_kind.map(|(track, _)| *track);
            tracks.find(|track| *track == frame.track || !self.merge.is_over(*track))
        };
        live(Kind::Video).or_else(|| live(Kind::Audio))
    }

    fn write(&mut self, frame: &Frame, leads: bool) {
        let Some(segment) = &mut self.segment else {
            self.report.dropped();
            return;
        };
        let (behind, too_slow) = if self.settings.block {
            (false, false)
        } else {
            segment.backlog()
        };
        if self.skipping && leads && frame.key && !behind {
            self.skipping = false;
            let location = segment.location.clone();
            self.report.is(Doing::Recording, None, Some(&location));
        } else if too_slow && !self.skipping {
            self.skipping = true;
            self.report.is(
                Doing::Dropping,
                Some("the disk is too slow: frames are dropped up to the next key frame"),
                None,
            );
        }
        if !self.skipping && segment.write(frame) {
            self.report.kept(frame.buffer.size());
        } else {
            self.report.dropped();
        }
    }

    fn make_folder(&mut self) -> Result<(), String> {
        if !self.has_folder {
            let folder = self.settings.location.folder(&self.settings.path);
            fs::create_dir_all(&folder).map_err(|error| said(folder.as_ref(), &error))?;
            self.has_folder = true;
        }
        Ok(())
    }

    fn open(&mut self, first: &Frame) {
        let was_failing = self.retry.failures() > 0;
        let made = self.make_folder();
        self.serial += 1;
        self.skipping = false;
        let wall = first.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix = self.starts.on_start(wall, self.began.elapsed());
        let tracks: Vec<_> = self
            .caps
            .iter()
            .filter(|(track, _)| **track == first.track || !self.merge.is_away(**track))
            .map(|(track, (_, caps))| (*track, caps.clone()))
            .collect();
        let place = tracks.iter().position(|(track, _)| *track == first.track);
        let by = u64::try_from(first.pts - first.at()).unwrap_or_default();
        let earlier = place.map(|place| (place, Duration::from_nanos(by)));
        let opening = Opening {
            serial: self.serial,
            settings: &self.settings,
            tracks,
            start: Moment {
                unix,
                offset_secs: local_offset(unix),
            },
            base: first.at(),
            shown: first.pts,
            starts: Arc::default(),
            decoded: first.dts.is_some() || first.kind == Kind::Audio,
            earlier: Arc::new(Mutex::new(earlier)),
        };
        match made.and_then(|()| opening.open(&self.queue, &self.report)) {
            Ok(segment) => {
                self.report
                    .is(Doing::Recording, None, Some(&segment.location));
                self.segment = Some(segment);
                if was_failing {
                    self.tidy();
                }
            }
            Err(reason) => {
                self.cutter.on_closed();
                self.failed(&reason);
            }
        }
    }

    fn close(&mut self) {
        if let Some(segment) = self.segment.take() {
            // It came to its end, so the disk is well.
            self.retry.on_success();
            self.keepers.push(segment.finish());
        }
    }

    fn on_failed(&mut self, serial: u64, reason: &str) {
        if self
            .segment
            .as_ref()
            .is_some_and(|segment| segment.serial == serial)
        {
            if let Some(segment) = self.segment.take() {
                self.keepers.push(segment.abandon());
            }
            self.cutter.on_closed();
            self.failed(reason);
        } else if serial < self.serial {
            gst::warning!(gst::CAT_DEFAULT, "an earlier segment: {reason}");
        }
    }

    fn failed(&mut self, reason: &str) {
        self.retry.on_failure(Instant::now());
        self.report.is(Doing::Failed, Some(reason), None);
    }

    fn tidy(&self) {
        if let Err(error) = leftovers::tidy(&self.settings, &self.report) {
            gst::warning!(gst::CAT_DEFAULT, "leftovers: {error}");
        }
    }

    /// Lets go of the segments that are finished; waits for all if `all`.
    fn join(&mut self, all: bool) {
        let (done, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.keepers)
            .into_iter()
            .partition(|keeper| all || keeper.is_done());
        self.keepers = open;
        for keeper in done {
            keeper.join();
        }
    }
}

/// Says how far local time is from UTC at a time since 1970, in seconds.
#[must_use]
pub fn local_offset(unix: Duration) -> i32 {
    let seconds = i64::try_from(unix.as_secs()).unwrap_or_default();
    let local = glib::DateTime::from_unix_local(seconds);
    let offset = local
        .map(|local| local.utc_offset().as_seconds())
        .unwrap_or_default();
    i32::try_from(offset).unwrap_or_default()
}
