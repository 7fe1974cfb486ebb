//! One socket's peer: its roles, its sessions, and what its messages mean.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use gst_plugin_webrtc_signalling_protocol as protocol;
use protocol::{IncomingMessage, OutgoingMessage, PeerRole, PeerStatus, StartSessionMessage};

use super::message::{self, error, quoted};
use super::session::{Description, Session, Side, Step};
use super::{Health, MOST_SESSIONS, Order};

/// Sessions that are over and whose last messages may still be on their way.
const PAST: usize = 128;

/// A publisher whose session has ended is called again after the first of these, then after the next; a session
/// of this length begins anew.
const CALL_AGAIN: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// Makes names that nobody can guess, of 128 random bits.
pub type Names<'a> = &'a mut dyn FnMut() -> String;

/// What a peer publishes to.
#[derive(Debug)]
struct Publishing {
    path: String,
    /// It may publish there. Asked about twice, it is told so twice, and called once.
    admitted: bool,
    /// How often it was called in vain.
    calls: usize,
    called: Option<Instant>,
    call_at: Option<Instant>,
}

/// The peer at the other end of a socket.
#[derive(Debug)]
pub struct Peer {
    id: String,
    health: Health,
    observes: bool,
    /// The paths that it knows of, or can ask for by `list`; `None` until it listens or asks.
    told: Option<BTreeSet<String>>,
    publishing: Option<Publishing>,
    sessions: BTreeMap<String, Session>,
    past: VecDeque<String>,
}

impl Peer {
    /// Greets a peer that has just connected; `id` is random.
    pub fn new(id: String, now: Instant) -> (Self, Order) {
        let welcome = Order::Say(OutgoingMessage::Welcome {
            peer_id: id.clone(),
        });
        let peer = Self {
            id,
            health: Health::new(now),
            observes: false,
            told: None,
            publishing: None,
            sessions: BTreeMap::new(),
            past: VecDeque::new(),
        };
        (peer, welcome)
    }

    /// Takes note of a sign of life that is no message.
    pub fn on_heard(&mut self, now: Instant) {
        self.health.on_heard(now);
    }

    /// Takes a message that is no text, as none of the protocol's is.
    pub fn on_binary(&mut self, now: Instant) -> Vec<Order> {
        self.health.on_heard(now);
        match self.health.on_message(now) {
            Ok(()) => vec![error(
                "messages are JSON in text frames; this was a binary one",
            )],
            Err(orders) => orders,
        }
    }

    /// Takes a message.
    pub fn on_text(&mut self, text: &str, now: Instant, names: Names<'_>) -> Vec<Order> {
        self.health.on_heard(now);
        if let Err(orders) = self.health.on_message(now) {
            return orders;
        }
        let message = match message::read(text) {
            Ok(message) => message,
            Err(sentence) => return vec![error(sentence)],
        };
        match message {
            IncomingMessage::NewPeer => Vec::new(),
            IncomingMessage::SetPeerStatus(status) => self.on_status(status, now),
            IncomingMessage::List => self.asked(Order::List, now),
            IncomingMessage::ListConsumers => {
                let consumers = Vec::new();
                vec![Order::Say(OutgoingMessage::ListConsumers { consumers })]
            }
            IncomingMessage::StartSession(start) => self.on_start(start, now, names),
            IncomingMessage::EndSession(end) => self.on_end(&end.session_id, now),
            IncomingMessage::Peer(message) => {
                let id = message.session_id;
                match self.sessions.get_mut(&id) {
                    Some(session) => session
                        .on_message(&id, message.peer_message)
                        .unwrap_or_else(|sentence| vec![error(sentence)]),
                    None => self.unknown(&id),
                }
            }
        }
    }

    fn asked(&mut self, order: Order, now: Instant) -> Vec<Order> {
        match self.health.on_request(now) {
            Ok(()) => vec![order],
            Err(orders) => orders,
        }
    }

    fn on_status(&mut self, status: PeerStatus, now: Instant) -> Vec<Order> {
        if let Err(orders) = self.health.on_request(now) {
            return orders;
        }
        if status.consuming() {
            return vec![error(
                "nothing calls a consumer here: say which path you want with startSession (webrtcsrc: signaller::producer-peer-id=PATH)",
            )];
        }
        let mut orders = Vec::new();
        let path = match published_path(&status) {
            Ok(path) => path,
            Err(sentence) => return vec![error(sentence)],
        };
        if self.publishing.as_ref().map(|now| &now.path) != path.as_ref() {
            orders.extend(self.stop_publishing());
            if let Some(path) = path {
                self.publishing = Some(Publishing {
                    path: path.clone(),
                    admitted: false,
                    calls: 0,
                    called: None,
                    call_at: None,
                });
                orders.push(Order::Admit { path });
            }
        }
        self.observes = status.listening();
        if self.observes {
            // Whoever listens is told of itself too: gstwebrtc-api waits for it.
            orders.push(self.changed(&self.id, status.roles, status.meta));
            orders.push(Order::Observe);
        }
        orders
    }

    fn on_start(
        &mut self,
        start: StartSessionMessage,
        now: Instant,
        names: Names<'_>,
    ) -> Vec<Order> {
        if let Err(orders) = self.health.on_request(now) {
            return orders;
        }
        if self.sessions.len() >= MOST_SESSIONS {
            return vec![error(format!(
                "there are {MOST_SESSIONS} sessions on this socket already; end one first"
            ))];
        }
        let session = names();
        let path = start.peer_id;
        let begun = Session::new(path.clone(), Side::View);
        self.sessions.insert(session.clone(), begun);
        vec![Order::Watch {
            session,
            path,
            offer: start.offer,
        }]
    }

    fn on_end(&mut self, id: &str, now: Instant) -> Vec<Order> {
        let Some(session) = self.forget(id) else {
            return self.unknown(id);
        };
        if session.side == Side::Publish {
            self.call_later(now);
        }
        vec![Order::End {
            session: id.to_owned(),
        }]
    }

    /// An error would end `webrtcsrc`, and messages of a session cross its end on the way.
    fn unknown(&self, id: &str) -> Vec<Order> {
        if self.past.iter().any(|past| past == id) {
            return Vec::new();
        }
        vec![error(format!("there is no session {}", quoted(id)))]
    }

    fn forget(&mut self, id: &str) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        if self.past.len() == PAST {
            self.past.pop_front();
        }
        self.past.push_back(id.to_owned());
        Some(session)
    }

    fn changed(&self, id: &str, roles: Vec<PeerRole>, meta: Option<serde_json::Value>) -> Order {
        Order::Say(OutgoingMessage::PeerStatusChanged(PeerStatus {
            roles,
            meta,
            peer_id: Some(id.to_owned()),
        }))
    }
}

/// Paths.
impl Peer {
    /// Answers a `list` with the paths that the peer may watch.
    pub fn on_list(&mut self, paths: &BTreeSet<String>) -> Order {
        self.told = Some(paths.clone());
        let producers = paths.iter().map(|path| protocol::Peer {
            id: path.clone(),
            meta: Some(meta(path)),
        });
        Order::Say(OutgoingMessage::List {
            producers: producers.collect(),
        })
    }

    /// Tells whoever listens which paths have come and gone since it was told last. Those that were there before
    /// are in the list that it asks for: told here too, they would come and go and come for gstwebrtc-api.
    pub fn on_paths(&mut self, paths: &BTreeSet<String>) -> Vec<Order> {
        if !self.observes {
            return Vec::new();
        }
        let Some(told) = self.told.replace(paths.clone()) else {
            return Vec::new();
        };
        let come = paths
            .difference(&told)
            .map(|path| self.changed(path, vec![PeerRole::Producer], Some(meta(path))));
        let gone = told
            .difference(paths)
            .map(|path| self.changed(path, Vec::new(), Some(meta(path))));
        come.chain(gone).collect()
    }

    /// Says whether the peer wants to be told.
    pub const fn observes(&self) -> bool {
        self.observes
    }
}

/// Sessions.
impl Peer {
    /// Takes note of the gateway's own description of a session.
    pub fn on_description(&mut self, id: &str, description: Description) -> Vec<Order> {
        let Some(session) = self.sessions.get_mut(id) else {
            return Vec::new();
        };
        if let Some(why) = session.over.take() {
            return self.on_refused(id, &why);
        }
        let mut orders = Vec::new();
        if session.side == Side::View {
            orders.push(Order::Say(OutgoingMessage::SessionStarted {
                peer_id: session.path.clone(),
                session_id: id.to_owned(),
            }));
        }
        orders.extend(session.on_description(id, description));
        orders
    }

    /// Takes note that the answer to an offer was taken.
    pub fn on_accepted(&mut self, id: &str) -> Vec<Order> {
        let Some(session) = self.sessions.get_mut(id) else {
            return Vec::new();
        };
        match session.over.take() {
            Some(why) => self.on_refused(id, &why),
            None => session.on_accepted(id),
        }
    }

    /// Takes note of a candidate of the gateway.
    pub fn on_candidate(&mut self, id: &str, mline: u32, candidate: String) -> Option<Order> {
        self.sessions
            .get_mut(id)?
            .on_candidate(id, mline, candidate)
    }

    /// Takes note that a session cannot be had, or not go on; the sentence is for its peer.
    pub fn on_refused(&mut self, id: &str, sentence: &str) -> Vec<Order> {
        let Some(session) = self.forget(id) else {
            return Vec::new();
        };
        if session.side == Side::Publish {
            self.publishing = None;
        }
        // Of a viewer's session without a description the peer does not know yet.
        let known = session.side == Side::Publish || session.step != Step::Making;
        let end = known.then(|| message::end(id));
        std::iter::once(error(sentence)).chain(end).collect()
    }

    /// Takes note that a session is over; `displaced` says that another publisher has the path. A publisher is
    /// called again after a while, as long as its socket lives.
    pub fn on_ended(&mut self, id: &str, why: &str, displaced: bool, now: Instant) -> Vec<Order> {
        // Who makes the description, or looks at the answer, says next what became of it.
        if let Some(session) = self.sessions.get_mut(id)
            && matches!(session.step, Step::Making | Step::Accepting)
        {
            session.over = Some(why.to_owned());
            return Vec::new();
        }
        let Some(session) = self.forget(id) else {
            return Vec::new();
        };
        let mut orders = vec![message::end(id)];
        if session.side == Side::Publish {
            if displaced {
                self.publishing = None;
                orders.push(error(why));
            } else {
                self.call_later(now);
            }
        }
        orders
    }

    /// Says whether there is a session of this name.
    pub fn has(&self, id: &str) -> bool {
        self.sessions.contains_key(id)
    }
}

/// Publishing.
impl Peer {
    /// Takes note that the peer may publish: it is called.
    pub fn on_admitted(&mut self, path: &str, now: Instant, names: Names<'_>) -> Vec<Order> {
        match &mut self.publishing {
            Some(publishing) if publishing.path == path && !publishing.admitted => {
                publishing.admitted = true;
                self.call(now, names)
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Takes note that it may not, and why.
    pub fn on_not_admitted(&mut self, path: &str, sentence: &str) -> Option<Order> {
        self.publishing
            .take_if(|now| now.path == path && !now.admitted)?;
        Some(error(sentence))
    }

    fn call(&mut self, now: Instant, names: Names<'_>) -> Vec<Order> {
        let Some(publishing) = &mut self.publishing else {
            return Vec::new();
        };
        publishing.call_at = None;
        publishing.called = Some(now);
        let (session, path) = (names(), publishing.path.clone());
        let begun = Session::new(path.clone(), Side::Publish);
        self.sessions.insert(session.clone(), begun);
        vec![Order::Say(OutgoingMessage::StartSession {
            peer_id: path,
            session_id: session,
            offer: None,
        })]
    }

    fn call_later(&mut self, now: Instant) {
        let Some(publishing) = &mut self.publishing else {
            return;
        };
        let longest = CALL_AGAIN.last().copied().unwrap_or_default();
        if publishing.called.is_some_and(|at| now >= at + longest) {
            publishing.calls = 0;
        }
        let wait = CALL_AGAIN.get(publishing.calls).copied();
        publishing.calls += 1;
        publishing.call_at = Some(now + wait.unwrap_or(longest));
    }

    fn stop_publishing(&mut self) -> Vec<Order> {
        self.publishing = None;
        let published = self.sessions.iter();
        let published: Vec<_> = published
            .filter(|(_, session)| session.side == Side::Publish)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &published {
            self.forget(id);
        }
        published
            .into_iter()
            .map(|session| Order::End { session })
            .collect()
    }
}

/// Time.
impl Peer {
    /// Says when `handle_timeout` wants to be called.
    pub fn poll_timeout(&self) -> Instant {
        let call_at = self.publishing.as_ref().and_then(|one| one.call_at);
        let alive = self.health.poll_timeout();
        call_at.map_or(alive, |at| at.min(alive))
    }

    /// Moves time on.
    pub fn handle_timeout(&mut self, now: Instant, names: Names<'_>) -> Vec<Order> {
        let mut orders: Vec<_> = self.health.handle_timeout(now).into_iter().collect();
        let call_at = self.publishing.as_ref().and_then(|one| one.call_at);
        if call_at.is_some_and(|at| now >= at) {
            orders.extend(self.call(now, names));
        }
        orders
    }
}

/// What a producer of the gateway says of itself.
fn meta(path: &str) -> serde_json::Value {
    serde_json::json!({ "name": path })
}

/// Finds the path that a peer wants to publish to, if it does; the error is a sentence for it.
fn published_path(status: &PeerStatus) -> Result<Option<String>, &'static str> {
    if !status.producing() {
        return Ok(None);
    }
    let name = status
        .meta
        .as_ref()
        .and_then(|meta| meta.get("name")?.as_str());
    match name {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err(
            "a producer has to say which path it is for: meta {\"name\": PATH} (webrtcsink: meta=\"meta,name=PATH\")",
        ),
    }
}
