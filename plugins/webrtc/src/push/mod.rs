//! Pushing what viewers get to another server by WHIP, again and again until it works.

mod attempt;
mod pusher;
mod state;

use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sluice_core::relay::Endpoint;

use crate::producer::Producer;
use crate::session::Session;
use pusher::{NEWS, News, Pusher};

/// Whom to push to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its address and what is shown to it.
    pub endpoint: Endpoint,
    /// A PEM file with the authorities to trust; the system's without.
    pub ca_file: Option<PathBuf>,
    /// Where sessions learn this machine's outer address: `stun://host:port`.
    pub stun_server: Option<String>,
}

/// What a push is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PushState {
    /// There is nothing to send: the source shows no tracks yet.
    #[default]
    Idle,
    /// The target is asked.
    Connecting,
    /// Media flow.
    Running,
    /// The target is asked again later.
    Waiting,
    /// Somebody has to do something; the target is asked again, but slowly.
    Failed,
}

impl PushState {
    /// The state in one word, as the API and the element's messages have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }
}

/// How a push is at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushStatus {
    /// What it is doing.
    pub state: PushState,
    /// Why it does not run; while it runs, what is left out. Sentences without secrets and addresses.
    pub reason: Option<String>,
    /// Which dial since it was last healthy; 0 before the first.
    pub attempt: u32,
    /// How long until the next dial.
    pub retry_in: Option<Duration>,
    /// Sent in this session.
    pub packets: u64,
    /// RTP payload that was sent in this session.
    pub bytes: u64,
    /// How long it has run.
    pub running_for: Option<Duration>,
}

/// One target, and how the push to it is. The handle may be kept longer than the element.
#[derive(Debug, Clone)]
pub struct Push {
    target: Target,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: PushState,
    reason: Option<String>,
    attempt: u32,
    retry_at: Option<Instant>,
    since: Option<Instant>,
    session: Weak<Session>,
}

impl Push {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            shared: Arc::default(),
        }
    }

    /// Gives where to, without secrets.
    #[must_use]
    pub fn target(&self) -> String {
        self.target.endpoint.to_string()
    }

    /// Gives how it is.
    #[must_use]
    pub fn status(&self) -> PushStatus {
        let now = Instant::now();
        let shared = self.shared.lock();
        let session = shared.session.upgrade();
        let (packets, bytes) = session.map(|session| session.sent()).unwrap_or_default();
        PushStatus {
            state: shared.state,
            reason: shared.reason.clone(),
            attempt: shared.attempt,
            retry_in: shared.retry_at.map(|at| at.saturating_duration_since(now)),
            packets,
            bytes,
            running_for: shared
                .since
                .map(|since| now.saturating_duration_since(since)),
        }
    }
}

/// The thread of a push, while its element is not in NULL.
pub(crate) struct Pushing {
    news: SyncSender<News>,
    thread: JoinHandle<()>,
}

impl Pushing {
    /// Starts pushing as soon as there is something to push.
    ///
    /// # Errors
    ///
    /// The system gives no more threads.
    pub(crate) fn start(
        element: &gst::Element,
        producer: &Arc<Producer>,
        push: &Push,
    ) -> std::io::Result<Self> {
        let (news, inbox) = sync_channel(NEWS);
        let pusher = Pusher::new(element, producer, push.clone(), news.clone());
        let thread = std::thread::Builder::new()
            .name("sluice-push".to_owned())
            .spawn(move || pusher.run(&inbox))?;
        let sender = news.clone();
        producer.on_tracks(move || {
            // When it is full, the thread looks by itself soon.
            let _full = sender.try_send(News::Tracks);
        });
        Ok(Self { news, thread })
    }

    /// Ends all of them, and their sessions at the targets. Blocks for some seconds at most.
    pub(crate) fn stop_all(all: Vec<Self>) {
        // Waits for room: a thread empties its queue whatever its session does.
        let told = all
            .into_iter()
            .map(|push| push.news.send(News::Quit).map(|()| push.thread));
        for thread in told.collect::<Vec<_>>() {
            if !thread.is_ok_and(|thread| thread.join().is_ok()) {
                tracing::error!("the thread of a push panicked");
            }
        }
    }
}
