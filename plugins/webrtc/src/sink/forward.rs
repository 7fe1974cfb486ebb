//! The properties about where the tracks are pushed to.

use std::path::PathBuf;

use gst::glib;
use gst::prelude::*;
use sluice_core::relay::Endpoint;

use crate::own_server::text;
use crate::push::{Push, Target};

/// Whom to push to.
#[derive(Debug, Clone, Default)]
pub(super) struct Forward {
    /// One for each target, from the moment that it is set.
    pub(super) pushes: Vec<Push>,
    /// What the property `forward` names.
    endpoints: Vec<Endpoint>,
    ca_file: Option<PathBuf>,
    stun_server: Option<String>,
    /// Why the last value of `forward` was refused.
    refused: Option<String>,
}

impl Forward {
    /// Gives the properties.
    pub(super) fn properties() -> Vec<glib::ParamSpec> {
        vec![
            gst::ParamSpecArray::builder("forward")
                .blurb("WHIP servers that the tracks are pushed to: whip://HOST:PORT/PATH, or whips:// for TLS; :TOKEN@ or USER:PASSWORD@ before the host")
                .element_spec(&glib::ParamSpecString::builder("target").blurb("One server").build())
                .mutable_ready()
                .build(),
            text(
                "forward-ca-file",
                "PEM file of the authorities that their certificates are checked against, instead of the system's",
                None,
            ),
            text(
                "forward-stun-server",
                "STUN server for pushing, as stun://HOST:PORT; none by default",
                None,
            ),
        ]
    }

    /// Sets one of them; `false` for any other name.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        let text = || {
            let text = value.get::<Option<String>>().ok().flatten();
            text.filter(|text| !text.is_empty())
        };
        match name {
            "forward" => match endpoints(value) {
                Ok(endpoints) => (self.endpoints, self.refused) = (endpoints, None),
                Err(what) => (self.endpoints, self.refused) = (Vec::new(), Some(what)),
            },
            "forward-ca-file" => self.ca_file = text().map(PathBuf::from),
            "forward-stun-server" => self.stun_server = text(),
            _ => return false,
        }
        let targets = self.endpoints.iter().map(|endpoint| Target {
            endpoint: endpoint.clone(),
            ca_file: self.ca_file.clone(),
            stun_server: self.stun_server.clone(),
        });
        self.pushes = targets.map(Push::new).collect();
        true
    }

    /// Gives one of them, without secrets; `None` for any other name.
    pub(super) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "forward" => gst::Array::new(self.pushes.iter().map(Push::target)).to_value(),
            "forward-ca-file" => self
                .ca_file
                .as_ref()
                .map(|file| file.to_string_lossy().into_owned())
                .to_value(),
            "forward-stun-server" => self.stun_server.to_value(),
            _ => return None,
        })
    }

    /// Gives the targets.
    ///
    /// # Errors
    ///
    /// A sentence: one of them is none.
    pub(super) fn checked(&self) -> Result<Vec<Push>, String> {
        match &self.refused {
            Some(what) => Err(format!("forward: {what}.")),
            None => Ok(self.pushes.clone()),
        }
    }
}

fn endpoints(value: &glib::Value) -> Result<Vec<Endpoint>, String> {
    let Ok(array) = value.get::<gst::Array>() else {
        return Ok(Vec::new());
    };
    let mut endpoints = Vec::new();
    for one in array.iter() {
        let text = one.get::<String>().unwrap_or_default();
        // Not with the text: a secret may stand in it.
        let endpoint = Endpoint::parse(&text)
            .map_err(|what| format!("target {} {what}", endpoints.len() + 1))?;
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}
