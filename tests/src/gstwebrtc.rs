//! A page of another site that uses gstwebrtc-api (`tests/browser/gstwebrtc.js`), in Chromium.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use url::form_urlencoded;

use crate::browser::{Browser, Engine};
use crate::netns::Netns;
use crate::wait::within;
use crate::web::WebServer;

/// A web site with nothing but that page.
pub struct Site(WebServer);

/// What the page does at the socket.
#[derive(Debug, Clone, Copy)]
pub enum Does {
    /// Watches a path that the gateway offers.
    Watch,
    /// Watches with an offer of its own, which has a data channel.
    Offer,
    /// Publishes Chromium's test camera and microphone.
    Camera,
    /// Publishes the known picture.
    Bars,
}

/// What happened on the page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Whether the socket is open.
    pub connected: bool,
    /// The paths that it was told of.
    pub producers: Vec<String>,
    /// Those that went away.
    pub removed: Vec<String>,
    /// `idle`, `connecting`, `streaming` or `closed`.
    pub state: String,
    /// What the API complained of.
    pub errors: Vec<String>,
}

impl Site {
    /// Starts it at this address.
    ///
    /// # Panics
    /// When gstwebrtc-api is not installed.
    pub fn new(host: Ipv4Addr) -> Self {
        let page = page();
        Self(WebServer::start_at(host, move |_| (200, page.clone())))
    }

    /// What `cors` has to name.
    pub fn origin(&self) -> String {
        self.0.origin()
    }

    /// Opens the page, which does something with a path at the socket `ws`.
    pub fn open(&self, netns: &Netns, ws: &str, path: &str, does: Does) -> Page {
        let does = match does {
            Does::Watch => "watch",
            Does::Offer => "offer",
            Does::Camera => "camera",
            Does::Bars => "bars",
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("ws", ws)
            .append_pair("path", path)
            .append_pair("do", does)
            .finish();
        let url = self.0.at(&format!("?{query}"));
        Page(Browser::open(Engine::Chromium, netns, &url))
    }
}

/// The page in Chromium.
#[derive(Debug)]
pub struct Page(pub Browser);

impl Page {
    /// What happened so far.
    ///
    /// # Panics
    /// When the page is not the one that it should be.
    pub fn seen(&mut self) -> Seen {
        let seen = self.0.eval("() => window.seen");
        serde_json::from_value(seen.clone()).unwrap_or_else(|error| panic!("{error}: {seen}"))
    }

    /// Waits until something happened.
    ///
    /// # Panics
    /// When it does not in time, with what did.
    pub fn wait(&mut self, limit: Duration, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let found = within(limit, || Some(self.seen()).filter(&wanted));
        found.unwrap_or_else(|| panic!("no {what} within {limit:?}: {:?}", self.seen()))
    }

    /// Ends its session, as the API does it.
    pub fn close(&mut self) {
        self.0.eval("() => window.session.close()");
    }
}

/// One file, so that one request brings all of it.
fn page() -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("browser");
    let read = |name: &str| {
        let file = folder.join(name);
        let text = std::fs::read_to_string(&file);
        text.unwrap_or_else(|e| panic!("{}: {e}; run `make test`", file.display()))
    };
    let api = read("node_modules/gstwebrtc-api/dist/gstwebrtc-api-3.0.0.min.js");
    let (api, script) = (inline(&api), inline(&read("gstwebrtc.js")));
    read("gstwebrtc.html") + &api + &script
}

fn inline(script: &str) -> String {
    format!("<script>{script}</script>\n")
}
