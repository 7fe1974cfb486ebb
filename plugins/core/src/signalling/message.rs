//! Messages as text.

use gst_plugin_webrtc_signalling_protocol::{
    EndSessionMessage, IncomingMessage, OutgoingMessage, PeerMessage, PeerMessageInner,
};
use serde_json::Value;

use super::Order;

/// The longest message that is read, in bytes: an offer of a browser has less than 10 KiB.
pub const LARGEST: usize = 64 * 1024;

/// What a peer may send. The protocol's crate has one more, which its server sends to itself.
const KNOWN: &[&str] = &[
    "setPeerStatus",
    "list",
    "listConsumers",
    "startSession",
    "endSession",
    "peer",
];

/// Of what a peer has written, so much is written back.
const SHOWN: usize = 32;

/// Reads a message; the error is a sentence for its sender.
pub(super) fn read(text: &str) -> Result<IncomingMessage, String> {
    if text.len() > LARGEST {
        let length = text.len();
        return Err(format!(
            "the message has {length} bytes; at most {LARGEST} are read"
        ));
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("the message is no JSON (column {})", error.column()))?;
    let kind = value.get("type").and_then(Value::as_str);
    let Some(kind) = kind.and_then(|kind| KNOWN.iter().find(|known| **known == kind)) else {
        let kind = kind.map_or_else(|| "without a type".to_owned(), quoted);
        return Err(format!(
            "there is no message {kind}; send {}",
            KNOWN.join(", ")
        ));
    };
    serde_json::from_value(value).map_err(|_error| {
        format!("the message \"{kind}\" lacks something, or has it in another form; see GStreamer's webrtc protocol")
    })
}

/// Shows what a peer has written: short, and without what a terminal would obey.
pub(super) fn quoted(text: &str) -> String {
    let shown: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(SHOWN)
        .collect();
    format!("\"{shown}\"")
}

/// Writes a message.
pub fn write(message: &OutgoingMessage) -> String {
    // It has no maps whose keys are not texts, and nothing else can fail.
    serde_json::to_string(message).unwrap_or_default()
}

pub(super) fn error(sentence: impl Into<String>) -> Order {
    Order::Say(OutgoingMessage::Error {
        details: sentence.into(),
    })
}

pub(super) fn end(session: &str) -> Order {
    Order::Say(OutgoingMessage::EndSession(EndSessionMessage {
        session_id: session.to_owned(),
    }))
}

pub(super) fn peer(session: &str, peer_message: PeerMessageInner) -> Order {
    Order::Say(OutgoingMessage::Peer(PeerMessage {
        session_id: session.to_owned(),
        peer_message,
    }))
}
