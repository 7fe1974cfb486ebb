//! STUN as attackers and odd peers send it. The message format itself is str0m's.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use str0m::ice::{StunMessage, TransId};

/// The credentials and the place of one ICE session, as its SDP pair tells them.
#[derive(Debug, Clone)]
pub struct IceSession {
    /// The gateway's candidate.
    pub server: SocketAddr,
    /// `USERNAME` of requests to the gateway: its ufrag, a colon, ours.
    pub username: String,
    /// The gateway's password.
    pub password: String,
}

impl IceSession {
    /// Reads an offer and its answer.
    ///
    /// # Panics
    /// When one of them has no ICE credentials, or the answer no candidate that `local` can reach.
    pub fn of(offer: &str, answer: &str, local: std::net::IpAddr) -> Self {
        let value = |sdp: &str, name: &str| {
            let prefix = format!("a={name}:");
            let line = sdp.lines().find_map(|line| line.strip_prefix(&prefix));
            line.unwrap_or_else(|| panic!("no {name} in {sdp}"))
                .trim()
                .to_owned()
        };
        Self {
            server: server_of(answer, local),
            username: format!(
                "{}:{}",
                value(answer, "ice-ufrag"),
                value(offer, "ice-ufrag")
            ),
            password: value(answer, "ice-pwd"),
        }
    }

    /// A binding request with the right credentials; `controlling` is ours to be.
    pub fn request(&self, controlling: bool) -> Vec<u8> {
        request(&self.username, Some(&self.password), controlling)
    }
}

/// The first candidate of an answer that a client at `local` can send to.
///
/// # Panics
/// When there is none.
pub fn server_of(answer: &str, local: std::net::IpAddr) -> SocketAddr {
    let usable = |line: &&str| crate::viewer::sdp::usable(line, local);
    let candidates = answer.lines().map(str::trim);
    let line = candidates
        .filter(|line| line.starts_with("a=candidate:"))
        .find(usable)
        .unwrap_or_else(|| panic!("no candidate for {local} in {answer}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    let ip = words[4].parse().expect("usable candidates have addresses");
    SocketAddr::new(ip, words[5].parse().expect("a port"))
}

/// A binding request; without a password it has no `MESSAGE-INTEGRITY`.
pub fn request(username: &str, password: Option<&str>, controlling: bool) -> Vec<u8> {
    let message = StunMessage::binding_request(
        username,
        TransId::new(),
        controlling,
        0x0123_4567_89ab_cdef,
        1_862_270_975,
        false,
    );
    let hmac = str0m::crypto::from_feature_flags().sha1_hmac_provider;
    let mut buffer = vec![0; 1024];
    let length = message
        .to_bytes(password.map(str::as_bytes), &mut buffer, |key, parts| {
            hmac.sha1_hmac(key, parts)
        })
        .expect("a binding request fits");
    buffer.truncate(length);
    buffer
}

/// What came back on a socket within `limit`: `None` for silence, else the error code, 0 for success.
pub fn reply(socket: &UdpSocket, limit: Duration) -> Option<u16> {
    let mut buffer = [0; 2048];
    let end = std::time::Instant::now() + limit;
    while let Some(left) = end.checked_duration_since(std::time::Instant::now()) {
        let timeout = left.max(Duration::from_millis(1));
        socket.set_read_timeout(Some(timeout)).expect("a timeout");
        let Ok((length, _)) = socket.recv_from(&mut buffer) else {
            return None;
        };
        let Ok(message) = StunMessage::parse(&buffer[..length]) else {
            continue;
        };
        if message.is_successful_binding_response() {
            return Some(0);
        }
        if let Some((code, _)) = message.error_code() {
            return Some(code);
        }
    }
    None
}

/// Says whether a datagram is a binding request.
pub fn is_request(datagram: &[u8]) -> bool {
    datagram.starts_with(&[0, 1])
}

/// Says whether a datagram is the good answer to a binding request.
pub fn is_answer(datagram: &[u8]) -> bool {
    datagram.starts_with(&[1, 1])
}
