//! Streams of another WHEP server.

use gst::prelude::*;
use sluice_core::SourceUri;
use sluice_core::redial::Failure;

use super::Order;
use crate::failure::Fault;
use crate::route::Plumbing;

/// Builds sluicewhepsrc; its pads are followed by their RTP payload.
pub(super) fn build(plumbing: &Plumbing, order: &Order, uri: &SourceUri) -> Result<(), Fault> {
    if order.fingerprint.is_some() {
        let reason = format!(
            "{} is reached over HTTP, where tls-fingerprint does not work; set tls-ca-file.",
            plumbing.subject
        );
        return Err(Fault::new(Failure::Unsupported, reason));
    }
    let millis = |time: std::time::Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let source = plumbing.add("sluicewhepsrc")?;
    source.set_property("location", uri.location_with_secrets());
    // The source has `connect` for all of it; the server must leave some of that to ICE and DTLS.
    source.set_property("timeout", millis(order.connect).min(600_000));
    source.set_property("latency", millis(order.latency).min(60_000));
    if let Some(file) = &order.ca_file {
        source.set_property("ca-file", file.to_string_lossy().as_ref());
    }
    if let Some(server) = &order.stun_server {
        source.set_property("stun-server", server);
    }
    let feed = std::sync::Arc::clone(&plumbing.feed);
    source.connect_pad_added(move |_, _| feed.arrive());
    plumbing.follow(&source);
    Ok(())
}
