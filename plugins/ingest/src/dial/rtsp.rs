//! RTSP cameras.

use gst::prelude::*;
use sluice_core::{Scheme, SourceUri};

use super::Order;
use super::trust::trust;
use crate::elements::{installed, set};
use crate::failure::Fault;
use crate::route::{Plumbing, depayloader};
use crate::source::Transport;

/// Builds rtspsrc; its pads are followed by their RTP payload.
pub(super) fn build(plumbing: &Plumbing, order: &Order, uri: &SourceUri) -> Result<(), Fault> {
    let source = plumbing.add("rtspsrc")?;
    source.set_property("location", uri.location());
    if let Some((user, password)) = uri.credentials() {
        source.set_property("user-id", user);
        source.set_property("user-pw", password);
    }
    set(
        &source,
        "protocols",
        protocols(uri.scheme(), order.transport),
    );
    source.set_property(
        "latency",
        u32::try_from(order.latency.as_millis()).unwrap_or(u32::MAX),
    );
    // Over TCP nothing is lost, and a burst after a stall must not be thrown away.
    source.set_property("drop-on-latency", order.transport == Transport::Udp);
    source.set_property("do-rtsp-keep-alive", true);
    source.set_property("user-agent", "Sluice");
    // The change to TCP is the dial's: rtspsrc's own gives up its pads half-way when one track flows.
    source.set_property("timeout", 0_u64);
    source.set_property(
        "tcp-timeout",
        u64::try_from(order.connect.as_micros()).unwrap_or(u64::MAX),
    );
    trust(plumbing, order, &source)?;
    select_tracks(plumbing, &source);
    smooth_lip_sync(&source);
    let feed = std::sync::Arc::clone(&plumbing.feed);
    source.connect_pad_added(move |_, _| feed.arrive());
    plumbing.follow(&source);
    Ok(())
}

/// Gives rtspsrc's names of the transports that may be used.
const fn protocols(scheme: Scheme, transport: Transport) -> &'static str {
    match (scheme, transport) {
        // Media of an rtsps camera must not leave the TLS connection.
        (Scheme::Rtsps, _) | (_, Transport::Tcp) => "tcp",
        (_, Transport::Auto) => "udp+tcp",
        (_, Transport::Udp) => "udp",
        (_, Transport::Multicast) => "udp-mcast",
    }
}

/// Spreads what the first sender reports say about lip sync: in one step it would turn time back by 300 ms.
fn smooth_lip_sync(source: &gst::Element) {
    source.connect("new-manager", false, |values| {
        if let Some(manager) = values
            .get(1)
            .and_then(|value| value.get::<gst::Element>().ok())
        {
            // Nanoseconds per packet.
            set(&manager, "max-ts-offset-adjustment", "1000000");
        }
        None
    });
}

/// Leaves tracks that nothing here can unpack out of SETUP.
fn select_tracks(plumbing: &Plumbing, source: &gst::Element) {
    let plumbing = plumbing.clone();
    source.connect("select-stream", false, move |values| {
        let caps = values
            .get(2)
            .and_then(|value| value.get::<gst::Caps>().ok());
        let name = caps
            .as_ref()
            .and_then(|caps| caps.structure(0))
            .map(|structure| {
                let field = |name| structure.get::<&str>(name).unwrap_or("unknown").to_owned();
                (field("media"), field("encoding-name"))
            });
        let Some((media, name)) = name else {
            return Some(false.to_value());
        };
        let taken = depayloader(&name).is_some_and(installed);
        if !taken {
            plumbing.note_skipped(&format!("{name} ({media})"));
        } else if media == "video" {
            plumbing.feed.promise_pictures();
        }
        Some(taken.to_value())
    });
}
