//! One dial: a thread of its own that builds a source's child pipeline, keeps it and tears it down.

mod device;
mod file;
mod http;
mod item;
mod known;
mod network;
mod rtsp;
mod trust;
mod whep;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sluice_core::redial::Failure;
use sluice_core::{Kind, Scheme, SourceUri};

use crate::burst::Burst;
use crate::failure::Fault;
use crate::feed::Feed;
use crate::outlet::Outlet;
use crate::report::{DialEvent, Reports};
use crate::source::Transport;
use item::Item;

/// How long after PLAY the first RTP packet may take over UDP, before TCP is tried.
const UDP_PATIENCE: Duration = Duration::from_millis(1500);

/// How many commands may wait for the dial's thread. Every track of an item sends two at most.
const COMMANDS: usize = 64;

/// What to dial, and how. Copied from the settings when the dial starts.
#[derive(Clone)]
pub(crate) struct Order {
    /// One URI, or the items of a playlist.
    pub(crate) items: Vec<SourceUri>,
    /// Begins again after the last item.
    pub(crate) repeat: bool,
    pub(crate) latency: Duration,
    pub(crate) transport: Transport,
    pub(crate) ca_file: Option<PathBuf>,
    /// SHA-256 of the server's certificate, in lower-case hex.
    pub(crate) fingerprint: Option<String>,
    pub(crate) connect: Duration,
    /// For sources that find their way by ICE.
    pub(crate) stun_server: Option<String>,
    pub(crate) burst: Burst,
    pub(crate) clock: gst::Clock,
    pub(crate) base: gst::ClockTime,
}

/// What a dial's thread is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Command {
    HangUp,
    /// An item has been read to its end; it still plays.
    Draining(u64),
    /// An item has been played to its end.
    Ended(u64),
    /// RTSP's PLAY was sent.
    Played,
}

/// A dial under way. Dropping it does not hang up: `hang_up` does.
pub(crate) struct Dial {
    pub(crate) id: u64,
    pub(crate) source: usize,
    current: Arc<Mutex<Option<Arc<Feed>>>>,
    outlet: Arc<Outlet>,
    commands: SyncSender<Command>,
    thread: JoinHandle<()>,
}

impl Dial {
    /// Starts the dial's thread.
    pub(crate) fn start(
        source: usize,
        order: Order,
        outlet: Arc<Outlet>,
        reports: &Reports,
    ) -> Result<Self, Fault> {
        let (commands, inbox) = sync_channel(COMMANDS);
        let current = Arc::default();
        let line = Operator {
            order,
            outlet: Arc::clone(&outlet),
            reports: reports.clone(),
            current: Arc::clone(&current),
            commands: commands.clone(),
            over_tcp: false,
            played: None,
        };
        let thread = std::thread::Builder::new()
            .name(format!("sluice-dial-{}", reports.dial()))
            .spawn(move || line.run(&inbox))
            .map_err(|error| {
                Fault::new(Failure::Lost, format!("no thread for a dial: {error}."))
            })?;
        Ok(Self {
            id: reports.dial(),
            source,
            current,
            outlet,
            commands,
            thread,
        })
    }

    /// Tells the dial to end. Does not wait: a camera that is gone may hold up its teardown.
    pub(crate) fn hang_up(self) -> JoinHandle<()> {
        if let Some(feed) = self.feed() {
            feed.close();
        }
        self.outlet.wake();
        // A full queue cannot be: the thread reads it until it gets this.
        self.commands.try_send(Command::HangUp).unwrap_or_default();
        self.thread
    }

    /// Tells since when some track has been silent: the oldest arrival among the tracks that ever flowed.
    pub(crate) fn last_flow(&self, now: Instant) -> Option<Instant> {
        let lines = self.feed()?.lines();
        // A track that is held up downstream may hold up the others in the demuxer.
        if lines.iter().any(|line| line.is_pushing()) {
            return Some(now);
        }
        lines.iter().filter_map(|line| line.last_flow(now)).min()
    }

    /// Says whether the source promised pictures, but has never sent any.
    pub(crate) fn is_blind(&self) -> bool {
        self.feed().is_some_and(|feed| feed.is_blind())
    }

    /// Says whether all tracks are known.
    pub(crate) fn is_gathered(&self) -> bool {
        self.feed().is_some_and(|feed| feed.is_gathered())
    }

    /// Sends an event towards the source, on one of its tracks.
    pub(crate) fn send_upstream(&self, kind: Kind, index: u32, event: gst::Event) -> bool {
        let lines = self.feed().map(|feed| feed.lines()).unwrap_or_default();
        lines
            .iter()
            .find(|line| line.kind == kind && line.index == index)
            .is_some_and(|line| line.send_upstream(event))
    }

    fn feed(&self) -> Option<Arc<Feed>> {
        self.current.lock().clone()
    }
}

/// The dial's thread.
struct Operator {
    order: Order,
    outlet: Arc<Outlet>,
    reports: Reports,
    current: Arc<Mutex<Option<Arc<Feed>>>>,
    commands: SyncSender<Command>,
    over_tcp: bool,
    played: Option<Instant>,
}

impl Operator {
    fn run(mut self, inbox: &Receiver<Command>) {
        let mut playing = self.open(0, true);
        let mut next = None;
        let mut read_early = None;
        loop {
            let command = match self.receive(inbox) {
                Ok(command) => command,
                Err(RecvTimeoutError::Timeout) => {
                    if !self.has_arrived() {
                        playing = self.fall_back_to_tcp(playing);
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let number = playing.as_ref().map(|item| item.feed.item);
            match command {
                Command::HangUp => break,
                Command::Played => self.played = Some(Instant::now()),
                Command::Draining(item) if Some(item) == number && next.is_none() => {
                    next = self.open_after(item);
                }
                Command::Ended(item) if Some(item) == number => {
                    if next.is_none() {
                        next = self.open_after(item);
                    }
                    let barren = playing
                        .as_ref()
                        .is_some_and(|item| !item.feed.has_arrived());
                    playing = self.proceed(playing, next.take(), barren);
                    let number = playing.as_ref().map(|item| item.feed.item);
                    next = read_early
                        .take_if(|early| Some(*early) == number)
                        .and_then(|item| self.open_after(item));
                }
                // A short file is read to its end while the one before it still plays. The one after it opens
                // when this one's turn comes: not at its end, where a slow disk would be seen.
                Command::Draining(item) if Some(item) != number => read_early = Some(item),
                Command::Draining(_) | Command::Ended(_) => {}
            }
        }
        for item in playing.into_iter().chain(next) {
            item.close(&self.outlet);
        }
        self.reports.send(DialEvent::Gone);
    }

    fn receive(&self, inbox: &Receiver<Command>) -> Result<Command, RecvTimeoutError> {
        let watched = self
            .played
            .filter(|_| self.order.transport == Transport::Auto && !self.over_tcp);
        match watched.filter(|_| !self.has_arrived()) {
            Some(played) => inbox
                .recv_timeout((played + UDP_PATIENCE).saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn has_arrived(&self) -> bool {
        self.current
            .lock()
            .as_ref()
            .is_some_and(|feed| feed.has_arrived())
    }

    /// Opens an item; a failure goes to the supervisor.
    fn open(&self, number: u64, turn: bool) -> Option<Item> {
        let count = u64::try_from(self.order.items.len()).unwrap_or(1).max(1);
        let index = usize::try_from(number % count).unwrap_or_default();
        let uri = self.order.items.get(index)?;
        let opened = Item::open(self, uri, number, turn);
        match opened {
            Ok(item) => {
                if turn {
                    *self.current.lock() = Some(Arc::clone(&item.feed));
                }
                Some(item)
            }
            Err(fault) => {
                self.reports.send(DialEvent::Failed(fault));
                None
            }
        }
    }

    /// Opens what comes after an item, if anything does.
    fn open_after(&self, item: u64) -> Option<Item> {
        let last = usize::try_from(item + 1).is_ok_and(|next| next >= self.order.items.len());
        if last && !self.order.repeat {
            None
        } else {
            self.open(item + 1, false)
        }
    }

    /// Changes over to the next item; without one, the source has ended.
    fn proceed(&self, old: Option<Item>, next: Option<Item>, barren: bool) -> Option<Item> {
        match &next {
            // Without this, a file with nothing in it would be opened again and again at full speed.
            Some(_) if barren => {
                self.reports.send(DialEvent::Failed(Fault::new(
                    Failure::Unsupported,
                    "the file has nothing in it.",
                )));
            }
            Some(item) => {
                *self.current.lock() = Some(Arc::clone(&item.feed));
                item.feed.give_turn();
            }
            None => self.reports.send(DialEvent::Ended),
        }
        if let Some(old) = old {
            old.close(&self.outlet);
        }
        next
    }

    fn fall_back_to_tcp(&mut self, silent: Option<Item>) -> Option<Item> {
        self.over_tcp = true;
        self.order.transport = Transport::Tcp;
        self.reports.send(DialEvent::FellBackToTcp);
        if let Some(silent) = silent {
            silent.close(&self.outlet);
        }
        self.open(0, true)
    }
}

/// How a source of a scheme is built into its pipeline.
type Build = fn(&crate::route::Plumbing, &Order, &SourceUri) -> Result<(), Fault>;

/// The builder of every scheme.
const BUILDERS: &[(Scheme, Build)] = &[
    (Scheme::Rtsp, rtsp::build),
    (Scheme::Rtsps, rtsp::build),
    (Scheme::Srt, network::srt),
    (Scheme::Udp, network::udp),
    (Scheme::Http, http::build),
    (Scheme::Https, http::build),
    (Scheme::Whep, whep::build),
    (Scheme::Wheps, whep::build),
    (Scheme::File, file::build),
    (Scheme::V4l2, device::build),
    (Scheme::Test, known::build),
];
