//! Who may do what, over the real gateway.

mod hook;
mod jwt;
mod pages;
mod people;
mod tls;

use std::io::Write as _;
use std::process::{Command, Stdio};

use sluice_tests::gateway::{Gateway, GatewayOptions};
use sluice_tests::http::{Client, Reply};
use sluice_tests::process::our_binary;

/// A token of a config.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A gateway with a path `cam`, a path `other`, and this at the top of its config.
fn gateway(top: &str) -> Gateway {
    GatewayOptions::new()
        .path("cam", "test:?size=320x180&fps=10")
        .path("other", "test:?size=320x180&fps=10")
        .top(top)
        .start()
}

/// Sends a request with `Authorization`.
fn ask(gateway: &Gateway, method: &str, path: &str, authorization: &str) -> Reply {
    let headers = [("authorization", authorization)];
    Client::default().request(method, &gateway.at(path), &headers, "")
}

/// Runs `sluice hash-password`.
fn hash(password: &str) -> String {
    let mut child = Command::new(our_binary("sluice"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sluice starts");
    let mut stdin = child.stdin.take().expect("piped");
    writeln!(stdin, "{password}").expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .expect("ASCII")
        .trim()
        .to_owned()
}

/// `Authorization` with a user and a password.
fn basic(user: &str, password: &str) -> String {
    // `printf user:password | base64`, without a crate for one line.
    let output = sluice_tests::process::run(Command::new("bash").args([
        "-c",
        "printf %s \"$1\" | base64 -w0",
        "-",
        &format!("{user}:{password}"),
    ]));
    format!("Basic {}", output.trim())
}
