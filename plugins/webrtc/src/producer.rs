//! What the element and its `Viewers` handles share: tracks, fan-out and sessions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::{Codec, GroupLimits, Kind, SessionId, Track};
use tokio::sync::{broadcast, watch};

use crate::fanout::{FanOut, Notice};
use crate::packetize::Frame;
use crate::peer::{self, Time};
use crate::renditions::{FIRST_RENDITION, Renditions};
use crate::session::{Audience, Session};
use crate::sink::Seen;
use crate::transport::Transport;
use crate::viewers::ViewerEvent;
use crate::worker;

/// Events that a slow subscriber may be behind; after that it misses some.
const EVENTS: usize = 256;

/// After its caps, a video track may take this long to show whether it can be passed through.
const FIRST_FRAME: Duration = Duration::from_secs(2);

/// What the user sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub(crate) transport: Transport,
    /// 0 means no limit.
    pub(crate) max_viewers: u32,
    pub(crate) group: GroupLimits,
}

/// One requested pad.
pub(crate) struct Input {
    pub(crate) kind: Kind,
    /// Its number among the pads of its kind: the order of preference.
    pub(crate) number: u32,
    pub(crate) ssrc: u32,
    pub(crate) pad: gst::glib::WeakRef<gst::Pad>,
    /// Since the caps came.
    pub(crate) track: Option<(Track, Instant)>,
    /// Whether enough was seen of it to decide how to serve it.
    pub(crate) seen: bool,
    pub(crate) key_frame: Option<(gst::Buffer, Duration)>,
    /// Told whether somebody watches; says whether it rests now. It may block, and does not call back.
    pub(crate) watched: Arc<dyn Fn(bool) -> bool + Send + Sync>,
}

/// Gives the tracks of what is offered, in the same order.
pub(crate) fn tracks_of(offered: &[Offered]) -> Vec<Track> {
    offered.iter().map(|one| one.track.clone()).collect()
}

impl Input {
    /// Whether it was made of another pad's track.
    const fn is_rendition(&self) -> bool {
        matches!(self.kind, Kind::Video) && self.number >= FIRST_RENDITION
    }

    /// What viewers can be offered, once its track is known.
    fn offered(&self, id: usize) -> Option<Offered> {
        let (track, _) = self.track.as_ref()?;
        Some(Offered {
            id,
            number: self.number,
            track: track.clone(),
            ssrc: self.ssrc,
        })
    }
}

/// A track that can be offered to viewers.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    /// The producer's number of it.
    pub(crate) id: usize,
    /// Its pad's number among those of its kind.
    pub(crate) number: u32,
    pub(crate) track: Track,
    pub(crate) ssrc: u32,
}

/// Lock order: `inputs`, then `sessions`; `fanout` and `limits` are held for a copy only.
pub(crate) struct Producer {
    element: gst::glib::WeakRef<gst::Element>,
    limits: Mutex<Limits>,
    inputs: Mutex<BTreeMap<usize, Input>>,
    sessions: Mutex<BTreeMap<SessionId, Arc<Session>>>,
    fanout: Mutex<Option<Arc<FanOut>>>,
    events: broadcast::Sender<ViewerEvent>,
    /// Counts changes of the tracks, for whoever waits until they are known.
    tracks_changed: watch::Sender<u64>,
    /// Told of the same; until the end of the fan-out.
    track_listeners: Mutex<Vec<Listener>>,
    /// What makes further renditions, where something does.
    renditions: Mutex<Option<Arc<dyn Renditions>>>,
    /// What the pads were last told about that. Held meanwhile, so that the last that they hear is true.
    told: Mutex<bool>,
}

type Listener = Box<dyn Fn() + Send + Sync>;

impl Producer {
    /// Makes one without tracks.
    pub(crate) fn new(element: &gst::Element) -> Arc<Self> {
        Arc::new(Self {
            element: element.downgrade(),
            limits: Mutex::default(),
            inputs: Mutex::default(),
            sessions: Mutex::default(),
            fanout: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
            tracks_changed: watch::Sender::new(0),
            track_listeners: Mutex::default(),
            renditions: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// Starts the fan-out.
    ///
    /// # Errors
    ///
    /// The system gives no more threads.
    pub(crate) fn start(self: &Arc<Self>, limits: Limits) -> std::io::Result<()> {
        let group = limits.group;
        *self.limits.lock() = limits;
        let producer = Arc::downgrade(self);
        let listener = Box::new(move |notice| {
            if let Some(producer) = producer.upgrade() {
                producer.on_notice(notice);
            }
        });
        let fanout = FanOut::start(group, listener)?;
        peer::warm_up();
        *self.fanout.lock() = Some(Arc::new(fanout));
        Ok(())
    }

    /// Closes all viewers and ends the fan-out. Blocks until they are gone, for a second or two at most.
    pub(crate) fn stop(&self, why: &str) {
        self.track_listeners.lock().clear();
        let (done, all) = std::sync::mpsc::channel::<()>();
        for session in self.sessions() {
            let done = done.clone();
            session.close_then(why, move || drop(done));
        }
        drop(done);
        // Ends when the last sender is dropped.
        let _disconnected_or_late = all.recv_timeout(Duration::from_secs(2));
        let fanout = self.fanout.lock().take();
        // One that has never started has nothing to wait for.
        if fanout.is_some() {
            peer::warmed_up();
        }
        drop(fanout);
    }

    /// Gives the limits as they were at the start.
    pub(crate) fn limits(&self) -> Limits {
        self.limits.lock().clone()
    }

    /// Sets what makes renditions of the tracks.
    pub(crate) fn set_renditions(&self, renditions: Arc<dyn Renditions>) {
        *self.renditions.lock() = Some(renditions);
    }

    /// Gives what makes renditions of the tracks.
    pub(crate) fn renditions(&self) -> Option<Arc<dyn Renditions>> {
        self.renditions.lock().clone()
    }

    /// Gives the fan-out, if it runs.
    pub(crate) fn fanout(&self) -> Option<Arc<FanOut>> {
        self.fanout.lock().clone()
    }

    /// Gives the element's clock and base time, if it plays.
    pub(crate) fn time(&self) -> Option<Time> {
        Time::of(&self.element.upgrade()?)
    }

    /// Hands a frame to the fan-out; never blocks.
    pub(crate) fn push(&self, frame: Frame) {
        let track = frame.track;
        if let Some(fanout) = self.fanout()
            && !fanout.push(frame)
        {
            self.request_key_frame(track);
        }
    }

    fn on_notice(&self, notice: Notice) {
        match notice {
            Notice::NeedKeyFrame(track) => self.request_key_frame(track),
            Notice::Playing(id) => {
                if let Some(session) = self.session(&id) {
                    session.on_playing();
                }
            }
            Notice::Failed(id, why) => {
                if let Some(session) = self.session(&id) {
                    session.close(why);
                }
            }
        }
    }

    /// Asks the source for a key frame, on a thread that may block in upstream's elements.
    fn request_key_frame(&self, track: usize) {
        let pad = self
            .inputs
            .lock()
            .get(&track)
            .and_then(|input| input.pad.upgrade());
        if let Some(pad) = pad {
            worker::run(move || {
                let event = gst_video::UpstreamForceKeyUnitEvent::builder()
                    .all_headers(true)
                    .build();
                pad.push_event(event);
            });
        }
    }
}

/// Tracks.
impl Producer {
    /// Adds a pad, whose codec is not known yet.
    pub(crate) fn add_input(&self, id: usize, input: Input) {
        self.inputs.lock().insert(id, input);
        self.on_tracks_changed();
    }

    /// Forgets a pad; viewers who were sent its track are closed.
    pub(crate) fn remove_input(&self, id: usize) {
        self.inputs.lock().remove(&id);
        self.drop_track(id, "the track is gone");
        self.on_tracks_changed();
    }

    /// Takes note of a pad's caps. A viewer cannot follow another codec: those who were sent the old one
    /// are closed, and come back with a new offer. So are those who came before there were pictures.
    pub(crate) fn set_track(&self, id: usize, track: Track) {
        let pictures = track.codec.kind() == Kind::Video;
        let (changed, new) = {
            let mut inputs = self.inputs.lock();
            let Some(input) = inputs.get_mut(&id) else {
                return;
            };
            let before = input.track.take();
            let new = before.is_none();
            let changed = before
                .as_ref()
                .is_some_and(|(before, _)| before.codec != track.codec);
            if changed {
                input.key_frame = None;
            }
            input.seen = input.seen && !changed;
            let seen = before
                .filter(|_| !changed)
                .map(|(before, _)| seen_of(&before));
            input.track = Some((as_seen(track, seen.unwrap_or_default()), Instant::now()));
            (changed, new)
        };
        if changed {
            self.drop_track(id, "the source changed its codec");
        }
        self.on_tracks_changed();
        if new && pictures {
            for session in self.sessions() {
                if session.wants_pictures() {
                    session.close("the source has pictures now");
                }
            }
        }
    }

    /// Takes note that a track can be judged, and how.
    pub(crate) fn set_seen(&self, id: usize, seen: Seen) {
        if let Some(input) = self.inputs.lock().get_mut(&id) {
            input.seen = true;
            if let Some((track, since)) = input.track.take() {
                input.track = Some((as_seen(track, seen), since));
            }
        }
        self.on_tracks_changed();
    }

    /// Keeps the latest key frame, for thumbnails.
    pub(crate) fn set_key_frame(&self, id: usize, buffer: gst::Buffer, at: Duration) {
        let begins = {
            let mut inputs = self.inputs.lock();
            let Some(input) = inputs.get_mut(&id) else {
                return;
            };
            let first = input.key_frame.is_none();
            input.key_frame = Some((buffer, at));
            first && input.is_rendition()
        };
        // Somebody waits for it.
        if begins {
            self.on_tracks_changed();
        }
    }

    /// Gives the latest key frame of the first video track that has one.
    pub(crate) fn key_frame(&self) -> Option<(Track, gst::Buffer, Duration)> {
        self.inputs.lock().values().find_map(|input| {
            let (buffer, at) = input.key_frame.clone()?;
            Some((input.track.as_ref()?.0.clone(), buffer, at))
        })
    }

    /// Gives the known tracks of the source: video first, each kind in its order of preference.
    pub(crate) fn tracks(&self) -> Vec<Offered> {
        let inputs = self.inputs.lock();
        let mut known: Vec<_> = inputs
            .iter()
            .filter(|(_, input)| !input.is_rendition())
            .filter_map(|(id, input)| Some(((input.kind, input.number), input.offered(*id)?)))
            .collect();
        drop(inputs);
        known.sort_by_key(|(order, _)| *order);
        known.into_iter().map(|(_, offered)| offered).collect()
    }

    /// Gives the track of a video pad that carries a rendition, once it has shown a picture.
    pub(crate) fn rendition(&self, number: u32) -> Option<Offered> {
        let inputs = self.inputs.lock();
        let mut video = inputs.iter().filter(|(_, input)| input.kind == Kind::Video);
        let (id, input) = video.find(|(_, input)| input.number == number)?;
        input.key_frame.as_ref()?;
        input.offered(*id)
    }

    /// Says whether the tracks of all the source's pads are known and judged; `Err` gives the instant to look again at the
    /// latest.
    pub(crate) fn is_ready(&self, now: Instant) -> Result<(), Option<Instant>> {
        let inputs = self.inputs.lock();
        let of_source = || inputs.values().filter(|input| !input.is_rendition());
        if inputs.is_empty() || of_source().any(|input| input.track.is_none()) {
            return Err(None);
        }
        let waiting = of_source()
            .filter(|input| input.kind == Kind::Video && !input.seen)
            .filter_map(|input| Some(input.track.as_ref()?.1 + FIRST_FRAME))
            .filter(|until| *until > now);
        waiting.min().map_or(Ok(()), |until| Err(Some(until)))
    }

    /// Subscribes to changes of the tracks.
    pub(crate) fn watch_tracks(&self) -> watch::Receiver<u64> {
        self.tracks_changed.subscribe()
    }

    /// Calls `act` at each change of the tracks, until `stop`. It must not block, nor call back.
    pub(crate) fn on_tracks(&self, act: impl Fn() + Send + Sync + 'static) {
        self.track_listeners.lock().push(Box::new(act));
    }

    fn on_tracks_changed(&self) {
        self.tracks_changed.send_modify(|count| *count += 1);
        let listeners = self.track_listeners.lock();
        listeners.iter().for_each(|tell| tell());
    }

    fn drop_track(&self, id: usize, why: &str) {
        if let Some(fanout) = self.fanout() {
            fanout.forget(id);
        }
        for session in self.sessions() {
            if session.plays(id) {
                session.close(why);
            }
        }
    }
}

/// Sessions.
impl Producer {
    /// Takes a session in.
    pub(crate) fn add_session(self: &Arc<Self>, session: &Arc<Session>) {
        let id = session.id().clone();
        self.sessions.lock().insert(id.clone(), session.clone());
        self.tell_watched();
        if session.audience() == Audience::Viewer {
            self.tell(ViewerEvent::Joined { id });
        }
    }

    /// Lets a session go.
    pub(crate) fn remove_session(self: &Arc<Self>, id: &SessionId, why: &str) {
        let removed = self.sessions.lock().remove(id);
        self.tell_watched();
        if removed.is_some_and(|session| session.audience() == Audience::Viewer) {
            self.tell(ViewerEvent::Left {
                id: id.clone(),
                reason: why.to_owned(),
            });
        }
    }

    /// Says whether there is any session.
    pub(crate) fn is_watched(&self) -> bool {
        !self.sessions.lock().is_empty()
    }

    /// Tells the pads whether somebody watches, on a thread that may wait for a streaming thread.
    fn tell_watched(self: &Arc<Self>) {
        let producer = self.clone();
        worker::run(move || producer.tell_watched_now());
    }

    fn tell_watched_now(&self) {
        let mut told = self.told.lock();
        let watched = self.is_watched();
        if std::mem::replace(&mut *told, watched) == watched {
            return;
        }
        let pads: Vec<_> = {
            let inputs = self.inputs.lock();
            let pads = inputs.iter();
            pads.map(|(id, input)| (*id, input.watched.clone()))
                .collect()
        };
        for (id, tell) in pads {
            // Whoever comes next gets the group from the pad.
            if tell(watched)
                && let Some(fanout) = self.fanout()
            {
                fanout.forget(id);
            }
        }
        if let Some(element) = self.element.upgrade() {
            element.notify("watched");
        }
    }

    /// Finds a session.
    fn session(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.sessions.lock().get(id).cloned()
    }

    /// Finds a viewer's session. Those of targets are nobody's to ask for.
    pub(crate) fn viewer(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.session(id)
            .filter(|session| session.audience() == Audience::Viewer)
    }

    /// Gives all sessions, those of targets too.
    fn sessions(&self) -> Vec<Arc<Session>> {
        self.sessions.lock().values().cloned().collect()
    }

    /// Gives the viewers' sessions.
    pub(crate) fn viewers(&self) -> Vec<Arc<Session>> {
        let mut viewers = self.sessions();
        viewers.retain(|session| session.audience() == Audience::Viewer);
        viewers
    }

    /// Counts the viewers.
    pub(crate) fn count(&self) -> usize {
        let sessions = self.sessions.lock();
        let viewers = sessions.values();
        viewers
            .filter(|session| session.audience() == Audience::Viewer)
            .count()
    }

    /// Counts the viewers that are not connected yet.
    pub(crate) fn connecting(&self) -> usize {
        let sessions = self.viewers();
        sessions
            .iter()
            .filter(|session| session.is_connecting())
            .count()
    }

    /// Tells the subscribers.
    pub(crate) fn tell(&self, event: ViewerEvent) {
        // Nobody may be listening.
        drop(self.events.send(event));
    }

    /// Subscribes to what happens to viewers.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<ViewerEvent> {
        self.events.subscribe()
    }
}

fn seen_of(track: &Track) -> Seen {
    let format = track.video_format();
    format.map_or(Seen::default(), |format| Seen {
        reorders: format.reorders,
        interlaced: format.interlaced,
    })
}

/// What the pictures themselves say counts beside what the caps say.
fn as_seen(track: Track, seen: Seen) -> Track {
    match track.video_format() {
        Some(format) => {
            let mut format = format.clone();
            format.reorders |= seen.reorders && can_reorder(track.codec);
            format.interlaced |= seen.interlaced;
            Track::video(track.codec, format)
        }
        None => track,
    }
}

/// VP8, VP9 and AV1 have their own way to hold a picture back, which decoders of browsers follow.
fn can_reorder(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::H265)
}
