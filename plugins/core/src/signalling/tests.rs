use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::testing::{ms, origin};

/// A peer, with names that can be told apart.
struct Desk {
    peer: Peer,
    count: u32,
    now: Instant,
}

impl Desk {
    fn new() -> Self {
        let now = origin();
        let (peer, welcome) = Peer::new("me".to_owned(), now);
        assert_eq!(
            said(&[welcome]),
            [json!({"type": "welcome", "peerId": "me"})]
        );
        Self {
            peer,
            count: 0,
            now,
        }
    }

    fn text(&mut self, text: &str) -> Vec<Order> {
        let count = &mut self.count;
        self.peer.on_text(text, self.now, &mut || {
            *count += 1;
            format!("s{count}")
        })
    }

    fn send(&mut self, message: &Value) -> Vec<Order> {
        self.text(&message.to_string())
    }

    fn admitted(&mut self, path: &str) -> Vec<Order> {
        let count = &mut self.count;
        self.peer.on_admitted(path, self.now, &mut || {
            *count += 1;
            format!("s{count}")
        })
    }

    fn time(&mut self) -> Vec<Order> {
        let count = &mut self.count;
        self.peer.handle_timeout(self.now, &mut || {
            *count += 1;
            format!("s{count}")
        })
    }

    /// A peer that watches `cam` and has our offer.
    fn offered() -> Self {
        let mut desk = Self::new();
        desk.send(&start("cam"));
        let offer = Description::Offer("our offer".to_owned());
        desk.peer.on_description("s1", offer);
        desk
    }

    /// A peer that was called to publish to `studio`.
    fn called() -> Self {
        let mut desk = Self::new();
        desk.send(&producer("studio"));
        desk.admitted("studio");
        desk
    }
}

fn start(path: &str) -> Value {
    json!({"type": "startSession", "peerId": path})
}

fn producer(path: &str) -> Value {
    json!({"type": "setPeerStatus", "roles": ["producer"], "meta": {"name": path}})
}

fn sdp(session: &str, kind: &str, sdp: &str) -> Value {
    json!({"type": "peer", "sessionId": session, "sdp": {"type": kind, "sdp": sdp}})
}

fn ice(session: &str, candidate: &str) -> Value {
    json!({"type": "peer", "sessionId": session, "ice": {"candidate": candidate, "sdpMLineIndex": 0}})
}

fn said(orders: &[Order]) -> Vec<Value> {
    let texts = orders.iter().filter_map(|order| {
        let Order::Say(message) = order else {
            return None;
        };
        Some(write(message))
    });
    texts
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect()
}

/// The sentence of the one error that was said.
fn complaint(orders: &[Order]) -> String {
    let said = said(orders);
    assert_eq!(said.len(), 1, "{orders:?}");
    assert_eq!(said[0]["type"], "error", "{orders:?}");
    said[0]["details"].as_str().unwrap().to_owned()
}

fn paths(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn what_is_no_message_is_answered_and_nothing_else_happens() {
    let long = format!("{{\"type\":\"list\",\"x\":\"{}\"}}", "x".repeat(LARGEST));
    let deep = "[".repeat(60_000);
    for (text, words) in [
        ("", "no JSON"),
        ("nonsense", "no JSON"),
        (&deep, "no JSON"),
        ("[]", "without a type"),
        ("{}", "without a type"),
        (r#"{"type": 7}"#, "without a type"),
        (r#"{"type": "newPeer"}"#, "\"newPeer\""),
        (r#"{"type": "\u001b[2Jdrop"}"#, "\"[2Jdrop\""),
        (r#"{"type": "startSession"}"#, "lacks something"),
        (r#"{"type": "peer", "sessionId": "s1"}"#, "lacks something"),
        (
            r#"{"type": "peer", "sessionId": "s1", "ice": {"candidate": 1, "sdpMLineIndex": 0}}"#,
            "lacks something",
        ),
        (&long, "at most 65536"),
    ] {
        let mut desk = Desk::new();
        let sentence = complaint(&desk.text(text));
        assert!(sentence.contains(words), "{sentence}");
        assert!(sentence.len() < 200, "{sentence}");
        assert_eq!(desk.send(&json!({"type": "list"})), [Order::List]);
    }
    let mut desk = Desk::new();
    let now = desk.now;
    assert!(complaint(&desk.peer.on_binary(now)).contains("text frames"));
}

#[test]
fn paths_are_listed_as_producers_by_their_names() {
    let mut desk = Desk::new();
    let list = desk.peer.on_list(&paths(&["door", "yard"]));
    assert_eq!(
        said(&[list]),
        [json!({"type": "list", "producers": [
            {"id": "door", "meta": {"name": "door"}},
            {"id": "yard", "meta": {"name": "yard"}},
        ]})]
    );
    let consumers = desk.send(&json!({"type": "listConsumers"}));
    assert_eq!(
        said(&consumers),
        [json!({"type": "listConsumers", "consumers": []})]
    );
}

#[test]
fn who_listens_is_told_of_itself_and_of_paths_that_come_and_go() {
    let mut desk = Desk::new();
    assert!(desk.peer.on_paths(&paths(&["door"])).is_empty());
    let status = json!({"type": "setPeerStatus", "roles": ["listener"], "meta": {"name": "page"}});
    let orders = desk.send(&status);
    assert_eq!(
        said(&orders),
        [
            json!({"type": "peerStatusChanged", "roles": ["listener"], "meta": {"name": "page"}, "peerId": "me"})
        ]
    );
    assert_eq!(orders.last(), Some(&Order::Observe));

    let changed = |roles: &[&str], path: &str| json!({"type": "peerStatusChanged", "roles": roles, "meta": {"name": path}, "peerId": path});
    // What is there already is in the list.
    assert!(desk.peer.on_paths(&paths(&[])).is_empty());
    let orders = desk.peer.on_paths(&paths(&["door"]));
    assert_eq!(said(&orders), [changed(&["producer"], "door")]);
    assert!(desk.peer.on_paths(&paths(&["door"])).is_empty());
    let orders = desk.peer.on_paths(&paths(&["studio"]));
    assert_eq!(
        said(&orders),
        [changed(&["producer"], "studio"), changed(&[], "door")]
    );
}

#[test]
fn who_listens_hears_of_what_is_there_by_list_alone() {
    let mut desk = Desk::new();
    desk.send(&json!({"type": "setPeerStatus", "roles": ["listener"], "meta": null}));
    assert!(desk.peer.on_paths(&paths(&["door"])).is_empty());
    desk.peer.on_list(&paths(&["door"]));
    assert!(desk.peer.on_paths(&paths(&["door"])).is_empty());
    assert_eq!(desk.peer.on_paths(&paths(&[])).len(), 1);
}

#[test]
fn a_viewer_is_offered_and_answers() {
    let mut desk = Desk::new();
    assert_eq!(
        desk.send(&start("cam")),
        [Order::Watch {
            session: "s1".to_owned(),
            path: "cam".to_owned(),
            offer: None
        }]
    );
    // Before the offer is told, the peer knows of no session that a candidate could be for.
    assert_eq!(desk.peer.on_candidate("s1", 0, "ours 1".to_owned()), None);
    let offer = Description::Offer("our offer".to_owned());
    let orders = desk.peer.on_description("s1", offer);
    assert_eq!(
        said(&orders),
        [
            json!({"type": "sessionStarted", "peerId": "cam", "sessionId": "s1"}),
            sdp("s1", "offer", "our offer"),
            ice("s1", "ours 1"),
        ]
    );
    let told = desk.peer.on_candidate("s1", 0, "ours 2".to_owned());
    assert_eq!(said(&[told.unwrap()]), [ice("s1", "ours 2")]);

    assert!(desk.send(&ice("s1", "theirs 1")).is_empty());
    assert_eq!(
        desk.send(&sdp("s1", "answer", "their answer")),
        [Order::Accept {
            session: "s1".to_owned(),
            answer: "their answer".to_owned()
        }]
    );
    assert!(desk.send(&ice("s1", "theirs 2")).is_empty());
    let candidate = |candidate: &str| Order::Candidate {
        session: "s1".to_owned(),
        mline: 0,
        candidate: candidate.to_owned(),
    };
    assert_eq!(
        desk.peer.on_accepted("s1"),
        [candidate("theirs 1"), candidate("theirs 2")]
    );
    assert_eq!(desk.send(&ice("s1", "theirs 3")), [candidate("theirs 3")]);
}

#[test]
fn a_viewer_that_offers_is_answered() {
    let mut desk = Desk::new();
    let mut start = start("cam");
    start["offer"] = json!("their offer");
    assert_eq!(
        desk.send(&start),
        [Order::Watch {
            session: "s1".to_owned(),
            path: "cam".to_owned(),
            offer: Some("their offer".to_owned())
        }]
    );
    let answer = Description::Answer("our answer".to_owned());
    let orders = desk.peer.on_description("s1", answer);
    assert_eq!(said(&orders)[1], sdp("s1", "answer", "our answer"));
    assert_eq!(desk.send(&ice("s1", "theirs")).len(), 1);
}

#[test]
fn a_viewers_session_that_cannot_be_had_is_an_error_only() {
    let mut desk = Desk::new();
    desk.send(&start("nowhere"));
    let orders = desk.peer.on_refused("s1", "there is no path \"nowhere\"");
    assert!(complaint(&orders).contains("nowhere"));
    assert!(!desk.peer.has("s1"));
    // An answer that was refused: the session was told, and its end is too.
    let mut desk = Desk::offered();
    desk.send(&sdp("s1", "answer", "x"));
    let orders = desk.peer.on_refused("s1", "no video");
    let ended = json!({"type": "endSession", "sessionId": "s1"});
    assert_eq!(
        said(&orders),
        [json!({"type": "error", "details": "no video"}), ended]
    );
}

#[test]
fn the_reason_is_told_though_the_end_comes_first() {
    let mut desk = Desk::offered();
    desk.send(&sdp("s1", "answer", "x"));
    let now = desk.now;
    assert!(
        desk.peer
            .on_ended("s1", "its answer was bad", false, now)
            .is_empty()
    );
    let orders = desk.peer.on_refused("s1", "no video");
    assert_eq!(said(&orders)[0]["details"], "no video");

    let mut desk = Desk::new();
    desk.send(&start("cam"));
    assert!(
        desk.peer
            .on_ended("s1", "the path was stopped", false, now)
            .is_empty()
    );
    let orders = desk
        .peer
        .on_description("s1", Description::Offer(String::new()));
    assert_eq!(complaint(&orders), "the path was stopped");
}

#[test]
fn nobody_says_what_is_not_theirs_to_say() {
    let mut desk = Desk::offered();
    for (message, words) in [
        (sdp("s1", "offer", "x"), "only the gateway offers"),
        (sdp("s9", "answer", "x"), "no session \"s9\""),
        (ice("s9", "x"), "no session \"s9\""),
        (
            json!({"type": "endSession", "sessionId": "s9"}),
            "no session \"s9\"",
        ),
    ] {
        assert!(complaint(&desk.send(&message)).contains(words), "{message}");
    }
    desk.send(&sdp("s1", "answer", "x"));
    let second = desk.send(&sdp("s1", "answer", "y"));
    assert!(complaint(&second).contains("nothing was offered"));

    let mut desk = Desk::called();
    assert!(complaint(&desk.send(&sdp("s1", "answer", "x"))).contains("nothing was offered"));
    desk.send(&sdp("s1", "offer", "x"));
    let second = desk.send(&sdp("s1", "offer", "y"));
    assert!(complaint(&second).contains("its offer already"));
}

#[test]
fn messages_that_cross_the_end_of_a_session_are_no_error() {
    let mut desk = Desk::offered();
    let now = desk.now;
    let orders = desk
        .peer
        .on_ended("s1", "the viewer fell silent", false, now);
    assert_eq!(
        said(&orders),
        [json!({"type": "endSession", "sessionId": "s1"})]
    );
    assert!(desk.send(&ice("s1", "late")).is_empty());
    assert!(
        desk.send(&json!({"type": "endSession", "sessionId": "s1"}))
            .is_empty()
    );
}

#[test]
fn a_publisher_is_called_offers_and_is_answered() {
    let mut desk = Desk::new();
    assert_eq!(
        desk.send(&producer("studio")),
        [Order::Admit {
            path: "studio".to_owned()
        }]
    );
    assert_eq!(
        said(&desk.admitted("studio")),
        [json!({"type": "startSession", "peerId": "studio", "sessionId": "s1", "offer": null})]
    );
    // webrtcsink sends each message from a task of its own.
    assert!(desk.send(&ice("s1", "theirs 1")).is_empty());
    assert_eq!(
        desk.send(&sdp("s1", "offer", "their offer")),
        [Order::Publish {
            session: "s1".to_owned(),
            path: "studio".to_owned(),
            offer: "their offer".to_owned()
        }]
    );
    assert_eq!(desk.peer.on_candidate("s1", 0, "ours 1".to_owned()), None);
    let answer = Description::Answer("our answer".to_owned());
    let orders = desk.peer.on_description("s1", answer);
    assert_eq!(
        said(&orders),
        [sdp("s1", "answer", "our answer"), ice("s1", "ours 1")]
    );
    assert_eq!(
        orders.last(),
        Some(&Order::Candidate {
            session: "s1".to_owned(),
            mline: 0,
            candidate: "theirs 1".to_owned()
        })
    );
    // The same status again changes nothing.
    assert!(desk.send(&producer("studio")).is_empty());
}

#[test]
fn a_producer_says_for_which_path() {
    for meta in [json!(null), json!({}), json!({"name": 7}), json!("studio")] {
        let mut desk = Desk::new();
        let status = json!({"type": "setPeerStatus", "roles": ["producer"], "meta": meta});
        assert!(complaint(&desk.send(&status)).contains("meta"), "{meta}");
    }
    let mut desk = Desk::new();
    let status = json!({"type": "setPeerStatus", "roles": ["consumer"], "meta": null});
    assert!(complaint(&desk.send(&status)).contains("producer-peer-id"));
}

#[test]
fn who_may_not_publish_is_told_once_and_never_called() {
    let mut desk = Desk::new();
    desk.send(&producer("studio"));
    let order = desk.peer.on_not_admitted("studio", "you may not").unwrap();
    assert_eq!(complaint(&[order]), "you may not");
    assert!(desk.admitted("studio").is_empty());
    // It may ask again, and for another path.
    assert_eq!(desk.send(&producer("other")).len(), 1);
    assert!(desk.peer.on_not_admitted("studio", "late").is_none());
}

#[test]
fn a_publisher_whose_session_ended_is_called_again_ever_later() {
    let mut desk = Desk::called();
    let mut waits = Vec::new();
    for session in 1..=6 {
        let id = format!("s{session}");
        desk.send(&sdp(&id, "offer", "x"));
        desk.peer
            .on_description(&id, Description::Answer(String::new()));
        let now = desk.now;
        desk.peer.on_ended(&id, "it fell silent", false, now);
        // The socket lives: it is heard.
        desk.peer.on_heard(now);
        let begin = now;
        loop {
            desk.now = desk.peer.poll_timeout();
            let called = said(&desk.time());
            let now = desk.now;
            desk.peer.on_heard(now);
            if called
                .iter()
                .any(|message| message["type"] == "startSession")
            {
                break;
            }
        }
        waits.push((desk.now - begin).as_secs());
    }
    assert_eq!(waits, [1, 2, 5, 10, 30, 30]);
}

#[test]
fn a_publisher_that_ran_long_is_called_again_soon() {
    let mut desk = Desk::called();
    desk.now += Duration::from_secs(600);
    let now = desk.now;
    desk.peer.on_heard(now);
    let orders = desk.send(&json!({"type": "endSession", "sessionId": "s1"}));
    assert_eq!(
        orders,
        [Order::End {
            session: "s1".to_owned()
        }]
    );
    assert_eq!(desk.peer.poll_timeout(), now + ms(1000));
}

#[test]
fn a_publisher_that_was_displaced_or_refused_is_not_called_again() {
    let mut desk = Desk::called();
    let now = desk.now;
    let orders = desk
        .peer
        .on_ended("s1", "another publisher took its place", true, now);
    assert_eq!(said(&orders).len(), 2);
    assert_eq!(desk.peer.poll_timeout(), now + PING);

    let mut desk = Desk::called();
    let now = desk.now;
    desk.send(&sdp("s1", "offer", "x"));
    let orders = desk
        .peer
        .on_refused("s1", "this path has a publisher already");
    assert_eq!(said(&orders).len(), 2);
    assert_eq!(desk.peer.poll_timeout(), now + PING);
}

#[test]
fn who_stops_producing_loses_its_session_and_no_other() {
    let mut desk = Desk::called();
    desk.send(&start("cam"));
    let status = json!({"type": "setPeerStatus", "roles": [], "meta": null});
    assert_eq!(
        desk.send(&status),
        [Order::End {
            session: "s1".to_owned()
        }]
    );
    assert!(!desk.peer.has("s1") && desk.peer.has("s2"));
}

// 64 sessions with 100 candidates of 64 KiB each would be 400 MiB.
#[test]
fn a_candidate_that_is_far_too_long_is_not_kept() {
    let mut desk = Desk::new();
    desk.send(&start("cam"));
    assert!(complaint(&desk.send(&ice("s1", &"x".repeat(1025)))).contains("1025 bytes"));
    assert_eq!(desk.send(&ice("s1", &"x".repeat(1024))), []);
}

#[test]
fn sessions_and_candidates_are_counted() {
    let mut desk = Desk::new();
    for _ in 0..MOST_SESSIONS {
        assert_eq!(desk.send(&start("cam")).len(), 1);
        desk.now += ms(500);
    }
    assert!(complaint(&desk.send(&start("cam"))).contains("64 sessions"));

    let mut desk = Desk::called();
    for _ in 0..100 {
        assert!(desk.send(&ice("s1", "x")).is_empty());
    }
    assert!(complaint(&desk.send(&ice("s1", "x"))).contains("all the candidates"));
}

#[test]
fn who_changes_its_mind_while_it_is_asked_about_is_called_once() {
    let mut desk = Desk::new();
    for path in ["a", "b", "a"] {
        assert!(matches!(
            desk.send(&producer(path))[..],
            [Order::Admit { .. }]
        ));
    }
    assert_eq!(said(&desk.admitted("a")).len(), 1);
    assert!(desk.admitted("b").is_empty());
    assert!(desk.admitted("a").is_empty());
    assert_eq!(desk.peer.on_not_admitted("a", "no"), None);
}

#[test]
fn a_flood_is_told_once_a_second_and_then_cut_off() {
    let mut desk = Desk::new();
    let mut complaints = 0;
    let mut closed = false;
    for _ in 0..4000 {
        let orders = desk.text("x");
        complaints += said(&orders)
            .iter()
            .filter(|message| message["details"].as_str().unwrap().contains("too many"))
            .count();
        closed |= orders
            .iter()
            .any(|order| matches!(order, Order::Close { code: 1008, .. }));
    }
    assert_eq!(complaints, 1);
    assert!(closed);
    // What costs more has a smaller share.
    let mut desk = Desk::new();
    let taken = (0..100).filter(|_| desk.send(&json!({"type": "list"})) == [Order::List]);
    assert_eq!(taken.count(), 40);
}

#[test]
fn who_is_silent_is_asked_and_then_given_up() {
    let mut desk = Desk::new();
    let begin = desk.now;
    desk.now = desk.peer.poll_timeout();
    assert_eq!(desk.now, begin + PING);
    assert_eq!(desk.time(), [Order::Ping]);
    let now = desk.now;
    desk.peer.on_heard(now);
    assert_eq!(desk.peer.poll_timeout(), now + PING);
    desk.now = now + PING;
    assert_eq!(desk.time(), [Order::Ping]);
    desk.now = desk.peer.poll_timeout();
    assert_eq!(desk.now, now + DEAD);
    assert!(matches!(desk.time()[..], [Order::Close { .. }]));
}
