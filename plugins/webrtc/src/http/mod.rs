//! WHEP and WHIP over HTTP, and their pages: one router, mounted by the gateway and by the elements themselves.

mod answers;
mod pages;
mod peers;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sluice_core::{Offer, Problem, SessionId};

use crate::publishers::Publishers;
use crate::viewers::{Joined, Viewers};
use peers::{Peers, Side};

/// Where the router finds the viewers and publishers of a path.
pub trait Directory: Send + Sync + 'static {
    /// Gives the viewers of a path, and starts its source if it waits for a first viewer.
    ///
    /// Fails with 404 for an unknown path, with 502 or 503 and the source's own sentence if it does not
    /// play.
    fn open<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Viewers, Problem>>;

    /// Gives the publishers of a path whose source is a publisher.
    ///
    /// Fails with 404 for all other paths, with 503 if this side cannot take one now.
    fn publishers<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Publishers, Problem>>;

    /// Says whether there is such a path; starts nothing.
    fn knows(&self, path: &str) -> bool;

    /// Says whether a path's source is a publisher; starts nothing.
    fn takes_publishers(&self, path: &str) -> bool;

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
    peers: Peers,
}

impl Shared {
    /// Says why there is no such endpoint.
    fn refusal(&self, side: Side, path: &str) -> Option<Problem> {
        if !self.directory.knows(path) {
            return Some(pages::no_path());
        }
        let refused = side == Side::Publish && !self.directory.takes_publishers(path);
        refused.then(no_publisher)
    }

    /// Makes a session out of an offer. Only one that can be read is a reason to start a source, or to wait for it.
    async fn join(&self, side: Side, path: &str, offer: &str) -> Result<(Peers, Joined), Problem> {
        Offer::parse_as(side.role(), offer)?;
        match side {
            Side::View => {
                // Before a source is started for it.
                crate::load::admit()?;
                let viewers = self.directory.open(path).await?;
                let joined = viewers.join(offer).await?;
                Ok((Peers::Viewers(viewers), joined))
            }
            Side::Publish => {
                let publishers = self.directory.publishers(path).await?;
                let joined = publishers.publish(offer).await?;
                Ok((Peers::Publishers(publishers), joined))
            }
        }
    }

    /// Remembers a session, and forgets those that are gone.
    fn seat(&self, id: SessionId, path: &str, peers: Peers) {
        let mut sessions = self.sessions.lock();
        sessions.retain(|id, seat| seat.peers.has(id));
        sessions.insert(
            id,
            Seat {
                path: path.to_owned(),
                peers,
            },
        );
    }

    /// Finds whose a session of this path is; a session of another path or protocol is none.
    fn peers_of(&self, side: Side, path: &str, id: &str) -> Option<(SessionId, Peers)> {
        let id: SessionId = id.parse().ok()?;
        let seat = self.sessions.lock().get(&id).cloned()?;
        let fits = seat.path == path && seat.peers.side() == side && seat.peers.has(&id);
        fits.then_some((id, seat.peers))
    }
}

/// Says that a path takes no publisher.
pub fn no_publisher() -> Problem {
    Problem::new(
        404,
        "This path takes no publisher; its source in the config must be `publisher`.",
    )
}

/// Makes the routes: `/{path}`, `/{path}/publish`, `/{path}/status.json`, `/{path}/whep`, `/{path}/whip`, their
/// sessions below them, and `/_sluice/…` for what the pages need.
pub fn router(directory: Arc<dyn Directory>) -> Router {
    let shared = Shared {
        directory,
        sessions: Arc::default(),
    };
    let pages = Router::new()
        .route("/{path}", get(pages::player))
        .route("/{path}/", get(pages::without_slash))
        .route("/{path}/publish", get(pages::publish))
        .route("/{path}/status.json", get(pages::status));
    let endpoints = endpoints(Side::View)
        .merge(endpoints(Side::Publish))
        .layer(axum::middleware::map_response(answers::share_with_browsers));
    endpoints
        .merge(pages)
        .with_state(shared)
        .merge(pages::assets())
}

fn endpoints(side: Side) -> Router<Shared> {
    let name = side.name();
    let endpoint = move |state, path, request| sessions::endpoint(side, state, path, request);
    let session = move |state, path, request| sessions::session(side, state, path, request);
    Router::new()
        .route(&format!("/{{path}}/{name}"), any(endpoint))
        .route(&format!("/{{path}}/{name}/{{session}}"), any(session))
}
