//! RTSP cameras: by rtspsrc, or over TCP by a reader of our own.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use gst::prelude::*;
use sluice_core::{Scheme, SourceUri};

use super::Order;
use super::trust::trust;
use crate::elements::{installed, set};
use crate::failure::Fault;
use crate::interleaved;
use crate::route::{Plumbing, depayloader};
use crate::source::Transport;

/// Builds what reads the camera; its pads are followed by their RTP payload.
pub(super) fn build(plumbing: &Plumbing, order: &Order, uri: &SourceUri) -> Result<(), Fault> {
    if uri.scheme() == Scheme::Rtsp && order.transport == Transport::Tcp {
        return interleaved::build(plumbing, uri, order);
    }
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
    drop_early_packets(&source);
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

/// Drops packets that come before the answer to PLAY, as a server that already sends to others may do it over TCP.
///
/// rtspsrc 1.22 gives the first packet of a track the time since it plays, and zero if it does not play yet. The first picture
/// would be shown long before all others; and from the answer on times begin anew, whatever came before: pictures that refer to
/// each other would get times that do not fit. What is played begins where the answer says.
fn drop_early_packets(source: &gst::Element) {
    source.connect("new-manager", false, |values| {
        if let Some(manager) = values
            .get(1)
            .and_then(|value| value.get::<gst::Element>().ok())
        {
            manager.connect_pad_added(|_, pad| {
                if pad.name().starts_with("recv_rtp_sink") {
                    drop_early(pad);
                }
            });
        }
        None
    });
}

/// Does that on one pad, until a packet has a true time.
fn drop_early(pad: &gst::Pad) {
    let early = AtomicBool::new(false);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        match info.buffer().and_then(|buffer| buffer.pts()) {
            Some(gst::ClockTime::ZERO) => {
                early.store(true, Relaxed);
                gst::PadProbeReturn::Drop
            }
            None if early.load(Relaxed) => gst::PadProbeReturn::Drop,
            None => gst::PadProbeReturn::Ok,
            Some(_) => gst::PadProbeReturn::Remove,
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn packets_before_the_answer_to_play_are_dropped_and_all_others_kept() {
        gst::init().unwrap();
        for (times, want) in [
            (
                &[Some(0), None, Some(400), None, Some(0)][..],
                &[Some(400), None, Some(0)][..],
            ),
            (&[None, Some(400), None], &[None, Some(400), None]),
        ] {
            assert_eq!(passed(times), want);
        }
    }

    /// Gives what of packets with these times in milliseconds passes.
    fn passed(times: &[Option<u64>]) -> Vec<Option<u64>> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let inside = Arc::clone(&seen);
        let pad = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, buffer| {
                let pts = buffer.pts().map(gst::ClockTime::mseconds);
                inside.lock().push(pts);
                Ok(gst::FlowSuccess::Ok)
            })
            .build();
        drop_early(&pad);
        pad.set_active(true).unwrap();
        let start = gst::event::StreamStart::new("test");
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(pad.send_event(start) && pad.send_event(gst::event::Segment::new(&segment)));
        for ms in times {
            let mut buffer = gst::Buffer::new();
            let pts = ms.map(gst::ClockTime::from_mseconds);
            buffer.make_mut().set_pts(pts);
            pad.chain(buffer).unwrap();
        }
        let seen = seen.lock();
        seen.clone()
    }
}
