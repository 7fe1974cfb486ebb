//! The element's own WHEP server, for gst-launch users.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sluice_core::Problem;
use tokio_util::sync::CancellationToken;

use crate::http::{Directory, router};
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
    /// Listens and serves `viewers` under `/path`.
    ///
    /// # Errors
    ///
    /// The address cannot be used, or there are no threads.
    pub(crate) fn start(
        address: SocketAddr,
        path: &str,
        viewers: Viewers,
    ) -> std::io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let url = format!("http://{}/{path}", socket.local_addr()?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("sluice-http")
            .enable_all()
            .build()?;
        let cancel = CancellationToken::new();
        let home = format!("/{path}");
        let routes = router(Arc::new(OnePath {
            path: path.to_owned(),
            viewers,
        }))
        .route(
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
                tracing::error!(%error, "the WHEP server ended");
            }
        });
        Ok(Self {
            url,
            cancel,
            runtime: Some(runtime),
        })
    }

    /// Gives the address of the player page.
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

/// The directory of an element: one path.
struct OnePath {
    path: String,
    viewers: Viewers,
}

impl Directory for OnePath {
    fn open<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Viewers, Problem>> {
        Box::pin(async move {
            if !self.knows(path) {
                return Err(Problem::new(404, "There is no such path."));
            }
            self.viewers.ready(SOURCE).await?;
            Ok(self.viewers.clone())
        })
    }

    fn knows(&self, path: &str) -> bool {
        path == self.path
    }

    fn status(&self, path: &str) -> Option<serde_json::Value> {
        self.knows(path).then(|| {
            let tracks = self.viewers.tracks();
            let state = if tracks.is_empty() {
                "connecting"
            } else {
                "running"
            };
            serde_json::json!({
                "state": state,
                "reason": null,
                "retry_in_ms": null,
                "tracks": tracks.iter().map(|track| serde_json::json!({
                    "kind": track.kind().label(),
                    "codec": track.codec.label(),
                    "detail": track.detail(),
                })).collect::<Vec<_>>(),
                "viewers": self.viewers.count(),
            })
        })
    }
}
