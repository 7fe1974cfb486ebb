//! coturn: a real TURN server in a namespace.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::artifacts;
use crate::netns::Netns;
use crate::process::{Process, START, run};

const PORT: u16 = 3478;
const TLS_PORT: u16 = 5349;

/// A running coturn that takes time-limited credentials (draft-uberti-behave-turn-rest).
#[derive(Debug)]
pub struct TurnServer {
    process: Process,
    address: Ipv4Addr,
    secret: String,
    _folder: TempDir,
    _netns: Netns,
}

impl TurnServer {
    /// Starts it at an address of this namespace, and waits until it listens.
    pub fn start(netns: &Netns, address: Ipv4Addr, secret: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("turnserver.conf");
        sign(folder.path(), address);
        let config = format!(
            "listening-ip={address}\nlistening-port={PORT}\ntls-listening-port={TLS_PORT}\nrelay-ip={address}\n\
             realm=sluice.test\nuse-auth-secret\nstatic-auth-secret={secret}\nuserdb={0}/turndb\npidfile={0}/pid\n\
             cert={0}/cert.pem\npkey={0}/key.pem\nlog-file=stdout\nsimple-log\nverbose\nno-cli\nno-dtls\n",
            folder.path().display()
        );
        std::fs::write(&file, config).expect("a config file");
        let mut command = netns.command("turnserver");
        command.arg("-c").arg(&file);
        let process = Process::spawn("turnserver", &mut command);
        let server = Self {
            process,
            address,
            secret: secret.to_owned(),
            _folder: folder,
            _netns: netns.clone(),
        };
        // The last of its ways in.
        let opened = format!("TCP listener opened on : {address}:{TLS_PORT}");
        server
            .process
            .wait_line(START, |line| line.contains(&opened).then_some(()));
        server
    }

    /// Its URL, with `udp`, `tcp` or `tls` as the way to it.
    pub fn url(&self, transport: &str) -> String {
        let address = self.address;
        if transport == "tls" {
            return format!("turns:{address}:{TLS_PORT}?transport=tcp");
        }
        format!("turn:{address}:{PORT}?transport={transport}")
    }

    /// Its URL as a STUN server, which anybody may ask.
    pub fn stun_url(&self) -> String {
        format!("stun:{}:{PORT}", self.address)
    }

    /// The user's name and password for a time in seconds since 1970, as the secret's owner makes them.
    pub fn credentials(&self, expires: u64) -> (String, String) {
        let user = format!("{expires}:test");
        let line = format!(
            "printf %s '{user}' | openssl dgst -sha1 -hmac '{}' -binary | base64",
            self.secret
        );
        let password = run(Command::new("sh").args(["-c", &line]));
        (user, password.trim().to_owned())
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// Makes a certificate that nobody else has signed.
fn sign(folder: &Path, address: Ipv4Addr) {
    let name = format!("subjectAltName=IP:{address}");
    let mut command = Command::new("openssl");
    command
        .current_dir(folder)
        .args(["req", "-x509", "-nodes", "-days", "2"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args(["-keyout", "key.pem", "-out", "cert.pem"]);
    run(command.args(["-subj", "/CN=turn.sluice.test", "-addext", &name]));
    // coturn gives up root before it reads them.
    for file in ["key.pem", "cert.pem", "."] {
        run(Command::new("chmod").arg("a+rX").arg(folder.join(file)));
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        artifacts::save_if_failing("turnserver.log", &self.process.log());
    }
}
