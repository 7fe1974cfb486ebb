//! The typed API: what a gateway does with a sink. No GStreamer type crosses it.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;
use sluice_core::{Codec, Problem, SessionId, Track};
use tokio::sync::broadcast;

use crate::peer::Signals;
use crate::producer::Producer;
use crate::session::{self, Session};
use crate::worker;

/// A handle to the viewers of one sink. It does not keep the sink alive.
#[derive(Debug, Clone)]
pub struct Viewers {
    producer: Weak<Producer>,
}

/// A session that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Names the session in `patch` and `leave`.
    pub id: SessionId,
    /// The SDP answer, with all candidates.
    pub answer: String,
    /// The strong entity tag of the ICE session, quoted.
    pub etag: String,
    /// Values of `Link` headers.
    pub link: Vec<String>,
}

/// A session that was just made, in which we offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invited {
    /// Names the session in `accept`, `add_candidate` and `leave`.
    pub id: SessionId,
    /// The SDP offer, without candidates.
    pub offer: String,
}

/// What a PATCH did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patched {
    /// Candidates were taken.
    Trickled,
    /// ICE was restarted.
    Restarted {
        /// The fragment with the new credentials and candidates.
        body: String,
        /// The new entity tag.
        etag: String,
    },
}

/// What is known of one viewer.
#[derive(Debug, Clone, Serialize)]
pub struct ViewerInfo {
    /// The session.
    pub id: String,
    /// `negotiating`, `connecting`, `playing` or `closing`.
    pub state: &'static str,
    /// Seconds since the offer came.
    pub since_s: u64,
    /// The name of the video codec, if there is video.
    pub codec_video: Option<&'static str>,
    /// The name of the audio codec, if there is audio.
    pub codec_audio: Option<&'static str>,
    /// How its pictures were chosen, in words: "H.264 as it comes".
    pub plan_video: Option<String>,
    /// How its sound was chosen, in words.
    pub plan_audio: Option<String>,
    /// RTP payload that was sent.
    pub bytes_sent: u64,
    /// RTP packets that were sent.
    pub packets_sent: u64,
    /// Frames that went past webrtcbin's FEC encoders as one list: nearly all, else a viewer costs more.
    pub lists_around_fec: u64,
    /// Frames that we encrypted and sent ourselves, in few calls: nearly all, else a viewer costs more. With libnice, none.
    pub lists_encrypted: u64,
    /// Packets that the viewer asked for again.
    pub nacks: u64,
    /// Packets that were sent again out of what is kept for all viewers together: as many as it asked for, nearly; none where
    /// webrtcbin sends them again.
    pub packets_again: u64,
    /// Key frames that the viewer asked for.
    pub plis: u64,
    /// Frames that were left out because its TCP connection had no room, each time up to the next key frame.
    pub frames_left_out: u64,
    /// Whether its network is too slow for the stream, by its own estimate (REMB), so that it gets key frames and sound.
    pub key_frames_only: bool,
    /// Round trip, by the viewer's reports.
    pub rtt_ms: Option<f64>,
    /// Fraction of packets lost, by the viewer's latest report.
    pub loss: Option<f64>,
    /// From the offer to the first key frame sent.
    pub first_picture_ms: Option<u64>,
}

/// What a viewer with a given offer would get of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chosen {
    /// `pass_through`, `transcode`, `refuse` or `absent`.
    pub choice: &'static str,
    /// The codec that it would be sent.
    pub codec: Option<&'static str>,
    /// Whether a rendition of that codec is there already.
    pub running: bool,
    /// What was chosen and why; one sentence.
    pub sentence: Option<String>,
}

/// Something that happened to a viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewerEvent {
    /// It has a session.
    Joined {
        /// The session.
        id: SessionId,
    },
    /// It was sent its first key frame.
    Playing {
        /// The session.
        id: SessionId,
        /// Since its offer.
        first_picture: Duration,
    },
    /// Its network is too slow for the stream, by its own estimate: it gets key frames, and the sound.
    Thinned {
        /// The session.
        id: SessionId,
        /// What the network carries.
        carries_kbps: u64,
        /// What the stream has.
        stream_kbps: u64,
    },
    /// It gets all pictures again.
    Whole {
        /// The session.
        id: SessionId,
        /// Whether that is a trial: its estimate is still too low, and hardly grows with less.
        trial: bool,
    },
    /// Its session is gone.
    Left {
        /// The session.
        id: SessionId,
        /// Why, in words.
        reason: String,
    },
}

/// A key frame as it was coded.
#[derive(Debug, Clone)]
pub struct KeyFrame {
    /// How it is coded.
    pub codec: Codec,
    /// One access unit, with its parameter sets if the codec has any.
    pub data: bytes::Bytes,
    /// In pixels, if known.
    pub width: Option<u32>,
    /// In pixels, if known.
    pub height: Option<u32>,
    /// Running time.
    pub at: Duration,
}

impl Viewers {
    pub(crate) fn new(producer: &Arc<Producer>) -> Self {
        Self {
            producer: Arc::downgrade(producer),
        }
    }

    /// Waits until the codecs of all tracks are known, and whether they can be passed through.
    ///
    /// # Errors
    ///
    /// 503 if that takes longer than `timeout`.
    pub async fn ready(&self, timeout: Duration) -> Result<(), Problem> {
        let deadline = Instant::now() + timeout;
        let mut changes = self.producer()?.watch_tracks();
        loop {
            let producer = self.producer()?;
            let look_again = match producer.is_ready(Instant::now()) {
                Ok(()) => return Ok(()),
                Err(look_again) => look_again,
            };
            drop(producer);
            let until = look_again.unwrap_or(deadline).min(deadline);
            let changed = tokio::time::timeout_at(until.into(), changes.changed()).await;
            if changed.is_ok_and(|changed| changed.is_err()) {
                return Err(gone());
            }
            if Instant::now() >= deadline {
                return Err(Problem::new(
                    503,
                    "The source has sent no pictures or sound yet; try again in a few seconds.",
                )
                .retry_after(Duration::from_secs(2)));
            }
        }
    }

    /// Makes a session out of an offer, and answers it.
    ///
    /// # Errors
    ///
    /// 400 to 422 when the offer is at fault or cannot be served, 503 when this side cannot.
    pub async fn join(&self, offer: &str) -> Result<Joined, Problem> {
        session::join(self.producer()?, offer, None).await
    }

    /// Makes a session out of an offer and answers it at once; our candidates follow as `signals`.
    ///
    /// # Errors
    ///
    /// As [`Viewers::join`].
    pub async fn join_trickling(&self, offer: &str, signals: Signals) -> Result<Joined, Problem> {
        session::join(self.producer()?, offer, Some(signals)).await
    }

    /// Says what a viewer with this offer would get: its pictures and its sound.
    ///
    /// # Errors
    ///
    /// 400 to 422 when the offer is at fault, 503 when the source has sent nothing yet.
    pub fn plan(&self, offer: &str) -> Result<(Chosen, Chosen), Problem> {
        session::plan_of(&*self.producer()?, offer)
    }

    /// Makes a session and offers it, all tracks as they are; our candidates follow as `signals`.
    ///
    /// # Errors
    ///
    /// 422 when the path has nothing that could be offered, 503 when this side cannot.
    pub async fn invite(&self, signals: Signals) -> Result<Invited, Problem> {
        session::invite(self.producer()?, signals).await
    }

    /// Takes the answer to our offer; a session whose answer cannot be taken is closed.
    ///
    /// # Errors
    ///
    /// 404 for an unknown session, 400 to 422 when the answer is at fault or takes not all that was offered.
    pub async fn accept(&self, id: &SessionId, answer: String) -> Result<(), Problem> {
        let session = self.session(id).ok_or_else(no_session)?;
        let (reply, taken) = tokio::sync::oneshot::channel();
        worker::run(move || drop(reply.send(session.accept(&answer))));
        let panicked = |_| Problem::new(500, "the answer could not be taken");
        taken.await.map_err(panicked)?
    }

    /// Takes a candidate of the viewer, for the section `mline`; a session that is gone takes none.
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
    pub async fn patch(
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
        let first = session.close_then("the viewer left", move || drop(done));
        drop(session);
        // Resolves with an error when the sender is dropped: that is the signal.
        drop(freed.await);
        first
    }

    /// Lists the viewers.
    pub fn list(&self) -> Vec<ViewerInfo> {
        let sessions = self.producer.upgrade().map(|producer| producer.viewers());
        sessions
            .unwrap_or_default()
            .iter()
            .map(|session| session.info())
            .collect()
    }

    /// Counts the viewers.
    pub fn count(&self) -> usize {
        self.producer
            .upgrade()
            .map_or(0, |producer| producer.count())
    }

    /// Says whether a session exists.
    pub fn has(&self, id: &SessionId) -> bool {
        self.session(id).is_some()
    }

    /// Gives the tracks that are known: video first, each kind in its order of preference.
    pub fn tracks(&self) -> Vec<Track> {
        let tracks = self.producer.upgrade().map(|producer| producer.tracks());
        let tracks = tracks.unwrap_or_default().into_iter();
        tracks.map(|offered| offered.track).collect()
    }

    /// Gives the latest key frame, for a thumbnail.
    pub fn key_frame(&self) -> Option<KeyFrame> {
        let (track, buffer, at) = self.producer.upgrade()?.key_frame()?;
        let format = track.video_format()?;
        let map = buffer.map_readable().ok()?;
        Some(KeyFrame {
            codec: track.codec,
            data: bytes::Bytes::copy_from_slice(&map),
            width: format.width,
            height: format.height,
            at,
        })
    }

    /// Subscribes to what happens to the viewers. A subscriber that is too slow misses events.
    pub fn subscribe(&self) -> broadcast::Receiver<ViewerEvent> {
        self.producer.upgrade().map_or_else(
            || broadcast::Sender::new(1).subscribe(),
            |producer| producer.subscribe(),
        )
    }

    /// Closes all viewers by DTLS and waits, at most `grace`. Returns how many were not gone by then.
    pub async fn drain(&self, grace: Duration) -> usize {
        let Some(producer) = self.producer.upgrade() else {
            return 0;
        };
        let mut waiting = Vec::new();
        for session in producer.viewers() {
            let (done, freed) = tokio::sync::oneshot::channel::<()>();
            session.close_then("the gateway is shutting down", move || drop(done));
            waiting.push(freed);
        }
        let mut late = waiting.len();
        let all = async {
            for freed in waiting {
                drop(freed.await);
                late -= 1;
            }
        };
        // Too late or not, the count says it.
        drop(tokio::time::timeout(grace, all).await);
        late
    }

    fn producer(&self) -> Result<Arc<Producer>, Problem> {
        self.producer.upgrade().ok_or_else(gone)
    }

    fn session(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.producer.upgrade()?.viewer(id)
    }
}

fn gone() -> Problem {
    Problem::new(503, "The source has just been stopped.").retry_after(Duration::from_secs(2))
}

/// The same for a session that never was and for one that is gone.
pub(crate) fn no_session() -> Problem {
    Problem::new(404, "there is no such session; POST an offer for a new one")
}
