//! One path's task: it alone starts, restarts and stops the path's route.

use std::time::{Duration, Instant};

use gstsluicewebrtc::{Publishers, Push, ViewerEvent, Viewers};
use sluice_core::id::RouteId;
use sluice_core::problem::Problem;
use sluice_pipelines::{Event, Recorder, Renditions, Route, RouteError, RouteState};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::lifecycle::{Action, Lifecycle};
use super::log;
use super::recording::Memory;
use crate::config::PathConfig;

mod wishes;

/// Commands that wait for one path; when it is full, a request waits its turn.
const COMMANDS: usize = 64;
/// Events that wait for one path; when it is full, events are dropped (the state is read anew each time).
const EVENTS: usize = 64;
/// How long a route's viewers have to say goodbye, and its source to let go.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Whether and how long to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Start,
    For(Duration),
    Stop,
}

/// What the control plane asks of a path.
#[derive(Debug)]
pub(super) enum Command {
    /// Start the route if it does not run, and give its viewers.
    Open {
        reply: oneshot::Sender<Result<Viewers, Problem>>,
    },
    /// Record until told otherwise, or for so long, or do not.
    Record {
        wish: Wish,
        reply: oneshot::Sender<Result<(), Problem>>,
    },
}

/// How a path is, for whoever asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) state: RouteState,
    /// `None` while nothing runs.
    pub(super) viewers: Option<Viewers>,
    /// `None` too where the source is no publisher.
    pub(super) publishers: Option<Publishers>,
    /// Where it is pushed to.
    pub(super) forwards: Vec<Push>,
    /// What records it.
    pub(super) recorder: Option<Recorder>,
    /// What its pictures are made into.
    pub(super) renditions: Option<Renditions>,
    /// Every track of the source has its pad: who joins earlier might get pictures without sound.
    pub(super) complete: bool,
    /// When the source began to play.
    pub(super) playing_since: Option<Instant>,
}

/// How the control plane reaches a path's task.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) config: PathConfig,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) snapshot: watch::Receiver<Snapshot>,
}

pub(super) struct PathTask {
    /// What `record.starts` says in it is changed by whoever starts and stops recordings.
    config: PathConfig,
    cancel: CancellationToken,
    commands: mpsc::Receiver<Command>,
    snapshot: watch::Sender<Snapshot>,
    lifecycle: Lifecycle,
    running: Option<Running>,
    /// When the recording of an event ends.
    event_ends: Option<Instant>,
    memory: Memory,
    /// What the config says without anybody asking.
    usual: Wish,
}

/// A route, and what it tells.
struct Running {
    route: Route,
    events: mpsc::Receiver<Event>,
    viewers: broadcast::Receiver<ViewerEvent>,
}

/// What woke the task.
enum Wake {
    Cancelled,
    Command(Command),
    Route(Event),
    Viewer(Option<ViewerEvent>),
    Timeout,
}

impl PathTask {
    pub(super) fn new(
        config: PathConfig,
        memory: Memory,
        cancel: CancellationToken,
    ) -> (Handle, Self) {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (snapshot, watched) = watch::channel(Snapshot::default());
        let handle = Handle {
            config: config.clone(),
            commands,
            snapshot: watched,
        };
        let starts = config.spec.record.as_ref().is_some_and(|one| one.starts);
        let usual = if starts { Wish::Start } else { Wish::Stop };
        let lifecycle = Lifecycle::new(config.on_demand.then_some(config.idle_stop));
        (
            handle,
            Self {
                config,
                cancel,
                commands: receiver,
                snapshot,
                lifecycle,
                running: None,
                event_ends: None,
                memory,
                usual,
            },
        )
    }

    /// Runs until cancelled; then closes its viewers and stops its route.
    pub(super) async fn run(self) {
        let span = tracing::info_span!("path", path = %self.config.spec.id);
        self.serve().instrument(span).await;
    }

    async fn serve(mut self) {
        let asked = self.memory.recall().await;
        let asked = asked.filter(|_| self.config.spec.record.is_some());
        if let (Some(Wish::Stop), Some(record)) = (asked, &mut self.config.spec.record) {
            // Before the route starts, which would begin a file.
            record.starts = false;
        }
        let action = self.lifecycle.begin(Instant::now());
        self.act(action).await;
        if let Some(wish) = asked
            && let Err(problem) = self.on_wish(wish).await
        {
            tracing::warn!(reason = %problem.detail, "not recorded as it was asked before the restart");
        }
        loop {
            match self.next().await {
                Wake::Cancelled => break,
                Wake::Command(Command::Open { reply }) => self.on_open(reply).await,
                Wake::Command(Command::Record { wish, reply }) => {
                    let done = self.on_wish(wish).await;
                    self.remember(wish).await;
                    if reply.send(done).is_err() {
                        tracing::debug!("whoever asked is gone");
                    }
                }
                Wake::Route(event) => self.on_route(event).await,
                Wake::Viewer(event) => self.on_viewer(event),
                Wake::Timeout => {
                    let action = self.lifecycle.handle_timeout(Instant::now());
                    self.act(action).await;
                    self.end_event().await;
                }
            }
        }
        self.stop().await;
    }

    async fn next(&mut self) -> Wake {
        let deadlines = self.lifecycle.poll_timeout().into_iter();
        let deadline = deadlines.chain(self.event_ends).min();
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.cancel.cancelled() => Wake::Cancelled,
            Some(command) = self.commands.recv() => Wake::Command(command),
            wake = told(&mut self.running) => wake,
            () = timer => Wake::Timeout,
        }
    }

    async fn on_open(&mut self, reply: oneshot::Sender<Result<Viewers, Problem>>) {
        let action = self.lifecycle.on_open(Instant::now());
        self.act(action).await;
        let answer = match &self.running {
            Some(running) => Ok(running.route.viewers()),
            None => Err(super::paths::refusal(&self.snapshot.borrow().state)),
        };
        if reply.send(answer).is_err() {
            tracing::debug!("whoever asked is gone");
        }
    }

    async fn on_route(&mut self, event: Event) {
        match event {
            // The route itself is asked below: it knows even when the event got lost.
            Event::Changed | Event::Broken { .. } => {}
            Event::Skipped { tracks } => {
                tracing::warn!(tracks = tracks.join(", "), "tracks left out");
            }
            Event::Warned { reason } => tracing::warn!(%reason, "element warned"),
            Event::Forward {
                target,
                state,
                reason,
            } => {
                log::forward(&target, &state, reason.as_deref());
                return;
            }
            Event::Recording { .. } | Event::Recorded { .. } | Event::Repaired { .. } => {
                super::recording::log(&event);
                return;
            }
        }
        let Some(Running { route, .. }) = &self.running else {
            return;
        };
        let state = route.state();
        if route.is_broken() {
            let reason = state.reason().unwrap_or("The pipeline broke.").to_owned();
            self.on_broken(reason, true).await;
        } else {
            self.publish(state);
        }
    }

    fn on_viewer(&mut self, event: Option<ViewerEvent>) {
        let Some(running) = &self.running else { return };
        let count = running.route.viewers().count();
        self.lifecycle.on_viewers(count, Instant::now());
        if let Some(event) = event {
            log::viewer(&event, count);
        }
    }

    async fn on_broken(&mut self, reason: String, is_temporary: bool) {
        self.stop().await;
        self.lifecycle.on_broken(is_temporary, Instant::now());
        let until = self.lifecycle.restart_at();
        self.publish(match until {
            Some(_) => RouteState::Waiting { reason, until },
            None => RouteState::Failed { reason, until },
        });
    }

    async fn act(&mut self, action: Option<Action>) {
        match action {
            Some(Action::Start) => self.start().await,
            Some(Action::Stop) => {
                tracing::info!("stopped, since nobody watches");
                self.stop().await;
                self.publish(RouteState::Idle);
            }
            None => {}
        }
    }

    async fn start(&mut self) {
        let (sender, events) = mpsc::channel(EVENTS);
        let spec = self.config.spec.clone();
        // Building a pipeline loads plugins: not in an async thread.
        let started = tokio::task::spawn_blocking(move || Route::start(&spec, sender)).await;
        match started {
            Ok(Ok(route)) => {
                let viewers = route.viewers().subscribe();
                let state = route.state();
                self.running = Some(Running {
                    route,
                    events,
                    viewers,
                });
                self.publish(state);
            }
            Ok(Err(error)) => self.on_refused(&error).await,
            Err(_panicked) => {
                self.on_broken(
                    "The route could not be started; see the log.".to_owned(),
                    true,
                )
                .await
            }
        }
    }

    async fn on_refused(&mut self, error: &RouteError) {
        // Boxed: start → broken → stop is a circle only by type.
        Box::pin(self.on_broken(error.to_string(), error.is_temporary())).await;
    }

    async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            let cut_off = running.route.stop(STOP_GRACE).await;
            if cut_off > 0 {
                tracing::warn!(cut_off, "viewers did not say goodbye in time");
            }
        }
    }

    /// Makes a state known, and logs what a person should hear of.
    fn publish(&self, state: RouteState) {
        let before = self.snapshot.borrow().clone();
        log::change(&before.state, &state, &self.config);
        let playing_since = match (&state, before.playing_since) {
            (RouteState::Running { .. }, Some(since)) => Some(since),
            (RouteState::Running { .. }, None) => Some(Instant::now()),
            _ => None,
        };
        let played = matches!(state, RouteState::Running { .. });
        let complete = self.running.is_some() && (before.complete || played);
        let route = self.running.as_ref().map(|running| &running.route);
        self.snapshot.send_replace(Snapshot {
            state,
            viewers: route.map(Route::viewers),
            publishers: route.and_then(Route::publishers),
            forwards: route.map(Route::forwards).unwrap_or_default(),
            recorder: route.and_then(Route::recorder),
            renditions: route.map(Route::renditions),
            complete,
            playing_since,
        });
    }
}

/// Waits for what the route or its viewers tell; for ever when nothing runs.
async fn told(running: &mut Option<Running>) -> Wake {
    let Some(running) = running else {
        return std::future::pending().await;
    };
    tokio::select! {
        Some(event) = running.events.recv() => Wake::Route(event),
        event = running.viewers.recv() => match event {
            Ok(event) => Wake::Viewer(Some(event)),
            // Some were missed, but the count is read anew.
            Err(RecvError::Lagged(_)) => Wake::Viewer(None),
            Err(RecvError::Closed) => std::future::pending().await,
        },
        else => std::future::pending().await,
    }
}

/// The route's name, for sentences.
pub(super) fn name(config: &PathConfig) -> &RouteId {
    &config.spec.id
}
