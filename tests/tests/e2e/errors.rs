//! What a user gets wrong is answered by one clear sentence.

use std::path::Path;

use sluice_tests::camera::Camera;
use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::http::Reply;
use sluice_tests::viewer::{ViewerOptions, Viewers};

use crate::secs;

/// The gateway must end by itself with a failure, and say this.
fn ends_saying(mut gateway: Gateway, words: &[&str]) {
    let status = gateway.wait_exit(secs(10));
    let log = gateway.log();
    assert!(
        status.is_some_and(|s| !s.success()),
        "it ended with {status:?}: {log}"
    );
    let line = log
        .lines()
        .find(|line| words.iter().all(|word| line.contains(word)));
    let line = line.unwrap_or_else(|| panic!("no line has {words:?} in:\n{log}"));
    assert!(!log.contains("panicked"), "{log}");
    println!("said: {line}");
}

fn post(gateway: &Gateway) -> Reply {
    Viewers::new()
        .join(&gateway.whep("cam"), ViewerOptions::default())
        .reply
        .clone()
}

/// The viewer and the API must both say this.
fn refuses_saying(gateway: &Gateway, words: &[&str]) {
    let reply = post(gateway);
    assert!(reply.status >= 400, "{}", reply.status);
    let problem = reply.json();
    let detail = problem["detail"].as_str().unwrap_or_default().to_owned();
    let path = gateway.path("cam");
    let reason = path["reason"].as_str().unwrap_or_default();
    for word in words {
        assert!(
            detail.contains(word),
            "{word:?} is not in the answer: {detail}"
        );
        assert!(
            reason.contains(word),
            "{word:?} is not in the API: {path:#}"
        );
    }
    println!("said: {} {detail}", reply.status);
}

#[test]
fn a_wrong_uri_scheme_is_named_with_those_that_would_be_right() {
    let gateway = GatewayOptions::new()
        .path("cam", "rtps://127.0.0.1/cam")
        .spawn();
    ends_saying(gateway, &["rtps", "rtsp"]);
}

#[test]
fn bad_yaml_is_named_with_its_line() {
    let text = "listen: \":0\"\npaths: {cam: {source: \"test:\"\n";
    let gateway = GatewayOptions::new().yaml_text(text).spawn();
    ends_saying(gateway, &["sluice.yaml:2:", "YAML"]);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let keys = [("source", "\"test:\""), ("latancy", "200ms")];
    let gateway = GatewayOptions::new().path_with("cam", &keys).spawn();
    ends_saying(
        gateway,
        &["sluice.yaml:", "latancy", "did you mean `latency`"],
    );
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let text = format!("listen: \"127.0.0.1:{port}\"\npaths:\n  cam:\n    source: \"test:\"\n");
    let gateway = GatewayOptions::new().yaml_text(&text).spawn();
    ends_saying(gateway, &[&port.to_string(), "in use"]);
}

#[test]
fn a_wrong_password_is_said() {
    let camera = Camera::with("--auth basic --login user:right");
    let gateway = Gateway::serving("cam", &camera.url_as("user:wrong"));
    refuses_saying(&gateway, &["password"]);
}

#[test]
fn a_missing_file_is_said() {
    let gateway = Gateway::serving("cam", "file:///nowhere/film.mp4");
    refuses_saying(&gateway, &["file does not exist"]);
    assert_eq!(gateway.path("cam")["source"], "file:///nowhere/film.mp4");
}

#[test]
fn a_camera_that_is_not_there_is_said() {
    let port = sluice_tests::process::free_tcp_port();
    let gateway = Gateway::serving("cam", &format!("rtsp://127.0.0.1:{port}/cam"));
    refuses_saying(&gateway, &["camera"]);
}

#[test]
fn a_missing_plugin_is_named_with_its_package() {
    let camera = Camera::with("--size 640x360");
    let folder = tempfile::TempDir::new().expect("a folder");
    all_plugins_but(&["libgstrtsp.so"], folder.path());
    let registry = folder.path().join("registry.bin");
    let gateway = GatewayOptions::new()
        .path("cam", camera.url())
        .env(
            "GST_PLUGIN_SYSTEM_PATH_1_0",
            &folder.path().display().to_string(),
        )
        .env("GST_REGISTRY_1_0", &registry.display().to_string())
        .spawn();

    ends_saying(gateway, &["rtspsrc", "gstreamer1.0-plugins-good"]);
}

/// Links GStreamer's plugins into a folder, all but these.
pub(crate) fn all_plugins_but(missing: &[&str], folder: &Path) {
    let system = sluice_tests::process::run(
        std::process::Command::new("pkg-config").args(["--variable=pluginsdir", "gstreamer-1.0"]),
    );
    let plugins = std::fs::read_dir(system.trim()).expect("GStreamer's plugins");
    for plugin in plugins
        .filter_map(Result::ok)
        .filter(|p| missing.iter().all(|one| p.file_name() != *one))
    {
        let link = folder.join(plugin.file_name());
        std::os::unix::fs::symlink(plugin.path(), link).expect("a link");
    }
}
