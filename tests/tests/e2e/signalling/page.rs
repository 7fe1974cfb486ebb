//! A page of another site that uses gstwebrtc-api, in Chromium.

use sluice_tests::browser::Engine;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::gstwebrtc::{Does, Page, Site};
use sluice_tests::picture;

use crate::browsers::{Desk, shows_all};
use crate::secs;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const KNOWN: &str = "test:?size=640x360&fps=25";

/// A desk, a site, and a gateway that knows it.
struct Scene {
    gateway: Gateway,
    site: Site,
    // The last to go: with it goes the address that the site is at.
    desk: Desk,
}

impl Scene {
    /// `auth` is the config's.
    fn new(auth: &str, path: &str, source: &str) -> Self {
        let desk = Desk::new();
        let site = Site::new(desk.machine);
        let top = format!("cors: {}\n{auth}", site.origin());
        let gateway = GatewayOptions::new().path(path, source).top(&top).start();
        Self {
            gateway,
            site,
            desk,
        }
    }

    fn open(&self, query: &str, path: &str, does: Does) -> Page {
        let ws = self.gateway.at_host(&self.desk.machine.to_string(), "ws");
        let ws = ws.replacen("http", "ws", 1) + query;
        self.site.open(&self.desk.netns, &ws, path, does)
    }
}

const EVERYBODY: &str = "auth: {allow: [{who: anyone, may: everything}]}";

#[test]
fn gstwebrtc_api_plays_what_the_gateway_offers() {
    let scene = Scene::new(EVERYBODY, "cam", KNOWN);
    let mut page = scene.open("", "cam", Does::Watch);
    shows_all(&page.0, 25, true);
    let seen = page.seen();
    assert_eq!(seen.producers, ["cam"], "{seen:?}");
    assert_eq!(
        (&*seen.state, &*seen.errors),
        ("streaming", &[][..]),
        "{seen:?}"
    );
    scene.gateway.wait_viewers("cam", 1, secs(5));
    page.close();
    scene.gateway.wait_viewers("cam", 0, secs(10));
}

/// It puts a data channel into each offer of its own.
#[test]
fn gstwebrtc_api_is_told_that_its_own_offer_has_a_data_channel() {
    let scene = Scene::new(EVERYBODY, "cam", KNOWN);
    let mut page = scene.open("", "cam", Does::Offer);
    let seen = page.wait(secs(20), "refusal", |seen| !seen.errors.is_empty());
    assert!(seen.errors[0].contains("has a data channel"), "{seen:?}");
    assert!(seen.connected, "{seen:?}");
    scene.gateway.wait_viewers("cam", 0, secs(5));
}

/// Its picture reaches a viewer in its colours. When it ends, the path waits, and the page was told.
#[test]
fn gstwebrtc_api_publishes_a_picture_in_its_colours() {
    let scene = Scene::new(EVERYBODY, "cam", "publisher");
    scene.gateway.wait_state("cam", "waiting", secs(10));
    let mut page = scene.open("", "cam", Does::Bars);
    page.wait(secs(20), "path", |seen| seen.producers == ["cam"]);
    let viewer = scene.desk.open(Engine::Chromium, &scene.gateway);
    viewer.until_playing(secs(30));
    let later = viewer.until(secs(30), "hundred frames", |seen| seen.frames_decoded > 100);
    assert_eq!(picture::check(&later.bars), Ok(()), "{later:?}");
    let seen = page.seen();
    assert_eq!(
        (&*seen.state, &*seen.errors),
        ("streaming", &[][..]),
        "{seen:?}"
    );
    page.close();
    scene.gateway.wait_state("cam", "waiting", secs(10));
    page.wait(secs(10), "end", |seen| seen.removed == ["cam"]);
}

#[test]
fn gstwebrtc_api_publishes_camera_and_microphone() {
    let scene = Scene::new(EVERYBODY, "cam", "publisher");
    scene.gateway.wait_state("cam", "waiting", secs(10));
    let _page = scene.open("", "cam", Does::Camera);
    let kinds = |path: &serde_json::Value| path["tracks"].as_array().map_or(0, Vec::len);
    scene
        .gateway
        .wait_path("cam", secs(30), |path| kinds(path) == 2);
    let viewer = scene.desk.open(Engine::Chromium, &scene.gateway);
    let later = viewer.until(secs(30), "hundred frames", |seen| seen.frames_decoded > 100);
    // Chromium's test camera has a green ground; black or grey would be a broken decoder.
    let green = |bar: &[u8; 3]| bar[1] > 100 && bar[0] < bar[1] && bar[2] < bar[1];
    assert!(later.bars.iter().any(green), "{later:?}");
}

/// A browser's WebSocket has no header for it.
#[test]
fn gstwebrtc_api_gives_its_token_in_the_address() {
    let auth = format!(
        "auth: {{tokens: {{guest: {{token: {TOKEN}}}}}, allow: [{{who: guest, may: read}}]}}"
    );
    let scene = Scene::new(&auth, "cam", KNOWN);
    let page = scene.open(&format!("?token={TOKEN}"), "cam", Does::Watch);
    page.0.until_playing(secs(30));
    let mut page = scene.open("", "cam", Does::Watch);
    page.wait(secs(20), "refusal", |seen| !seen.errors.is_empty());
    assert!(!page.seen().connected);
    assert!(!scene.gateway.log().contains(TOKEN));
}

#[test]
fn gstwebrtc_api_on_a_site_that_cors_does_not_name_gets_no_socket() {
    let scene = Scene::new(EVERYBODY, "cam", KNOWN);
    let stranger = Site::new(scene.desk.machine);
    assert_ne!(stranger.origin(), scene.site.origin());
    let ws = scene.gateway.at_host(&scene.desk.machine.to_string(), "ws");
    let ws = ws.replacen("http", "ws", 1);
    let mut page = stranger.open(&scene.desk.netns, &ws, "cam", Does::Watch);
    page.wait(secs(20), "refusal", |seen| !seen.errors.is_empty());
    assert!(!page.seen().connected);
    scene.gateway.wait_viewers("cam", 0, secs(1));
}
