//! Tokens: right, wrong, and never shown.

use std::time::Instant;

use sluice_tests::gateway::GatewayOptions;
use sluice_tests::process::free_tcp_port;
use sluice_tests::publisher::Publisher;
use sluice_tests::viewer::rtp::Payload;
use sluice_tests::wait::within;

use super::{
    SECRET, WRONG, guarded, is_running, pulling, pushing, small, target_at, wait_forward, whep_of,
    whip_at,
};
use crate::secs;

#[test]
fn a_wrong_token_is_said_not_hammered_and_never_shown() {
    let port = free_tcp_port();
    let target = target_at(port, Some(&guarded()));
    let url = whip_at(port);
    let gateway = pushing(&format!("[{{url: \"{url}\", token: {WRONG}}}]"));
    let _publisher = Publisher::start(&gateway.whip("cam"), &small(Payload::Vp8));
    let forward = wait_forward(&gateway, 20, |forward| forward["state"] == "failed");
    let reason = forward["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("refused the credentials"), "{forward}");
    assert!(
        reason.starts_with("The target ") && reason.ends_with("(401)."),
        "{forward}"
    );
    // The next try comes half a minute after the first.
    let wait = forward["retry_in_ms"].as_u64().unwrap_or_default();
    assert!(wait > 20_000, "{forward}");
    let since = Instant::now();
    let more = || (gateway.path("cam")["forward"][0]["attempt"].as_u64() > Some(2)).then_some(());
    assert!(within(secs(8), more).is_none(), "{:?}", since.elapsed());
    for shown in [gateway.path("cam").to_string(), gateway.log(), target.log()] {
        assert!(!shown.contains(WRONG), "{shown}");
    }
}

#[test]
fn the_right_token_lets_through_from_the_config_the_environment_and_a_file() {
    let port = free_tcp_port();
    let _target = target_at(port, Some(&guarded()));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{SECRET}\n")).expect("a file");
    let url = whip_at(port);
    let in_url = url.replace("whip://", &format!("whip://:{SECRET}@"));
    for (forward, variable) in [
        (format!("[\"{in_url}\"]"), None),
        (
            format!("[{{url: \"{url}\", token_file: {}}}]", file.display()),
            None,
        ),
        (
            format!("[\"{url}\"]"),
            Some(("SLUICE_PATHS_CAM_FORWARD_1_TOKEN", SECRET)),
        ),
    ] {
        let keys = [
            ("source", "\"test:?size=320x240&codec=vp8\""),
            ("forward", forward.as_str()),
        ];
        let mut options = GatewayOptions::new().path_with("cam", &keys);
        if let Some((name, value)) = variable {
            options = options.env(name, value);
        }
        let gateway = options.start();
        let forward = wait_forward(&gateway, 30, is_running);
        assert!(!forward.to_string().contains(SECRET), "{forward}");
        assert!(!gateway.log().contains(SECRET), "{}", gateway.log());
    }
}

#[test]
fn a_source_that_refuses_says_why_in_one_sentence() {
    let port = free_tcp_port();
    let top = format!(
        "auth:\n  rate_limit: off\n  tokens:\n    viewer: {{token: {SECRET}}}\n  allow:\n    - {{who: viewer, may: read}}\n    - {{who: anyone, may: api}}\n"
    );
    let _origin = target_at(port, Some(&top));
    for (source, state, part) in [
        (
            format!("whep://127.0.0.1:{port}/cam/whep"),
            "failed",
            "refused the credentials; set the right token (401).",
        ),
        (
            format!("whep://:{WRONG}@127.0.0.1:{port}/cam/whep"),
            "failed",
            "refused the credentials; set the right token (401).",
        ),
        (
            format!("whep://:{SECRET}@127.0.0.1:{port}/cam/whep"),
            "waiting",
            "has nobody who publishes to it (409).",
        ),
        (
            format!("whep://:{SECRET}@127.0.0.1:{port}/other/whep"),
            "failed",
            "has no such path; look at the address's end (404).",
        ),
        (
            format!("wheps://127.0.0.1:{port}/cam/whep"),
            "failed",
            "does not speak TLS as we do.",
        ),
    ] {
        let gateway = pulling(&source);
        let path = gateway.wait_path("cam", secs(20), |path| path["state"] == state);
        let reason = path["reason"].as_str().unwrap_or_default();
        assert!(
            reason.starts_with("The source ") && reason.ends_with(part),
            "{source}: {path:#}"
        );
        let shown = format!("{path}{}", gateway.log());
        assert!(!shown.contains(SECRET) && !shown.contains(WRONG), "{shown}");
    }
}

#[test]
fn a_source_is_pulled_with_the_token_of_a_file() {
    let origin = GatewayOptions::new()
        .path("cam", "test:?size=320x240&codec=vp8")
        .top(&format!(
            "auth:\n  tokens:\n    viewer: {{token: {SECRET}}}\n  allow:\n    - {{who: viewer, may: read}}\n    - {{who: anyone, may: api}}\n"
        ))
        .start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{SECRET}\n")).expect("a file");
    let (source, file) = (
        format!("\"{}\"", whep_of(&origin)),
        file.display().to_string(),
    );
    let keys = [
        ("source", source.as_str()),
        ("password_file", file.as_str()),
        ("on_demand", "false"),
    ];
    let gateway = GatewayOptions::new().path_with("cam", &keys).start();
    gateway.wait_state("cam", "running", secs(30));
    let shown = format!("{}{}", gateway.path("cam"), gateway.log());
    assert!(!shown.contains(SECRET), "{shown}");
}
