//! Messages of a peer of `/ws`, with what its socket does between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sluice_core::Candidate;
use sluice_core::signalling::{Description, MOST_SESSIONS, Order, OutgoingMessage, Peer, write};

use super::{check_sentence, has_controls};

/// Longer candidates are passed on to nobody.
const LONGEST_CANDIDATE: usize = 1024;

/// The input is a line for each message. A line that begins with `!` is what happens beside them:
///
/// - `!wait 500`: so many milliseconds go by;
/// - `!done 0`, `!fail 0`: of what was begun and is not done, the first has succeeded or failed;
/// - `!ended s1`, `!displaced s1`: a session is over, or another publisher has its path;
/// - `!candidate s1`: the gateway has a candidate for it;
/// - `!paths a b`: these are the paths that can be watched;
/// - `!binary`: a message that is no text.
///
/// Sessions are called `s1`, `s2` and so on.
pub(super) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut socket = Socket::open();
    for line in text.split('\n') {
        if socket.closed {
            return;
        }
        socket.said = line.len();
        match line.strip_prefix('!') {
            Some(command) => socket.happens(command),
            None => socket.message(line),
        }
        socket.check();
    }
}

/// What a socket has begun.
enum Task {
    Make { session: String, offers: bool },
    Accept { session: String },
    Admit { path: String },
    Find { asked: bool },
}

/// A socket as the gateway has it, with tasks that end when the input says so.
struct Socket {
    peer: Peer,
    now: Instant,
    names: u32,
    tasks: Vec<Task>,
    paths: BTreeSet<String>,
    /// Sessions that exist on the other side.
    seats: BTreeSet<String>,
    /// Sessions that do not any more, though their making may not have said so yet.
    over: BTreeSet<String>,
    /// Sessions that the peer knows of, and whether it was called to them.
    known: BTreeMap<String, bool>,
    /// How long the peer's message was.
    said: usize,
    closed: bool,
}

impl Socket {
    fn open() -> Self {
        let now = Instant::now();
        let (peer, _welcome) = Peer::new("me".to_owned(), now);
        Self {
            peer,
            now,
            names: 0,
            tasks: Vec::new(),
            paths: BTreeSet::from(["cam".to_owned()]),
            seats: BTreeSet::new(),
            over: BTreeSet::new(),
            known: BTreeMap::new(),
            said: 0,
            closed: false,
        }
    }

    fn message(&mut self, text: &str) {
        let names = &mut self.names;
        let orders = self.peer.on_text(text, self.now, &mut || name(names));
        self.obey(orders);
    }

    fn happens(&mut self, command: &str) {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "wait" => self.wait(rest.parse().unwrap_or(0)),
            "done" => self.finish(rest, true),
            "fail" => self.finish(rest, false),
            "ended" | "displaced" => {
                let number = rest
                    .strip_prefix('s')
                    .and_then(|number| number.parse().ok());
                if number.is_none_or(|number: u32| number > self.names) {
                    return;
                }
                self.seats.remove(rest);
                self.over.insert(rest.to_owned());
                let displaced = verb == "displaced";
                let orders = self.peer.on_ended(rest, "it is over", displaced, self.now);
                self.obey(orders);
            }
            "candidate" => {
                let candidate = "candidate:1 1 udp 1 192.0.2.7 50000 typ host".to_owned();
                let order = self.peer.on_candidate(rest, 0, candidate);
                self.obey(order);
            }
            "paths" => {
                self.paths = rest.split_whitespace().map(str::to_owned).collect();
                let orders = self.peer.on_paths(&self.paths);
                self.obey(orders);
            }
            "binary" => {
                let orders = self.peer.on_binary(self.now);
                self.obey(orders);
            }
            _ => self.peer.on_heard(self.now),
        }
    }

    /// Whatever is due at a time is done then: a ping, a call, the end.
    fn wait(&mut self, ms: u32) {
        self.now += Duration::from_millis(ms.into());
        for _ in ["ping", "end"] {
            if self.closed || self.peer.poll_timeout() > self.now {
                return;
            }
            let names = &mut self.names;
            let orders = self.peer.handle_timeout(self.now, &mut || name(names));
            self.obey(orders);
        }
        assert!(self.closed || self.peer.poll_timeout() > self.now);
    }

    fn finish(&mut self, number: &str, well: bool) {
        let index = number.parse().unwrap_or(0);
        if index >= self.tasks.len() {
            return;
        }
        let why = "it cannot be had";
        let orders = match (self.tasks.remove(index), well) {
            (Task::Make { session, offers }, true) => {
                if !self.peer.has(&session) {
                    return;
                }
                if !self.over.contains(&session) {
                    self.seats.insert(session.clone());
                }
                let sdp = "v=0".to_owned();
                let description = if offers {
                    Description::Offer(sdp)
                } else {
                    Description::Answer(sdp)
                };
                self.peer.on_description(&session, description)
            }
            (Task::Accept { session }, true) => self.peer.on_accepted(&session),
            (Task::Make { session, .. } | Task::Accept { session }, false) => {
                self.seats.remove(&session);
                self.peer.on_refused(&session, why)
            }
            (Task::Admit { path }, true) => {
                let names = &mut self.names;
                self.peer.on_admitted(&path, self.now, &mut || name(names))
            }
            (Task::Admit { path }, false) => {
                let order = self.peer.on_not_admitted(&path, why);
                order.into_iter().collect()
            }
            (Task::Find { asked: true }, true) => vec![self.peer.on_list(&self.paths)],
            (Task::Find { .. }, _) => self.peer.on_paths(&self.paths),
        };
        self.obey(orders);
    }

    fn obey(&mut self, orders: impl IntoIterator<Item = Order>) {
        for order in orders {
            assert!(!self.closed, "an order after the end: {order:?}");
            self.obey_one(order);
        }
    }

    fn obey_one(&mut self, order: Order) {
        match order {
            Order::Say(message) => self.say(&message),
            Order::Ping => {}
            Order::List => self.tasks.push(Task::Find { asked: true }),
            Order::Observe => self.tasks.push(Task::Find { asked: false }),
            Order::Watch { session, offer, .. } => {
                assert!(self.peer.has(&session));
                let offers = offer.is_none();
                self.tasks.push(Task::Make { session, offers });
            }
            Order::Admit { path } => self.tasks.push(Task::Admit { path }),
            Order::Publish { session, .. } => {
                assert_eq!(self.known.get(&session), Some(&true), "{session}");
                let offers = false;
                self.tasks.push(Task::Make { session, offers });
            }
            Order::Accept { session, .. } => {
                assert!(self.seats.contains(&session), "{session}");
                self.tasks.push(Task::Accept { session });
            }
            Order::Candidate {
                session, candidate, ..
            } => {
                assert!(self.seats.contains(&session), "{session}");
                assert!(candidate.len() <= LONGEST_CANDIDATE);
                // So far and no further: what cannot be used ends here.
                if let Some(read) = Candidate::parse(&candidate).filter(Candidate::usable) {
                    assert!(!has_controls(&read.to_string()), "{read:?}");
                }
            }
            Order::End { session } => {
                self.seats.remove(&session);
                self.known.remove(&session);
            }
            Order::Close { code, why } => {
                assert!((1000..=1015).contains(&code));
                check_sentence(why);
                self.closed = true;
            }
        }
    }

    /// A peer is told nothing of sessions that it does not know, and nothing that is longer than what it has said
    /// and what the paths are called.
    fn say(&mut self, message: &OutgoingMessage) {
        let text = write(message);
        // A control character is written in six, and a path is named twice.
        let names: usize = self.paths.iter().map(|path| 12 * path.len() + 64).sum();
        assert!(
            text.len() <= 2 * self.said + names + 4096,
            "{} bytes to {}",
            text.len(),
            self.said
        );
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        match message {
            OutgoingMessage::SessionStarted { session_id, .. } => {
                assert_eq!(self.known.insert(session_id.clone(), false), None);
            }
            OutgoingMessage::StartSession { session_id, .. } => {
                assert_eq!(self.known.insert(session_id.clone(), true), None);
            }
            OutgoingMessage::EndSession(end) => {
                let known = self.known.remove(&end.session_id);
                assert!(known.is_some(), "{end:?}");
            }
            OutgoingMessage::Peer(message) => {
                assert!(self.known.contains_key(&message.session_id), "{message:?}");
            }
            OutgoingMessage::Error { details } => check_sentence(details),
            OutgoingMessage::Welcome { .. }
            | OutgoingMessage::PeerStatusChanged(_)
            | OutgoingMessage::List { .. }
            | OutgoingMessage::ListConsumers { .. } => {}
        }
    }

    fn check(&self) {
        let all = (1..=self.names).map(|number| format!("s{number}"));
        let sessions = all.filter(|name| self.peer.has(name)).count();
        assert!(sessions <= MOST_SESSIONS + 1, "{sessions} sessions");
        let calls = self.known.iter().filter(|(_, called)| **called).count();
        assert!(calls <= 1, "called to publish {calls} times");
        for session in self.known.keys() {
            assert!(self.peer.has(session), "{session} was never ended");
        }
        let seats = self.seats.iter().filter(|seat| !self.peer.has(seat));
        assert_eq!(seats.count(), 0, "a session that nobody ends");
    }
}

fn name(count: &mut u32) -> String {
    *count += 1;
    format!("s{count}")
}
