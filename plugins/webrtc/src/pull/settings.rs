//! The properties: whom to ask for a session, and how.

use std::path::PathBuf;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use sluice_core::relay::Endpoint;

use crate::own_server::{number, text};
use crate::transport::{Transport, configured};

/// Properties, parsed.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) endpoint: Option<Endpoint>,
    /// Why the last `location` or `token` was refused.
    refused: Option<String>,
    token: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) latency_ms: u32,
    pub(super) timeout: Duration,
    udp_port_min: u16,
    udp_port_max: u16,
    stun_server: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            refused: None,
            token: None,
            ca_file: None,
            latency_ms: 200,
            timeout: Duration::from_secs(10),
            udp_port_min: 0,
            udp_port_max: u16::MAX,
            stun_server: None,
        }
    }
}

impl Settings {
    /// Gives the properties.
    pub(super) fn properties() -> Vec<glib::ParamSpec> {
        vec![
            text(
                "location",
                "WHEP address: whep://HOST:PORT/PATH, or wheps:// for TLS; :TOKEN@ or USER:PASSWORD@ before the host",
                None,
            ),
            glib::ParamSpecString::builder("token")
                .blurb("Bearer token; may stand in location as well")
                .write_only()
                .build(),
            text(
                "ca-file",
                "PEM file of the authorities that the server's certificate is checked against, instead of the system's",
                None,
            ),
            number(
                "timeout",
                "How long the server may take to answer, in milliseconds",
                10_000,
                600_000,
            ),
            number("udp-port-min", "Lowest UDP port of the session", 0, 65535),
            number(
                "udp-port-max",
                "Highest UDP port of the session",
                65535,
                65535,
            ),
            text(
                "stun-server",
                "STUN server, as stun://HOST:PORT; none by default",
                None,
            ),
            number(
                "latency",
                "How long late packets are waited for, in milliseconds",
                200,
                60_000,
            ),
        ]
    }

    /// Sets one of them; `false` for any other name.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        let text = || {
            let text = value.get::<Option<String>>().ok().flatten();
            text.filter(|text| !text.is_empty())
        };
        let number = || value.get::<u32>().unwrap_or_default();
        let port = || u16::try_from(number()).unwrap_or(u16::MAX);
        match name {
            "location" => {
                let parsed = text().map(|text| Endpoint::parse(&text)).transpose();
                self.take(parsed);
            }
            "token" => self.token = text(),
            "ca-file" => self.ca_file = text().map(PathBuf::from),
            "latency" => self.latency_ms = number(),
            "timeout" => self.timeout = Duration::from_millis(number().max(100).into()),
            "udp-port-min" => self.udp_port_min = port(),
            "udp-port-max" => self.udp_port_max = port(),
            "stun-server" => self.stun_server = text(),
            _ => return false,
        }
        true
    }

    fn take(&mut self, parsed: Result<Option<Endpoint>, String>) {
        match parsed {
            Ok(endpoint) => (self.endpoint, self.refused) = (endpoint, None),
            Err(what) => (self.endpoint, self.refused) = (None, Some(what)),
        }
    }

    /// Gives one of them, without secrets; `None` for any other name.
    pub(super) fn get(&self, name: &str) -> Option<glib::Value> {
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        Some(match name {
            "location" => self.endpoint.as_ref().map(ToString::to_string).to_value(),
            "ca-file" => self
                .ca_file
                .as_ref()
                .map(|file| file.to_string_lossy().into_owned())
                .to_value(),
            "latency" => self.latency_ms.to_value(),
            "timeout" => millis(self.timeout).to_value(),
            "udp-port-min" => u32::from(self.udp_port_min).to_value(),
            "udp-port-max" => u32::from(self.udp_port_max).to_value(),
            "stun-server" => self.stun_server.to_value(),
            _ => return None,
        })
    }

    /// Gives whom to ask, with the token.
    ///
    /// # Errors
    ///
    /// One sentence: what is not set, or not right.
    pub(super) fn endpoint(&self) -> Result<Endpoint, String> {
        if let Some(what) = &self.refused {
            return Err(format!("location {what}."));
        }
        let endpoint = self.endpoint.clone().ok_or_else(|| {
            "No server is set; set location, for example location=whep://192.0.2.9:8889/live/whep."
                .to_owned()
        })?;
        match &self.token {
            None => Ok(endpoint),
            Some(token) => endpoint
                .with_token(token)
                .map_err(|what| format!("token {what}.")),
        }
    }

    /// Gives how the session reaches its peer.
    pub(super) fn transport(&self) -> Transport {
        let ports = self.udp_port_min..=self.udp_port_max;
        let mut transport = configured().with(ports, None);
        // What is configured is for viewers, who come to us; here we go to another.
        transport.stun_server.clone_from(&self.stun_server);
        transport
    }
}
