//! Names and addresses that want to be something else: files, commands, headers, other servers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sluice_tests::gateway::GatewayOptions;
use sluice_tests::raw::RawHttp;
use sluice_tests::web::WebServer;
use tempfile::TempDir;

use super::{Bystanders, is_sane};
use crate::conformance::{SMALL, VIEWERS, gateway, post};
use crate::secs;

#[test]
fn h04_odd_names_lead_nowhere_and_are_never_markup() {
    let gateway = gateway();
    let bystanders = Bystanders::watch(&gateway);
    let long = "a".repeat(4096);
    let names = [
        "..",
        "../../etc/passwd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%2f..%2f",
        "%00",
        "cam%00",
        "cam%0d%0aX-Evil:%201",
        "cam%0a",
        "%5c..%5c",
        "..\\..\\",
        &long,
        "c%d0%b0m",
        "CON",
        "-rf",
        "%20cam",
        "cam%20",
        "CAM",
        "cam;x",
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "<script>alert(1)</script>",
        "%252e%252e%252f",
        "%ff%fe",
        "_sluice",
    ];
    for name in names {
        for (method, path) in [
            ("GET", format!("/{name}")),
            ("GET", format!("/{name}/status.json")),
            ("GET", format!("/api/v1/paths/{name}")),
            ("GET", format!("/{name}/thumbnail.jpg")),
            ("POST", format!("/{name}/whep")),
            ("POST", format!("/{name}/whip")),
            ("DELETE", format!("/cam/whep/{name}")),
            ("PATCH", format!("/studio/whip/{name}")),
        ] {
            let mut raw = RawHttp::connect(gateway.port());
            raw.send(format!(
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\ncontent-type: application/sdp\r\n\
                 content-length: 0\r\n\r\n"
            ));
            let (status, head, body) = raw.answer(secs(5)).expect("an answer");
            assert!((400..500).contains(&status), "{method} {path}: {status}");
            assert!(!head.contains("x-evil"), "{head}");
            assert!(
                !body.contains("<script>alert") && !body.contains("root:"),
                "{body}"
            );
        }
    }
    let log = gateway.log();
    assert!(
        !log.contains("<script>") && !log.contains("\nX-Evil"),
        "{log}"
    );
    bystanders.unharmed();
    is_sane(&gateway);
}

/// Sources that want to be pipelines or commands; `FILE` is what they would make.
const COMMANDS: &[&str] = &[
    "exec:touch FILE",
    "test: ! filesink location=FILE",
    "test:?size=320x180 ! filesink location=FILE",
    "test:?codec=h264;touch FILE",
    "file:///dev/null ! filesink location=FILE",
    "rtsp://127.0.0.1:1/$(touch FILE)",
    "rtsp://127.0.0.1:1/`touch FILE`",
    "rtsp://127.0.0.1:1/\\\" ! filesink location=\\\"FILE",
    "srt://127.0.0.1:1?streamid=x ! filesink location=FILE",
    "http://127.0.0.1:1/a.mp4|touch FILE",
];

#[test]
fn h05_no_source_becomes_a_pipeline_or_a_command() {
    let folder = TempDir::new().expect("a folder");
    let made = folder.path().join("made");
    let source = |line: &str| line.replace("FILE", &made.display().to_string());
    let mut taken = GatewayOptions::new().path("cam", SMALL);
    let mut names = Vec::new();
    for (n, line) in COMMANDS.iter().enumerate() {
        // What the config refuses stops the start; each is tried alone first.
        let mut alone = GatewayOptions::new().path("evil", &source(line)).spawn();
        let refused = sluice_tests::wait::within(secs(20), || {
            let log = alone.log();
            let ended = alone.process_mut().has_ended();
            (ended || log.contains("Sluice is ready")).then_some(ended)
        });
        if !refused.expect("it starts or ends") {
            let name = format!("evil{n}");
            taken = taken.path(&name, &source(line));
            names.push(name);
        }
    }
    let gateway = taken.start();
    let bystanders = Bystanders::watch(&gateway);
    for name in names {
        let reply = post(&gateway.whep(&name), VIEWERS);
        assert!(reply.status >= 400, "{name}: {}", reply.status);
    }
    assert!(!made.exists(), "a source was run as a command");
    bystanders.unharmed();
    is_sane(&gateway);
}

#[test]
fn h12_line_ends_in_servers_and_names_stop_the_start() {
    for (server, word) in [
        (
            "{url: \"stun:stun.example.org\\r\\nX-Evil: 1\"}",
            "ice_servers",
        ),
        (
            "{url: 'turn:turn.example.org', username: \"a\\r\\nb\", credential: secret-of-ours}",
            "ice_servers",
        ),
        (
            "{url: 'turn:turn.example.org', username: a, credential: \"b\\nc\"}",
            "ice_servers",
        ),
    ] {
        let text = GatewayOptions::new().path("cam", SMALL).yaml();
        let text = text.replace(
            "webrtc:\n",
            &format!("webrtc:\n  ice_servers: [{server}]\n"),
        );
        let mut gateway = GatewayOptions::new().yaml_text(&text).spawn();
        let ended = gateway.wait_exit(secs(20));
        assert!(
            ended.is_some_and(|status| !status.success()),
            "{server} was taken: {}",
            gateway.log()
        );
        let log = gateway.log();
        assert!(
            log.contains(word) && !log.contains("secret-of-ours"),
            "{log}"
        );
    }
    let mut gateway = GatewayOptions::new()
        .path_with("\"cam\\r\\nx\"", &[("source", "\"test:\"")])
        .spawn();
    assert!(
        gateway
            .wait_exit(secs(20))
            .is_some_and(|status| !status.success()),
        "{}",
        gateway.log()
    );
    // What comes in an offer goes into no header and no line of the answer.
    let gateway = self::gateway();
    let bystanders = Bystanders::watch(&gateway);
    let offer = VIEWERS
        .replace("a=mid:vid", "a=mid:vid%0d%0aX-Evil")
        .replace("BUNDLE vid", "BUNDLE vid%0d%0aX-Evil");
    let reply = post(&gateway.whep("cam"), &offer);
    assert!(
        reply.header("x-evil").is_none() && !reply.body.contains("\nX-Evil"),
        "{}",
        reply.body
    );
    bystanders.unharmed();
}

#[test]
fn h13_sources_of_other_schemes_are_refused_and_redirects_lead_to_no_file() {
    for source in [
        "gopher://127.0.0.1/x",
        "dict://127.0.0.1:1/x",
        "ftp://127.0.0.1/x",
        "data:text/plain,x",
        "jar:http://x!/",
    ] {
        let mut gateway = GatewayOptions::new().path("evil", source).spawn();
        let ended = gateway.wait_exit(secs(20));
        assert!(
            ended.is_some_and(|status| !status.success()),
            "{source} was taken: {}",
            gateway.log()
        );
    }
    let secret = secret_file();
    let to_file = format!("file://{}", secret.1.display());
    let rounds = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&rounds);
    let server = WebServer::start(move |asked| {
        let round = counted.fetch_add(1, Ordering::Relaxed);
        match asked.line.as_str() {
            line if line.contains("/file") => (307, to_file.clone()),
            line if line.contains("/gopher") => (307, "gopher://127.0.0.1:1/x".to_owned()),
            _ => (307, format!("/loop{round}")),
        }
    });
    let gateway = ["file", "gopher", "loop"]
        .iter()
        .fold(GatewayOptions::new().path("cam", SMALL), |options, name| {
            options.path(name, &server.at(&format!("{name}/a.mp4")))
        })
        .start();
    let bystanders = Bystanders::watch(&gateway);
    for name in ["file", "gopher", "loop"] {
        let before = rounds.load(Ordering::Relaxed);
        let reply = post(&gateway.whep(name), VIEWERS);
        assert!(
            matches!(reply.status, 502..=504),
            "{name}: {} {}",
            reply.status,
            reply.body
        );
        let asked = rounds.load(Ordering::Relaxed) - before;
        assert!(asked <= 100, "{name}: asked {asked} times");
    }
    assert!(!gateway.log().contains(SECRET), "{}", gateway.log());
    bystanders.unharmed();
    is_sane(&gateway);
}

const SECRET: &str = "what-is-in-the-file";

fn secret_file() -> (TempDir, std::path::PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let file = Path::new(folder.path()).join("secret.mp4");
    std::fs::write(&file, SECRET).expect("written");
    (folder, file)
}
