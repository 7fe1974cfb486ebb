//! An element's own WHEP or WHIP server, for gst-launch users.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sluice_core::Problem;
use tokio_util::sync::CancellationToken;

use crate::http::{self, Directory, router};
use crate::publishers::Publishers;
use crate::viewers::Viewers;

/// A viewer who comes before the source waits at most this long for its caps.
const SOURCE: Duration = Duration::from_secs(10);

/// A running server; dropping it ends it.
pub(crate) struct Listener {
    url: String,
    cancel: CancellationToken,
    /// Dropped without waiting: a request may be in progress.
    runtime: Option<tokio::runtime::Runtime>,
}

impl Listener {
    /// Listens and serves one path; `/` leads to its page.
    ///
    /// # Errors
    ///
    /// The address cannot be used, or there are no threads.
    pub(crate) fn start(address: SocketAddr, path: OnePath) -> std::io::Result<Self> {
        let home = path.home();
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let url = format!("http://{}{home}", socket.local_addr()?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("sluice-http")
            .enable_all()
            .build()?;
        let cancel = CancellationToken::new();
        let routes = router(Arc::new(path)).route(
            "/",
            axum::routing::get(move || async move { axum::response::Redirect::temporary(&home) }),
        );
        let cancelled = cancel.clone().cancelled_owned();
        runtime.spawn(async move {
            let served = match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => {
                    axum::serve(socket, routes)
                        .with_graceful_shutdown(cancelled)
                        .await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = served {
                tracing::error!(%error, "the HTTP server ended");
            }
        });
        Ok(Self {
            url,
            cancel,
            runtime: Some(runtime),
        })
    }

    /// Gives the address of the page.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The directory of an element: one path, with viewers or with publishers.
pub(crate) struct OnePath {
    path: String,
    viewers: Option<Viewers>,
    publishers: Option<Publishers>,
}

impl OnePath {
    /// A path that is watched.
    pub(crate) fn watching(path: &str, viewers: Viewers) -> Self {
        Self {
            path: path.to_owned(),
            viewers: Some(viewers),
            publishers: None,
        }
    }

    /// A path that is published to.
    pub(crate) fn publishing(path: &str, publishers: Publishers) -> Self {
        Self {
            path: path.to_owned(),
            viewers: None,
            publishers: Some(publishers),
        }
    }

    /// Gives the path of the page for people.
    fn home(&self) -> String {
        match self.publishers {
            Some(_) => format!("/{}/publish", self.path),
            None => format!("/{}", self.path),
        }
    }
}

impl Directory for OnePath {
    fn open<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Viewers, Problem>> {
        Box::pin(async move {
            let viewers = self.viewers.as_ref().filter(|_| path == self.path);
            let viewers =
                viewers.ok_or_else(|| Problem::new(404, "There is nothing to watch here."))?;
            viewers.ready(SOURCE).await?;
            Ok(viewers.clone())
        })
    }

    fn publishers<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Publishers, Problem>> {
        Box::pin(async move {
            let publishers = self.publishers.clone().filter(|_| path == self.path);
            publishers.ok_or_else(http::no_publisher)
        })
    }

    fn knows(&self, path: &str) -> bool {
        path == self.path
    }

    fn takes_publishers(&self, path: &str) -> bool {
        self.publishers.is_some() && path == self.path
    }

    fn status(&self, path: &str) -> Option<serde_json::Value> {
        if !self.knows(path) {
            return None;
        }
        let (viewers, publishers) = (self.viewers.as_ref(), self.publishers.as_ref());
        let tracks = viewers.map(Viewers::tracks).unwrap_or_default();
        let publisher = publishers.and_then(Publishers::live);
        let state = match (&publisher, tracks.is_empty(), viewers) {
            (Some(_), ..) | (None, false, _) => "running",
            (None, true, Some(_)) => "connecting",
            (None, true, None) => "waiting",
        };
        Some(serde_json::json!({
            "state": state,
            "reason": null,
            "retry_in_ms": null,
            "tracks": tracks.iter().map(|track| serde_json::json!({
                "kind": track.kind().label(),
                "codec": track.codec.label(),
                "detail": track.detail(),
            })).collect::<Vec<_>>(),
            "viewers": viewers.map_or(0, Viewers::count),
            "publisher": publisher,
        }))
    }
}
