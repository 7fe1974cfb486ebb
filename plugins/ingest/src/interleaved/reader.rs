//! The thread of one camera: it asks, reads, and hands down.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_sdp::SDPMessage;
use sluice_core::redial::Failure;
use sluice_core::rtsp::{Found, Refusal, Reply, Rest, Session, Splitter, rest};
use sluice_core::{Scheme, SourceUri};

use super::Interleaved;
use super::flow::{Came, Flow};
use super::login::Login;
use super::tracks::{self, Offered, Track};
use super::wire::{Stop, Turn, Waiting, Wire};
use crate::burst::Burst;
use crate::failure::Fault;
use crate::knock;
use crate::route::Plumbing;

/// How long the goodbye may take.
const GRACE: Duration = Duration::from_millis(100);
/// How often a camera may send us elsewhere.
const MOST_MOVES: u32 = 5;

/// Whom to call, and for whom.
pub(super) struct Call {
    pub(super) plumbing: Plumbing,
    pub(super) uri: SourceUri,
    pub(super) clock: gst::Clock,
    pub(super) base: gst::ClockTime,
    pub(super) burst: Burst,
}

/// The thread; dropping this does not end it: `stop` and `join` do.
pub(super) struct Reader {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

impl Reader {
    pub(super) fn start(call: Call, element: Interleaved) -> io::Result<Self> {
        let mut waiting = Waiting::new(&call.burst)?;
        let stop = Arc::clone(&waiting.stop);
        let thread = std::thread::Builder::new()
            .name("sluice-rtsp".to_owned())
            .spawn(move || {
                if let Err(fault) = call.run(&element, &mut waiting) {
                    call.plumbing.fail(fault);
                }
            })?;
        Ok(Self { stop, thread })
    }

    /// Asks the thread to end. Does not wait.
    pub(super) fn stop(&self) {
        self.stop.stop();
    }

    /// Waits for its end, after `stop`.
    pub(super) fn join(self) {
        if self.thread.join().is_err() {
            gst::error!(crate::source::CAT, "the thread of a camera panicked");
        }
    }
}

/// How a conversation ended.
enum End {
    Stopped,
    Elsewhere(SourceUri),
}

impl Call {
    fn run(&self, element: &Interleaved, waiting: &mut Waiting) -> Result<(), Fault> {
        let mut uri = self.uri.clone();
        for _ in 0..MOST_MOVES {
            match self.talk(&uri, element, waiting)? {
                End::Stopped => return Ok(()),
                End::Elsewhere(other) => uri = other,
            }
        }
        let reason = format!("{} sends us from place to place.", self.plumbing.subject);
        Err(Fault::new(Failure::Unsupported, reason))
    }

    fn talk(
        &self,
        uri: &SourceUri,
        element: &Interleaved,
        waiting: &mut Waiting,
    ) -> Result<End, Fault> {
        let place = uri.host().zip(uri.port());
        let (host, port) = place.ok_or_else(|| self.plumbing.broken("its place"))?;
        let wire = Wire::connect(host, port, waiting).map_err(|error| self.unreachable(&error))?;
        let Some(wire) = wire else {
            return Ok(End::Stopped);
        };
        // What was given for one camera is not for another.
        let is_same = uri.host() == self.uri.host();
        let credentials = self.uri.credentials().filter(|_| is_same);
        let login = Login::new(credentials.map(|(user, pass)| (user.to_owned(), pass.to_owned())));
        let mut talk = Talk {
            call: self,
            element,
            wire,
            splitter: Splitter::default(),
            session: Session::new(uri.location(), login),
            flow: None,
            tracks: Vec::new(),
            rest: Rest::default(),
        };
        let end = talk.run(waiting);
        let goodbye = talk.session.tear_down();
        talk.wire.close(goodbye.as_deref(), waiting, GRACE);
        end
    }

    fn unreachable(&self, error: &io::Error) -> Fault {
        let words = knock::cause(error.kind()).unwrap_or("cannot be connected to");
        let reason = format!("{} {words}.", self.plumbing.subject);
        Fault::new(Failure::Unreachable, reason)
    }

    fn lost(&self, error: &io::Error) -> Fault {
        let subject = self.plumbing.subject;
        let reason = format!("{subject} broke the connection ({error}).");
        Fault::new(Failure::Lost, reason)
    }

    fn refused(&self, refusal: &Refusal) -> Fault {
        let failure = match refusal {
            Refusal::Unauthorized | Refusal::Forbidden => Failure::Unauthorized,
            Refusal::NotFound => Failure::NotFound,
            Refusal::Transport | Refusal::Place { .. } => Failure::Unsupported,
            Refusal::Ended => Failure::Ended,
            Refusal::Status { .. } | _ => Failure::Lost,
        };
        Fault::new(failure, format!("{} {refusal}.", self.plumbing.subject))
    }

    /// The element's running time, in ns.
    fn running(&self) -> u64 {
        self.clock.time().saturating_sub(self.base).nseconds()
    }
}

/// One connection's conversation.
struct Talk<'a> {
    call: &'a Call,
    element: &'a Interleaved,
    wire: Wire,
    splitter: Splitter,
    session: Session<Login>,
    /// Once it is known what the camera has.
    flow: Option<Flow>,
    tracks: Vec<Track>,
    rest: Rest,
}

impl Talk<'_> {
    fn run(&mut self, waiting: &mut Waiting) -> Result<End, Fault> {
        let refused = |refusal| self.call.refused(&refusal);
        let first = self.session.open().map_err(refused)?;
        self.send(&first)?;
        loop {
            let most = self.longest_rest();
            let due = self.due();
            let mut rested = self.rest.next(most);
            let mut turn = self.wire.turn(waiting, due, rested);
            loop {
                let woken = match turn.map_err(|error| self.call.lost(&error))? {
                    Turn::Stopped => return Ok(End::Stopped),
                    Turn::Closed => {
                        self.push();
                        return Err(self.call.refused(&Refusal::Ended));
                    }
                    Turn::Read { woken, bytes } => {
                        self.rest.on_read(bytes, most);
                        woken
                    }
                };
                if let Some(end) = self.take_apart(woken)? {
                    return Ok(end);
                }
                let within = self.flow.as_ref().is_some_and(Flow::is_within_frame);
                let further = Rest::further(rested, most).filter(|_| within);
                let Some(further) = further else { break };
                rested += further;
                turn = self.wire.read_after(waiting, further, None);
            }
            self.push();
            self.keep_alive()?;
        }
    }

    fn push(&mut self) {
        if let Some(flow) = self.flow.as_mut().filter(|flow| flow.has_packets()) {
            self.call.plumbing.feed.arrive();
            flow.push();
        }
    }

    fn longest_rest(&self) -> Duration {
        if !self.session.is_playing() {
            return Duration::ZERO;
        }
        let most = self.call.burst.get();
        // When the first packet of a track comes is where it begins.
        match &self.flow {
            Some(flow) if flow.has_begun() => most,
            Some(_) | None => most.min(rest::LEAST),
        }
    }

    fn due(&self) -> Option<Instant> {
        let report = self.flow.as_ref().map(Flow::poll_timeout);
        let report = report.filter(|_| self.session.is_playing());
        self.session.poll_timeout().into_iter().chain(report).min()
    }

    /// Takes apart what came. `woken`: when it began to come, if it was waited for.
    fn take_apart(&mut self, woken: Option<Instant>) -> Result<Option<End>, Fault> {
        let now = Instant::now();
        let running = self.call.running();
        // Of the others it is not known for how long they have lain in the socket.
        let mut first = woken.map(|woken| Came {
            now,
            running: running.saturating_sub(nanos(now - woken)),
            is_prompt: true,
        });
        let other = Came {
            now,
            running,
            is_prompt: false,
        };
        let mut end = None;
        while end.is_none() {
            let session = &self.session;
            let is_known = |channel| session.stream(channel).is_some();
            let (found, used) = self.splitter.next(self.wire.bytes(), is_known);
            match found {
                Found::Packet { channel, body } => {
                    // A server that sends to others already may send before it says that it plays.
                    let flow = self.flow.as_mut().filter(|_| session.is_playing());
                    let came = first.take().unwrap_or(other);
                    if flow.is_some_and(|flow| flow.on_packet(session.stream(channel), body, came))
                    {
                        return Err(self.call.refused(&Refusal::Ended));
                    }
                }
                Found::Answer(answer) => {
                    let reply = self.session.on_answer(&answer, now);
                    let reply = reply.map_err(|refusal| self.call.refused(&refusal))?;
                    end = self.on_reply(reply)?;
                }
                Found::Asked(request) => {
                    let answer = self.session.on_request(&request);
                    let answer = answer.map_err(|refusal| self.call.refused(&refusal))?;
                    self.send(&answer)?;
                }
                Found::Junk => {}
                Found::More if self.wire.is_full() => return Err(self.strange()),
                Found::More => break,
                Found::Broken => return Err(self.strange()),
            }
            self.wire.used(used);
        }
        Ok(end)
    }

    fn on_reply(&mut self, reply: Reply) -> Result<Option<End>, Fault> {
        match reply {
            Reply::Nothing => {}
            Reply::Send(bytes) => self.send(&bytes)?,
            Reply::Described(sdp) => self.on_description(&sdp)?,
            Reply::Playing(begins) => {
                let (element, dial) = (self.element, self.call.plumbing.feed.dial);
                let mut flow = Flow::open(element, &self.tracks, dial, Instant::now());
                flow.on_playing(&begins);
                self.flow = Some(flow);
            }
            Reply::Elsewhere(place) => {
                let other = SourceUri::parse(place.as_str()).ok();
                let other = other.filter(|uri| uri.scheme() == Scheme::Rtsp);
                let other = other.ok_or_else(|| {
                    let reason = format!(
                        "{} is at another place that is no rtsp:// URL.",
                        self.call.plumbing.subject
                    );
                    Fault::new(Failure::Unsupported, reason)
                })?;
                return Ok(Some(End::Elsewhere(other)));
            }
        }
        Ok(None)
    }

    fn on_description(&mut self, sdp: &[u8]) -> Result<(), Fault> {
        let plumbing = &self.call.plumbing;
        let sdp = SDPMessage::parse_buffer(sdp).map_err(|_| self.strange())?;
        for offered in tracks::offered(&sdp) {
            match offered {
                Offered::Track(track) => {
                    if track.is_video {
                        plumbing.feed.promise_pictures();
                    }
                    self.tracks.push(track);
                }
                Offered::Unknown(name) => plumbing.note_skipped(&name),
            }
        }
        if self.tracks.is_empty() {
            // Whoever follows the pads says what is missing.
            self.element.no_more_pads();
            return Ok(());
        }
        let wanted: Vec<_> = self.tracks.iter().map(|one| one.wanted.clone()).collect();
        let [control, range] = ["control", "range"].map(|key| sdp.attribute_val(key));
        let first = self.session.set_up(&wanted, control, range);
        let first = first.map_err(|refusal| self.call.refused(&refusal))?;
        self.send(&first)
    }

    /// Sends what is due: reports, and what keeps the session alive.
    fn keep_alive(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        if let Some(bytes) = self.session.handle_timeout(now) {
            self.send(&bytes)?;
        }
        let reports = match &mut self.flow {
            Some(flow) => flow.handle_timeout(now),
            None => Vec::new(),
        };
        for (track, report) in reports {
            if let (Some(channel), Ok(length)) = (
                self.session.rtcp_channel(track),
                u16::try_from(report.len()),
            ) {
                let [high, low] = length.to_be_bytes();
                self.send(&[&[b'$', channel, high, low], &report[..]].concat())?;
            }
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let sent = self.wire.send(bytes);
        sent.map_err(|error| self.call.lost(&error))
    }

    fn strange(&self) -> Fault {
        let reason = format!("{} sends what is no RTSP.", self.call.plumbing.subject);
        Fault::new(Failure::Unsupported, reason)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
