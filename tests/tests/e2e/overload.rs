//! A machine with too much to do: who is here stays, who comes is told to come later.

use sluice_tests::browser::{Browser, Engine, Report};
use sluice_tests::gateway::GatewayOptions;
use sluice_tests::netns::{Link, Netns};
use sluice_tests::viewer::{ViewerOptions, Viewers};
use sluice_tests::wait::until;

use crate::secs;

#[test]
fn further_viewers_are_refused_until_there_is_less_to_do() {
    // The test picture is encoded in the gateway's own process: more than that.
    let keys = [("source", "\"test:\""), ("idle_stop", "1s")];
    let options = GatewayOptions::new().path_with("cam", &keys);
    let gateway = options.webrtc("max_cpu: 2%").start();
    let viewers = Viewers::new();
    let first = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());

    let refused = until(secs(20), "a refusal", || {
        let late = viewers.join(&gateway.whep("cam"), ViewerOptions::default());
        let reply = late.reply.clone();
        if reply.status == 201 {
            late.delete();
            return None;
        }
        Some(reply)
    });

    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(refused.header("retry-after"), Some("10"));
    assert!(
        refused
            .body
            .contains("% of the CPU (limit 2 %); try again in 10 s."),
        "{}",
        refused.body
    );
    first.wait_frames(60, secs(10));
    let metrics = || gateway.get("metrics").body;
    let shown = metrics();
    assert!(
        shown.contains("sluice_refusing_viewers{cause=\"cpu\"} 1"),
        "{shown}"
    );
    assert!(
        shown.contains("sluice_refused_viewers_total{} 1"),
        "{shown}"
    );
    let warnings = gateway
        .log()
        .matches("no further viewers are taken")
        .count();
    assert_eq!(warnings, 1, "{}", gateway.log());

    // With its last viewer the path stops, and with it all that there is to do.
    first.delete();
    until(secs(30), "a viewer to be taken again", || {
        let again = viewers.join(&gateway.whep("cam"), ViewerOptions::default());
        (again.reply.status == 201).then_some(())
    });
}

// By UDP the network loses what is too much; by TCP it would have to wait here.
#[test]
fn a_viewer_whose_connection_is_full_skips_to_a_key_frame_and_the_others_miss_nothing() {
    let (server, client) = (Netns::new(), Netns::new());
    let good = r#"{"delay": 5}"#;
    let link = Link::between(&server, &client, good);
    let (here, there) = server.join_machine();
    client.send_no_udp();
    let options = GatewayOptions::new()
        .path("cam", "test:")
        .webrtc("tcp: true");
    let mut gateway = options.within(&server).start();
    gateway.reach_at(&there.to_string());
    let viewers = Viewers::at(here.into());
    let other = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    let url = gateway.at_host(&link.first.to_string(), "cam");
    let browser = Browser::open(Engine::Chromium, &client, &url);
    browser.until_playing(secs(40));

    link.set(r#"{"delay": 5, "rate_kbit": 100, "queue_kb": 64}"#);
    let left_out = || {
        let viewers = gateway.viewers("cam");
        let mut frames = viewers.iter().filter_map(|v| v["frames_left_out"].as_u64());
        frames.any(|frames| frames > 0).then_some(())
    };
    until(secs(30), "pictures that are left out", left_out);
    link.set(good);

    // TCP takes a while to find out what its network carries again.
    until(secs(40), "nearly all pictures", || {
        let seen = browser.watch(secs(3));
        let frames = |report: Option<&Report>| report.map_or(0, |report| report.frames_decoded);
        (frames(seen.last()) - frames(seen.first()) >= 55).then_some(())
    });
    let counts = other.counts();
    assert_eq!(counts.video.lost, 0, "{counts:?}");
    assert!(counts.longest_gap < secs(1), "{counts:?}");
    let whole = |v: &serde_json::Value| v["frames_left_out"] == 0;
    assert!(gateway.viewers("cam").iter().any(whole));
}
