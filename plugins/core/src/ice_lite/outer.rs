//! Asking a STUN server where our port is seen from outside (RFC 8489; RFC 8445, 5.1.1.2), and opening the way in where a
//! NAT lets in only those to whom something went out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::message::{Response, binding_indication, binding_request};

/// RFC 8489, 6.2.1: the first wait for an answer; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);

/// RFC 8489, 6.2.1: requests until the server counts as silent.
const REQUESTS: u32 = 7;

/// The port's place in a NAT is kept and seen anew so often. NATs forget UDP after 30 s at the earliest.
const REFRESH: Duration = Duration::from_secs(15);

/// A server that is silent, or refuses, is asked again after so long.
const RETRY: Duration = Duration::from_secs(30);

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `sent` requests of one transaction are on their way.
    Asking { transaction: u128, sent: u32 },
    /// The next transaction begins when it is due.
    Resting,
}

/// The question to one server, for one family of addresses.
#[derive(Debug)]
pub struct OuterAddress {
    server: SocketAddr,
    state: State,
    due: Instant,
    address: Option<SocketAddr>,
    settled: bool,
}

impl OuterAddress {
    /// Begins to ask.
    pub const fn new(server: SocketAddr, now: Instant) -> Self {
        Self {
            server,
            state: State::Resting,
            due: now,
            address: None,
            settled: false,
        }
    }

    /// Gives the server's address.
    pub const fn server(&self) -> SocketAddr {
        self.server
    }

    /// Gives where our port is seen, by the latest answer. None while the server is silent.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Says whether there was an answer, or none came in time.
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Says when `handle_timeout` wants to be called.
    pub const fn poll_timeout(&self) -> Instant {
        self.due
    }

    /// Moves time on: gives a request to be sent to the server, if one is due. `random` is for its transaction.
    pub fn handle_timeout(&mut self, now: Instant, random: [u8; 12]) -> Option<Vec<u8>> {
        if now < self.due {
            return None;
        }
        let (transaction, sent) = match self.state {
            State::Asking { sent, .. } if sent >= REQUESTS => {
                self.give_up(now);
                return None;
            }
            State::Asking { transaction, sent } => (transaction, sent),
            State::Resting => (number(random), 0),
        };
        self.state = State::Asking {
            transaction,
            sent: sent + 1,
        };
        self.due = now + FIRST * 2_u32.saturating_pow(sent);
        Some(binding_request(transaction))
    }

    /// Takes a response from there; says whether it is the server's answer.
    pub fn on_response(&mut self, response: &Response<'_>, from: SocketAddr, now: Instant) -> bool {
        let State::Asking { transaction, .. } = self.state else {
            return false;
        };
        // Nothing proves it but the 96 random bits that only the server has seen (RFC 8489, 6.3.1).
        if from != self.server || response.transaction() != transaction {
            return false;
        }
        match response.mapped() {
            Some(address) => {
                self.address = Some(address);
                self.settled = true;
                self.state = State::Resting;
                self.due = now + REFRESH;
            }
            None => self.give_up(now),
        }
        true
    }

    fn give_up(&mut self, now: Instant) {
        self.address = None;
        self.settled = true;
        self.state = State::Resting;
        self.due = now + RETRY;
    }
}

/// Places of a peer to which something must go out once. More than a peer has; each is one it may name.
const PLACES: usize = 16;

/// Packets to each, since one may be lost.
const PACKETS: u32 = 3;

/// So far apart.
const APART: Duration = Duration::from_millis(500);

/// Opens the way in for a peer: a NAT that lets in only those to whom something went out takes the peer's checks then.
/// What is sent is an indication, which asks for nothing and proves nothing.
#[derive(Debug, Default)]
pub struct Opening {
    places: Vec<(SocketAddr, u32, Instant)>,
}

impl Opening {
    /// Takes a place that the peer has named. Beyond 16 places, none is taken.
    pub fn add(&mut self, place: SocketAddr, now: Instant) {
        let known = self.places.iter().any(|(one, ..)| *one == place);
        if !known && self.places.len() < PLACES {
            self.places.push((place, 0, now));
        }
    }

    /// Gives the places to which a packet is due, and the packet. `random` is for its transaction.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        random: [u8; 12],
    ) -> Option<(Vec<SocketAddr>, Vec<u8>)> {
        let mut due = Vec::new();
        for (place, sent, at) in &mut self.places {
            if *sent < PACKETS && now >= *at {
                *sent += 1;
                *at = now + APART;
                due.push(*place);
            }
        }
        if due.is_empty() {
            return None;
        }
        Some((due, binding_indication(number(random))))
    }
}

/// A transaction of 96 bits.
fn number(random: [u8; 12]) -> u128 {
    let bytes = random.iter();
    bytes.fold(0, |id, byte| id << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ice_lite::Message;
    use crate::testing::origin;

    const SERVER: &str = "192.0.2.1:3478";
    const SEEN: [u8; 6] = [0xc3, 0x50, 203, 0, 113, 7];

    /// A success response to a request, which says 203.0.113.7:50000; or an error, 400.
    fn answer(request: &[u8], good: bool) -> Vec<u8> {
        let mut answer = vec![1, if good { 1 } else { 0x11 }, 0, if good { 12 } else { 8 }];
        answer.extend(&request[4..20]);
        if good {
            // XOR-MAPPED-ADDRESS (RFC 8489, 14.2).
            answer.extend([0, 0x20, 0, 8, 0, 1]);
            let mask = [0x21, 0x12, 0x21, 0x12, 0xa4, 0x42];
            answer.extend(SEEN.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        } else {
            answer.extend([0, 9, 0, 4, 0, 0, 4, 0]);
        }
        answer
    }

    fn hears(outer: &mut OuterAddress, answer: &[u8], from: &str, now: Instant) -> bool {
        let Some(Message::Response(response)) = Message::parse(answer) else {
            panic!("it is a response");
        };
        outer.on_response(&response, from.parse().unwrap(), now)
    }

    #[test]
    fn a_server_says_where_the_port_is_seen_and_is_asked_again_before_a_nat_forgets() {
        let start = origin();
        let mut outer = OuterAddress::new(SERVER.parse().unwrap(), start);
        let request = outer.handle_timeout(start, [7; 12]).unwrap();
        assert_eq!(request[..4], [0, 1, 0, 0]);
        assert!(hears(&mut outer, &answer(&request, true), SERVER, start));
        assert_eq!(outer.address(), Some("203.0.113.7:50000".parse().unwrap()));
        let again = outer.poll_timeout();
        assert!(again > start && again - start < Duration::from_secs(30));
        assert!(outer.handle_timeout(start, [8; 12]).is_none());
        assert_ne!(outer.handle_timeout(again, [8; 12]).unwrap(), request);
        // The address stays while it is asked again.
        assert!(outer.address().is_some());
    }

    #[test]
    fn answers_from_elsewhere_and_of_other_transactions_are_none() {
        let start = origin();
        let mut outer = OuterAddress::new(SERVER.parse().unwrap(), start);
        let request = outer.handle_timeout(start, [7; 12]).unwrap();
        let mut guessed = answer(&request, true);
        guessed[10] ^= 1;
        assert!(!hears(&mut outer, &guessed, SERVER, start));
        let right = answer(&request, true);
        assert!(!hears(&mut outer, &right, "192.0.2.1:3479", start));
        assert!(outer.address().is_none() && !outer.is_settled());
        assert!(hears(&mut outer, &right, SERVER, start));
        // And only once.
        assert!(!hears(&mut outer, &right, SERVER, start));
    }

    #[test]
    fn a_silent_server_is_asked_seven_times_and_later_anew_and_its_address_is_forgotten() {
        let start = origin();
        let mut outer = OuterAddress::new(SERVER.parse().unwrap(), start);
        let request = outer.handle_timeout(start, [7; 12]).unwrap();
        assert!(hears(&mut outer, &answer(&request, true), SERVER, start));
        let begin = outer.poll_timeout();
        let mut asked = vec![];
        loop {
            let due = outer.poll_timeout();
            if outer.handle_timeout(due, [9; 12]).is_none() {
                break;
            }
            asked.push((due - begin).as_millis());
        }
        assert_eq!(asked, [0, 500, 1500, 3500, 7500, 15500, 31500]);
        assert!(outer.address().is_none() && outer.is_settled());
        let due = outer.poll_timeout();
        assert!(outer.handle_timeout(due, [10; 12]).is_some());
    }

    #[test]
    fn a_server_that_refuses_is_not_pressed() {
        let start = origin();
        let mut outer = OuterAddress::new(SERVER.parse().unwrap(), start);
        let request = outer.handle_timeout(start, [7; 12]).unwrap();
        assert!(hears(&mut outer, &answer(&request, false), SERVER, start));
        assert!(outer.is_settled() && outer.address().is_none());
        assert_eq!(outer.poll_timeout() - start, RETRY);
    }

    #[test]
    fn each_place_of_a_peer_gets_three_indications_and_no_more_than_sixteen_do() {
        let start = origin();
        let mut opening = Opening::default();
        for port in 1..=100 {
            let place = SocketAddr::from(([192, 0, 2, 7], 10_000 + port % 50));
            opening.add(place, start);
        }
        let mut sent = 0;
        for step in 0..20 {
            let now = start + Duration::from_millis(250) * step;
            if let Some((places, packet)) = opening.handle_timeout(now, [7; 12]) {
                assert_eq!(packet[..4], [0, 0x11, 0, 0]);
                sent += places.len();
            }
        }
        assert_eq!(sent, PLACES * 3);
    }
}
