//! One session: whose checks are answered, which pair is taken, and when it is over.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;

use super::consent::Consent;
use super::message::{Request, Response, Verdict, check};

/// Without any packet for so long, the chosen pair gives way to one that the peer nominates, whatever its priority.
const QUIET: Duration = Duration::from_secs(1);

/// Nor does it keep its place without being nominated again for so long: full agents repeat it with each check.
const UNCONFIRMED: Duration = Duration::from_secs(3);

/// Without any packet for so long, whatever pair the peer still checks is taken: a NAT has given it another port.
const DEAD: Duration = Duration::from_secs(5);

/// A place where the peer was heard so lately is its own: no other session's check takes it away.
const HELD: Duration = Duration::from_secs(3);

/// Checks of ours to a place that the peer wants to move to, whose answers are good.
const PROOFS: usize = 4;

/// Remote addresses per session. A telephone with two networks, IPv6, a relay and TCP has about ten.
const PLACES: usize = 32;

/// A user fragment and its password. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Known to everybody on the way.
    pub ufrag: String,
    /// Known to both sides alone.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

/// What carries the datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// One datagram, one packet.
    Udp,
    /// Packets with their length before them (RFC 4571), on this connection of the process.
    Tcp(u64),
}

/// One way to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// What carries it.
    pub protocol: Protocol,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Which of our addresses the peer sends to, so that answers leave from there.
    pub local: Option<IpAddr>,
}

/// What changes for the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The peer has chosen its first pair: DTLS may begin.
    Connected(Place),
    /// Packets go there from now on.
    Moved(Place),
    /// Nothing is to be sent any more, and these credentials never work again.
    Lost {
        /// The peer said so, instead of not answering for 30 s.
        revoked: bool,
    },
}

/// What a message leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// To be sent to where the message came from, which is the peer's then.
    pub reply: Option<Vec<u8>>,
    /// What has changed.
    pub event: Option<Event>,
    /// To be sent there, to see whether the peer really is where it wants to move to.
    pub check: Option<(Place, Vec<u8>)>,
}

/// Both sides' credentials from one restart of ICE to the next.
#[derive(Debug, Clone)]
struct Generation {
    number: u32,
    ours: Credentials,
    theirs: Option<Credentials>,
}

/// The pair that packets go to.
#[derive(Debug)]
struct Selected {
    place: Place,
    priority: u32,
    nominated: Instant,
    heard: Instant,
    generation: Generation,
    consent: Consent,
}

/// Where the peer wants to move to, until it has answered from there: whoever knows the password may have written any
/// address upon a packet, and would have us send media there.
#[derive(Debug)]
struct Moving {
    place: Place,
    priority: u32,
    generation: Generation,
    asked: VecDeque<u128>,
}

/// The ICE of one session that answers.
#[derive(Debug)]
pub struct Agent {
    generation: Generation,
    /// The one before, until a pair of the new one is nominated.
    previous: Option<Generation>,
    selected: Option<Selected>,
    moving: Option<Moving>,
    places: Vec<Place>,
    tie_breaker: u64,
    over: bool,
}

impl Agent {
    /// Begins with our credentials; `tie_breaker` is random.
    pub const fn new(ours: Credentials, tie_breaker: u64) -> Self {
        Self {
            generation: Generation {
                number: 0,
                ours,
                theirs: None,
            },
            previous: None,
            selected: None,
            moving: None,
            places: Vec::new(),
            tie_breaker,
            over: false,
        }
    }

    /// Takes the peer's credentials, which our own checks need.
    pub fn set_theirs(&mut self, theirs: Credentials) {
        if let Some(selected) = &mut self.selected
            && selected.generation.number == self.generation.number
        {
            selected.generation.theirs = Some(theirs.clone());
        }
        self.generation.theirs = Some(theirs);
    }

    /// Begins anew with other credentials of both sides (RFC 8445, section 9). The pair that carries packets goes on
    /// until the peer nominates one with the new ones.
    pub fn restart(&mut self, ours: Credentials, theirs: Credentials) {
        let next = Generation {
            number: self.generation.number.wrapping_add(1),
            ours,
            theirs: Some(theirs),
        };
        self.previous = Some(std::mem::replace(&mut self.generation, next));
    }

    /// Gives the user fragments that checks are addressed to, the newest one first.
    pub fn ufrags(&self) -> impl Iterator<Item = &str> {
        let generations = self.generations();
        generations.map(|generation| generation.ours.ufrag.as_str())
    }

    /// Gives the generations whose checks are answered, the newest one first.
    fn generations(&self) -> impl Iterator<Item = &Generation> {
        let selected = self.selected.iter().map(|selected| &selected.generation);
        let older = selected.filter(|selected| {
            let known = self.previous.iter().chain([&self.generation]);
            known.into_iter().all(|known| known.ours != selected.ours)
        });
        std::iter::once(&self.generation)
            .chain(&self.previous)
            .chain(older)
    }

    /// Gives where packets go to.
    pub fn selected(&self) -> Option<Place> {
        self.selected.as_ref().map(|selected| selected.place)
    }

    /// Says whether the peer was heard from there just now.
    pub fn holds(&self, place: Place, now: Instant) -> bool {
        self.selected.as_ref().is_some_and(|selected| {
            let there =
                selected.place.protocol == place.protocol && selected.place.remote == place.remote;
            there && now.saturating_duration_since(selected.heard) < HELD
        })
    }

    /// Answers a check; one that is not from the peer is dropped and changes nothing (no reply, no event). `random` has a
    /// transaction (12 bytes), should a check of ours be needed.
    pub fn on_request(
        &mut self,
        request: &Request<'_>,
        from: Place,
        now: Instant,
        random: [u8; 16],
    ) -> Outcome {
        let Some(generation) = self.addressed(request) else {
            return Outcome::default();
        };
        let password = &generation.ours.password;
        if request.is_controlled() {
            // The side that offers, to a lite agent, is the controlling one (RFC 8445, 6.1.1).
            return Outcome {
                reply: request.role_conflict(password),
                ..Outcome::default()
            };
        }
        let Some(reply) = request.success(from.remote, password) else {
            return Outcome::default();
        };
        if !self.knows(from) {
            return Outcome::default();
        }
        let (event, check) = self.weigh(request, generation, from, now, random);
        Outcome {
            reply: Some(reply),
            event,
            check,
        }
    }

    /// Finds whom an authentic request is for. A peer that restarts checks with its new credentials before it has ours, and
    /// goes on with our old ones for good: libwebrtc keeps a pair as it was begun when our addresses stay the same (measured
    /// with Chromium, whenever its new port was there before our answer). Our checks of such a pair need its mixture.
    fn addressed(&self, request: &Request<'_>) -> Option<Generation> {
        let mut addressed = self.generations().filter(|generation| {
            let ours = generation.ours.ufrag.as_bytes();
            bool::from(ours.ct_eq(request.local_ufrag().as_bytes()))
        });
        let addressed = addressed.next().filter(|_| !self.over)?;
        if !request.is_authentic(&addressed.ours.password) {
            return None;
        }
        let of_peer = self.generations().find(|generation| {
            let theirs = generation.theirs.as_ref();
            theirs.is_some_and(|theirs| theirs.ufrag == request.remote_ufrag())
        });
        let of_peer = of_peer.unwrap_or(addressed);
        Some(Generation {
            number: of_peer.number,
            ours: addressed.ours.clone(),
            theirs: of_peer.theirs.clone(),
        })
    }

    /// Remembers a place that is the peer's. A peer that has too many is not answered at further ones.
    fn knows(&mut self, place: Place) -> bool {
        if self.places.contains(&place) {
            return true;
        }
        if self.places.len() < PLACES {
            self.places.push(place);
            return true;
        }
        false
    }

    /// Decides whether packets go there from now on.
    fn weigh(
        &mut self,
        request: &Request<'_>,
        generation: Generation,
        from: Place,
        now: Instant,
        random: [u8; 16],
    ) -> (Option<Event>, Option<(Place, Vec<u8>)>) {
        let (nominates, priority) = (request.nominates(), request.priority());
        let Some(selected) = &mut self.selected else {
            if !nominates {
                return (None, None);
            }
            // The DTLS handshake shows whether it is there.
            self.select(generation, from, priority, now);
            return (Some(Event::Connected(from)), None);
        };
        let newer = generation.number != selected.generation.number
            && generation.number == self.generation.number;
        if selected.place == from && !newer {
            selected.heard = now;
            if nominates {
                selected.nominated = now;
                selected.priority = priority;
            }
            return (None, None);
        }
        let quiet = now.saturating_duration_since(selected.heard);
        let unconfirmed = now.saturating_duration_since(selected.nominated);
        let takes = if nominates {
            newer || priority >= selected.priority || quiet >= QUIET || unconfirmed >= UNCONFIRMED
        } else {
            quiet >= DEAD
        };
        if !takes {
            return (None, None);
        }
        let known = selected.place == from;
        let (transaction, _) = split(random);
        let bytes = if known {
            None
        } else {
            let theirs = generation.theirs.as_ref();
            theirs.and_then(|theirs| check(transaction, &generation.ours, theirs, self.tie_breaker))
        };
        let Some(bytes) = bytes else {
            self.select(generation, from, priority, now);
            return ((!known).then_some(Event::Moved(from)), None);
        };
        self.ask_there(generation, from, priority, transaction);
        (None, Some((from, bytes)))
    }

    fn ask_there(&mut self, generation: Generation, place: Place, priority: u32, asked: u128) {
        let before = self.moving.take().filter(|moving| {
            moving.place == place && moving.generation.number == generation.number
        });
        let mut transactions = before.map(|moving| moving.asked).unwrap_or_default();
        if transactions.len() == PROOFS {
            transactions.pop_front();
        }
        transactions.push_back(asked);
        self.moving = Some(Moving {
            place,
            priority,
            generation,
            asked: transactions,
        });
    }

    fn select(&mut self, generation: Generation, place: Place, priority: u32, now: Instant) {
        if generation.ours == self.generation.ours {
            self.previous = None;
        }
        self.moving = None;
        self.selected = Some(Selected {
            place,
            priority,
            nominated: now,
            heard: now,
            generation,
            consent: Consent::new(now),
        });
    }

    /// Takes the answer to a check of ours.
    pub fn on_response(
        &mut self,
        response: &Response<'_>,
        from: Place,
        now: Instant,
    ) -> Option<Event> {
        if self.proves(response, from) {
            let Moving {
                place,
                priority,
                generation,
                ..
            } = self.moving.take()?;
            self.select(generation, place, priority, now);
            return Some(Event::Moved(place));
        }
        let selected = self.selected.as_mut()?;
        let theirs = selected.generation.theirs.as_ref()?;
        let known = selected.consent.is_asked(response.transaction());
        let here = selected.place.remote == from.remote && selected.place.protocol == from.protocol;
        if !known || !here || !response.is_authentic(&theirs.password) {
            return None;
        }
        match response.verdict() {
            Verdict::Granted => {
                selected.heard = now;
                selected.consent.on_granted(now);
                None
            }
            Verdict::Revoked => Some(self.lose(true)),
            Verdict::Other => None,
        }
    }

    /// Says whether this is the answer from where the peer wants to move to.
    fn proves(&self, response: &Response<'_>, from: Place) -> bool {
        let Some(moving) = self.moving.as_ref().filter(|_| self.selected.is_some()) else {
            return false;
        };
        let here = moving.place.remote == from.remote && moving.place.protocol == from.protocol;
        let theirs = moving.generation.theirs.as_ref();
        here && moving.asked.contains(&response.transaction())
            && response.verdict() == Verdict::Granted
            && theirs.is_some_and(|theirs| response.is_authentic(&theirs.password))
    }

    /// Takes note of a packet of media or DTLS, from a place that is the peer's.
    pub fn on_packet(&mut self, from: SocketAddr, now: Instant) {
        if let Some(selected) = &mut self.selected
            && selected.place.remote == from
        {
            selected.heard = now;
        }
    }

    /// Takes note that a connection has ended: nothing can be sent there.
    pub fn on_disconnected(&mut self, protocol: Protocol) {
        self.places.retain(|place| place.protocol != protocol);
    }

    /// Says when `handle_timeout` wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let selected = self.selected.as_ref().filter(|_| !self.over)?;
        Some(selected.consent.poll_timeout())
    }

    /// Moves time on: gives a check to be sent to the chosen place, or says that the session is over. `random` has a
    /// transaction (12 bytes) and what spreads the checks (4).
    pub fn handle_timeout(&mut self, now: Instant, random: [u8; 16]) -> Timeout {
        let Some(selected) = self.selected.as_mut().filter(|_| !self.over) else {
            return Timeout::Nothing;
        };
        if selected.consent.is_lost(now) {
            return Timeout::Over(self.lose(false));
        }
        let (transaction, spread) = split(random);
        if !selected.consent.asks(now, transaction, spread) {
            return Timeout::Nothing;
        }
        let generation = &selected.generation;
        let theirs = generation.theirs.as_ref();
        let bytes = theirs
            .and_then(|theirs| check(transaction, &generation.ours, theirs, self.tie_breaker));
        match bytes {
            Some(bytes) => Timeout::Check(selected.place, bytes),
            None => Timeout::Nothing,
        }
    }

    fn lose(&mut self, revoked: bool) -> Event {
        self.over = true;
        self.selected = None;
        self.moving = None;
        self.places.clear();
        Event::Lost { revoked }
    }
}

/// Takes 12 bytes for a transaction, and 4.
fn split(random: [u8; 16]) -> (u128, u32) {
    let [transaction @ .., a, b, c, d] = random;
    let transaction = transaction
        .iter()
        .fold(0, |id, byte| id << 8 | u128::from(*byte));
    (transaction, u32::from_be_bytes([a, b, c, d]))
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timeout {
    /// Nothing yet.
    Nothing,
    /// This is to be sent.
    Check(Place, Vec<u8>),
    /// The session is over.
    Over(Event),
}
