//! One socket, from its first message to its last.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::TokioAdapter;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Error, Message};
use bytes::Bytes;
use futures::StreamExt as _;
use gstsluicewebrtc::{Signal, Signals};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sluice_core::problem::Problem;
use sluice_core::signalling::{self, Description, Order, OutgoingMessage, Peer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::names::Names;
use super::session::{self, Seat};
use crate::control::access::Rights;
use crate::supervisor::Paths;

/// What is longer than the protocol's limit is read up to this length, so that its sender can be told; a longer one
/// ends the socket.
const LONGEST: usize = 256 * 1024;
/// A message leaves within this time, or the peer does not read.
const WRITE: Duration = Duration::from_secs(10);
/// Signals that wait for one socket: some dozens per session. One that finds no room is lost; sessions that are gone
/// are found without it.
const SIGNALS: usize = 4096;
/// How often whoever listens is told which paths have come and gone, and sessions are looked after.
const LOOK: Duration = Duration::from_secs(1);

type Stream = WebSocketStream<TokioAdapter<TokioIo<Upgraded>>>;

/// What a task of a socket has done.
enum Done {
    /// A session has its description, or has it not.
    Made {
        session: String,
        made: Result<(Seat, Description), Problem>,
    },
    /// An answer was taken, or was not.
    Accepted {
        session: String,
        taken: Result<(), Problem>,
    },
    Admitted {
        path: String,
        admitted: Result<(), Problem>,
    },
    /// The paths that the peer may watch.
    Readable {
        paths: BTreeSet<String>,
        asked: bool,
    },
    /// A session is gone.
    Left,
}

/// What wakes a socket.
enum Wake {
    Came(Option<Result<Message, Error>>),
    Told(String, Signal),
    Done(Done),
    Time,
    Stop,
}

struct Socket {
    stream: Stream,
    paths: Arc<Paths>,
    rights: Rights,
    peer: Peer,
    names: Names,
    seats: BTreeMap<String, Seat>,
    tasks: JoinSet<Done>,
    sender: mpsc::Sender<(String, Signal)>,
    signals: mpsc::Receiver<(String, Signal)>,
    /// As it was when the peer asked last.
    readable: BTreeSet<String>,
    look_at: Instant,
}

/// Serves a socket until its peer is gone or `stop`; then ends its sessions.
pub(super) async fn run(
    upgraded: Upgraded,
    paths: Arc<Paths>,
    rights: Rights,
    stop: CancellationToken,
) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST))
        .max_frame_size(Some(LONGEST));
    let stream = TokioAdapter::new(TokioIo::new(upgraded));
    let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let Some(mut names) = Names::new() else {
        tracing::error!("a socket was closed, since this machine gives no randomness");
        return;
    };
    let id = names.next();
    let span = tracing::info_span!("socket", peer = %id);
    let now = Instant::now();
    let (peer, welcome) = Peer::new(id, now);
    let (sender, signals) = mpsc::channel(SIGNALS);
    let socket = Socket {
        stream,
        paths,
        rights,
        peer,
        names,
        seats: BTreeMap::new(),
        tasks: JoinSet::new(),
        sender,
        signals,
        readable: BTreeSet::new(),
        look_at: now + LOOK,
    };
    socket.serve(welcome, stop).instrument(span).await;
}

impl Socket {
    async fn serve(mut self, welcome: Order, stop: CancellationToken) {
        tracing::debug!("opened");
        let mut orders = vec![welcome];
        while self.obey_all(orders).await.is_continue() {
            orders = match self.next(&stop).await {
                Wake::Came(came) => match self.on_frame(came) {
                    Some(orders) => orders,
                    None => break,
                },
                Wake::Told(session, signal) => self.on_signal(&session, signal),
                Wake::Done(done) => self.on_done(done),
                Wake::Time => self.on_time(),
                Wake::Stop => vec![Order::Close {
                    code: 1001,
                    why: "the gateway is being stopped",
                }],
            };
        }
        tracing::debug!("closed");
        self.finish().await;
    }

    async fn next(&mut self, stop: &CancellationToken) -> Wake {
        let at = self.peer.poll_timeout().min(self.look_at);
        tokio::select! {
            () = stop.cancelled() => Wake::Stop,
            // The channel never ends: its sender is kept here.
            Some((session, signal)) = self.signals.recv() => Wake::Told(session, signal),
            Some(done) = self.tasks.join_next() => Wake::Done(done.unwrap_or_else(|error| {
                tracing::error!(%error, "a task of a socket failed");
                Done::Left
            })),
            came = self.stream.next() => Wake::Came(came),
            () = tokio::time::sleep_until(at.into()) => Wake::Time,
        }
    }

    /// Takes a frame; `None` at the end.
    fn on_frame(&mut self, came: Option<Result<Message, Error>>) -> Option<Vec<Order>> {
        let now = Instant::now();
        match came? {
            Ok(Message::Text(text)) => {
                Some(self.peer.on_text(&text, now, &mut || self.names.next()))
            }
            Ok(Message::Binary(_)) => Some(self.peer.on_binary(now)),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                self.peer.on_heard(now);
                Some(Vec::new())
            }
            Ok(Message::Close(_)) => None,
            Err(Error::Capacity(_)) => Some(vec![Order::Close {
                code: 1009,
                why: "a message was far too long",
            }]),
            Err(cause) => {
                tracing::debug!(%cause, "broke");
                None
            }
        }
    }

    fn on_signal(&mut self, session: &str, signal: Signal) -> Vec<Order> {
        match signal {
            Signal::Candidate { mline, candidate } => {
                let told = self.peer.on_candidate(session, mline, candidate);
                told.into_iter().collect()
            }
            Signal::Ended { why } => self.on_ended(session, &why),
        }
    }

    fn on_ended(&mut self, session: &str, why: &str) -> Vec<Order> {
        let seat = self.seats.remove(session);
        let displaced = seat.is_some_and(|seat| seat.is_displaced());
        self.peer.on_ended(session, why, displaced, Instant::now())
    }

    fn on_done(&mut self, done: Done) -> Vec<Order> {
        match done {
            Done::Made { session, made } => match made {
                Ok((seat, description)) if self.peer.has(&session) => {
                    self.seats.insert(session.clone(), seat);
                    self.peer.on_description(&session, description)
                }
                // It was ended meanwhile.
                Ok((seat, _description)) => {
                    self.end(seat);
                    Vec::new()
                }
                Err(problem) => self.peer.on_refused(&session, &problem.detail),
            },
            Done::Accepted { session, taken } => match taken {
                Ok(()) => self.peer.on_accepted(&session),
                Err(problem) => {
                    self.seats.remove(&session);
                    self.peer.on_refused(&session, &problem.detail)
                }
            },
            Done::Admitted { path, admitted } => match admitted {
                Ok(()) => self
                    .peer
                    .on_admitted(&path, Instant::now(), &mut || self.names.next()),
                Err(problem) => {
                    let refused = self.peer.on_not_admitted(&path, &problem.detail);
                    refused.into_iter().collect()
                }
            },
            Done::Readable { paths, asked } => {
                self.readable = paths;
                let watchable = self.watchable();
                if asked {
                    vec![self.peer.on_list(&watchable)]
                } else {
                    self.peer.on_paths(&watchable)
                }
            }
            Done::Left => Vec::new(),
        }
    }

    fn on_time(&mut self) -> Vec<Order> {
        let now = Instant::now();
        let mut orders = self.peer.handle_timeout(now, &mut || self.names.next());
        if now < self.look_at {
            return orders;
        }
        self.look_at = now + LOOK;
        if self.peer.observes() {
            orders.extend(self.peer.on_paths(&self.watchable()));
        }
        let gone = self.seats.iter().filter(|(_, seat)| !seat.is_there());
        let gone: Vec<_> = gone.map(|(session, _)| session.clone()).collect();
        for session in gone {
            orders.extend(self.on_ended(&session, "the session is over"));
        }
        orders
    }

    fn watchable(&self) -> BTreeSet<String> {
        let watchable = self.paths.watchable();
        watchable.intersection(&self.readable).cloned().collect()
    }

    async fn obey_all(&mut self, orders: Vec<Order>) -> ControlFlow<()> {
        for order in orders {
            self.obey(order).await?;
        }
        ControlFlow::Continue(())
    }

    async fn obey(&mut self, order: Order) -> ControlFlow<()> {
        match order {
            Order::Say(message) => return self.say(&message).await,
            Order::Ping => return self.send(Message::Ping(Bytes::new())).await,
            Order::Close { code, why } => {
                tracing::debug!(why, "closing");
                let frame = CloseFrame {
                    code: code.into(),
                    reason: why.into(),
                };
                // Gone already, or not: it is over.
                let _over = self.send(Message::Close(Some(frame))).await;
                return ControlFlow::Break(());
            }
            Order::Candidate {
                session,
                mline,
                candidate,
            } => {
                if let Some(seat) = self.seats.get(&session) {
                    seat.add_candidate(mline, &candidate);
                }
            }
            Order::End { session } => {
                if let Some(seat) = self.seats.remove(&session) {
                    self.end(seat);
                }
            }
            Order::List | Order::Observe => self.find_readable(order == Order::List),
            Order::Watch {
                session,
                path,
                offer,
            } => self.watch(session, path, offer),
            Order::Admit { path } => self.admit(path),
            Order::Publish {
                session,
                path,
                offer,
            } => self.publish(session, path, offer),
            Order::Accept { session, answer } => self.accept(session, answer),
        }
        ControlFlow::Continue(())
    }

    fn find_readable(&mut self, asked: bool) {
        let (paths, rights) = (Arc::clone(&self.paths), self.rights.clone());
        self.spawn(async move {
            let paths = session::readable(&paths, &rights).await;
            Done::Readable { paths, asked }
        });
    }

    fn watch(&mut self, session: String, path: String, offer: Option<String>) {
        let (paths, rights) = (Arc::clone(&self.paths), self.rights.clone());
        let signals = self.signals_of(&session);
        self.spawn(async move {
            let made = session::watch(&paths, &rights, &path, offer, signals).await;
            Done::Made { session, made }
        });
    }

    fn admit(&mut self, path: String) {
        let (paths, rights) = (Arc::clone(&self.paths), self.rights.clone());
        self.spawn(async move {
            let admitted = session::admit(&paths, &rights, &path).await;
            Done::Admitted { path, admitted }
        });
    }

    fn publish(&mut self, session: String, path: String, offer: String) {
        let (paths, rights) = (Arc::clone(&self.paths), self.rights.clone());
        let signals = self.signals_of(&session);
        self.spawn(async move {
            let made = session::publish(&paths, &rights, &path, &offer, signals).await;
            Done::Made { session, made }
        });
    }

    fn accept(&mut self, session: String, answer: String) {
        let Some(seat) = self.seats.get(&session).cloned() else {
            return;
        };
        self.spawn(async move {
            let taken = seat.accept(answer).await;
            Done::Accepted { session, taken }
        });
    }

    fn end(&mut self, seat: Seat) {
        self.spawn(async move {
            seat.leave().await;
            Done::Left
        });
    }

    fn spawn(&mut self, task: impl Future<Output = Done> + Send + 'static) {
        self.tasks.spawn(task.in_current_span());
    }

    fn signals_of(&self, session: &str) -> Signals {
        let (sender, session) = (self.sender.clone(), session.to_owned());
        Signals::new(move |signal| {
            if sender.try_send((session.clone(), signal)).is_err() {
                tracing::debug!("a signal found no room, or the socket is gone");
            }
        })
    }

    async fn say(&mut self, message: &OutgoingMessage) -> ControlFlow<()> {
        if let OutgoingMessage::Error { details } = message {
            tracing::debug!(details, "refused");
        }
        self.send(Message::text(signalling::write(message))).await
    }

    async fn send(&mut self, message: Message) -> ControlFlow<()> {
        match tokio::time::timeout(WRITE, self.stream.send(message)).await {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(cause)) => {
                tracing::debug!(%cause, "broke");
                ControlFlow::Break(())
            }
            Err(_elapsed) => {
                tracing::debug!("the peer does not read");
                ControlFlow::Break(())
            }
        }
    }

    /// Ends all sessions, those too that are still being made.
    async fn finish(mut self) {
        drop(self.stream);
        for seat in std::mem::take(&mut self.seats).into_values() {
            self.tasks.spawn(async move {
                seat.leave().await;
                Done::Left
            });
        }
        while let Some(done) = self.tasks.join_next().await {
            if let Ok(Done::Made {
                made: Ok((seat, _)),
                ..
            }) = done
            {
                seat.leave().await;
            }
        }
    }
}
