//! What people see and hear: Chromium and Firefox on the player page.

use std::net::Ipv4Addr;

use sluice_tests::browser::{Browser, Engine, Report};
use sluice_tests::camera::Camera;
use sluice_tests::children::{self, Media};
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::netns::{Link, Netns};
use sluice_tests::process::free_udp_port;
use sluice_tests::{picture, tone};

use crate::{secs, serving};

/// A browser's host: Chromium needs an address that is not loopback.
pub(crate) struct Desk {
    pub(crate) netns: Netns,
    /// The machine's address as it is seen from there.
    pub(crate) machine: Ipv4Addr,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let netns = Netns::new();
        let (machine, _) = netns.join_machine();
        Self { netns, machine }
    }

    /// Opens the player of the path `cam`.
    pub(crate) fn open(&self, engine: Engine, gateway: &Gateway) -> Browser {
        self.open_page(engine, gateway, "cam")
    }

    /// Opens any page of the gateway.
    pub(crate) fn open_page(&self, engine: Engine, gateway: &Gateway, page: &str) -> Browser {
        let url = gateway.at_host(&self.machine.to_string(), page);
        Browser::open(engine, &self.netns, &url)
    }
}

/// The share of the sent frames that must have been decoded.
const DECODED: f64 = 0.9;

/// Watches for 10 s: nearly all frames decoded, the known picture moving, the known tone.
pub(crate) fn shows_all(browser: &Browser, rate: u32, sound: bool) {
    browser.until_playing(secs(30));
    let seen = browser.watch(secs(10));
    smooth(&seen, rate);
    let last = seen.last().expect("reports");
    if let Err(wrong) = picture::check(&last.bars) {
        panic!("wrong picture: {wrong}; {last:?}");
    }
    if sound {
        let heard = last.audio.clone().unwrap_or_default();
        if let Err(wrong) = tone::check(&heard) {
            panic!("wrong sound: {wrong}; {last:?}");
        }
    }
}

/// Enough frames decoded, and no two pictures the same.
pub(crate) fn smooth(seen: &[Report], rate: u32) {
    decoded(seen, rate);
    let still = seen
        .windows(2)
        .filter(|two| two[0].hash == two[1].hash)
        .count();
    assert_eq!(still, 0, "the picture stood still {still} times");
}

/// Enough of the frames that were sent between the first report and the last were decoded.
fn decoded(seen: &[Report], rate: u32) {
    let share = share_decoded(seen, rate);
    assert!(share >= DECODED, "{share:.3} decoded; {:?}", seen.last());
}

/// The share of the frames that were sent between the first report and the last that was decoded.
fn share_decoded(seen: &[Report], rate: u32) -> f64 {
    let [first, .., last] = seen else {
        panic!("too few reports: {seen:?}");
    };
    let sent = (last.clock - first.clock) / 1000.0 * f64::from(rate);
    let frames = u32::try_from(last.frames_decoded - first.frames_decoded).expect("few");
    let share = f64::from(frames) / sent;
    println!(
        "decoded {frames} of {sent:.0} frames ({share:.3}), {:?}",
        last.audio
    );
    share
}

fn chromium_plays(gateway: &Gateway) {
    let desk = Desk::new();
    let browser = desk.open(Engine::Chromium, gateway);
    shows_all(&browser, 30, true);
}

#[test]
fn chromium_plays_rtsp_over_tcp() {
    let camera = Camera::with("--audio aac --transports tcp");
    chromium_plays(&serving(&camera));
}

#[test]
fn chromium_plays_rtsp_over_udp() {
    let camera = Camera::with("--audio aac --transports udp");
    chromium_plays(&Gateway::serving("cam", camera.url()));
}

#[test]
fn chromium_plays_rtsp_with_digest() {
    let camera = Camera::with("--audio pcma --auth digest --login user:secret");
    chromium_plays(&Gateway::serving("cam", &camera.url_as("user:secret")));
}

#[test]
fn chromium_plays_rtsp_with_parameter_sets_before_each_slice() {
    let camera = Camera::with("--audio opus --slices");
    chromium_plays(&serving(&camera));
}

#[test]
fn chromium_plays_an_mp4_over_its_seam() {
    let file = format!("\"file://{}\"", children::media(Media::Mp4).display());
    let keys = [("source", file.as_str()), ("loop", "true")];
    chromium_plays(&GatewayOptions::new().path_with("cam", &keys).start());
}

#[test]
fn chromium_plays_a_vp8_webm() {
    let file = format!("\"file://{}\"", children::media(Media::Webm).display());
    let keys = [("source", file.as_str()), ("loop", "true")];
    chromium_plays(&GatewayOptions::new().path_with("cam", &keys).start());
}

#[test]
fn chromium_plays_an_srt_sender_that_sluice_calls() {
    let (feed, port) = (free_udp_port(), free_udp_port());
    let _sender = children::ffmpeg_sends(
        &children::media(Media::Ts),
        &format!("udp://127.0.0.1:{feed}?pkt_size=1316"),
    );
    let secret = "passphrase=a-long-secret&pbkeylen=16";
    let _listener = children::srt_live_transmit(
        &format!("udp://127.0.0.1:{feed}"),
        &format!("srt://127.0.0.1:{port}?mode=listener&{secret}"),
    );
    let uri = format!("srt://127.0.0.1:{port}?mode=caller&{secret}");
    chromium_plays(&Gateway::serving("cam", &uri));
}

#[test]
fn chromium_plays_an_srt_sender_that_calls_sluice() {
    let port = free_udp_port();
    let secret = "passphrase=a-long-secret&pbkeylen=16";
    let uri = format!("\"srt://127.0.0.1:{port}?mode=listener&{secret}\"");
    let keys = [("source", uri.as_str()), ("on_demand", "false")];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    let _caller = children::ffmpeg_sends(
        &children::media(Media::Ts),
        &format!("srt://127.0.0.1:{port}?mode=caller&{secret}"),
    );
    chromium_plays(&gateway);
}

#[test]
fn firefox_plays_a_vp8_webm() {
    let file = format!("\"file://{}\"", children::media(Media::Webm).display());
    let keys = [("source", file.as_str()), ("loop", "true")];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    let desk = Desk::new();
    let browser = desk.open(Engine::Firefox, &gateway);
    shows_all(&browser, 30, true);
}

#[test]
fn firefox_says_in_words_why_h264_does_not_play() {
    let camera = Camera::with("--audio opus");
    let keys = [("source", camera.url()), ("transcode", "never")];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    let desk = Desk::new();
    let mut browser = desk.open(Engine::Firefox, &gateway);

    let said = sluice_tests::wait::within(secs(15), || {
        let text = browser.eval("() => document.body.innerText");
        text.as_str()
            .filter(|t| t.contains("H.264"))
            .map(str::to_owned)
    });

    assert!(
        said.is_some(),
        "{}",
        browser.eval("() => document.body.innerText")
    );
}

#[test]
fn chromium_shows_a_killed_camera_again_by_itself() {
    let mut camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let desk = Desk::new();
    let browser = desk.open(Engine::Chromium, &gateway);
    let before = browser.until_playing(secs(30));

    camera.kill();
    gateway.wait_path("cam", secs(10), |path| path["state"] != "running");
    browser.watch(secs(8));
    let frozen = browser.until(secs(3), "report", |_| true);
    camera.restart();

    let moving =
        |r: &Report| r.frames_decoded > frozen.frames_decoded + 5 || r.peers > frozen.peers;
    // One report a second: the look itself adds up to one.
    let after = browser.until(secs(4), "moving picture", |r| {
        moving(r) && r.hash != frozen.hash
    });
    assert!(
        (after.loaded_at - before.loaded_at).abs() < 0.5,
        "the page was loaded anew"
    );
    let seen = browser.watch(secs(5));
    smooth(&seen, 30);
}

/// Chromium on the player page, with a link between it and the gateway. What uses another one ends before it.
struct Far {
    browser: Browser,
    gateway: Gateway,
    link: Link,
    _hosts: (Netns, Netns),
}

/// Opens the built-in test picture of 2 Mbit/s over a link with these settings.
fn far_away(settings: &str) -> Far {
    far_away_by("", settings)
}

/// The same from a gateway with this line below `webrtc`.
fn far_away_by(way: &str, settings: &str) -> Far {
    let (server, client) = (Netns::new(), Netns::new());
    let (_, control) = server.join_machine();
    let link = Link::between(&server, &client, settings);
    let mut gateway = GatewayOptions::new()
        .path("cam", "test:")
        .webrtc(way)
        .within(&server)
        .start();
    gateway.reach_at(&control.to_string());
    let url = gateway.at_host(&link.first.to_string(), "cam");
    Far {
        browser: Browser::open(Engine::Chromium, &client, &url),
        gateway,
        link,
        _hosts: (server, client),
    }
}

/// Waits until more pictures are decoded than the few that may still be under way.
fn moves_on(browser: &Browser) -> Report {
    let seen = browser.watch(secs(3));
    let frames = seen.last().map_or(0, |report| report.frames_decoded);
    let more = |report: &Report| report.frames_decoded > frames + 10;
    browser.until(secs(10), "moving pictures", more)
}

#[test]
fn chromium_decodes_nine_tenths_with_4_percent_loss_and_60_ms() {
    let far = far_away(r#"{"delay": 30, "loss": 4}"#);
    let (browser, link) = (&far.browser, &far.link);
    browser.until_playing(secs(40));
    let seen = browser.watch(secs(10));

    let lost = link.statistics();
    assert!(
        lost["lost"].as_u64().is_some_and(|n| n > 50),
        "the link is too good: {lost}"
    );
    // A still second is no fault by itself here.
    decoded(&seen, 30);
}

// Both at the same time: what the machine does to one it does to the other.
#[test]
fn chromium_decodes_as_much_at_each_loss_as_by_webrtcbins_own_way() {
    let good = r#"{"delay": 10}"#;
    let mut ways = ["fan_out: auto", "fan_out: plain"].map(|way| far_away_by(way, good));
    for far in &ways {
        far.browser.until_playing(secs(40));
    }
    // The more is lost, the more it takes to tell 3 % from chance.
    for (loss, span) in [(1, 6), (4, 8), (10, 20)] {
        for far in &ways {
            far.link.set(&format!(r#"{{"delay": 10, "loss": {loss}}}"#));
        }
        let [ours, plain] = std::thread::scope(|scope| {
            let watched = ways.each_mut().map(|far| {
                scope.spawn(move || {
                    // What came before the loss, and the loss of the step before.
                    far.browser.watch(secs(1));
                    share_decoded(&far.browser.watch(secs(span)), 30)
                })
            });
            watched.map(|one| one.join().expect("a share"))
        });
        println!("{loss} %: {ours:.3}, and {plain:.3} by its own way");
        assert!(ours >= plain - 0.03, "{loss} %: {ours:.3} and {plain:.3}");
    }
    for far in &ways {
        let lost = &far.link.statistics()["lost"];
        assert!(lost.as_u64() > Some(500), "the link is too good: {lost}");
    }
}

#[test]
fn chromium_plays_again_once_its_network_can_carry_the_stream() {
    let good = r#"{"delay": 30}"#;
    let far = far_away(good);
    let (browser, gateway, link) = (&far.browser, &far.gateway, &far.link);
    let before = browser.until_playing(secs(40));

    link.set(r#"{"delay": 150, "ab": {"loss": 50}}"#);
    // By its estimate it gets less; if that is still too much, the circuit breaker ends its session.
    let less = "the viewer's network is too slow for the stream";
    let ended = "the viewer has a network that cannot carry the stream: ";
    let noticed = || {
        let log = gateway.log();
        (log.contains(less) || log.contains(ended)).then_some(())
    };
    sluice_tests::wait::until(secs(60), "the bad network in the log", noticed);
    link.set(good);

    let again = || {
        let viewers = gateway.viewers("cam");
        let all = |v: &serde_json::Value| v["state"] == "playing" && v["key_frames_only"] == false;
        viewers.iter().any(all).then_some(())
    };
    sluice_tests::wait::until(secs(60), "all pictures", again);
    let moving = moves_on(browser);
    assert!(
        (moving.loaded_at - before.loaded_at).abs() < 0.5,
        "{moving:?}"
    );
    smooth(&browser.watch(secs(5)), 30);
}

#[test]
fn chromium_gets_key_frames_and_sound_while_its_network_is_too_slow_for_the_stream() {
    let good = r#"{"delay": 20}"#;
    let far = far_away(good);
    let (browser, gateway, link) = (&far.browser, &far.gateway, &far.link);
    let before = browser.until_playing(secs(40));
    smooth(&browser.watch(secs(8)), 30);

    // The stream has 2 Mbit/s.
    link.set(r#"{"delay": 20, "rate_kbit": 1000, "queue_kb": 60}"#);
    let thinned = || {
        gateway
            .viewers("cam")
            .iter()
            .any(|v| v["key_frames_only"] == true)
    };
    let wait = |what: &str, wanted: bool| {
        sluice_tests::wait::until(secs(60), what, || (thinned() == wanted).then_some(()));
    };
    wait("key frames alone", true);
    let seen = browser.watch(secs(5));
    link.set(good);
    let last = seen.last().expect("reports");
    let heard = last.audio.clone().unwrap_or_default();
    if let Err(wrong) = tone::check(&heard) {
        panic!("wrong sound: {wrong}; {last:?}");
    }
    if let Err(wrong) = picture::check(&last.bars) {
        panic!("wrong picture: {wrong}; {last:?}");
    }

    wait("all pictures", false);
    // The first of them is a key frame.
    let after = moves_on(browser);
    smooth(&browser.watch(secs(5)), 30);
    assert_eq!(after.peers, before.peers, "one session: {after:?}");
}
