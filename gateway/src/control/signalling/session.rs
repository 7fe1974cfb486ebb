//! What a socket's sessions are on the other side: viewers and publishers of paths.

use std::collections::BTreeSet;

use gstsluicewebrtc::http::Directory as _;
use gstsluicewebrtc::{Publishers, Signals, Viewers};
use sluice_core::SessionId;
use sluice_core::access::Action;
use sluice_core::problem::Problem;
use sluice_core::signalling::Description;

use crate::control::access::Rights;
use crate::supervisor::Paths;

/// One session: whose it is, and its name there.
#[derive(Debug, Clone)]
pub(super) enum Seat {
    /// A viewer's.
    View(Viewers, SessionId),
    /// A publisher's.
    Publish(Publishers, SessionId),
}

impl Seat {
    /// Takes a candidate of the peer.
    pub(super) fn add_candidate(&self, mline: u32, candidate: &str) {
        match self {
            Self::View(viewers, id) => viewers.add_candidate(id, mline, candidate),
            Self::Publish(publishers, id) => publishers.add_candidate(id, mline, candidate),
        }
    }

    /// Ends it; returns when its resources are freed.
    pub(super) async fn leave(self) {
        let was_there = match &self {
            Self::View(viewers, id) => viewers.leave(id).await,
            Self::Publish(publishers, id) => publishers.leave(id).await,
        };
        tracing::trace!(was_there, "a session of a socket has ended");
    }

    /// Says whether it is still there.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::View(viewers, id) => viewers.has(id),
            Self::Publish(publishers, id) => publishers.has(id),
        }
    }

    /// Says whether the path has another publisher.
    pub(super) fn is_displaced(&self) -> bool {
        match self {
            Self::View(..) => false,
            Self::Publish(publishers, id) => {
                publishers.live().is_some_and(|live| live.id != id.as_str())
            }
        }
    }

    /// Gives the viewer's answer to its session.
    pub(super) async fn accept(self, answer: String) -> Result<(), Problem> {
        match self {
            Self::View(viewers, id) => viewers.accept(&id, answer).await,
            Self::Publish(..) => Err(Problem::new(400, "a publisher offers, and does not answer")),
        }
    }
}

/// Makes a viewer's session.
pub(super) async fn watch(
    paths: &Paths,
    rights: &Rights,
    path: &str,
    offer: Option<String>,
    signals: Signals,
) -> Result<(Seat, Description), Problem> {
    rights.begin(Action::Read, path).await?;
    let viewers = paths.open(path).await?;
    match offer {
        Some(offer) => {
            let joined = viewers.join_trickling(&offer, signals).await?;
            let answer = Description::Answer(joined.answer);
            Ok((Seat::View(viewers, joined.id), answer))
        }
        None => {
            let invited = viewers.invite(signals).await?;
            let offer = Description::Offer(invited.offer);
            Ok((Seat::View(viewers, invited.id), offer))
        }
    }
}

/// Finds out whether somebody may publish to a path.
pub(super) async fn admit(paths: &Paths, rights: &Rights, path: &str) -> Result<(), Problem> {
    rights.may(Action::Publish, path).await?;
    paths.publishers(path).await.map(drop)
}

/// Makes a publisher's session.
pub(super) async fn publish(
    paths: &Paths,
    rights: &Rights,
    path: &str,
    offer: &str,
    signals: Signals,
) -> Result<(Seat, Description), Problem> {
    rights.begin(Action::Publish, path).await?;
    let publishers = paths.publishers(path).await?;
    let joined = publishers.publish_trickling(offer, signals).await?;
    let answer = Description::Answer(joined.answer);
    Ok((Seat::Publish(publishers, joined.id), answer))
}

/// Finds the paths that somebody may watch, whether or not there is anything now.
pub(super) async fn readable(paths: &Paths, rights: &Rights) -> BTreeSet<String> {
    let mut readable = BTreeSet::new();
    for path in paths.names() {
        if rights.may(Action::Read, path).await.is_ok() {
            readable.insert(path.to_owned());
        }
    }
    readable
}
