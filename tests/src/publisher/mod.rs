//! WHIP publishers inside the test's own process: str0m over plain UDP, with pictures and sound that GStreamer
//! encodes.

mod media;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, park_timeout};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::artifacts;
use crate::http::{Client, Reply};
use crate::stun::IceSession;
use crate::viewer::outward_address;
use crate::viewer::rtp::Payload;
use crate::wait::within;
use media::Media;
use session::Session;

/// How often the socket is read and packets are sent.
const TICK: Duration = Duration::from_millis(2);

/// Makes another payload of one; the number counts the packets, from 0.
pub type Spoil = fn(u64, Vec<u8>) -> Vec<u8>;

/// What the publisher is like.
#[derive(Debug, Clone)]
pub struct PublisherOptions {
    /// The codec of the known picture; `None` sends sound alone.
    pub video: Option<Payload>,
    /// Sends the known tone, as Opus.
    pub audio: bool,
    /// Of the picture.
    pub size: (u32, u32),
    /// Puts a fingerprint into the offer that is not its certificate's.
    pub false_fingerprint: bool,
    /// Leaves its candidates out of the offer, as ffmpeg and libdatachannel do.
    pub no_candidates: bool,
    /// The sequence number before the first, and the first timestamp of its streams.
    pub first: (u16, u32),
    /// Changes the payload of each video packet.
    pub spoil: Option<Spoil>,
    /// Marks each H.264 frame with the clock, as soon as it is encoded.
    pub stamp: bool,
    /// Sends a packet of nothing but padding after so many packets of a stream; 0 for never.
    pub padding_every: u64,
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self {
            video: Some(Payload::H264),
            audio: true,
            size: (1280, 720),
            false_fingerprint: false,
            no_candidates: false,
            first: (1000, 0),
            spoil: None,
            stamp: false,
            padding_every: 0,
        }
    }
}

/// What a publisher has done so far.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// Whether ICE and DTLS are up.
    pub connected: bool,
    /// RTP packets sent.
    pub packets: u64,
    /// Of them, packets of padding alone.
    pub paddings: u64,
    /// The synchronisation source of the gateway's own RTCP, once some came.
    pub server_ssrc: Option<u32>,
    /// Key frames that it was asked for.
    pub key_frames_asked: u64,
    /// Packets that were asked for again.
    pub nacks: u64,
    /// Whether it ended, and why if by itself.
    pub closed: bool,
    /// Why it ended.
    pub error: Option<String>,
}

/// One publisher; dropping it makes it vanish without a word.
pub struct Publisher {
    session: Arc<Mutex<Session>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    client: Client,
    /// The answer to its POST.
    pub reply: Reply,
    /// Its offer.
    pub offer: String,
}

impl Publisher {
    /// POSTs an offer to a WHIP URL. The reply may be a refusal: see [`Publisher::reply`].
    ///
    /// # Panics
    /// When the server does not speak HTTP, or its answer is no SDP.
    pub fn join(url: &str, options: &PublisherOptions) -> Self {
        Self::join_as(url, options, str::to_owned)
    }

    /// Like [`Publisher::join`], with an offer that is changed on its way.
    ///
    /// # Panics
    /// When the server does not speak HTTP, or its answer is no SDP.
    pub fn join_as(
        url: &str,
        options: &PublisherOptions,
        change: impl FnOnce(&str) -> String,
    ) -> Self {
        let post = |client: &Client, offer: &str| client.post_sdp(url, offer);
        Self::exchanging(options, change, post)
    }

    /// Publishes to a viewer without anything between; `answer` makes the viewer's answer of the offer.
    ///
    /// # Panics
    /// When the answer is no SDP.
    pub fn straight(options: &PublisherOptions, answer: impl FnOnce(&str) -> String) -> Self {
        let reply = |_client: &Client, offer: &str| Reply {
            status: 201,
            body: answer(offer),
            ..Reply::default()
        };
        Self::exchanging(options, str::to_owned, reply)
    }

    fn exchanging(
        options: &PublisherOptions,
        change: impl FnOnce(&str) -> String,
        post: impl FnOnce(&Client, &str) -> Reply,
    ) -> Self {
        str0m::crypto::from_feature_flags().install_process_default();
        let (mut session, offer) = Session::new(outward_address(), options)
            .unwrap_or_else(|e| panic!("the publisher cannot make an offer: {e}"));
        let offer = change(&offer);
        let client = Client::default();
        let reply = post(&client, &offer);
        artifacts::note("publish-offer.sdp", &offer);
        artifacts::note("publish-answer.sdp", &reply.body);
        let stop = Arc::new(AtomicBool::new(reply.status != 201));
        if reply.status == 201
            && let Err(e) = session.on_answer(&reply.body, Instant::now())
        {
            panic!("{e}\n--- offer\n{offer}\n--- answer\n{}", reply.body);
        }
        let session = Arc::new(Mutex::new(session));
        let thread = (reply.status == 201).then(|| {
            let media = Media::start(options);
            let (session, stop) = (Arc::clone(&session), Arc::clone(&stop));
            std::thread::spawn(move || drive(&session, &media, &stop))
        });
        Self {
            session,
            stop,
            thread,
            client,
            reply,
            offer,
        }
    }

    /// Publishes and waits until it is connected.
    ///
    /// # Panics
    /// When it is refused, or not connected in time.
    pub fn start(url: &str, options: &PublisherOptions) -> Self {
        let publisher = Self::join(url, options);
        assert_eq!(
            publisher.reply.status, 201,
            "{url}: {}",
            publisher.reply.body
        );
        let connected = || publisher.published().connected.then_some(());
        within(Duration::from_secs(15), connected)
            .unwrap_or_else(|| panic!("not connected: {:?}", publisher.published()));
        publisher
    }

    /// What it has done so far.
    pub fn published(&self) -> Published {
        self.session.lock().published()
    }

    /// Waits until it was closed by the server.
    pub fn wait_closed(&self, limit: Duration) -> bool {
        within(limit, || self.published().closed.then_some(())).is_some()
    }

    /// The address of its session.
    ///
    /// # Panics
    /// When the server gave none.
    pub fn location(&self) -> String {
        self.reply.location.clone().expect("a 201 has a Location")
    }

    /// The credentials and the place of its ICE session.
    pub fn ice(&self) -> IceSession {
        IceSession::of(&self.offer, &self.reply.body, outward_address())
    }

    /// Sends a datagram from its own socket to the gateway, past its WebRTC stack.
    pub fn send_raw(&self, datagram: &[u8]) {
        let server = self.ice().server;
        self.session.lock().send_raw(datagram, server);
    }

    /// Sends RTCP as it is, protected, past its WebRTC stack; 8 bytes at least. The gateway believes no RTCP of the
    /// stack's own after that: its numbers are too old.
    pub fn send_rtcp(&self, packet: &[u8]) {
        let server = self.ice().server;
        self.session.lock().send_rtcp(packet, server);
    }

    /// The last encrypted media packet that it sent.
    pub fn last_packet(&self) -> Vec<u8> {
        self.session.lock().last_packet()
    }

    /// Ends the session by its `Location`.
    ///
    /// # Panics
    /// When the server gave none.
    pub fn delete(&self) -> Reply {
        let location = self.location();
        self.client.request("DELETE", &location, &[], "")
    }

    /// Closes DTLS and nothing more.
    pub fn hang_up(self) {
        self.session.lock().hang_up(Instant::now());
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Makes an offer that nobody follows up.
///
/// # Panics
/// When it cannot be made.
pub fn offer(options: &PublisherOptions) -> String {
    str0m::crypto::from_feature_flags().install_process_default();
    let made = Session::new(outward_address(), options);
    made.map(|(_session, offer)| offer)
        .unwrap_or_else(|e| panic!("the publisher cannot make an offer: {e}"))
}

fn drive(session: &Mutex<Session>, media: &Media, stop: &AtomicBool) {
    let mut buffer = vec![0; 2048];
    while !stop.load(Ordering::Acquire) {
        let now = Instant::now();
        let mut session = session.lock();
        while let Some(packet) = media.next() {
            session.send(&packet, now);
        }
        session.poll(&mut buffer, now);
        if session.wants_key_frame() {
            media.force_key_frame();
        }
        drop(session);
        park_timeout(TICK);
    }
}
