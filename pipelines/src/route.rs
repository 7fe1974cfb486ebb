//! A running route.

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use gstsluicewebrtc::{Publishers, Push, Viewers};
use sluice_core::id::RouteId;
use tokio::sync::mpsc;

use crate::error::RouteError;
use crate::graph::{Graph, RouteRenditions};
use crate::record::Recorder;
use crate::rendition::Renditions;
use crate::spec::RouteSpec;
use crate::state::{Event, RouteState};
use crate::watch::Watch;

/// One pipeline, from its source to its viewers; it runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Route {
    id: RouteId,
    pipeline: gst::Pipeline,
    viewers: Viewers,
    publishers: Option<Publishers>,
    forwards: Vec<Push>,
    recorder: Option<Recorder>,
    renditions: Arc<RouteRenditions>,
    watch: Arc<Watch>,
}

impl Route {
    /// Builds the pipeline and starts it; the source is dialled in the background.
    ///
    /// May block for some milliseconds. `events` is never waited for: when it is full, the event is
    /// dropped, and [`Route::state`] still tells the truth.
    ///
    /// # Errors
    /// When an element is missing or refuses to start. A source that cannot be reached is no error: it is
    /// the route's state.
    pub fn start(spec: &RouteSpec, events: mpsc::Sender<Event>) -> Result<Self, RouteError> {
        let Graph {
            pipeline,
            sink,
            publishers,
            forwards,
            recorder,
            renditions,
        } = Graph::build(spec)?;
        let watch = Arc::new(Watch::new(events));
        if let Some(bus) = pipeline.bus() {
            let (watch, renditions) = (Arc::clone(&watch), Arc::clone(&renditions));
            // In the posting thread: no main loop is needed, and nothing waits in the bus's queue.
            bus.set_sync_handler(move |_, message| {
                if !renditions.on_message(message) {
                    watch.on_message(message);
                }
                gst::BusSyncReply::Drop
            });
        }
        let route = Self {
            id: spec.id.clone(),
            viewers: sink.viewers(),
            publishers,
            forwards,
            recorder,
            renditions,
            pipeline,
            watch,
        };
        match route.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(route),
            // The source says why it refused by its state, before the change itself fails.
            Err(_) if route.state().reason().is_some() => Ok(route),
            Err(_) => Err(RouteError::Start {
                route: spec.id.clone(),
            }),
        }
    }

    /// Gives the route's viewers: joining, leaving, counting.
    #[must_use]
    pub fn viewers(&self) -> Viewers {
        self.viewers.clone()
    }

    /// Gives the route's publishers, if they are its source.
    #[must_use]
    pub fn publishers(&self) -> Option<Publishers> {
        self.publishers.clone()
    }

    /// Gives the targets that the route is pushed to, in the config's order.
    #[must_use]
    pub fn forwards(&self) -> Vec<Push> {
        self.forwards.clone()
    }

    /// Gives what records the route, if that is wanted.
    #[must_use]
    pub fn recorder(&self) -> Option<Recorder> {
        self.recorder.clone()
    }

    /// Gives the renditions of its pictures.
    #[must_use]
    pub fn renditions(&self) -> Renditions {
        Renditions::new(Arc::clone(&self.renditions))
    }

    /// Says how the route is.
    #[must_use]
    pub fn state(&self) -> RouteState {
        self.watch.state()
    }

    /// Says whether the pipeline is of no use any more; see [`Event::Broken`].
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.watch.is_broken()
    }

    /// Closes every viewer by DTLS, then stops the pipeline; takes at most about twice `grace`.
    ///
    /// Returns how many viewers had to be cut off.
    pub async fn stop(self, grace: Duration) -> usize {
        let cut_off = self.viewers.drain(grace).await;
        let pipeline = self.pipeline.clone();
        // A source's teardown may wait for its camera.
        let stopped = tokio::task::spawn_blocking(move || {
            settle();
            pipeline.set_state(gst::State::Null)
        });
        if tokio::time::timeout(grace, stopped).await.is_err() {
            tracing::warn!(path = %self.id, "the source does not let go; its pipeline is left behind");
        }
        cut_off
    }
}

/// Waits until the process's first DTLS element has made its key.
///
/// A sink begins with that in the background. A process that ends meanwhile crashes in OpenSSL's
/// clean-up; the key is made once, and whoever asks for such an element waits for it.
fn settle() {
    drop(gst::ElementFactory::make("dtlssrtpdec").build());
}

impl Drop for Route {
    fn drop(&mut self) {
        if self.pipeline.current_state() != gst::State::Null {
            // Not here: it may block, and whoever drops a route may be an async task.
            self.pipeline.call_async(|pipeline| {
                if pipeline.set_state(gst::State::Null).is_err() {
                    tracing::debug!("a dropped pipeline did not stop");
                }
            });
        }
    }
}
