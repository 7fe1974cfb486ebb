//! Takes the bytes of an RTSP connection apart: packets, answers, requests, and what is none of them.

#[cfg(test)]
mod tests;

use rtsp_types::{Message, ParseError, Request, Response};

/// What stands before each packet: a dollar sign, the channel, and the length in two bytes (RFC 2326, 10.12).
const HEAD: usize = 4;
/// How much in a row may be nothing that is known. More is no slip of a camera's any more.
const MOST_JUNK: usize = 64 << 10;
/// What a message begins with: an answer, or a request of the server's.
const BEGINNINGS: &[&[u8]] = &[
    b"RTSP/",
    b"OPTIONS ",
    b"ANNOUNCE ",
    b"GET_PARAMETER ",
    b"SET_PARAMETER ",
    b"REDIRECT ",
    b"TEARDOWN ",
    b"PLAY_NOTIFY ",
];

/// What stands at the begin of what came.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A packet of a channel.
    Packet {
        /// Which.
        channel: u8,
        /// RTP or RTCP.
        body: &'a [u8],
    },
    /// An answer to a request of ours.
    Answer(Response<Vec<u8>>),
    /// A request of the server's.
    Asked(Request<Vec<u8>>),
    /// Something between two of these that is nothing.
    Junk,
    /// Not all of it has come yet.
    More,
    /// This is no RTSP, or not any more.
    Broken,
}

/// Finds the next piece, and the way back after bytes that should not be there.
///
/// Some cameras send more of a packet than its length says, or begin a packet in the middle of an answer. What is
/// known begins again at a dollar sign with a channel that was set up, or at an answer.
#[derive(Debug, Default)]
pub struct Splitter {
    /// Bytes in a row that were nothing.
    junk: usize,
}

impl Splitter {
    /// Looks at the begin of `bytes`; gives what it is and how many bytes it takes. `is_known` says whether a channel
    /// was set up.
    pub fn next<'a>(
        &mut self,
        bytes: &'a [u8],
        is_known: impl Fn(u8) -> bool,
    ) -> (Found<'a>, usize) {
        let found = match bytes {
            [] => return (Found::More, 0),
            [b'\r' | b'\n', ..] => return (Found::Junk, 1),
            // After junk a dollar sign may be part of it.
            [b'$', channel, ..] if self.junk == 0 || is_known(*channel) => packet(bytes),
            [b'$'] => (Found::More, 0),
            _ if is_beginning(bytes) => message(bytes),
            _ => self.skip(bytes),
        };
        if !matches!(found.0, Found::Junk | Found::More | Found::Broken) {
            self.junk = 0;
        }
        found
    }

    /// Goes on to where something may begin.
    fn skip<'a>(&mut self, bytes: &[u8]) -> (Found<'a>, usize) {
        let next = (1..bytes.len()).find(|at| {
            let rest = bytes.get(*at..).unwrap_or_default();
            rest.starts_with(b"$") || is_beginning(rest)
        });
        let skipped = next.unwrap_or(bytes.len());
        self.junk += skipped;
        if self.junk > MOST_JUNK {
            return (Found::Broken, skipped);
        }
        (Found::Junk, skipped)
    }
}

fn packet(bytes: &[u8]) -> (Found<'_>, usize) {
    let [_, channel, high, low, rest @ ..] = bytes else {
        return (Found::More, 0);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    match rest.get(..length) {
        Some(body) => (
            Found::Packet {
                channel: *channel,
                body,
            },
            HEAD + length,
        ),
        None => (Found::More, 0),
    }
}

fn message(bytes: &[u8]) -> (Found<'_>, usize) {
    match Message::parse(bytes) {
        Ok((Message::Response(answer), used)) => (Found::Answer(answer), used),
        Ok((Message::Request(request), used)) => (Found::Asked(request), used),
        Ok((Message::Data(_), used)) => (Found::Junk, used),
        Err(ParseError::Incomplete(_)) => (Found::More, 0),
        Err(ParseError::Error) => (Found::Broken, 0),
    }
}

/// Says whether a message begins here, as far as what came tells.
fn is_beginning(bytes: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| {
        let known = beginning.len().min(bytes.len());
        bytes.get(..known) == beginning.get(..known)
    })
}
