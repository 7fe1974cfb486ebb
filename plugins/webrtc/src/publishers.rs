//! The typed API: what a gateway does with a `sluicewhipsrc`. No GStreamer type crosses it.

use std::sync::{Arc, Weak};

use serde::Serialize;
use sluice_core::{Problem, SessionId};

use crate::peer::{Signals, unavailable};
use crate::publish::{Ingress, Publisher, publish};
use crate::viewers::{Joined, Patched, no_session};

/// A handle to the publishers of one `sluicewhipsrc`. It does not keep the element alive.
#[derive(Debug, Clone)]
pub struct Publishers {
    ingress: Weak<Ingress>,
}

/// What is known of one publisher.
#[derive(Debug, Clone, Serialize)]
pub struct PublisherInfo {
    /// The session.
    pub id: String,
    /// `connecting`, `live` or `closing`.
    pub state: &'static str,
    /// Seconds since the offer came.
    pub since_s: u64,
    /// The name of the video codec, if there is video.
    pub codec_video: Option<&'static str>,
    /// The name of the audio codec, if there is audio.
    pub codec_audio: Option<&'static str>,
    /// RTP that was taken.
    pub bytes_received: u64,
    /// RTP packets that were taken.
    pub packets_received: u64,
    /// RTP packets that were not taken: not negotiated, or of a stream beside the one.
    pub packets_refused: u64,
    /// SRTP and SRTCP packets from the publisher's address that were not taken: sent again, or changed on the way.
    pub packets_inauthentic: u64,
    /// Key frames that the publisher was asked for.
    pub key_frames_asked: u64,
    /// Layers of simulcast that came, in their order; none without it.
    pub layers: Vec<PublishedLayer>,
}

/// One layer of simulcast.
#[derive(Debug, Clone, Serialize)]
pub struct PublishedLayer {
    /// Of its pictures, once known.
    pub width: Option<u32>,
    /// Of its pictures, once known.
    pub height: Option<u32>,
    /// Whether frames have come lately.
    pub flows: bool,
    /// Whether it is the one that viewers see.
    pub goes_out: bool,
}

impl Publishers {
    pub(crate) fn new(ingress: &Arc<Ingress>) -> Self {
        Self {
            ingress: Arc::downgrade(ingress),
        }
    }

    /// Makes a session out of an offer, and answers it. The publisher becomes the path's one once it has shown
    /// its certificate.
    ///
    /// # Errors
    ///
    /// 400 to 422 when the offer is at fault, 409 when there is a publisher and a second one is refused, 503
    /// when this side cannot.
    pub async fn publish(&self, offer: &str) -> Result<Joined, Problem> {
        let ingress = self.ingress.upgrade();
        let ingress = ingress.ok_or_else(|| unavailable("the path has just been stopped"))?;
        publish(ingress, offer, None).await
    }

    /// Makes a session out of an offer and answers it at once; our candidates follow as `signals`.
    ///
    /// # Errors
    ///
    /// As [`Publishers::publish`].
    pub async fn publish_trickling(
        &self,
        offer: &str,
        signals: Signals,
    ) -> Result<Joined, Problem> {
        let ingress = self.ingress.upgrade();
        let ingress = ingress.ok_or_else(|| unavailable("the path has just been stopped"))?;
        publish(ingress, offer, Some(signals)).await
    }

    /// Takes a candidate of the publisher, for the section `mline`; a session that is gone takes none.
    pub fn add_candidate(&self, id: &SessionId, mline: u32, candidate: &str) {
        if let Some(session) = self.session(id) {
            session.add_candidate(mline, candidate);
        }
    }

    /// Takes a PATCH of a session.
    ///
    /// # Errors
    ///
    /// 404 for an unknown session, 415, 400, 428, 412 and 422 as RFC 9725 has them; the session stays.
    pub fn patch(
        &self,
        id: &SessionId,
        content_type: Option<&str>,
        if_match: Option<&str>,
        body: &str,
    ) -> Result<Patched, Problem> {
        self.session(id)
            .ok_or_else(no_session)?
            .patch(content_type, if_match, body)
    }

    /// Closes a session; `false` if there is none of that id. Returns when its resources are freed.
    pub async fn leave(&self, id: &SessionId) -> bool {
        let Some(session) = self.session(id) else {
            return false;
        };
        let (done, freed) = tokio::sync::oneshot::channel::<()>();
        let first = session.close_then("the publisher left", move || drop(done));
        drop(session);
        // Resolves with an error when the sender is dropped: that is the signal.
        drop(freed.await);
        first
    }

    /// Says whether a session exists.
    pub fn has(&self, id: &SessionId) -> bool {
        self.session(id).is_some()
    }

    /// Gives the publisher whose media go out, if there is one.
    pub fn live(&self) -> Option<PublisherInfo> {
        Some(self.ingress.upgrade()?.live()?.info())
    }

    /// Lists all sessions, those that are connecting too.
    pub fn list(&self) -> Vec<PublisherInfo> {
        let sessions = self.ingress.upgrade().map(|ingress| ingress.sessions());
        let sessions = sessions.unwrap_or_default();
        sessions.iter().map(|session| session.info()).collect()
    }

    fn session(&self, id: &SessionId) -> Option<Arc<Publisher>> {
        self.ingress.upgrade()?.session(id)
    }
}
