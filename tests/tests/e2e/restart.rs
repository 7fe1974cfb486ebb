//! ICE restart: a viewer or publisher moves to another network, and its session goes on.

use sluice_tests::browser::{Browser, Engine};
use sluice_tests::camera::Camera;
use sluice_tests::gateway::GatewayOptions;
use sluice_tests::netns::Netns;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::viewer::{ViewerOptions, Viewers};

use crate::browsers::smooth;
use crate::publish::live;
use crate::{secs, serving};

#[test]
fn a_viewer_moves_to_a_new_socket_and_loses_nothing_but_the_old_one() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let first = viewer.reply.header("etag").expect("an ETag").to_owned();
    let ssrcs = viewer.video_ssrcs();

    let mut last = first.clone();
    // The second restart shows that the first one is over in every respect.
    for _ in 0..2 {
        let reply = viewer.restart_ice();
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(
            reply.header("content-type"),
            Some("application/trickle-ice-sdpfrag")
        );
        let etag = reply.header("etag").expect("a new ETag").to_owned();
        assert_ne!(etag, last);
        last = etag;
        viewer.wait_frames(60, secs(10));
        viewer.wait_audio(50, secs(10));
    }

    assert_eq!(viewer.video_ssrcs(), ssrcs, "the stream is the same one");
    let counts = viewer.counts();
    assert!(!counts.closed, "{counts:?}");
    gateway.wait_viewers("cam", 1, secs(5));
    let candidate = "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=end-of-candidates\r\n";
    assert_eq!(viewer.patch(&first, candidate).status, 412);
    let trickled = viewer.patch(&last, candidate);
    assert_eq!(trickled.status, 204, "{}", trickled.body);
    assert_eq!(trickled.header("etag"), None);
}

#[test]
fn a_restart_without_a_star_changes_nothing() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let etag = viewer.reply.header("etag").expect("an ETag").to_owned();
    let fragment = "a=ice-ufrag:newU\r\na=ice-pwd:newpwdnewpwdnewpwdnewpwd\r\n";

    assert_eq!(viewer.patch(&etag, fragment).status, 412);
    assert_eq!(
        viewer.patch("*", "a=ice-ufrag:newU\r\n").status,
        400,
        "half of the credentials"
    );

    viewer.wait_frames(60, secs(10));
    let trickled = viewer.patch(
        &etag,
        "m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=end-of-candidates\r\n",
    );
    assert_eq!(trickled.status, 204, "{}", trickled.body);
}

#[test]
fn restarts_that_nobody_follows_leave_the_session_playing() {
    let camera = Camera::with("--audio opus");
    let gateway = serving(&camera);
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());

    let answers: Vec<_> = std::thread::scope(|scope| {
        let restart = |n: u32| {
            let viewer = &viewer;
            let fragment = format!("a=ice-ufrag:new{n}\r\na=ice-pwd:newpwdnewpwdnewpwdnewp{n}\r\n");
            scope.spawn(move || viewer.patch("*", &fragment))
        };
        let all: Vec<_> = (0..4).map(restart).collect();
        all.into_iter()
            .map(|one| one.join().expect("an answer"))
            .collect()
    });

    let mut etags: Vec<_> = answers
        .iter()
        .map(|one| one.header("etag").map(str::to_owned))
        .collect();
    etags.sort();
    etags.dedup();
    assert!(answers.iter().all(|one| one.status == 200), "{answers:?}");
    assert_eq!(etags.len(), 4, "{etags:?}");
    viewer.wait_frames(60, secs(10));
    // And the one that is followed still works.
    assert_eq!(viewer.restart_ice().status, 200);
    viewer.wait_frames(60, secs(10));
}

/// Chromium refuses requests while its network changes; and where the answer takes longer than its new port, it goes on with
/// our old credentials.
const LOSE_TWO_RESTARTS_AND_BE_LATE: &str = "() => { \
    const { fetch } = window; \
    window.restarts = 0; \
    window.fetch = async (url, options) => { \
      const restart = options?.method === 'PATCH' && new Headers(options.headers).get('If-Match') === '*'; \
      if (restart && ++window.restarts <= 2) throw new TypeError('network changed'); \
      const answer = await fetch(url, options); \
      if (restart) await new Promise((done) => setTimeout(done, 300)); \
      return answer; \
    }; }";

#[test]
fn chromium_changes_its_network_and_plays_on_in_the_same_session() {
    let (gateway_side, phone) = (Netns::new(), Netns::new());
    let (_, control) = gateway_side.join_machine();
    let (server, _) = gateway_side.join(&phone);
    phone.roam(&gateway_side);
    let mut gateway = GatewayOptions::new()
        .path("cam", "test:")
        .within(&gateway_side)
        .start();
    gateway.reach_at(&control.to_string());
    let url = gateway.at_host(&server.to_string(), "cam");
    let mut browser = Browser::open(Engine::Chromium, &phone, &url);
    let before = browser.until_playing(secs(40));
    let session = gateway.viewers("cam")[0]["id"].clone();
    browser.eval(LOSE_TWO_RESTARTS_AND_BE_LATE);

    phone.roam(&gateway_side);

    browser.watch(secs(12));
    let moved = browser.until(secs(3), "report", |_| true);
    let after = browser.until(secs(20), "moving picture", |report| {
        report.frames_decoded > moved.frames_decoded + 30
    });
    assert_eq!(after.peers, before.peers, "a new connection");
    assert_eq!(browser.eval("() => window.restarts"), 3);
    assert_eq!(gateway.viewers("cam")[0]["id"], session);
    smooth(&browser.watch(secs(5)), 30);
}

#[test]
fn chromium_that_publishes_changes_its_network_and_goes_on_in_the_same_session() {
    let (gateway_side, phone) = (Netns::new(), Netns::new());
    let (machine, control) = gateway_side.join_machine();
    let (server, _) = gateway_side.join(&phone);
    phone.roam(&gateway_side);
    let mut gateway = GatewayOptions::new()
        .path("cam", "publisher")
        .within(&gateway_side)
        .start();
    gateway.reach_at(&control.to_string());
    let url = gateway.at_host(&server.to_string(), "cam/publish");
    let page = Browser::open(Engine::Chromium, &phone, &url);
    let mut page = live(page, &gateway, "camera", "VP8");
    gateway.wait_state("cam", "running", secs(20));
    let viewers = Viewers::at(machine.into());
    let options = ViewerOptions {
        codecs: vec![Payload::Vp8],
        ..ViewerOptions::default()
    };
    let viewer = viewers.watch(&gateway.whep("cam"), options);
    viewer.wait_frames(60, secs(20));
    let session = gateway.path("cam")["publisher"]["id"].clone();

    phone.roam(&gateway_side);

    // What was on its way has come by then.
    page.watch(secs(2));
    viewer.wait_frames(90, secs(30));
    viewer.wait_audio(50, secs(10));
    assert_eq!(gateway.path("cam")["publisher"]["id"], session);
    assert_eq!(page.eval("() => window.sluice.state"), "live");
    assert!(!viewer.counts().closed, "{:?}", viewer.counts());
}
