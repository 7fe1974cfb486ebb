//! What the control plane sees of the paths: find, open, describe.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use gstsluicewebrtc::http::{self, Directory};
use gstsluicewebrtc::{Publishers, Viewers};
use serde_json::{Value, json};
use sluice_core::problem::Problem;
use sluice_pipelines::{RecordSpec, Recorder, RouteState, Slots};
use tokio::sync::{oneshot, watch};

use super::describe::{forward, outline, rendition, renditions};
use super::metrics::{self, Figure};
use super::path::{Command, Handle, Snapshot, Wish};
use super::recording;
use crate::config::AbsentPublisher;

/// A viewer whose source is not there is asked to come back after this long, when nothing better is known.
const RETRY: Duration = Duration::from_secs(2);

/// A source whose tracks are there shows their formats within this time.
const FORMATS: Duration = Duration::from_secs(5);

/// All paths, by name.
#[derive(Debug)]
pub struct Paths {
    handles: BTreeMap<String, Handle>,
    transcodes: Slots,
}

/// One path at one moment.
#[derive(Debug)]
pub struct PathView {
    /// Its viewers, while its route runs.
    pub viewers: Option<Viewers>,
    /// How its route is.
    pub state: RouteState,
}

impl Paths {
    pub(super) const fn new(handles: BTreeMap<String, Handle>, transcodes: Slots) -> Self {
        Self {
            handles,
            transcodes,
        }
    }

    /// Says what a viewer with this offer would get, of a path that runs; starts nothing.
    ///
    /// # Errors
    /// When there is no such path, it does not run, or the offer is at fault.
    pub fn plan(&self, path: &str, offer: &str) -> Result<Value, Problem> {
        let handle = self.handles.get(path).ok_or_else(|| unknown(path))?;
        let snapshot = handle.snapshot.borrow().clone();
        let viewers = snapshot.viewers.ok_or_else(|| {
            if snapshot.state != RouteState::Idle {
                return refusal(&snapshot.state);
            }
            Problem::new(
                409,
                "The path does not run, so its tracks are not known; watch it, or set `on_demand: false`.",
            )
        })?;
        let (video, audio) = viewers.plan(offer)?;
        Ok(json!({ "video": video, "audio": audio }))
    }

    /// Gives one path as it is, and starts nothing.
    #[must_use]
    pub fn view(&self, path: &str) -> Option<PathView> {
        let snapshot = self.handles.get(path)?.snapshot.borrow().clone();
        Some(PathView {
            viewers: snapshot.viewers,
            state: snapshot.state,
        })
    }

    /// Gives the names of all paths.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.handles.keys().map(String::as_str)
    }

    /// Gives the names of the paths that have something to watch, or get it when somebody comes.
    #[must_use]
    pub fn watchable(&self) -> BTreeSet<String> {
        let has_some = |handle: &Handle| {
            let snapshot = handle.snapshot.borrow();
            !matches!(snapshot.state, RouteState::Unpublished { .. })
        };
        let watchable = self.handles.iter().filter(|(_, handle)| has_some(handle));
        watchable.map(|(path, _)| path.clone()).collect()
    }

    /// Describes one path as the API does.
    #[must_use]
    pub fn describe(&self, path: &str) -> Option<Value> {
        let handle = self.handles.get(path)?;
        let snapshot = handle.snapshot.borrow().clone();
        let mut value = outline(handle, &snapshot, Instant::now());
        let list = snapshot
            .viewers
            .as_ref()
            .map(Viewers::list)
            .unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.insert("viewer_list".to_owned(), json!(list));
            // For who reads the API, not for every viewer's page.
            let forwards: Vec<_> = snapshot.forwards.iter().map(forward).collect();
            object.insert("forward".to_owned(), json!(forwards));
            let renditions = renditions(&snapshot);
            let renditions: Vec<_> = renditions.iter().map(rendition).collect();
            object.insert("renditions".to_owned(), json!(renditions));
            let record = snapshot.recorder.as_ref().map(Recorder::status);
            object.insert(
                "record".to_owned(),
                json!(record.as_ref().map(recording::describe)),
            );
        }
        Some(value)
    }

    /// Gives what `/metrics` shows.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let of_path = |(path, handle): (&String, &Handle)| {
            let snapshot = handle.snapshot.borrow().clone();
            let recorder = snapshot.recorder.as_ref().map(Recorder::status);
            let recorder = recorder.map(|status| metrics::of_recorder(path, &status));
            let renditions = renditions(&snapshot);
            let renditions = renditions
                .iter()
                .flat_map(|one| metrics::of_rendition(path, one));
            let figures: Vec<_> = recorder.into_iter().flatten().chain(renditions).collect();
            figures
        };
        let of_load = metrics::of_load(&gstsluicewebrtc::load());
        let of_slots = metrics::of_slots(&self.transcodes);
        let ports = gstsluicewebrtc::ports();
        let of_ports = ports.iter().flat_map(metrics::of_port);
        let of_paths = self.handles.iter().flat_map(of_path);
        of_load
            .into_iter()
            .chain(of_slots)
            .chain(of_ports)
            .chain(of_paths)
            .collect()
    }

    /// Describes every path.
    #[must_use]
    pub fn describe_all(&self) -> Value {
        let paths: Vec<_> = self
            .handles
            .keys()
            .filter_map(|path| self.describe(path))
            .collect();
        json!({ "paths": paths })
    }

    /// Describes the ports that media go through.
    #[must_use]
    pub fn describe_ports(&self) -> Value {
        json!({ "ports": gstsluicewebrtc::ports() })
    }

    /// Starts or ends the recording of a path; when it has ended, its file is whole. With `span` it ends by itself after so long,
    /// unless it is asked for again.
    ///
    /// # Errors
    /// When there is no such path, or its config does not say how it is recorded.
    pub async fn record(
        &self,
        path: &str,
        on: bool,
        span: Option<Duration>,
    ) -> Result<(), Problem> {
        let handle = self.handles.get(path).ok_or_else(|| unknown(path))?;
        let (reply, answer) = oneshot::channel();
        let wish = match (on, span) {
            (false, _) => Wish::Stop,
            (true, None) => Wish::Start,
            (true, Some(span)) => Wish::For(span),
        };
        let command = Command::Record { wish, reply };
        let sent = handle.commands.send(command).await;
        sent.map_err(|_| going_down())?;
        answer.await.map_err(|_| going_down())?
    }

    /// Gives the paths that are or can be recorded.
    pub fn recorded(&self) -> impl Iterator<Item = &str> {
        let handles = self.handles.iter();
        let recorded = handles.filter(|(_, handle)| handle.config.spec.record.is_some());
        recorded.map(|(path, _)| path.as_str())
    }

    /// Says how a path is recorded, if it is or can be.
    ///
    /// # Errors
    /// When there is no such path, or it is never recorded.
    pub fn record_spec(&self, path: &str) -> Result<&RecordSpec, Problem> {
        let handle = self.handles.get(path).ok_or_else(|| unknown(path))?;
        let spec = handle.config.spec.record.as_ref();
        spec.ok_or_else(|| Problem::new(404, "This path is not recorded."))
    }

    async fn join_route(&self, path: &str) -> Result<Viewers, Problem> {
        let handle = self.handles.get(path).ok_or_else(|| unknown(path))?;
        let (reply, answer) = oneshot::channel();
        handle
            .commands
            .send(Command::Open { reply })
            .await
            .map_err(|_| going_down())?;
        let viewers = answer.await.map_err(|_| going_down())??;
        let mut snapshot = handle.snapshot.clone();
        if handle.config.spec.publisher.is_some() {
            published(handle).await?;
        }
        let complete = complete(handle.snapshot.clone(), &viewers);
        tokio::select! {
            // Tracks that are known let a viewer in even while the source is away: it sees the last
            // picture, and moving ones as soon as the source is back.
            biased;
            ready = tokio::time::timeout(handle.config.start_timeout, complete) => match ready {
                Ok(ready) => ready.map(|()| viewers.clone()),
                Err(_elapsed) => Err(refusal(&RouteState::Starting)),
            },
            problem = trouble(&mut snapshot) => Err(problem),
        }
    }
}

/// Resolves when there is a publisher; at once, or within the time that a source may take to start.
async fn published(handle: &Handle) -> Result<(), Problem> {
    let mut snapshot = handle.snapshot.clone();
    let is_there = |now: &Snapshot| !matches!(now.state, RouteState::Unpublished { .. });
    if handle.config.absent == AbsentPublisher::Wait {
        let wait = snapshot.wait_for(is_there);
        // Late or not, the state says it.
        drop(tokio::time::timeout(handle.config.start_timeout, wait).await);
    }
    let state = snapshot.borrow().state.clone();
    if matches!(state, RouteState::Unpublished { .. }) {
        return Err(refusal(&state));
    }
    Ok(())
}

/// Resolves when every track is there and its format is known.
async fn complete(
    mut snapshot: watch::Receiver<Snapshot>,
    viewers: &Viewers,
) -> Result<(), Problem> {
    if snapshot.wait_for(|now| now.complete).await.is_err() {
        return Err(going_down());
    }
    viewers.ready(FORMATS).await
}

impl Directory for Paths {
    fn open<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Viewers, Problem>> {
        Box::pin(self.join_route(path))
    }

    fn publishers<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Publishers, Problem>> {
        Box::pin(async move {
            let handle = self.handles.get(path).ok_or_else(|| unknown(path))?;
            if handle.config.spec.publisher.is_none() {
                return Err(http::no_publisher());
            }
            let mut snapshot = handle.snapshot.clone();
            // Who comes as soon as the port is open must not be sent away because the route is a moment later.
            let started = snapshot.wait_for(|now| now.publishers.is_some());
            let started = tokio::time::timeout(handle.config.start_timeout, started).await;
            let publishers = match started {
                Ok(Ok(now)) => now.publishers.clone(),
                Ok(Err(_)) | Err(_) => None,
            };
            publishers.ok_or_else(|| refusal(&handle.snapshot.borrow().state))
        })
    }

    fn knows(&self, path: &str) -> bool {
        self.handles.contains_key(path)
    }

    fn takes_publishers(&self, path: &str) -> bool {
        let handle = self.handles.get(path);
        handle.is_some_and(|handle| handle.config.spec.publisher.is_some())
    }

    fn status(&self, path: &str) -> Option<Value> {
        let handle = self.handles.get(path)?;
        let snapshot = handle.snapshot.borrow().clone();
        Some(outline(handle, &snapshot, Instant::now()))
    }
}

/// Resolves as soon as the source is known not to come soon.
async fn trouble(snapshot: &mut watch::Receiver<Snapshot>) -> Problem {
    loop {
        let state = snapshot.borrow_and_update().state.clone();
        if state.reason().is_some() {
            return refusal(&state);
        }
        if snapshot.changed().await.is_err() {
            return going_down();
        }
    }
}

/// Says why a path does not play, in the source's own sentence.
pub(super) fn refusal(state: &RouteState) -> Problem {
    let retry_in = state.retry_in(Instant::now());
    match state {
        // Not an error of anybody's: the draft of WHEP wants 409 where a live publication is required.
        RouteState::Unpublished { reason } => Problem::new(409, reason.clone()).retry_after(RETRY),
        RouteState::Waiting { reason, .. } => {
            Problem::new(502, reason.clone()).retry_after(retry_in.unwrap_or(RETRY))
        }
        RouteState::Failed { reason, .. } => Problem {
            retry_after: retry_in,
            ..Problem::new(502, reason.clone())
        },
        RouteState::Idle | RouteState::Starting | RouteState::Running { .. } => {
            Problem::new(503, "The source is being started; try again in a moment.")
                .retry_after(RETRY)
        }
    }
}

/// Says that there is no such path.
pub fn unknown(path: &str) -> Problem {
    // The name comes from a URL: shown short, and without what a terminal would obey.
    let shown: String = path.chars().filter(|c| !c.is_control()).take(64).collect();
    Problem::new(
        404,
        format!("There is no path \"{shown}\"; / lists those that there are."),
    )
}

fn going_down() -> Problem {
    Problem::new(503, "Sluice is being stopped; try again in a moment.").retry_after(RETRY)
}
