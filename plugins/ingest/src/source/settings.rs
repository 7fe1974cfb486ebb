//! The element's properties, parsed.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use sluice_core::{Scheme, SourceUri};

use super::Transport;
use crate::burst::Burst;

/// What the user set. Holding it means that every value was checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    uri: Option<SourceUri>,
    uris: Vec<SourceUri>,
    playlist: bool,
    pub(crate) repeat: bool,
    pub(crate) latency: Duration,
    pub(crate) transport: Transport,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) stall: Duration,
    pub(crate) connect: Duration,
    pub(crate) stun_server: Option<String>,
    pub(crate) burst: Burst,
    /// Why the last value of a property was refused: property and sentence.
    refused: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            uri: None,
            uris: Vec::new(),
            playlist: false,
            repeat: false,
            latency: Duration::from_millis(200),
            transport: Transport::Auto,
            ca_file: None,
            fingerprint: None,
            stall: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            stun_server: None,
            burst: Burst::default(),
            refused: Vec::new(),
        }
    }
}

/// The properties, but for `state`.
pub(super) static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
    let string = |name, blurb| {
        glib::ParamSpecString::builder(name)
            .blurb(blurb)
            .mutable_ready()
            .build()
    };
    let switch = |name, blurb| {
        glib::ParamSpecBoolean::builder(name)
            .blurb(blurb)
            .mutable_ready()
            .build()
    };
    let millis = |name, blurb, default| {
        glib::ParamSpecUInt::builder(name)
            .blurb(blurb)
            .default_value(default)
            .mutable_ready()
            .build()
    };
    vec![
        string(
            "uri",
            "rtsp(s)://, srt://, udp://, http(s)://, whep(s)://, file://, v4l2://, test:, or the absolute path of a file",
        ),
        gst::ParamSpecArray::builder("uris")
            .blurb("Several sources: dialled in order, the first that works plays (see playlist)")
            .element_spec(&glib::ParamSpecString::builder("uri").build())
            .mutable_ready()
            .build(),
        switch(
            "playlist",
            "Play the files of uris one after another, without a gap",
        ),
        switch("loop", "Play files again and again, without a seam"),
        millis(
            "latency",
            "How long late packets are waited for (RTSP, SRT, WHEP), in milliseconds",
            200,
        ),
        glib::ParamSpecEnum::builder::<Transport>("rtsp-transport")
            .blurb("How RTSP media travel")
            .mutable_ready()
            .build(),
        string(
            "tls-ca-file",
            "File of the authorities that certificates are checked against, instead of the system's",
        ),
        string(
            "tls-fingerprint",
            "SHA-256 of the one certificate that an rtsps camera may show, in hex",
        ),
        millis(
            "stall-timeout",
            "How long a running source may be silent, in milliseconds",
            5000,
        ),
        millis(
            "connect-timeout",
            "How long a source may take until its first data, in milliseconds",
            10_000,
        ),
        string(
            "stun-server",
            "STUN server for WHEP sources, as stun://HOST:PORT; none by default",
        ),
        glib::ParamSpecUInt::builder("burst")
            .blurb("How long what a camera sends over TCP may be collected before it goes on, in milliseconds")
            .default_value(Burst::DEFAULT)
            .mutable_playing()
            .build(),
    ]
});

impl Settings {
    /// Takes a property's value. What is wrong is kept, to be refused with `check`, and given back as a sentence.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), String> {
        self.refused.retain(|(property, _)| property != name);
        let set = self.try_set(name, value);
        if let Err(sentence) = &set {
            self.refused.push((name.to_owned(), sentence.clone()));
        }
        set
    }

    fn try_set(&mut self, name: &str, value: &glib::Value) -> Result<(), String> {
        match name {
            "uri" => self.uri = text(value).map(|text| parse(&text)).transpose()?,
            "uris" => {
                let array: gst::Array = value.get().unwrap_or_default();
                let texts = array.iter().filter_map(|value| value.get::<String>().ok());
                self.uris = texts.map(|text| parse(&text)).collect::<Result<_, _>>()?;
            }
            "playlist" => self.playlist = value.get().unwrap_or_default(),
            "loop" => self.repeat = value.get().unwrap_or_default(),
            "latency" => self.latency = millis(value),
            "rtsp-transport" => self.transport = value.get().unwrap_or_default(),
            "tls-ca-file" => self.ca_file = text(value).map(PathBuf::from),
            "tls-fingerprint" => {
                self.fingerprint = text(value).map(|text| fingerprint(&text)).transpose()?
            }
            "stall-timeout" => self.stall = millis(value).max(Duration::from_millis(100)),
            "stun-server" => self.stun_server = text(value),
            "burst" => self.burst.set(value.get().unwrap_or(Burst::DEFAULT)),
            "connect-timeout" => self.connect = millis(value).max(Duration::from_millis(100)),
            _ => {}
        }
        Ok(())
    }

    /// Gives a property's value.
    pub(super) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            // A reader of properties must not learn secrets: the redacted form.
            "uri" => self.uri.as_ref().map(ToString::to_string).to_value(),
            "uris" => gst::Array::new(self.uris.iter().map(ToString::to_string)).to_value(),
            "playlist" => self.playlist.to_value(),
            "loop" => self.repeat.to_value(),
            "latency" => as_millis(self.latency).to_value(),
            "rtsp-transport" => self.transport.to_value(),
            "tls-ca-file" => self
                .ca_file
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned())
                .to_value(),
            "tls-fingerprint" => self.fingerprint.to_value(),
            "stall-timeout" => as_millis(self.stall).to_value(),
            "connect-timeout" => as_millis(self.connect).to_value(),
            "stun-server" => self.stun_server.to_value(),
            "burst" => self.burst.ms().to_value(),
            _ => return None,
        })
    }

    /// Says why this cannot be played, if so.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some((_, sentence)) = self.refused.first() {
            return Err(sentence.clone());
        }
        if self.uri.is_none() && self.uris.is_empty() {
            return Err(
                "No source is set; set uri, for example uri=rtsp://192.0.2.5/stream1.".to_owned(),
            );
        }
        if let (true, Some(other)) = (
            self.playlist,
            self.uris.iter().find(|uri| uri.scheme() != Scheme::File),
        ) {
            return Err(format!(
                "A playlist is made of files, and {other} is none; set playlist=false, or use file:// URIs."
            ));
        }
        Ok(())
    }

    /// Gives what can be dialled, in order: one URI each, or one playlist.
    pub(crate) fn sources(&self) -> Vec<Vec<SourceUri>> {
        if self.playlist && !self.uris.is_empty() {
            return vec![self.uris.clone()];
        }
        self.uri
            .iter()
            .chain(&self.uris)
            .map(|uri| vec![uri.clone()])
            .collect()
    }
}

fn parse(text: &str) -> Result<SourceUri, String> {
    SourceUri::parse(text).map_err(|error| error.to_string())
}

/// Takes 64 hex digits, with or without colons.
fn fingerprint(text: &str) -> Result<String, String> {
    let hex: String = text
        .chars()
        .filter(|c| *c != ':')
        .collect::<String>()
        .to_ascii_lowercase();
    if hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(hex);
    }
    Err(
        "tls-fingerprint is not a SHA-256: write its 64 hex digits, with or without colons."
            .to_owned(),
    )
}

fn text(value: &glib::Value) -> Option<String> {
    value
        .get::<Option<String>>()
        .ok()
        .flatten()
        .filter(|text| !text.is_empty())
}

fn millis(value: &glib::Value) -> Duration {
    Duration::from_millis(value.get::<u32>().unwrap_or_default().into())
}

fn as_millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
