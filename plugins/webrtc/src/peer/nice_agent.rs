//! How webrtcbin's ICE agent is set.

use gst::glib;
use gst::prelude::*;

use crate::transport::Transport;

/// Sets ports, servers, and what libnice has wrong by default.
pub(super) fn set_up(webrtcbin: &gst::Element, transport: &Transport) {
    if let Some(server) = &transport.stun_server {
        webrtcbin.set_property("stun-server", server);
    }
    for server in &transport.turn_servers {
        if !webrtcbin.emit_by_name::<bool>("add-turn-server", &[&server.0]) {
            tracing::warn!("webrtcbin does not take a TURN server");
        }
    }
    // Comes as a floating reference: touched once, here (F12).
    let agent = webrtcbin.property::<glib::Object>("ice-agent");
    let ports = &transport.udp_ports;
    set(&agent, "min-rtp-port", u32::from(*ports.start()));
    set(&agent, "max-rtp-port", u32::from(*ports.end()));
    if agent.find_property("agent").is_none() {
        return;
    }
    let nice = agent.property::<glib::Object>("agent");
    // On by default: 18 multicast packets per session, and 660 ms to the answer at 50 viewers (F3, F20).
    set(&nice, "upnp", false);
    set(&nice, "ice-tcp", transport.tcp);
    // Without it 1.22 never notices a viewer who is gone; newer ones have consent freshness (F2).
    if gst::version() < (1, 24, 0, 0) {
        set(&nice, "keepalive-conncheck", true);
    }
}

fn set(object: &glib::Object, name: &str, value: impl Into<glib::Value>) {
    if object.find_property(name).is_some() {
        object.set_property(name, value);
    } else {
        tracing::warn!(name, class = %object.type_(), "no such property");
    }
}
