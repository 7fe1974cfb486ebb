use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use stun_types::attribute::{
    AttributeStaticType as _, AttributeType, ErrorCode, Fingerprint, RawAttribute, Username,
    XorMappedAddress,
};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, Message as Stun, MessageClass, MessageType, MessageWrite as _,
    MessageWriteExt as _, MessageWriteVec, ShortTermCredentials,
};

use super::consent::SILENCE;
use super::*;
use crate::testing::{ms, origin};

const HIGH: u32 = 0x6e7f_ffff;
const LOW: u32 = 0x6e00_00ff;

fn ours() -> Credentials {
    credentials("OURS", "our-password-of-22-chars")
}

fn theirs() -> Credentials {
    credentials("THEM", "their-password-22-chars")
}

fn credentials(ufrag: &str, password: &str) -> Credentials {
    Credentials {
        ufrag: ufrag.to_owned(),
        password: password.to_owned(),
    }
}

fn at(port: u16) -> Place {
    Place {
        protocol: Protocol::Udp,
        remote: SocketAddr::from(([192, 0, 2, 9], port)),
        local: Some(IpAddr::from([192, 0, 2, 1])),
    }
}

struct Ask<'a> {
    username: &'a str,
    password: &'a str,
    priority: u32,
    nominates: bool,
    controlled: bool,
}

const ASK: Ask<'static> = Ask {
    username: "OURS:THEM",
    password: "our-password-of-22-chars",
    priority: HIGH,
    nominates: true,
    controlled: false,
};

impl Ask<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut request = Stun::builder_request(BINDING, MessageWriteVec::new());
        request
            .add_attribute(&Username::new(self.username).unwrap())
            .unwrap();
        let priority = self.priority.to_be_bytes();
        let role = AttributeType::new(if self.controlled { 0x8029 } else { 0x802a });
        for attribute in [
            RawAttribute::new(AttributeType::new(0x24), &priority),
            RawAttribute::new(role, &[7; 8]),
        ] {
            request.add_attribute(&attribute).unwrap();
        }
        if self.nominates {
            let nominates = RawAttribute::new(AttributeType::new(0x25), &[]);
            request.add_attribute(&nominates).unwrap();
        }
        let credentials = ShortTermCredentials::new(self.password.to_owned()).into();
        request
            .add_message_integrity(&credentials, IntegrityAlgorithm::Sha1)
            .unwrap();
        request.add_fingerprint().unwrap();
        request.finish()
    }

    fn of(&self, agent: &mut Agent, from: Place, now: Instant) -> Outcome {
        let bytes = self.bytes();
        match Message::parse(&bytes) {
            Some(Message::Request(request)) => agent.on_request(&request, from, now, [9; 16]),
            other => panic!("{other:?}"),
        }
    }
}

fn agent() -> Agent {
    let mut agent = Agent::new(ours(), 3);
    agent.set_theirs(theirs());
    agent
}

fn connected(now: Instant) -> Agent {
    let mut agent = agent();
    let event = ASK.of(&mut agent, at(1000), now).event;
    assert_eq!(event, Some(Event::Connected(at(1000))));
    agent
}

/// Answers a check, as a peer does that knows `password`.
fn answer(check: &[u8], code: Option<u16>, password: &str) -> Vec<u8> {
    let check = Stun::from_bytes(check).unwrap();
    let mut answer = match code {
        None => Stun::builder_success(&check, MessageWriteVec::new()),
        Some(_) => Stun::builder_error(&check, MessageWriteVec::new()),
    };
    if let Some(code) = code {
        let code = ErrorCode::builder(code).build().unwrap();
        answer.add_attribute(&code).unwrap();
    }
    let credentials = ShortTermCredentials::new(password.to_owned()).into();
    answer
        .add_message_integrity(&credentials, IntegrityAlgorithm::Sha1)
        .unwrap();
    answer.add_fingerprint().unwrap();
    answer.finish()
}

fn respond(agent: &mut Agent, bytes: &[u8], from: Place, now: Instant) -> Option<Event> {
    match Message::parse(bytes) {
        Some(Message::Response(response)) => agent.on_response(&response, from, now),
        other => panic!("{other:?}"),
    }
}

fn check(agent: &mut Agent, now: Instant, number: u8) -> Vec<u8> {
    let Timeout::Check(_, bytes) = agent.handle_timeout(now, [number; 16]) else {
        panic!("no check");
    };
    bytes
}

// RFC 5769, 2.1 and 2.2: a request by somebody else's code, and the answer to it.
#[test]
fn the_vectors_of_rfc_5769_are_read() {
    const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e\
        74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56\
        781ef2b5b2d3f249c1b571a280280004e57a3bcf";
    let bytes = hex(REQUEST);
    assert_eq!(classify(&bytes), Datagram::Stun);
    let Some(Message::Request(request)) = Message::parse(&bytes) else {
        panic!("no request");
    };
    assert_eq!(request.local_ufrag(), "evtj");
    assert_eq!(request.priority(), 0x6e00_01ff);
    assert!(request.is_controlled() && !request.nominates());
    assert!(request.is_authentic("VOkJxbRl1RmTxUk/WvJxBt"));
    assert!(!request.is_authentic("VOkJxbRl1RmTxUk/WvJxBu"));
    let mut broken = bytes;
    broken[30] ^= 1;
    assert!(
        Message::parse(&broken).is_none(),
        "its FINGERPRINT is wrong"
    );
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

#[test]
fn the_first_byte_tells_what_a_datagram_is() {
    for (first, kind) in [
        (0, Datagram::Other),
        (3, Datagram::Other),
        (20, Datagram::Dtls),
        (63, Datagram::Dtls),
        (64, Datagram::Other),
        (128, Datagram::Media),
        (191, Datagram::Media),
        (192, Datagram::Other),
    ] {
        assert_eq!(classify(&[first; 20]), kind, "{first}");
    }
    assert_eq!(classify(&[]), Datagram::Other);
}

#[test]
fn a_check_is_answered_and_the_nominated_pair_taken() {
    let now = origin();
    let mut agent = agent();
    let plain = Ask {
        nominates: false,
        ..ASK
    };
    let outcome = plain.of(&mut agent, at(1000), now);
    assert_eq!(outcome.event, None);
    let reply = outcome.reply.unwrap();
    let reply = Stun::from_bytes(&reply).unwrap();
    let mapped = reply.attribute::<XorMappedAddress>().unwrap();
    assert_eq!(mapped.addr(reply.transaction_id()), at(1000).remote);
    let credentials = ShortTermCredentials::new(ours().password).into();
    assert!(reply.validate_integrity(&credentials).is_ok());
    assert!(reply.has_attribute(Fingerprint::TYPE));
    assert_eq!(agent.selected(), None);
    let event = ASK.of(&mut agent, at(1000), now).event;
    assert_eq!(event, Some(Event::Connected(at(1000))));
    assert_eq!(agent.selected(), Some(at(1000)));
    assert_eq!(ASK.of(&mut agent, at(1000), now).event, None);
}

// CONFORMANCE 66.
#[test]
fn who_does_not_know_the_password_changes_nothing() {
    let now = origin();
    let mut agent = connected(now);
    for ask in [
        Ask {
            password: "guessed-password-22-chars",
            ..ASK
        },
        Ask {
            username: "OTHER:THEM",
            ..ASK
        },
    ] {
        assert_eq!(ask.of(&mut agent, at(2000), now), Outcome::default());
    }
    assert_eq!(agent.selected(), Some(at(1000)));
    let mut anonymous = Stun::builder_request(BINDING, MessageWriteVec::new());
    anonymous.add_fingerprint().unwrap();
    assert!(Message::parse(&anonymous.finish()).is_none());
    let mut open = Stun::builder_request(BINDING, MessageWriteVec::new());
    open.add_attribute(&Username::new(ASK.username).unwrap())
        .unwrap();
    let open = open.finish();
    let Some(Message::Request(request)) = Message::parse(&open) else {
        panic!("no request");
    };
    assert_eq!(
        agent.on_request(&request, at(2000), now, [9; 16]),
        Outcome::default()
    );
}

#[test]
fn a_peer_that_takes_itself_for_controlled_is_told() {
    let now = origin();
    let mut agent = agent();
    let ask = Ask {
        controlled: true,
        ..ASK
    };
    let outcome = ask.of(&mut agent, at(1000), now);
    assert_eq!((outcome.event, agent.selected()), (None, None));
    let reply = outcome.reply.unwrap();
    let reply = Stun::from_bytes(&reply).unwrap();
    assert_eq!(reply.attribute::<ErrorCode>().unwrap().code(), 487);
}

#[test]
fn the_peer_may_move() {
    // Priority of the other pair, whether it is nominated, how long the first one was quiet, how long it was not
    // nominated again; whether packets go there from then on.
    for (priority, nominates, quiet, unconfirmed, moves) in [
        (HIGH, true, 0, 0, true),
        (HIGH + 1, true, 0, 0, true),
        (LOW, true, 0, 0, false),
        (LOW, true, 999, 999, false),
        (LOW, true, 1000, 1000, true),
        (LOW, true, 0, 2999, false),
        (LOW, true, 0, 3000, true),
        (HIGH, false, 4999, 4999, false),
        (HIGH, false, 0, 9000, false),
        (LOW, false, 5000, 5000, true),
    ] {
        let start = origin();
        let mut agent = connected(start);
        let now = start + ms(unconfirmed);
        agent.on_packet(at(1000).remote, now - ms(quiet));
        // Of others it is not heard.
        agent.on_packet(at(3000).remote, now);
        let ask = Ask {
            priority,
            nominates,
            ..ASK
        };
        let outcome = ask.of(&mut agent, at(2000), now);
        let row = (priority, nominates, quiet, unconfirmed);
        assert_eq!(outcome.event, None, "{row:?}");
        // Not before it has answered from there.
        assert_eq!(agent.selected(), Some(at(1000)), "{row:?}");
        let Some((place, check)) = outcome.check else {
            assert!(!moves, "{row:?}");
            continue;
        };
        assert!(moves, "{row:?}");
        assert_eq!(place, at(2000), "{row:?}");
        let good = answer(&check, None, &theirs().password);
        let forged = answer(&check, None, "guessed-password-22-chars");
        let refused = answer(&check, Some(403), &theirs().password);
        for (bytes, from) in [(&forged, at(2000)), (&refused, at(2000)), (&good, at(3000))] {
            assert_eq!(respond(&mut agent, bytes, from, now), None, "{row:?}");
        }
        assert_eq!(agent.selected(), Some(at(1000)), "{row:?}");
        let event = respond(&mut agent, &good, at(2000), now);
        assert_eq!(event, Some(Event::Moved(at(2000))), "{row:?}");
        assert_eq!(agent.selected(), Some(at(2000)), "{row:?}");
        assert!(agent.holds(at(2000), now + ms(2999)) && !agent.holds(at(2000), now + ms(3000)));
        assert!(!agent.holds(at(1000), now));
    }
}

#[test]
fn consent_is_asked_for_every_four_to_six_seconds() {
    let start = origin();
    for (random, wait) in [(0x00, 4000), (0xff, 6000)] {
        let mut agent = connected(start);
        assert_eq!(agent.poll_timeout(), Some(start + ms(5000)));
        let early = agent.handle_timeout(start + ms(4999), [random; 16]);
        assert_eq!(early, Timeout::Nothing);
        let now = start + ms(5000);
        let Timeout::Check(place, bytes) = agent.handle_timeout(now, [random; 16]) else {
            panic!("no check");
        };
        assert_eq!(place, at(1000));
        assert_eq!(agent.poll_timeout(), Some(now + ms(wait)), "{random}");
        let check = Stun::from_bytes(&bytes).unwrap();
        let user = check.attribute::<Username>().unwrap();
        assert_eq!(user.username(), "THEM:OURS");
        let credentials = ShortTermCredentials::new(theirs().password).into();
        assert!(check.validate_integrity(&credentials).is_ok());
        assert!(check.has_attribute(AttributeType::new(0x8029)));
    }
}

// CONFORMANCE 64, RFC 7675, 5.1.
#[test]
fn without_an_answer_nothing_is_sent_after_thirty_seconds() {
    let start = origin();
    let mut agent = connected(start);
    // Packets are no consent, nor are the peer's own checks.
    for second in 1..30 {
        let now = start + Duration::from_secs(second);
        agent.on_packet(at(1000).remote, now);
        ASK.of(&mut agent, at(1000), now);
        let due = agent.handle_timeout(now, [u8::try_from(second).unwrap(); 16]);
        assert!(!matches!(due, Timeout::Over(_)), "{second} s");
    }
    assert_eq!(agent.selected(), Some(at(1000)));
    let over = agent.handle_timeout(start + SILENCE, [0; 16]);
    assert_eq!(over, Timeout::Over(Event::Lost { revoked: false }));
    assert_eq!((agent.selected(), agent.poll_timeout()), (None, None));
    // The same credentials never work again.
    let late = ASK.of(&mut agent, at(1000), start + SILENCE);
    assert_eq!(late, Outcome::default());
}

#[test]
fn an_answer_keeps_consent_for_thirty_seconds() {
    let start = origin();
    let mut agent = connected(start);
    let asked = start + ms(25_000);
    let bytes = check(&mut agent, asked, 1);
    let good = answer(&bytes, None, &theirs().password);
    let now = start + ms(25_100);
    assert_eq!(respond(&mut agent, &good, at(1000), now), None);
    let later = agent.handle_timeout(now + ms(29_999), [3; 16]);
    assert!(matches!(later, Timeout::Check(..)), "{later:?}");
    let over = agent.handle_timeout(now + SILENCE, [4; 16]);
    assert_eq!(over, Timeout::Over(Event::Lost { revoked: false }));
}

#[test]
fn forged_answers_keep_nothing() {
    let start = origin();
    let mut agent = connected(start);
    let bytes = check(&mut agent, start + ms(25_000), 1);
    let good = answer(&bytes, None, &theirs().password);
    let forged = answer(&bytes, None, "guessed-password-22-chars");
    respond(&mut agent, &good, at(2000), start + ms(26_000));
    respond(&mut agent, &forged, at(1000), start + ms(26_000));
    let over = agent.handle_timeout(start + SILENCE, [2; 16]);
    assert_eq!(over, Timeout::Over(Event::Lost { revoked: false }));
}

#[test]
fn a_403_ends_it_at_once() {
    let start = origin();
    let mut agent = connected(start);
    let bytes = check(&mut agent, start + ms(5000), 1);
    let forged = answer(&bytes, Some(403), "guessed-password-22-chars");
    assert_eq!(respond(&mut agent, &forged, at(1000), start), None);
    let other = answer(&bytes, Some(401), &theirs().password);
    assert_eq!(respond(&mut agent, &other, at(1000), start), None);
    let revoked = answer(&bytes, Some(403), &theirs().password);
    let event = respond(&mut agent, &revoked, at(1000), start + ms(5001));
    assert_eq!(event, Some(Event::Lost { revoked: true }));
    assert_eq!(agent.selected(), None);
}

// RFC 8445, section 9.
#[test]
fn a_restart_keeps_the_old_pair_until_there_is_a_new_one() {
    let start = origin();
    let mut agent = connected(start);
    let (new_ours, new_theirs) = (
        credentials("NEWO", "new-password-of-22-chars"),
        credentials("NEWT", "new-their-pw-of-22-chars"),
    );
    agent.restart(new_ours.clone(), new_theirs);
    assert_eq!(agent.ufrags().collect::<Vec<_>>(), ["NEWO", "OURS"]);
    assert_eq!(agent.selected(), Some(at(1000)));
    // Consent of the old pair goes on with the old credentials.
    let bytes = check(&mut agent, start + ms(25_000), 1);
    let good = answer(&bytes, None, &theirs().password);
    respond(&mut agent, &good, at(1000), start + ms(25_000));
    let now = start + ms(31_000);
    assert!(!matches!(
        agent.handle_timeout(now, [2; 16]),
        Timeout::Over(_)
    ));
    assert!(ASK.of(&mut agent, at(1000), now).reply.is_some());
    let renewed = Ask {
        username: "NEWO:NEWT",
        password: &new_ours.password,
        priority: LOW,
        ..ASK
    };
    let (_, proof) = renewed.of(&mut agent, at(2000), now).check.unwrap();
    assert!(ASK.of(&mut agent, at(1000), now).reply.is_some());
    let good = answer(&proof, None, "new-their-pw-of-22-chars");
    let event = respond(&mut agent, &good, at(2000), now);
    assert_eq!(event, Some(Event::Moved(at(2000))));
    assert_eq!(agent.ufrags().collect::<Vec<_>>(), ["NEWO"]);
    assert_eq!(ASK.of(&mut agent, at(1000), now), Outcome::default());
    let bytes = check(&mut agent, now + ms(6000), 3);
    let check = Stun::from_bytes(&bytes).unwrap();
    let user = check.attribute::<Username>().unwrap();
    assert_eq!(user.username(), "NEWT:NEWO");
}

/// As Chromium does when its new port is there before our answer to the restart.
#[test]
fn a_peer_that_restarts_may_go_on_with_our_old_credentials() {
    let start = origin();
    let mut agent = connected(start);
    let theirs_at = |n: u16| credentials(&format!("NEWT{n}"), "new-their-pw-of-22-chars");
    for n in 1..=3 {
        let now = start + ms(10_000) * u32::from(n);
        let ours_new = credentials(&format!("NEWO{n}"), "new-password-of-22-chars");
        agent.restart(ours_new, theirs_at(n));
        let username = if n == 1 {
            "OURS:NEWT1"
        } else {
            &format!("NEWO{}:NEWT{n}", n - 1)
        };
        let password = if n == 1 {
            ours().password
        } else {
            "new-password-of-22-chars".to_owned()
        };
        let early = Ask {
            username,
            password: &password,
            ..ASK
        };
        let place = at(2000 + n);
        let (_, proof) = early.of(&mut agent, place, now).check.unwrap();
        let good = answer(&proof, None, &theirs_at(n).password);
        let event = respond(&mut agent, &good, place, now);
        assert_eq!(event, Some(Event::Moved(place)), "restart {n}");
        // It is the pair from now on: answered, and asked for consent, with the credentials it began with.
        assert!(early.of(&mut agent, place, now + ms(1)).reply.is_some());
        let bytes = check(&mut agent, now + ms(6000), 3);
        let asked = Stun::from_bytes(&bytes).unwrap();
        let user = asked.attribute::<Username>().unwrap();
        let (to, from) = username.split_once(':').unwrap();
        assert_eq!(user.username(), format!("{from}:{to}"));
    }
}

#[test]
fn a_peer_has_only_so_many_places() {
    let now = origin();
    let mut agent = connected(now);
    let plain = Ask {
        nominates: false,
        ..ASK
    };
    let answered = (1000..1100).filter(|port| plain.of(&mut agent, at(*port), now).reply.is_some());
    assert_eq!(answered.count(), 32);
    let tcp = Protocol::Tcp(7);
    agent.on_disconnected(tcp);
    assert_eq!(agent.selected(), Some(at(1000)));
}

#[test]
fn an_indication_says_nothing() {
    let kind = MessageType::from_class_method(MessageClass::Indication, BINDING);
    let bytes = Stun::builder(kind, 7.into(), MessageWriteVec::new()).finish();
    assert!(matches!(Message::parse(&bytes), Some(Message::Indication)));
}

#[test]
fn candidates_name_each_address_that_leads_here() {
    let addresses: Vec<IpAddr> = [
        "192.0.2.1",
        "fe80::1",
        "2001:db8::1",
        "169.254.1.1",
        "0.0.0.0",
    ]
    .map(|ip| ip.parse().unwrap())
    .into();
    let told: Vec<String> = candidates(&addresses, 8189, true)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "candidate:u0 1 udp 2130706431 192.0.2.1 8189 typ host",
            "candidate:u1 1 udp 2130706175 2001:db8::1 8189 typ host",
            "candidate:t0 1 tcp 1520435199 192.0.2.1 8189 typ host tcptype passive",
            "candidate:t1 1 tcp 1520434943 2001:db8::1 8189 typ host tcptype passive",
        ]
    );
    assert_eq!(candidates(&addresses, 8189, false).len(), 2);
}

#[test]
fn packets_on_a_stream_are_whole_again() {
    let mut stream = Vec::new();
    for packet in [&b"one"[..], b"", b"three"] {
        frame(packet, &mut stream);
    }
    for step in 1..stream.len() {
        let (mut deframer, mut packets) = (Deframer::default(), Vec::new());
        for bytes in stream.chunks(step) {
            deframer
                .take(bytes, |packet| packets.push(packet.to_vec()))
                .unwrap();
        }
        assert_eq!(packets, [b"one".to_vec(), b"three".to_vec()], "{step}");
    }
    let http = Deframer::default().take(b"GET / HTTP/1.1\r\n", |_| {});
    assert_eq!(http, Err(FrameError::TooLong(0x4745)));
    let mut none = Vec::new();
    frame(&[0; 70_000], &mut none);
    assert!(none.is_empty());
}

#[test]
fn where_the_port_is_seen_is_a_candidate_unless_it_is_our_own_address() {
    let own: Vec<IpAddr> = ["192.168.1.5", "2001:db8::5"]
        .map(|ip| ip.parse().unwrap())
        .to_vec();
    let outer: Vec<SocketAddr> = ["203.0.113.7:40000", "[2001:db8::5]:8189"]
        .map(|seen| seen.parse().unwrap())
        .to_vec();
    let told: Vec<String> = reflexive(&own, 8189, &outer)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        ["candidate:s0 1 udp 1694498815 203.0.113.7 40000 typ srflx raddr 192.168.1.5 rport 8189"]
    );
}

#[test]
fn a_host_is_told_alone_where_no_address_of_its_family_is_ours_to_tell() {
    let ips = |texts: &[&str]| -> Vec<IpAddr> {
        let ips = texts.iter().map(|ip| ip.parse().unwrap());
        ips.collect()
    };
    let hosts = ips(&["203.0.113.7", "203.0.113.8", "2001:db8::7"]);
    for (own, v6, told) in [
        (ips(&["10.0.0.2"]), false, ips(&["10.0.0.2"])),
        (ips(&["10.0.0.2"]), true, ips(&["10.0.0.2", "2001:db8::7"])),
        (ips(&[]), true, ips(&["203.0.113.7", "2001:db8::7"])),
        (
            ips(&["10.0.0.2", "fe80::1"]),
            true,
            ips(&["10.0.0.2", "fe80::1", "2001:db8::7"]),
        ),
    ] {
        assert_eq!(first_addresses(&own, &hosts, true, v6), told);
    }
}
