//! One session's way through the port that all share.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Instant;

use gst::glib;
use parking_lot::Mutex;
use sluice_core::ice_lite::{
    Agent, Credentials, Event, Opening, Outcome, Place, Request, Response, Timeout,
};

use super::elements::IceSrc;
use super::mux::Mux;
use super::send::Train;

/// What webrtcbin is to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The peer has chosen its pair: DTLS may begin.
    Connected,
    /// Nothing goes either way any more.
    Failed,
}

type Tell = Box<dyn Fn(News) + Send + Sync>;

/// One ICE stream with one component: what a bundled webrtcbin has.
pub(crate) struct Session {
    pub(super) mux: Arc<Mux>,
    agent: Mutex<Option<Agent>>,
    /// The peer's credentials, which webrtcbin says before it says ours (I9).
    theirs: Mutex<Option<Credentials>>,
    /// What goes out so that a NAT lets the peer in.
    opening: Mutex<Opening>,
    /// Where packets go to; none before the peer has chosen, and after consent is lost.
    pub(super) path: Mutex<Option<Place>>,
    src: glib::WeakRef<IceSrc>,
    /// Held while webrtcbin is told: who has taken it knows that nobody tells any more.
    tell: Mutex<Option<Tell>>,
    /// Parts of a large frame whose time has not come. Held while any of it is sent, so that nothing overtakes.
    pub(super) waiting: Mutex<VecDeque<Train>>,
    /// Set when the peer's connection had no room for packets; whoever sends takes it back.
    pub(super) choked: Arc<AtomicBool>,
    closed: AtomicBool,
    pub(super) me: Weak<Self>,
}

impl Session {
    /// Makes one that nobody can reach yet.
    pub(super) fn new(mux: Arc<Mux>, src: &IceSrc) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            mux,
            agent: Mutex::new(None),
            theirs: Mutex::new(None),
            opening: Mutex::default(),
            path: Mutex::new(None),
            src: glib::object::ObjectExt::downgrade(src),
            tell: Mutex::new(None),
            waiting: Mutex::default(),
            choked: Arc::default(),
            closed: AtomicBool::new(false),
            me: me.clone(),
        })
    }

    /// Sets who hears of it; called from threads that may block.
    pub(super) fn on_news(&self, tell: impl Fn(News) + Send + Sync + 'static) {
        *self.tell.lock() = Some(Box::new(tell));
    }

    /// Takes our credentials: from here on the peer's checks are answered.
    pub(super) fn set_ours(&self, ours: Credentials) {
        let ufrag = ours.ufrag.clone();
        {
            let mut agent = self.agent.lock();
            if agent.is_some() || self.closed.load(Relaxed) {
                // webrtcbin says the same again at each renegotiation; a restart is ours alone.
                return;
            }
            let agent = agent.insert(Agent::new(ours, random_u64()));
            let theirs = self.theirs.lock().clone();
            if let Some(theirs) = theirs {
                agent.set_theirs(theirs);
            }
        }
        if let Some(me) = self.me.upgrade() {
            self.mux.add(&ufrag, &me);
        }
    }

    /// Takes the peer's.
    pub(super) fn set_theirs(&self, theirs: Credentials) {
        *self.theirs.lock() = Some(theirs.clone());
        if let Some(agent) = &mut *self.agent.lock() {
            agent.set_theirs(theirs);
        }
    }

    /// Restarts ICE: gives our new credentials.
    pub(super) fn restart(&self, theirs: Credentials) -> Option<Credentials> {
        let ours = Credentials {
            ufrag: random_text(8)?,
            password: random_text(24)?,
        };
        let good: Vec<String> = {
            let mut agent = self.agent.lock();
            let agent = agent.as_mut()?;
            agent.restart(ours.clone(), theirs);
            agent.ufrags().map(ToOwned::to_owned).collect()
        };
        let me = self.me.upgrade()?;
        self.mux.add(&ours.ufrag, &me);
        // The agent answers none of the others. The one before this restart is in the list until the next.
        self.mux.keep(&me, &good);
        Some(ours)
    }

    /// Takes a check that came from there; gives what to send back. Called on the socket's thread.
    pub(super) fn on_request(
        &self,
        request: &Request<'_>,
        from: Place,
        now: Instant,
    ) -> Option<Vec<u8>> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let outcome = {
            let mut agent = self.agent.lock();
            agent.as_mut()?.on_request(request, from, now, random)
        };
        let Outcome {
            reply,
            event,
            check,
        } = outcome;
        let reply = reply?;
        if let Some(me) = self.me.upgrade() {
            self.mux.route(from, &me);
        }
        if let Some((place, bytes)) = check {
            self.mux.send(place, &bytes);
        }
        if let Some(event) = event {
            self.apply(event);
        }
        Some(reply)
    }

    /// Takes the answer to a check of ours.
    pub(super) fn on_response(&self, response: &Response<'_>, from: Place, now: Instant) {
        let event = {
            let mut agent = self.agent.lock();
            let agent = agent.as_mut();
            agent.and_then(|agent| agent.on_response(response, from, now))
        };
        if let Some(event) = event {
            self.apply(event);
        }
    }

    /// Says whether the peer was heard from there just now.
    pub(super) fn holds(&self, place: Place, now: Instant) -> bool {
        let agent = self.agent.lock();
        agent.as_ref().is_some_and(|agent| agent.holds(place, now))
    }

    /// Takes a packet of DTLS or media. Returns at once: webrtcbin's own queue stands right behind.
    pub(super) fn on_packet(&self, packet: &[u8], from: Place, now: Instant) {
        if let Some(agent) = &mut *self.agent.lock() {
            agent.on_packet(from.remote, now);
        }
        if let Some(src) = self.src.upgrade() {
            src.deliver(packet);
        }
    }

    /// Takes note that a connection of the peer's has ended.
    pub(super) fn on_disconnected(&self, place: Place) {
        if let Some(agent) = &mut *self.agent.lock() {
            agent.on_disconnected(place.protocol);
        }
    }

    /// Opens the way in for a peer that may come from there: a NAT before us may let in only those to whom we have sent
    /// something. Does not wait.
    pub(super) fn open_for(&self, place: SocketAddr) {
        let now = Instant::now();
        self.opening.lock().add(place, now);
        self.open(now);
    }

    fn open(&self, now: Instant) {
        let mut random = [0; 12];
        if self.path.lock().is_some() || getrandom::fill(&mut random).is_err() {
            return;
        }
        let due = self.opening.lock().handle_timeout(now, random);
        let (places, packet) = due.unwrap_or_default();
        for place in places {
            self.mux.send_from_anywhere(place, &packet);
        }
    }

    /// Asks for consent where it is due.
    pub(super) fn on_time(&self, now: Instant) {
        self.open(now);
        let timeout = {
            let mut agent = self.agent.lock();
            let Some(agent) = agent.as_mut() else { return };
            if agent.poll_timeout().is_none_or(|due| now < due) {
                return;
            }
            let mut random = [0; 16];
            if getrandom::fill(&mut random).is_err() {
                // The next tick asks again.
                return;
            }
            agent.handle_timeout(now, random)
        };
        match timeout {
            Timeout::Nothing => {}
            Timeout::Check(place, bytes) => {
                self.mux.send(place, &bytes);
            }
            Timeout::Over(event) => self.apply(event),
        }
    }

    fn apply(&self, event: Event) {
        let news = match event {
            Event::Connected(place) => {
                *self.path.lock() = Some(place);
                News::Connected
            }
            Event::Moved(place) => {
                *self.path.lock() = Some(place);
                return;
            }
            Event::Lost { revoked } => {
                tracing::debug!(revoked, "a peer's consent is lost");
                self.shut();
                News::Failed
            }
        };
        // webrtcbin's locks are not for the thread that serves all sessions.
        if let Some(me) = self.me.upgrade() {
            crate::worker::run(move || {
                if let Some(tell) = &*me.tell.lock() {
                    tell(news);
                }
            });
        }
    }

    /// Gives what is set when the peer's connection had no room for packets.
    pub(super) fn choked(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.choked)
    }

    /// Tells nothing any more, and waits until nobody does. webrtcbin's handlers of what is told take no reference to what
    /// they work on, and its receive bin, told of a failure while it is taken down, keeps itself alive for ever (seen on
    /// 1.22: `transportreceivebin.c` makes a new pad block). Not to be called with webrtcbin's locks held.
    pub(super) fn hush(&self) {
        let tell = self.tell.lock().take();
        drop(tell);
    }

    /// Lets nothing through any more, in either direction. Does not wait.
    pub(super) fn shut(&self) {
        self.closed.store(true, Relaxed);
        *self.path.lock() = None;
        *self.agent.lock() = None;
        if let Some(me) = self.me.upgrade() {
            self.mux.remove(&me);
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        // Only breaks ties between two sides of one role.
        Err(_error) => 0,
    }
}

/// Gives a text of ICE's letters, with 6 bits of chance each.
fn random_text(length: usize) -> Option<String> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).ok()?;
    let letters = bytes
        .iter()
        .map(|byte| LETTERS.get(usize::from(byte % 64)).copied().map(char::from));
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::time::Duration;

    const WAIT: Duration = Duration::from_secs(5);
    const LOST: Event = Event::Lost { revoked: false };

    fn session() -> Arc<Session> {
        gst::init().unwrap();
        let src: IceSrc = glib::Object::new();
        Session::new(Mux::of(&(0..=u16::MAX), false).unwrap(), &src)
    }

    /// Waits until the workers have done what they were given before.
    fn drain() {
        let (done, ready) = mpsc::channel();
        for _ in 0..16 {
            let done = done.clone();
            crate::worker::run(move || done.send(()).unwrap());
        }
        for _ in 0..16 {
            ready.recv_timeout(WAIT).unwrap();
        }
    }

    // webrtcbin's handlers take no reference to it: one that is told later is a crash.
    #[test]
    fn a_hushed_session_tells_nothing() {
        let session = session();
        let told = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&told);
        session.on_news(move |_news| {
            counted.fetch_add(1, Relaxed);
        });
        session.apply(LOST);
        drain();
        assert_eq!(told.load(Relaxed), 1);
        session.hush();
        session.apply(LOST);
        drain();
        assert_eq!(told.load(Relaxed), 1);
    }

    #[test]
    fn hushing_waits_for_what_is_being_told() {
        let session = session();
        let (begun, begins) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        let goes_on = Mutex::new(goes_on);
        session.on_news(move |_news| {
            begun.send(()).unwrap();
            goes_on.lock().recv_timeout(WAIT).unwrap();
        });
        session.apply(LOST);
        begins.recv_timeout(WAIT).unwrap();
        let (closed, closes) = mpsc::channel();
        let closing = Arc::clone(&session);
        let thread = std::thread::spawn(move || {
            closing.hush();
            closed.send(()).unwrap();
        });
        assert!(closes.recv_timeout(Duration::from_millis(100)).is_err());
        go_on.send(()).unwrap();
        closes.recv_timeout(WAIT).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn texts_are_of_ice_letters_and_differ() {
        let (one, two) = (random_text(24).unwrap(), random_text(24).unwrap());
        assert_ne!(one, two);
        assert!(
            one.len() == 24
                && one
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b))
        );
    }
}
