//! HTTPS: HTTP/2, reload, and certificates that nobody made.

use std::path::Path;
use std::process::Command;

use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::http::Client;
use sluice_tests::process::run;
use sluice_tests::viewer::{ViewerOptions, Viewers};
use sluice_tests::wait::until;
use tempfile::TempDir;

use super::gateway;
use crate::secs;

/// Writes a certificate for `name` and its key.
fn certificate(folder: &Path, name: &str) {
    let file = |end: &str| folder.join(end).display().to_string();
    // Beside, and then moved in place: the gateway never sees half a file.
    let (cert, key) = (file("new.cert"), file("new.key"));
    let subject = format!("/CN={name}");
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        &subject,
        "-out",
        &cert,
        "-keyout",
        &key,
    ];
    run(Command::new("openssl").args(arguments));
    std::fs::rename(key, folder.join("server.key")).expect("moved");
    std::fs::rename(cert, folder.join("server.cert")).expect("moved");
}

/// What the gateway shows who it is.
fn subject(gateway: &Gateway) -> String {
    let script = "openssl s_client -connect 127.0.0.1:$1 </dev/null 2>/dev/null | openssl x509 -noout -subject";
    run(Command::new("bash").args(["-c", script, "-", &gateway.port().to_string()]))
}

fn curl(arguments: &[&str]) -> String {
    run(Command::new("curl")
        .args(["-sk", "-m", "20", "-o", "/dev/null"])
        .args(arguments))
}

#[test]
fn a_self_signed_certificate_serves_http_2_and_http_1_and_viewers() {
    let gateway = gateway("tls: self-signed");
    let url = gateway.at("api/v1/paths");
    assert!(url.starts_with("https://"), "{url}");
    for (version, expected) in [("--http2", "2 200"), ("--http1.1", "1.1 200")] {
        let format = "%{http_version} %{http_code}";
        assert_eq!(curl(&[version, "-w", format, &url]), expected);
    }
    let viewers = Viewers::new();
    let viewer = viewers.watch(&gateway.whep("cam"), ViewerOptions::default());
    viewer.wait_frames(10, secs(20));
    assert!(gateway.log().contains("sha256"), "{}", gateway.log());
}

#[test]
fn plain_http_on_the_port_of_https_is_led_there_unless_it_carries_something() {
    let gateway = gateway("tls: self-signed");
    let plain = gateway.at("cam").replace("https://", "http://");
    let format = "%{http_code} %{redirect_url}";
    assert_eq!(
        curl(&["-w", format, &plain]),
        format!("307 {}", gateway.at("cam"))
    );
    let post = curl(&["-X", "POST", "-w", "%{http_code}", &format!("{plain}/whep")]);
    assert_eq!(post, "400");
}

#[test]
fn a_new_certificate_is_served_without_a_restart_and_a_broken_one_is_not() {
    let folder = TempDir::new().expect("a folder");
    certificate(folder.path(), "first.example");
    let (cert, key) = (
        folder.path().join("server.cert"),
        folder.path().join("server.key"),
    );
    let gateway = gateway(&format!(
        "tls: {{cert: {}, key: {}}}",
        cert.display(),
        key.display()
    ));
    assert!(subject(&gateway).contains("first.example"));

    certificate(folder.path(), "second.example");
    until(secs(20), "the second certificate", || {
        subject(&gateway).contains("second.example").then_some(())
    });

    std::fs::write(&cert, "-----BEGIN NONSENSE-----\n").expect("written");
    until(secs(20), "a sentence about the broken file", || {
        let log = gateway.log();
        (log.contains("server.cert has no certificate in PEM") && log.contains("in use stays"))
            .then_some(())
    });
    assert!(subject(&gateway).contains("second.example"));
    assert_eq!(Client::default().get(&gateway.at("healthz")).status, 200);

    certificate(folder.path(), "third.example");
    until(secs(20), "the third certificate", || {
        subject(&gateway).contains("third.example").then_some(())
    });
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start() {
    let folder = TempDir::new().expect("a folder");
    certificate(folder.path(), "first.example");
    let (cert, key) = (
        folder.path().join("server.cert"),
        folder.path().join("server.key"),
    );
    let kept = folder.path().join("kept.key");
    std::fs::copy(&key, &kept).expect("copied");
    certificate(folder.path(), "second.example");
    for (key, words) in [
        (&kept, "does not go with"),
        (&cert, "has no private key in PEM"),
    ] {
        let top = format!("tls: {{cert: {}, key: {}}}", cert.display(), key.display());
        let mut gateway = GatewayOptions::new().path("cam", "test:").top(&top).spawn();
        let status = gateway.wait_exit(secs(20));
        assert!(status.is_some_and(|status| !status.success()), "{status:?}");
        assert!(gateway.log().contains(words), "{}", gateway.log());
    }
}
