//! MPEG-TS over SRT and UDP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

use gst::prelude::*;
use sluice_core::{SourceUri, SrtMode};

use super::Order;
use crate::elements::set;
use crate::failure::Fault;
use crate::route::Plumbing;

/// Builds srtsrc → tsdemux.
pub(super) fn srt(plumbing: &Plumbing, order: &Order, uri: &SourceUri) -> Result<(), Fault> {
    let source = plumbing.add("srtsrc")?;
    let options = uri.srt().ok_or_else(|| plumbing.broken("SRT"))?;
    source.set_property("uri", uri.location());
    let latency = options.latency.unwrap_or(order.latency);
    source.set_property(
        "latency",
        i32::try_from(latency.as_millis()).unwrap_or(i32::MAX),
    );
    if let Some(passphrase) = &options.passphrase {
        source.set_property("passphrase", passphrase);
    }
    if let (SrtMode::Rendezvous, Some(host), Some(port)) = (options.mode, uri.host(), uri.port()) {
        source.set_property("localport", u32::from(port));
        // Without one srtsrc 1.22 does not start.
        if let Some(address) = own_address(host, port) {
            source.set_property("localaddress", address.to_string());
        }
    }
    // Redialling is the supervisor's: an element that does it too never says that it failed.
    set(&source, "auto-reconnect", "false");
    transport_stream(plumbing, &source)
}

/// Finds the address that this machine has on its way to another. May ask DNS.
fn own_address(host: &str, port: u16) -> Option<IpAddr> {
    let other = (host, port).to_socket_addrs().ok()?.next()?;
    let any: IpAddr = match other {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // Sends nothing: connecting a UDP socket asks the routing table.
    socket.connect(other).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Builds udpsrc → tsdemux.
pub(super) fn udp(plumbing: &Plumbing, _order: &Order, uri: &SourceUri) -> Result<(), Fault> {
    let source = plumbing.add("udpsrc")?;
    source.set_property("uri", uri.location());
    // The kernel's default holds 20 ms of a 50 Mbit/s stream: too little for a busy machine.
    source.set_property("buffer-size", 4_i32 << 20);
    transport_stream(plumbing, &source)
}

fn transport_stream(plumbing: &Plumbing, source: &gst::Element) -> Result<(), Fault> {
    source.set_property("do-timestamp", true);
    let demuxer = plumbing.add("tsdemux")?;
    // The sender's own timestamps; `Drift` follows its clock.
    set(&demuxer, "ignore-pcr", "true");
    plumbing.follow(&demuxer);
    source
        .link(&demuxer)
        .map_err(|_| plumbing.broken("tsdemux"))
}
