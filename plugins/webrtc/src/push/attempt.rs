//! One attempt: a session of ours, offered to the target, until it is hung up.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use sluice_core::link::IceServer;
use sluice_core::relay::{Direction, Refusal, as_webrtcbin_takes_it, check_answer};
use sluice_core::{Failure, Kind};

use super::Target;
use crate::peer::{Signal, Signals};
use crate::producer::Producer;
use crate::relay::{Client, Remote};
use crate::session::{self, Outgoing, Session};
use crate::transport::TurnServer;

/// How long the target may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a session may take from its offer to media.
const CONNECT: Duration = Duration::from_secs(18);

/// How long a session's elements may take to be freed.
const FREED: Duration = Duration::from_secs(2);

/// What an attempt comes to.
pub(super) enum Told {
    /// The target answered, and named these servers for the next attempt.
    Answered(Vec<IceServer>),
    /// The target does not take these kinds: its session was ended, and is to be asked for without them.
    LeftOut(Vec<Kind>),
    /// There is no session.
    Refused(Refusal),
    /// There was one, and is no more; why, in words.
    Lost(String),
}

/// What there is to be ended.
#[derive(Default)]
struct Held {
    session: Mutex<Option<Arc<Session>>>,
    /// What the target made.
    remote: Remote,
}

impl Held {
    /// Ends what there is, and whatever comes later. Blocks.
    fn end(&self) {
        // The target first: by DTLS alone it would not know that the push is not to be waited for.
        self.remote.end();
        let session = self.session.lock().take();
        if let Some(session) = session {
            let (done, freed) = mpsc::channel::<()>();
            session.close_then("it was hung up", move || drop(done));
            drop(session);
            // Ends when the sender is dropped.
            let _disconnected_or_late = freed.recv_timeout(FREED);
        }
    }
}

/// An attempt that is under way, or runs.
pub(super) struct Attempt {
    pub(super) id: u64,
    /// Whether media flow.
    pub(super) runs: bool,
    held: Arc<Held>,
    asks: JoinHandle<()>,
}

/// What the thread that asks needs.
struct Question<T> {
    producer: Arc<Producer>,
    outgoing: Outgoing,
    target: Target,
    servers: Vec<IceServer>,
    held: Arc<Held>,
    tell: T,
}

impl Attempt {
    /// Asks the target, on a thread of its own. What comes of it goes to `tell`, which must not block.
    pub(super) fn start(
        id: u64,
        producer: Arc<Producer>,
        outgoing: Outgoing,
        target: Target,
        servers: Vec<IceServer>,
        tell: impl Fn(Told) + Send + Sync + Clone + 'static,
    ) -> std::io::Result<Self> {
        let held = Arc::<Held>::default();
        let question = Question {
            producer,
            outgoing,
            target,
            servers,
            held: held.clone(),
            tell,
        };
        let asks = std::thread::Builder::new()
            .name("sluice-push-ask".to_owned())
            .spawn(move || question.ask())?;
        Ok(Self {
            id,
            runs: false,
            held,
            asks,
        })
    }

    /// Gives its session, once there is one.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.held.session.lock().clone()
    }

    /// Ends it. Blocks for the target's answer to DELETE (one second at most), for the session's elements, and for
    /// the target's answer to the offer if that is not there yet.
    pub(super) fn end(self) {
        self.held.end();
        if self.asks.join().is_err() {
            tracing::error!("a thread that asked a target panicked");
        }
    }
}

impl<T: Fn(Told) + Send + Sync + Clone + 'static> Question<T> {
    fn ask(self) {
        let told = match self.negotiate() {
            Ok(told) => told,
            Err(refusal) => {
                self.held.end();
                Told::Refused(refusal)
            }
        };
        if matches!(told, Told::LeftOut(_)) {
            // The target is asked anew: its first session must be gone by then.
            self.held.end();
        }
        (self.tell)(told);
    }

    fn negotiate(&self) -> Result<Told, Refusal> {
        let Target {
            endpoint, ca_file, ..
        } = &self.target;
        let client = Client::new(Direction::Push, ca_file.as_deref(), ANSWER)?;
        let (session, offer) = self.offer()?;
        let over = || Told::Lost("it was hung up".to_owned());
        *self.held.session.lock() = Some(session.clone());
        if self.held.remote.is_over() {
            self.held.end();
            return Ok(over());
        }
        let created = client.post(endpoint, &offer)?;
        if !self.held.remote.made(client, created.session) {
            return Ok(over());
        }
        let answer = check_answer(&offer, &created.answer, Direction::Push).map_err(|what| {
            let subject = Direction::Push.subject();
            Refusal::new(Failure::NotFound, format!("{subject} {what}."))
        })?;
        tracing::debug!(codecs = answer.codecs.join(", "), "answered");
        if !answer.left_out.is_empty() {
            return Ok(Told::LeftOut(answer.left_out));
        }
        session
            .take_answer(&answer)
            .map_err(|error| not_built(&error))?;
        Ok(Told::Answered(created.ice_servers))
    }

    fn offer(&self) -> Result<(Arc<Session>, String), Refusal> {
        let mut transport = self.producer.limits().transport;
        transport.stun_server.clone_from(&self.target.stun_server);
        for server in self.servers.iter().filter_map(as_webrtcbin_takes_it) {
            if server.starts_with("stun:") {
                transport.stun_server.get_or_insert(server);
            } else {
                transport.turn_servers.push(TurnServer(server));
            }
        }
        let (tell, held) = (self.tell.clone(), Arc::downgrade(&self.held));
        let signals = Signals::new(move |signal| {
            let by_us = held.upgrade().is_none_or(|held| held.remote.is_over());
            if let Signal::Ended { why } = signal
                && !by_us
            {
                tell(Told::Lost(why));
            }
        });
        session::push(&self.producer, &self.outgoing, &transport, CONNECT, signals)
            .map_err(|error| not_built(&error))
    }
}

fn not_built(error: &str) -> Refusal {
    tracing::error!(error, "no session to push with");
    let reason = "The session could not be built; see the log.";
    Refusal::new(Failure::Lost, reason)
}
