//! What a source is called in the sentences that viewers read. They name no address: `uri` is a field of its own.

use std::time::Duration;

use sluice_core::{Scheme, SourceUri, SrtMode};

/// Names a source without saying where it is.
pub(crate) const fn subject(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Rtsp | Scheme::Rtsps => "The camera",
        Scheme::File => "The file",
        Scheme::V4l2 => "The video device",
        Scheme::Srt
        | Scheme::Udp
        | Scheme::Http
        | Scheme::Https
        | Scheme::Whep
        | Scheme::Wheps
        | Scheme::Test => "The source",
    }
}

/// Says that nothing came at all.
pub(crate) fn unanswered(uri: &SourceUri, waited: Duration) -> String {
    let subject = subject(uri.scheme());
    let seconds = waited.as_secs_f32();
    let guess = match uri.srt() {
        // srtsrc says nothing when the other side refuses the passphrase.
        Some(options) if options.passphrase.is_some() => {
            "; the passphrase may be wrong, or nothing answers there"
        }
        Some(_) => "; nothing answers there, or it wants a passphrase",
        None => "",
    };
    format!("{subject} sent nothing within {seconds} s{guess}.")
}

/// Says that it went silent.
pub(crate) fn silent(uri: &SourceUri, stall: Duration) -> String {
    let subject = subject(uri.scheme());
    let connected = match uri.scheme() {
        Scheme::Rtsp | Scheme::Rtsps | Scheme::Srt | Scheme::Whep | Scheme::Wheps => {
            "is still connected, but "
        }
        Scheme::Udp | Scheme::Http | Scheme::Https | Scheme::File | Scheme::V4l2 | Scheme::Test => {
            ""
        }
    };
    format!(
        "{subject} {connected}has sent nothing for {} s.",
        stall.as_secs_f32()
    )
}

/// Says that a camera's pictures never came, while its sound did.
pub(crate) fn blind(stall: Duration) -> String {
    format!(
        "The camera sends sound, but has sent none of its pictures for {} s.",
        stall.as_secs_f32()
    )
}

/// Says what is waited for while a dial is under way.
pub(crate) fn awaited(uri: &SourceUri) -> String {
    let port = uri.port().unwrap_or_default();
    match uri.srt().map(|options| options.mode) {
        Some(SrtMode::Listener) => format!("Waiting for a caller on port {port}."),
        _ if uri.scheme() == Scheme::Udp => format!("Waiting for a stream on port {port}."),
        Some(_) | None => String::new(),
    }
}

/// Says whether a source is called by others: then silence before the first data is no failure.
pub(crate) fn is_called(uri: &SourceUri) -> bool {
    uri.scheme() == Scheme::Udp
        || uri
            .srt()
            .is_some_and(|options| options.mode == SrtMode::Listener)
}
