//! What comes to the port of media: datagrams, and streams of TCP, of whoever knows the port.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use sluice_core::ice_lite::{
    Agent, Credentials, Datagram, Deframer, Message, Outcome, Place, Protocol, classify, frame,
};
use sluice_core::srtp::{MASTER, Sender, Tag};

/// A session that no input can know.
fn agent() -> Agent {
    let credentials = |ufrag: &str| Credentials {
        ufrag: ufrag.to_owned(),
        password: format!("{ufrag}-and-22-more-letters-of-it"),
    };
    let mut agent = Agent::new(credentials("ours"), 1);
    agent.set_theirs(credentials("them"));
    agent
}

pub(super) fn run(input: &[u8]) {
    datagram(input);
    encrypted(input);
    for packet in stream(input) {
        datagram(&packet);
    }
}

/// Nobody who does not know the password is answered, or moves anything.
fn datagram(bytes: &[u8]) {
    let kind = classify(bytes);
    let Some(message) = Message::parse(bytes) else {
        return;
    };
    assert!(
        kind == Datagram::Stun || bytes.get(4..8) != Some(&[0x21, 0x12, 0xa4, 0x42]),
        "STUN is {kind:?}"
    );
    let from = Place {
        protocol: Protocol::Udp,
        remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 5000)),
        local: None,
    };
    let (mut agent, now) = (agent(), Instant::now());
    match message {
        Message::Request(request) => {
            assert!(request.local_ufrag().len() <= bytes.len());
            let outcome = agent.on_request(&request, from, now, [1; 16]);
            assert_eq!(outcome, Outcome::default());
        }
        Message::Response(response) => {
            assert_eq!(agent.on_response(&response, from, now), None);
        }
        Message::Indication => {}
    }
    assert_eq!((agent.selected(), agent.poll_timeout()), (None, None));
}

/// Takes a stream in pieces and whole: the packets are the same, and written again they read the same.
fn stream(bytes: &[u8]) -> Vec<Vec<u8>> {
    let take = |step: usize| {
        let (mut deframer, mut packets) = (Deframer::default(), Vec::new());
        let taken = bytes
            .chunks(step)
            .try_for_each(|piece| deframer.take(piece, |packet| packets.push(packet.to_vec())));
        (taken, packets)
    };
    let (whole, packets) = take(bytes.len().max(1));
    assert_eq!(take(7), (whole, packets.clone()));
    let mut again = Vec::new();
    packets.iter().for_each(|packet| frame(packet, &mut again));
    let mut read = Vec::new();
    let taken = Deframer::default().take(&again, |packet| read.push(packet.to_vec()));
    assert_eq!((taken, &read), (Ok(()), &packets));
    packets
}

/// A packet is taken whole or not at all, and grows by its tag.
fn encrypted(bytes: &[u8]) {
    let Some(mut sender) = Sender::new(&[7; MASTER], Tag::Bits80) else {
        panic!("the key has its length");
    };
    let mut out = b"before".to_vec();
    out.extend_from_slice(bytes);
    if sender.protect(&mut out, 6) {
        assert_eq!(out.len(), 6 + bytes.len() + Tag::Bits80.bytes());
        assert_eq!(out.get(6..18), bytes.get(..12));
    } else {
        assert_eq!(out, b"before");
    }
}
