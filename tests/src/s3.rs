//! An S3 server as a child process: moto, which is what AWS's own tests of others run against.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::process::{Process, START};
use crate::wait::secs;

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct S3 {
    process: Process,
    port: u16,
}

/// Something that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// What it was said to be.
    pub content_type: String,
}

impl S3 {
    /// Starts one that takes every key.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// Starts one that knows no key at all.
    pub fn strict() -> Self {
        Self::launch(Some(("INITIAL_NO_AUTH_ACTION_COUNT", "0")))
    }

    fn launch(environment: Option<(&str, &str)>) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("storage");
        let python = folder.join(".venv/bin/python");
        assert!(python.is_file(), "moto is not installed: run `make test`");
        let mut command = Command::new(python);
        command.arg(folder.join("s3.py")).envs(environment);
        let process = Process::spawn("s3", &mut command);
        let port = process.wait_line(START, |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            u16::try_from(said["port"].as_u64()?).ok()
        });
        Self { process, port }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket.
    pub fn bucket(&mut self, name: &str) {
        self.tell(&format!("bucket {name}"));
    }

    /// Goes away: nobody listens on its port.
    pub fn away(&mut self) {
        self.tell("away");
    }

    /// Comes back on the same port, with all that it had.
    pub fn back(&mut self) {
        self.tell("back");
    }

    /// Lists a bucket.
    pub fn objects(&mut self, bucket: &str) -> Vec<Object> {
        self.process.say(&format!("objects {bucket}"));
        let list = self.process.wait_line(secs(10), |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            said["objects"].as_array().cloned()
        });
        let object = |one: &Value| Object {
            key: one[0].as_str().unwrap_or_default().to_owned(),
            size: one[1].as_u64().unwrap_or_default(),
            content_type: one[2].as_str().unwrap_or_default().to_owned(),
        };
        list.iter().map(object).collect()
    }

    /// Lists the uploads in parts of a bucket that were begun and have not ended, by their names.
    pub fn uploads(&mut self, bucket: &str) -> Vec<String> {
        self.process.say(&format!("uploads {bucket}"));
        self.process.wait_line(secs(10), |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            serde_json::from_value(said["uploads"].clone()).ok()
        })
    }

    /// Answers to this part of every upload that it cannot take it.
    pub fn refuse_part(&mut self, part: u32) {
        self.tell(&format!("refuse {part}"));
    }

    /// Leaves this part of every upload without an answer.
    pub fn hold_part(&mut self, part: u32) {
        self.tell(&format!("hold {part}"));
    }

    /// Waits until a part that is left without an answer has come.
    pub fn wait_held(&self) {
        self.process.wait_line(secs(30), |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            (!said["held"].is_null()).then_some(())
        });
    }

    /// Takes every part again.
    pub fn allow(&mut self) {
        self.tell("allow");
    }

    /// Counts how often each name was written in one piece, by what the server answered with 200.
    pub fn written(&self) -> BTreeMap<String, u32> {
        let mut written = BTreeMap::new();
        for line in self.process.log().lines() {
            let Ok(request) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let path = request["path"].as_str().unwrap_or_default();
            if request["method"] == "PUT" && request["status"] == 200 && !path.contains('?') {
                *written.entry(path.to_owned()).or_default() += 1;
            }
        }
        written
    }

    fn tell(&mut self, command: &str) {
        self.process.say(command);
        self.process.wait_line(secs(10), |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            (said["done"] == command).then_some(())
        });
    }
}
