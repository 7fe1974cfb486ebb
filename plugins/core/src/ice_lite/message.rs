//! STUN as ICE uses it (RFC 8489, RFC 8445 section 7), read and written by `stun-types`.

use std::net::SocketAddr;

use stun_types::attribute::{AttributeType, ErrorCode, RawAttribute, Username, XorMappedAddress};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, Message as Stun, MessageClass, MessageIntegrityCredentials,
    MessageType, MessageWrite as _, MessageWriteExt as _, MessageWriteVec, ShortTermCredentials,
    StunWriteError, TransactionId,
};

use super::agent::Credentials;

const PRIORITY: AttributeType = AttributeType::new(0x0024);
const USE_CANDIDATE: AttributeType = AttributeType::new(0x0025);
const ICE_CONTROLLED: AttributeType = AttributeType::new(0x8029);

/// The first bytes of every STUN message since RFC 3489: its magic cookie stands at 4.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What a datagram is by its first byte (RFC 7983).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datagram {
    /// A STUN message, by its cookie too.
    Stun,
    /// A DTLS record.
    Dtls,
    /// RTP or RTCP, encrypted.
    Media,
    /// Nothing that belongs here.
    Other,
}

/// Tells what a datagram is. Costs nothing.
pub fn classify(datagram: &[u8]) -> Datagram {
    match datagram.first() {
        Some(0..=3) if datagram.get(4..8) == Some(&COOKIE) => Datagram::Stun,
        Some(20..=63) => Datagram::Dtls,
        Some(128..=191) => Datagram::Media,
        Some(_) | None => Datagram::Other,
    }
}

/// A message that is well-formed; nothing says yet that it comes from the peer.
#[derive(Debug)]
pub enum Message<'a> {
    /// A check.
    Request(Request<'a>),
    /// The answer to one of ours.
    Response(Response<'a>),
    /// A keep-alive without any proof, of libnice for instance; it says nothing.
    Indication,
}

/// A binding request.
#[derive(Debug)]
pub struct Request<'a> {
    stun: Stun<'a>,
    local_ufrag: String,
    remote_ufrag: String,
}

/// The success or error response to a binding request.
#[derive(Debug)]
pub struct Response<'a> {
    stun: Stun<'a>,
}

/// What a response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Granted,
    /// 403: stop at once (RFC 7675, 5.2).
    Revoked,
    /// Anything else, which says nothing about consent.
    Other,
}

impl<'a> Message<'a> {
    /// Reads a datagram; `None` for what is no STUN binding message or has a wrong FINGERPRINT.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let stun = Stun::from_bytes(datagram).ok()?;
        if !stun.has_method(BINDING) {
            return None;
        }
        Some(match stun.class() {
            MessageClass::Request => {
                let username = stun.attribute::<Username>().ok()?;
                // Ours stands first in what the peer sends (RFC 8445, 7.2.2).
                let (ours, theirs) = username.username().split_once(':')?;
                Self::Request(Request {
                    local_ufrag: ours.to_owned(),
                    remote_ufrag: theirs.to_owned(),
                    stun,
                })
            }
            MessageClass::Success | MessageClass::Error => Self::Response(Response { stun }),
            MessageClass::Indication => Self::Indication,
        })
    }
}

impl Request<'_> {
    /// Gives the user fragment that it is addressed to.
    pub fn local_ufrag(&self) -> &str {
        &self.local_ufrag
    }

    /// Gives the user fragment of the peer's, as it was when it asked.
    pub fn remote_ufrag(&self) -> &str {
        &self.remote_ufrag
    }

    /// Says whether it was made by someone who knows our password.
    pub fn is_authentic(&self, password: &str) -> bool {
        is_authentic(&self.stun, password)
    }

    /// Says whether the peer chooses this pair.
    pub fn nominates(&self) -> bool {
        self.stun.raw_attribute(USE_CANDIDATE).is_some()
    }

    /// Says whether the peer takes itself for the controlled side, which we are.
    pub fn is_controlled(&self) -> bool {
        self.stun.raw_attribute(ICE_CONTROLLED).is_some()
    }

    /// Gives the priority that the peer's candidate would have.
    pub fn priority(&self) -> u32 {
        let attribute = self.stun.raw_attribute(PRIORITY);
        let bytes = attribute.and_then(|a| a.value.get(..4)?.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    }

    /// Answers that it came, and from where.
    pub fn success(&self, from: SocketAddr, password: &str) -> Option<Vec<u8>> {
        let mut answer = Stun::builder_success(&self.stun, MessageWriteVec::new());
        let address = XorMappedAddress::new(from, self.stun.transaction_id());
        answer.add_attribute(&address).ok()?;
        sealed(answer, password)
    }

    /// Answers that both take themselves for the same side (RFC 8445, 7.3.1.1): the peer has to change.
    pub fn role_conflict(&self, password: &str) -> Option<Vec<u8>> {
        let mut answer = Stun::builder_error(&self.stun, MessageWriteVec::new());
        let conflict = ErrorCode::builder(487).reason("Role Conflict").build();
        answer.add_attribute(&conflict.ok()?).ok()?;
        sealed(answer, password)
    }
}

impl Response<'_> {
    /// Gives the transaction that it answers.
    pub fn transaction(&self) -> u128 {
        self.stun.transaction_id().into()
    }

    /// Says whether it was made by someone who knows the password with which we asked.
    pub fn is_authentic(&self, password: &str) -> bool {
        is_authentic(&self.stun, password)
    }

    /// Gives where the server saw the request come from; none if it refused.
    pub fn mapped(&self) -> Option<SocketAddr> {
        if !self.stun.has_class(MessageClass::Success) {
            return None;
        }
        let mapped = self.stun.attribute::<XorMappedAddress>().ok()?;
        Some(mapped.addr(self.stun.transaction_id()))
    }

    /// Gives what it says.
    pub fn verdict(&self) -> Verdict {
        if self.stun.has_class(MessageClass::Success) {
            return Verdict::Granted;
        }
        let code = self.stun.attribute::<ErrorCode>().map(|code| code.code());
        if code.is_ok_and(|code| code == 403) {
            Verdict::Revoked
        } else {
            Verdict::Other
        }
    }
}

/// Asks the peer whether it still wants our packets. `tie_breaker` is the same throughout a session.
pub(super) fn check(
    transaction: u128,
    ours: &Credentials,
    theirs: &Credentials,
    tie_breaker: u64,
) -> Option<Vec<u8>> {
    let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
    let mut request = Stun::builder(
        kind,
        TransactionId::from(transaction),
        MessageWriteVec::new(),
    );
    let username = Username::new(&format!("{}:{}", theirs.ufrag, ours.ufrag)).ok()?;
    request.add_attribute(&username).ok()?;
    let tie_breaker = tie_breaker.to_be_bytes();
    let controlled = RawAttribute::new(ICE_CONTROLLED, &tie_breaker);
    request.add_attribute(&controlled).ok()?;
    // A peer that does not know the pair would learn it with this priority; it always does.
    let priority = super::candidates::PEER_REFLEXIVE.to_be_bytes();
    let priority = RawAttribute::new(PRIORITY, &priority);
    request.add_attribute(&priority).ok()?;
    sealed(request, &theirs.password)
}

/// Asks a STUN server where we are seen.
pub(super) fn binding_request(transaction: u128) -> Vec<u8> {
    bare(MessageClass::Request, transaction)
}

/// Asks for nothing: it only goes out.
pub(super) fn binding_indication(transaction: u128) -> Vec<u8> {
    bare(MessageClass::Indication, transaction)
}

fn bare(class: MessageClass, transaction: u128) -> Vec<u8> {
    let kind = MessageType::from_class_method(class, BINDING);
    let transaction = TransactionId::from(transaction);
    Stun::builder(kind, transaction, MessageWriteVec::new()).finish()
}

fn is_authentic(stun: &Stun<'_>, password: &str) -> bool {
    stun.validate_integrity(&credentials(password)).is_ok()
}

fn credentials(password: &str) -> MessageIntegrityCredentials {
    ShortTermCredentials::new(password.to_owned()).into()
}

/// Adds MESSAGE-INTEGRITY and FINGERPRINT.
fn sealed(mut message: MessageWriteVec, password: &str) -> Option<Vec<u8>> {
    let add = |message: &mut MessageWriteVec| -> Result<(), StunWriteError> {
        message.add_message_integrity(&credentials(password), IntegrityAlgorithm::Sha1)?;
        message.add_fingerprint()
    };
    add(&mut message).ok()?;
    Some(message.finish())
}
