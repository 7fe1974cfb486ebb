//! WHEP viewers inside the test's own process: str0m over plain UDP, signalling over plain HTTP.
//!
//! One thread drives all viewers of a [`Viewers`], so that a hundred of them cost little.

pub mod rtp;
pub(crate) mod sdp;
mod session;
mod socket;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, park_timeout};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::artifacts;
use crate::http::{Client, Reply};
use crate::stun::IceSession;
use crate::wait::within;
use rtp::{Payload, Totals};
use session::Session;

/// How often sockets are read: the resolution of all times measured here.
const TICK: Duration = Duration::from_millis(1);
/// The same with many viewers, where a wake-up each would fight the server for the processor.
const MANY_TICK: Duration = Duration::from_millis(4);
const MANY: usize = 30;

/// What the viewer is like.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent quirk of a viewer"
)]
pub struct ViewerOptions {
    /// Video codecs in the offer.
    pub codecs: Vec<Payload>,
    /// Offers audio (Opus).
    pub audio: bool,
    /// Offers G.711 too.
    pub g711: bool,
    /// Puts a fingerprint into the offer that is not its certificate's.
    pub false_fingerprint: bool,
    /// Share of media packets thrown away on arrival.
    pub drop_percent: f64,
    /// Everything arrives so much later.
    pub delay: Duration,
    /// Asks for lost packets.
    pub nack: bool,
    /// After the first key frame reads RTP headers only; for load.
    pub light: bool,
    /// Never answers anything on its socket.
    pub deaf: bool,
    /// Answers no STUN request, though it sends its own, and RTCP.
    pub no_consent: bool,
    /// Offers H.264 as payload type 35 and Opus as 63, of the range that was free for long.
    pub low_payload_types: bool,
}

impl Default for ViewerOptions {
    fn default() -> Self {
        Self {
            codecs: vec![Payload::H264, Payload::Vp8],
            audio: true,
            g711: false,
            false_fingerprint: false,
            drop_percent: 0.0,
            delay: Duration::ZERO,
            nack: true,
            light: false,
            deaf: false,
            no_consent: false,
            low_payload_types: false,
        }
    }
}

/// What a viewer has seen so far; times count from its POST.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Until the answer was there.
    pub to_answer: Option<Duration>,
    /// Until ICE and DTLS were up.
    pub to_connected: Option<Duration>,
    /// Until the first media packet.
    pub to_media: Option<Duration>,
    /// Until the first key frame began.
    pub to_key_frame: Option<Duration>,
    /// Video streams.
    pub video: Totals,
    /// Audio streams.
    pub audio: Totals,
    /// Longest time between two video frames.
    pub longest_gap: Duration,
    /// Longest step between the timestamps of two video frames.
    pub longest_step: Duration,
    /// Packets that begin a slice of a key frame.
    pub key_frames: u64,
    /// Everything on the socket that looks like RTP, decrypted or not.
    pub media_packets: u64,
    /// Thrown away by `drop_percent`.
    pub dropped_here: u64,
    /// When the gateway asked by STUN whether it still wants packets.
    pub checks: Vec<Instant>,
    /// On retransmission payload types.
    pub repair_packets: u64,
    /// NACKs sent.
    pub nacks: u64,
    /// Name of the video codec that came.
    pub codec: Option<String>,
    /// Why it ended, if it did by itself.
    pub error: Option<String>,
    /// Whether it ended.
    pub closed: bool,
}

struct Shared {
    sessions: Mutex<Vec<Arc<Mutex<Session>>>>,
    stop: AtomicBool,
    seed: AtomicU64,
}

/// A group of viewers and the thread that drives them.
pub struct Viewers {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    client: Client,
    local: IpAddr,
}

/// One viewer of the group. Dropping it makes its socket vanish without a word.
pub struct Viewer {
    session: Arc<Mutex<Session>>,
    shared: Arc<Shared>,
    client: Client,
    /// The answer to its POST.
    pub reply: Reply,
    /// Its offer.
    pub offer: String,
}

impl Default for Viewers {
    fn default() -> Self {
        Self::new()
    }
}

impl Viewers {
    /// Viewers at the machine's own address: libnice offers no loopback candidates.
    pub fn new() -> Self {
        Self::at(outward_address())
    }

    /// Viewers at this address.
    pub fn at(local: IpAddr) -> Self {
        str0m::crypto::from_feature_flags().install_process_default();
        let shared = Arc::new(Shared {
            sessions: Mutex::default(),
            stop: AtomicBool::new(false),
            seed: AtomicU64::new(0),
        });
        let driven = Arc::clone(&shared);
        let thread = std::thread::spawn(move || drive(&driven));
        Self {
            shared,
            thread: Some(thread),
            client: Client::default(),
            local,
        }
    }

    /// POSTs an offer to a WHEP URL. The reply may be a refusal: see [`Viewer::reply`].
    ///
    /// # Panics
    /// When the server does not speak HTTP, or its answer is no SDP.
    pub fn join(&self, url: &str, options: ViewerOptions) -> Viewer {
        self.join_as(url, options, str::to_owned)
    }

    /// Like [`Viewers::join`], with an offer that is changed on its way.
    ///
    /// # Panics
    /// When the server does not speak HTTP, or its answer is no SDP.
    pub fn join_as(
        &self,
        url: &str,
        options: ViewerOptions,
        change: impl FnOnce(&str) -> String,
    ) -> Viewer {
        let seed = self.shared.seed.fetch_add(1, Ordering::Relaxed);
        let (mut session, offer) = Session::new(self.local, options, seed)
            .unwrap_or_else(|e| panic!("the viewer cannot make an offer: {e}"));
        let offer = change(&offer);
        session.posted = Some(Instant::now());
        let reply = self.client.post_sdp(url, &offer);
        artifacts::note("offer.sdp", &offer);
        artifacts::note("answer.sdp", &reply.body);
        if reply.status == 201
            && let Err(e) = session.on_answer(&reply.body, Instant::now())
        {
            panic!("{url}: {e}\n--- offer\n{offer}\n--- answer\n{}", reply.body);
        }
        let session = Arc::new(Mutex::new(session));
        if reply.status == 201 {
            self.shared.sessions.lock().push(Arc::clone(&session));
        }
        let (shared, client) = (Arc::clone(&self.shared), self.client.clone());
        Viewer {
            session,
            shared,
            client,
            reply,
            offer,
        }
    }

    /// Answers an offer that came over a socket. The answer, in [`Viewer::offer`], is to be sent by the caller.
    ///
    /// # Panics
    /// When the offer is none.
    pub fn answer(&self, offer: &str, begun: Instant, options: ViewerOptions) -> Viewer {
        let seed = self.shared.seed.fetch_add(1, Ordering::Relaxed);
        artifacts::note("offer.sdp", offer);
        let (mut session, answer) = Session::answering(self.local, options, seed, offer)
            .unwrap_or_else(|e| panic!("the viewer cannot answer: {e}\n--- offer\n{offer}"));
        session.posted = Some(begun);
        artifacts::note("answer.sdp", &answer);
        let viewer = self.prepared(session, answer);
        self.drive(&viewer);
        viewer
    }

    /// Makes an offer that is to be sent over a socket by the caller; then [`Viewers::on_answer`].
    ///
    /// # Panics
    /// When the viewer cannot make one.
    pub fn offer(&self, options: ViewerOptions) -> Viewer {
        let seed = self.shared.seed.fetch_add(1, Ordering::Relaxed);
        let (mut session, offer) = Session::new(self.local, options, seed)
            .unwrap_or_else(|e| panic!("the viewer cannot make an offer: {e}"));
        session.posted = Some(Instant::now());
        artifacts::note("offer.sdp", &offer);
        self.prepared(session, offer)
    }

    /// Gives a viewer the answer to its offer.
    ///
    /// # Panics
    /// When it is none.
    pub fn on_answer(&self, viewer: &Viewer, answer: &str) {
        artifacts::note("answer.sdp", answer);
        let taken = viewer.session.lock().on_answer(answer, Instant::now());
        if let Err(e) = taken {
            panic!("{e}\n--- offer\n{}\n--- answer\n{answer}", viewer.offer);
        }
        self.drive(viewer);
    }

    fn prepared(&self, session: Session, offer: String) -> Viewer {
        Viewer {
            session: Arc::new(Mutex::new(session)),
            shared: Arc::clone(&self.shared),
            client: self.client.clone(),
            reply: Reply::default(),
            offer,
        }
    }

    fn drive(&self, viewer: &Viewer) {
        let session = Arc::clone(&viewer.session);
        self.shared.sessions.lock().push(session);
    }

    /// Joins and waits for the first key frame.
    ///
    /// # Panics
    /// When none comes in time, with what came.
    pub fn watch(&self, url: &str, options: ViewerOptions) -> Viewer {
        let viewer = self.join(url, options);
        assert_eq!(
            viewer.reply.status, 201,
            "{url} answered {}",
            viewer.reply.body
        );
        viewer.wait_key_frame(Duration::from_secs(15));
        viewer
    }
}

impl Drop for Viewers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Viewer {
    /// What it has seen so far.
    pub fn counts(&self) -> Counts {
        self.session.lock().counts()
    }

    /// The synchronisation sources of the pictures so far.
    pub fn video_ssrcs(&self) -> Vec<u32> {
        self.session.lock().video_ssrcs()
    }

    /// When stamped frames were made, and how old they were here, in microseconds; since the last call.
    pub fn take_stamped(&self) -> Vec<(u64, u64)> {
        self.session.lock().take_stamped()
    }

    /// Takes a candidate of the server that came over a socket.
    pub fn add_candidate(&self, candidate: &str) {
        self.session.lock().add_candidate(candidate);
    }

    /// Waits for the first key frame and returns its time from the POST.
    ///
    /// # Panics
    /// When none comes in time, with what came.
    pub fn wait_key_frame(&self, limit: Duration) -> Duration {
        within(limit, || self.counts().to_key_frame)
            .unwrap_or_else(|| panic!("no key frame within {limit:?}: {:?}", self.counts()))
    }

    /// Waits until `more` further frames have come.
    ///
    /// # Panics
    /// When they do not come in time, with what came.
    pub fn wait_frames(&self, more: u64, limit: Duration) {
        let before = self.counts().video.frames;
        let enough = || (self.counts().video.frames >= before + more).then_some(());
        within(limit, enough)
            .unwrap_or_else(|| panic!("no {more} frames within {limit:?}: {:?}", self.counts()));
    }

    /// Waits until `more` further audio packets have come.
    ///
    /// # Panics
    /// When they do not come in time, with what came.
    pub fn wait_audio(&self, more: u64, limit: Duration) {
        let before = self.counts().audio.received;
        let enough = || (self.counts().audio.received >= before + more).then_some(());
        let why = || {
            panic!(
                "no {more} audio packets within {limit:?}: {:?}",
                self.counts()
            )
        };
        within(limit, enough).unwrap_or_else(why);
    }

    /// Restarts ICE at a new socket; the old one closes when the server has agreed. Gives its reply.
    ///
    /// # Panics
    /// When the server gave no `Location`, or its fragment cannot be used.
    pub fn restart_ice(&self) -> Reply {
        let fragment = self.session.lock().restart();
        let fragment = fragment.unwrap_or_else(|e| panic!("no ICE restart: {e}"));
        let reply = self.patch("*", &fragment);
        if reply.status == 200
            && let Err(e) = self
                .session
                .lock()
                .on_restarted(&reply.body, Instant::now())
        {
            panic!("the ICE restart cannot go on: {e}\n{}", reply.body);
        }
        reply
    }

    /// Sends a trickle fragment to the session.
    ///
    /// # Panics
    /// When the server gave no `Location`.
    pub fn patch(&self, if_match: &str, fragment: &str) -> Reply {
        let headers = [
            ("content-type", "application/trickle-ice-sdpfrag"),
            ("if-match", if_match),
        ];
        self.client
            .request("PATCH", &self.location(), &headers, fragment)
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
        let local = self.session.lock().local().ip();
        IceSession::of(&self.offer, &self.reply.body, local)
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

    /// Gets another network: it loses this share of the media, and everything comes so much later.
    pub fn suffer(&self, drop_percent: f64, delay: Duration) {
        self.session.lock().suffer(drop_percent, delay);
    }

    /// Hears and answers from now on, where the options made it deaf.
    pub fn wake(&self) {
        self.session.lock().wake();
    }

    /// Answers no STUN request any more.
    pub fn withdraw_consent(&self) {
        self.session.lock().withdraw_consent();
    }

    /// Does nothing at all for this long, as a machine that sleeps.
    pub fn suspend(&self, span: Duration) {
        self.session.lock().suspend(Instant::now() + span);
    }

    /// Gets another port, as behind a NAT that has forgotten it.
    pub fn rebind(&self) {
        self.session.lock().rebind();
    }

    /// Asks for a key frame in one RTCP packet, by PLI or FIR.
    pub fn ask_for_key_frame(&self, by_fir: bool) {
        self.session.lock().ask_now(by_fir, Instant::now());
    }

    /// Tells the gateway by REMB how many bits a second it may send.
    pub fn say_remb(&self, bits_per_second: u64) {
        self.session
            .lock()
            .say_remb(bits_per_second, Instant::now());
    }

    /// Ends the session by its `Location`.
    ///
    /// # Panics
    /// When the server gave none.
    pub fn delete(self) -> Reply {
        let location = self.location();
        let reply = self.client.request("DELETE", &location, &[], "");
        self.session.lock().hang_up(Instant::now());
        reply
    }

    /// Closes DTLS and nothing more, as a closed tab does.
    pub fn hang_up(self) {
        self.session.lock().hang_up(Instant::now());
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // Without the driver's reference the socket closes: the peer hears nothing more.
        let mut sessions = self.shared.sessions.lock();
        sessions.retain(|other| !Arc::ptr_eq(other, &self.session));
    }
}

fn drive(shared: &Shared) {
    let mut buffer = vec![0; 2048];
    while !shared.stop.load(Ordering::Acquire) {
        let sessions: Vec<_> = shared.sessions.lock().clone();
        let started = Instant::now();
        for session in &sessions {
            let mut session = session.lock();
            if !session.is_closed() {
                session.poll(&mut buffer, Instant::now());
            }
        }
        let tick = if sessions.len() > MANY {
            MANY_TICK
        } else {
            TICK
        };
        drop(sessions);
        park_timeout(
            tick.saturating_sub(started.elapsed())
                .max(Duration::from_micros(200)),
        );
    }
}

/// The address that this machine uses towards others; loopback if there are none.
pub fn outward_address() -> IpAddr {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else {
        return loopback;
    };
    // Nothing is sent: connecting a UDP socket only asks the routing table.
    let routed = socket.connect((Ipv4Addr::new(203, 0, 113, 1), 9));
    routed
        .and_then(|()| socket.local_addr())
        .map_or(loopback, |a| a.ip())
}
