//! What `sluicewhepsink` and `sluicewhipsrc` have in common as elements: where an own server listens, and which
//! ports their sessions use.

use std::net::{IpAddr, SocketAddr};

use gst::glib;
use gst::prelude::*;
use sluice_core::RouteId;
use sluice_core::ice_lite::{Interfaces, InterfacesError};

use crate::listen::{Listener, OnePath};
use crate::transport::{FanOut, Ice, Transport, configured};

/// Properties, parsed.
#[derive(Debug, Clone)]
pub(crate) struct OwnServer {
    listen: Option<SocketAddr>,
    path: RouteId,
    ice: Ice,
    fan_out: FanOut,
    udp_port_min: u16,
    udp_port_max: u16,
    stun_server: Option<String>,
    hosts: Vec<IpAddr>,
    ice_tcp: bool,
    interfaces: Interfaces,
}

impl Default for OwnServer {
    fn default() -> Self {
        Self {
            listen: None,
            path: "live".parse().expect("a valid name"),
            ice: Ice::default(),
            fan_out: FanOut::default(),
            udp_port_min: 0,
            udp_port_max: u16::MAX,
            stun_server: None,
            hosts: Vec::new(),
            ice_tcp: false,
            interfaces: Interfaces::default(),
        }
    }
}

impl OwnServer {
    /// Gives the properties of an element whose server speaks `protocol` with `peers`.
    pub(crate) fn properties(protocol: &str, peers: &str) -> Vec<glib::ParamSpec> {
        vec![
            text(
                "listen",
                &format!("ADDRESS:PORT of an own {protocol} server; none by default"),
                None,
            ),
            text(
                "path",
                &format!("Path below the own {protocol} server"),
                Some("live"),
            ),
            text(
                "transport",
                &format!(
                    "one-port: the first free UDP port for all {peers}; libnice: a port for each of their sessions"
                ),
                Some(Ice::default().label()),
            ),
            text(
                "fan-out",
                "Which short ways packets take: auto (all), lists (around FEC), plain (none); for comparison",
                Some(FanOut::default().label()),
            ),
            number(
                "udp-port-min",
                &format!("Lowest UDP port of the {peers}' sessions"),
                0,
                65535,
            ),
            number(
                "udp-port-max",
                &format!("Highest UDP port of the {peers}' sessions"),
                65535,
                65535,
            ),
            text("stun-server", "STUN server, as stun://HOST:PORT", None),
            text(
                "hosts",
                "Further IP addresses that lead here (NAT, containers), with commas between them",
                None,
            ),
            text(
                "interfaces",
                &format!(
                    "Which of this machine's addresses the {peers} are told: eth0, docker*, 192.0.2.0/24, with - before what is left out, and commas between"
                ),
                None,
            ),
            glib::ParamSpecBoolean::builder("ice-tcp")
                .blurb(&format!(
                    "Lets the {peers} connect by TCP too, on the port of the same number"
                ))
                .default_value(false)
                .mutable_ready()
                .build(),
        ]
    }

    /// Sets one of them; no other name does anything.
    ///
    /// # Errors
    ///
    /// What the value must be, in words; the one before it stays.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), &'static str> {
        let text = || value.get::<Option<String>>().ok().flatten();
        let port = || u16::try_from(value.get::<u32>().unwrap_or_default()).unwrap_or(u16::MAX);
        match name {
            "listen" => {
                let address = text().map(|text| text.parse()).transpose();
                self.listen = address
                    .map_err(|_invalid| "it must be ADDRESS:PORT, such as 127.0.0.1:8889")?;
            }
            "path" => {
                let path = text().and_then(|text| text.parse().ok());
                self.path = path.ok_or("it must be 1 to 64 of a-z 0-9 - _")?;
            }
            "transport" => {
                let ice = text().and_then(|text| Ice::parse(&text));
                self.ice = ice.ok_or("it must be one-port or libnice")?;
            }
            "fan-out" => {
                let fan_out = text().and_then(|text| FanOut::parse(&text));
                self.fan_out = fan_out.ok_or("it must be auto, lists or plain")?;
            }
            "udp-port-min" => self.udp_port_min = port(),
            "udp-port-max" => self.udp_port_max = port(),
            "stun-server" => self.stun_server = text(),
            "hosts" => {
                let text = text().unwrap_or_default();
                let hosts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|host| !host.is_empty());
                let hosts: Result<_, _> = hosts.map(str::parse).collect();
                self.hosts = hosts.map_err(
                    |_invalid| "it must be IP addresses with commas between them, such as 203.0.113.7",
                )?;
            }
            "interfaces" => {
                let interfaces = text().unwrap_or_default().parse();
                self.interfaces = interfaces.map_err(
                    |_invalid: InterfacesError| "it must be interfaces (eth0, docker*) and networks (192.0.2.0/24) with commas between them, and - before what is left out",
                )?;
            }
            "ice-tcp" => self.ice_tcp = value.get().unwrap_or_default(),
            _ => {}
        }
        Ok(())
    }

    /// Gives one of them; `None` for any other name.
    pub(crate) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "listen" => self.listen.map(|address| address.to_string()).to_value(),
            "path" => self.path.as_str().to_value(),
            "transport" => self.ice.label().to_value(),
            "fan-out" => self.fan_out.label().to_value(),
            "udp-port-min" => u32::from(self.udp_port_min).to_value(),
            "udp-port-max" => u32::from(self.udp_port_max).to_value(),
            "stun-server" => self.stun_server.to_value(),
            "hosts" => {
                let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
                hosts.join(",").to_value()
            }
            "interfaces" => self.interfaces.to_string().to_value(),
            "ice-tcp" => self.ice_tcp.to_value(),
            _ => return None,
        })
    }

    /// Gives how the element's sessions reach their peers.
    pub(crate) fn transport(&self) -> Transport {
        let ports = self.udp_port_min..=self.udp_port_max;
        let mut transport = configured().with(ports, self.stun_server.as_deref());
        transport.ice = self.ice;
        transport.fan_out = self.fan_out;
        transport.tcp |= self.ice_tcp;
        if !self.hosts.is_empty() {
            transport.hosts.clone_from(&self.hosts);
        }
        if !self.interfaces.is_empty() {
            transport.interfaces.clone_from(&self.interfaces);
        }
        transport
    }

    /// Listens if it is wanted, and says where on the element's bus: `sluice-listening`.
    ///
    /// # Errors
    ///
    /// A sentence: the address cannot be used, or there are no threads.
    pub(crate) fn listen(
        &self,
        element: &gst::Element,
        category: gst::DebugCategory,
        path: impl FnOnce(&str) -> OnePath,
    ) -> Result<Option<Listener>, String> {
        let Some(address) = self.listen else {
            return Ok(None);
        };
        let listener = Listener::start(address, path(self.path.as_str()))
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let url = listener.url();
        gst::info!(category, obj = element, "Listening on {url}");
        let structure = gst::Structure::builder("sluice-listening")
            .field("url", &url)
            .build();
        let message = gst::message::Element::builder(structure)
            .src(element)
            .build();
        if element.post_message(message).is_err() {
            gst::debug!(category, obj = element, "nobody reads the bus");
        }
        Ok(Some(listener))
    }
}

/// Makes a text property.
pub(crate) fn text(name: &str, blurb: &str, default: Option<&str>) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name)
        .blurb(blurb)
        .default_value(default)
        .mutable_ready()
        .build()
}

/// Makes a property that is a number of at least 0.
pub(crate) fn number(name: &str, blurb: &str, default: u32, max: u32) -> glib::ParamSpec {
    glib::ParamSpecUInt::builder(name)
        .blurb(blurb)
        .default_value(default)
        .maximum(max)
        .mutable_ready()
        .build()
}
