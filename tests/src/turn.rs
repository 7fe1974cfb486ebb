//! coturn: a real TURN server in a namespace.

use std::net::Ipv4Addr;
use std::process::Command;

use tempfile::TempDir;

use crate::artifacts;
use crate::netns::Netns;
use crate::process::{Process, START, run};

const PORT: u16 = 3478;

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
        let config = format!(
            "listening-ip={address}\nlistening-port={PORT}\nrelay-ip={address}\nrealm=sluice.test\n\
             use-auth-secret\nstatic-auth-secret={secret}\nuserdb={0}/turndb\npidfile={0}/pid\n\
             log-file=stdout\nsimple-log\nverbose\nno-cli\nno-tls\nno-dtls\n",
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
        server.process.wait_line(START, |line| {
            line.contains("TCP listener opened").then_some(())
        });
        server
    }

    /// Its URL, with `udp` or `tcp` as the way to it.
    pub fn url(&self, transport: &str) -> String {
        format!("turn:{}:{PORT}?transport={transport}", self.address)
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

impl Drop for TurnServer {
    fn drop(&mut self) {
        artifacts::save_if_failing("turnserver.log", &self.process.log());
    }
}
