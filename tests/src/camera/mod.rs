//! An RTSP camera as a child process.

mod options;

use std::process::Command;

use crate::process::{Process, START, our_binary};

pub use options::{Audio, AuthMethod, CameraOptions, Transports, Video};

/// A running camera; killed when dropped.
#[derive(Debug)]
pub struct Camera {
    process: Process,
    options: CameraOptions,
    netns: Option<String>,
    url: String,
}

impl Camera {
    /// Starts a camera with these options and waits until it answers.
    pub fn start(options: CameraOptions) -> Self {
        Self::launch(options, None)
    }

    /// Starts a camera given as a command line, such as `--codec vp8 --audio opus`.
    pub fn with(arguments: &str) -> Self {
        Self::start(CameraOptions::from_line(arguments))
    }

    /// Starts a camera inside a network namespace.
    pub fn start_in(netns: &str, options: CameraOptions) -> Self {
        Self::launch(options, Some(netns.to_owned()))
    }

    fn launch(mut options: CameraOptions, netns: Option<String>) -> Self {
        let binary = our_binary("rtsp-camera");
        let mut command = match &netns {
            None => Command::new(binary),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(binary);
                command
            }
        };
        let process = Process::spawn("rtsp-camera", command.args(options.arguments()));
        let line = process.wait_line(START, |l| serde_json::from_str(l).ok());
        let line: serde_json::Value = line;
        let port = line["port"].as_u64().and_then(|p| u16::try_from(p).ok());
        options.port = port.expect("rtsp-camera prints its port");
        let url = options.url(options.port);
        Self {
            process,
            options,
            netns,
            url,
        }
    }

    /// Its URL without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its URL with these credentials.
    pub fn url_as(&self, login: &str) -> String {
        self.url.replacen("://", &format!("://{login}@"), 1)
    }

    /// Frames per second that it sends.
    pub fn rate(&self) -> u32 {
        self.options.rate
    }

    /// Its process, for signals and logs.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills it as a power cut does: no TEARDOWN, sockets gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Brings it back on the same port and waits until it answers.
    pub fn restart(&mut self) {
        self.process.kill();
        *self = Self::launch(self.options.clone(), self.netns.clone());
    }

    /// Brings it back on the same port as another one, as after a change of its settings.
    pub fn restart_as(&mut self, arguments: &str) {
        self.process.kill();
        let options = CameraOptions {
            port: self.options.port,
            ..CameraOptions::from_line(arguments)
        };
        *self = Self::launch(options, self.netns.clone());
    }

    /// Freezes it: connections stay open, nothing moves.
    pub fn freeze(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process.signal("CONT");
    }
}
