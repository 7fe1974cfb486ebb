//! WHEP over HTTP, and the player page: one router, mounted by the gateway and by the element itself.

mod answers;
mod pages;
#[cfg(test)]
mod tests;
mod whep;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sluice_core::{Problem, SessionId};

use crate::viewers::Viewers;

/// Where the router finds the viewers of a path.
pub trait Directory: Send + Sync + 'static {
    /// Gives the viewers of a path, and starts its source if it waits for a first viewer.
    ///
    /// Fails with 404 for an unknown path, with 502 or 503 and the source's own sentence if it does not
    /// play.
    fn open<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Viewers, Problem>>;

    /// Says whether there is such a path; starts nothing.
    fn knows(&self, path: &str) -> bool;

    /// Says how a path is, for the player's words: state, reason, `retry_in_ms`, tracks.
    fn status(&self, path: &str) -> Option<serde_json::Value>;
}

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    directory: Arc<dyn Directory>,
    /// Sessions made here. PATCH and DELETE must not start a source that has been stopped.
    sessions: Arc<Mutex<BTreeMap<SessionId, Seat>>>,
}

/// Whose session it is.
#[derive(Clone)]
struct Seat {
    path: String,
    viewers: Viewers,
}

impl Shared {
    /// Remembers a session, and forgets those that are gone.
    fn seat(&self, id: SessionId, path: &str, viewers: Viewers) {
        let mut sessions = self.sessions.lock();
        sessions.retain(|id, seat| seat.viewers.has(id));
        sessions.insert(
            id,
            Seat {
                path: path.to_owned(),
                viewers,
            },
        );
    }

    /// Finds the viewers of a session of this path; a session of another path is none.
    fn viewers_of(&self, path: &str, id: &str) -> Option<(SessionId, Viewers)> {
        let id: SessionId = id.parse().ok()?;
        let seat = self.sessions.lock().get(&id).cloned()?;
        (seat.path == path && seat.viewers.has(&id)).then_some((id, seat.viewers))
    }
}

/// Makes the routes: `/{path}`, `/{path}/status.json`, `/{path}/whep`, `/{path}/whep/{session}` and
/// `/_sluice/…` for what the page needs.
pub fn router(directory: Arc<dyn Directory>) -> Router {
    let shared = Shared {
        directory,
        sessions: Arc::default(),
    };
    let whep = Router::new()
        .route("/{path}/whep", any(whep::endpoint))
        .route("/{path}/whep/{session}", any(whep::session))
        .layer(axum::middleware::map_response(answers::share_with_browsers));
    let pages = Router::new()
        .route("/{path}", get(pages::player))
        .route("/{path}/", get(pages::without_slash))
        .route("/{path}/status.json", get(pages::status));
    whep.merge(pages).with_state(shared).merge(pages::assets())
}
