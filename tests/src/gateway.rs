//! The gateway under test: the built `sluice` binary as a child process.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::artifacts;
use crate::http::{Client, Reply};
use crate::netns::Netns;
use crate::process::{Process, START, our_binary};
use crate::wait::within;

/// Everybody may do everything, as often as they like, from pages of any site.
const OPEN: &str = "cors: \"*\"\nauth: {rate_limit: off, allow: [{who: anyone, may: everything}]}";

/// What chooses the way of media to viewers: for one gateway, and for all.
const WAY: [&str; 2] = ["fan_out:", "transport:"];
const WAY_OF_ALL: [&str; 2] = ["SLUICE_WEBRTC_FAN_OUT", "SLUICE_WEBRTC_TRANSPORT"];

/// How the gateway is started.
#[derive(Debug, Clone, Default)]
pub struct GatewayOptions {
    paths: String,
    top: Option<String>,
    environment: Vec<(String, String)>,
    udp_range: Option<u16>,
    webrtc: String,
    text: Option<String>,
    netns: Option<Netns>,
    recordings: Option<PathBuf>,
    record: String,
}

/// The first port of media of this process's gateways. Tests run side by side: each process takes a range of its own.
pub fn media_port() -> u16 {
    let number = u16::try_from(std::process::id() % 90).unwrap_or(0);
    20_000 + number * 400
}

impl GatewayOptions {
    /// A gateway without paths.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a path with one source.
    #[must_use]
    pub fn path(self, name: &str, source: &str) -> Self {
        self.path_with(name, &[("source", &format!("\"{source}\""))])
    }

    /// Adds a path with these keys; values are written as they are, so lists may be `[a, b]`.
    #[must_use]
    pub fn path_with(mut self, name: &str, keys: &[(&str, &str)]) -> Self {
        writeln!(self.paths, "  {name}:").expect("strings take text");
        for (key, value) in keys {
            writeln!(self.paths, "    {key}: {value}").expect("strings take text");
        }
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Runs it inside this namespace.
    #[must_use]
    pub fn within(mut self, netns: &Netns) -> Self {
        self.netns = Some(netns.clone());
        self
    }

    /// How many UDP ports viewers may take.
    #[must_use]
    pub const fn udp_range(mut self, ports: u16) -> Self {
        self.udp_range = Some(ports);
        self
    }

    /// Adds a line below `webrtc`, such as `tcp: true`.
    #[must_use]
    pub fn webrtc(mut self, yaml: &str) -> Self {
        writeln!(self.webrtc, "  {yaml}").expect("strings take text");
        self
    }

    /// Sets what stands at the top of the config besides `listen`, `webrtc` and `paths`: who may do what.
    /// Otherwise everything is open, since most tests are about something else.
    #[must_use]
    pub fn top(mut self, yaml: &str) -> Self {
        self.top = Some(yaml.to_owned());
        self
    }

    /// Sets the folder of recordings.
    #[must_use]
    pub fn recordings(mut self, folder: &Path) -> Self {
        self.recordings = Some(folder.to_owned());
        self
    }

    /// Adds a key below `record`, such as `upload: {to: …}`.
    #[must_use]
    pub fn record(mut self, yaml: &str) -> Self {
        write!(self.record, ", {yaml}").expect("strings take text");
        self
    }

    /// Takes this text as the whole config file.
    #[must_use]
    pub fn yaml_text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    /// The config file's text.
    pub fn yaml(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let base = media_port();
        let range = self.udp_range.unwrap_or(400);
        let top = self.top.as_deref().unwrap_or(OPEN);
        let record = self.recordings.as_ref().map_or_else(String::new, |folder| {
            format!("record: {{dir: {}{}}}\n", folder.display(), self.record)
        });
        // A test machine is small and does much else: viewers are refused where that is the test.
        let limits = ["max_cpu", "max_send_delay"].iter();
        let unlimited: String = limits
            .filter(|key| !self.webrtc.contains(**key))
            .map(|key| format!("  {key}: off\n"))
            .collect();
        format!(
            "listen: \":0\"\n{top}\n{record}webrtc:\n  udp: \":{base}\"\n  udp_range: {range}\n{unlimited}{}paths:\n{}",
            self.webrtc, self.paths
        )
    }

    /// Starts it and waits until it is ready.
    pub fn start(&self) -> Gateway {
        let mut gateway = self.spawn();
        let ready = |line: &str| {
            let url = line.strip_prefix("Sluice is ready: ")?;
            let url = url::Url::parse(url.trim()).ok()?;
            Some((url.scheme().to_owned(), url.port()?))
        };
        (gateway.scheme, gateway.port) = gateway.process.wait_line(START, ready);
        gateway
    }

    /// Starts it without waiting, for starts that must fail.
    pub fn spawn(&self) -> Gateway {
        let folder = TempDir::new().expect("a temporary folder");
        let yaml = self.yaml();
        artifacts::note("sluice.yaml", &yaml);
        let file = folder.path().join("sluice.yaml");
        std::fs::write(&file, yaml).expect("a config file");
        let mut command = match &self.netns {
            Some(netns) => netns.command(our_binary("sluice")),
            None => Command::new(our_binary("sluice")),
        };
        command.arg("run").arg(&file);
        // What a test is about holds against the way that all were started with (`make test-modes`).
        if WAY.iter().any(|key| self.webrtc.contains(key)) {
            for variable in WAY_OF_ALL {
                command.env_remove(variable);
            }
        }
        command.envs(self.environment.clone());
        let process = Process::spawn("sluice", &mut command);
        Gateway {
            process,
            port: 0,
            host: "127.0.0.1".to_owned(),
            scheme: "http".to_owned(),
            client: Client::default(),
            folder,
        }
    }
}

/// A running gateway; killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    port: u16,
    host: String,
    scheme: String,
    client: Client,
    folder: TempDir,
}

impl Gateway {
    /// Starts a gateway with one path.
    pub fn serving(name: &str, source: &str) -> Self {
        GatewayOptions::new().path(name, source).start()
    }

    /// Reaches it at this address from now on (it listens at all of them).
    pub fn reach_at(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    /// The URL of something on it; `at("cam/whep")`.
    pub fn at(&self, path: &str) -> String {
        self.at_host(&self.host, path)
    }

    /// The same as others see it who reach the machine by another address.
    pub fn at_host(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}/{path}", self.scheme, self.port)
    }

    /// The WHEP URL of a path.
    pub fn whep(&self, path: &str) -> String {
        self.at(&format!("{path}/whep"))
    }

    /// The port of its HTTP listener.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its config file, for files that the config names.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The WHIP URL of a path.
    pub fn whip(&self, path: &str) -> String {
        self.at(&format!("{path}/whip"))
    }

    /// Its process, for pids and signals.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its process, for those who end it.
    pub fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its config file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("sluice.yaml")
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Fetches something from it.
    pub fn get(&self, path: &str) -> Reply {
        self.client.get(&self.at(path))
    }

    /// One path as the API shows it.
    pub fn path(&self, name: &str) -> Value {
        self.get(&format!("api/v1/paths/{name}")).json()
    }

    /// The one port of media as the API shows it.
    ///
    /// # Panics
    /// When there is another number of ports than one.
    pub fn media(&self) -> Value {
        let shown: Value = self.get("api/v1/ports").json();
        let ports = shown["ports"].as_array().expect("a list");
        assert_eq!(ports.len(), 1, "{shown:#}");
        ports[0].clone()
    }

    /// The viewers of a path as the API lists them.
    pub fn viewers(&self, name: &str) -> Vec<Value> {
        self.path(name)["viewer_list"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// Waits until the API shows the path as wanted, and returns it.
    ///
    /// # Panics
    /// When it does not in time, with what it shows.
    pub fn wait_path(&self, name: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        within(limit, || Some(self.path(name)).filter(&wanted))
            .unwrap_or_else(|| panic!("after {limit:?} the path is {:#}", self.path(name)))
    }

    /// Waits until the path is in this state.
    pub fn wait_state(&self, name: &str, state: &str, limit: Duration) -> Value {
        self.wait_path(name, limit, |path| path["state"] == state)
    }

    /// Waits until a path has this many viewers.
    pub fn wait_viewers(&self, name: &str, count: usize, limit: Duration) {
        self.wait_path(name, limit, |path| path["viewers"] == count);
    }

    /// Asks it to end and waits for it.
    pub fn terminate(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.process.signal("TERM");
        self.process.wait_exit(limit)
    }

    /// Waits for it to end by itself.
    pub fn wait_exit(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.process.wait_exit(limit)
    }
}

impl Drop for Gateway {
    #[expect(
        clippy::print_stderr,
        reason = "CI keeps no artifacts, and a crash explains every other failure"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Without this, a crash looks like a picture that stands still.
            if let Some(status) = self.process.ended() {
                let log = self.log();
                let from = log.len().saturating_sub(2000);
                let last = log.get(log.ceil_char_boundary(from)..).unwrap_or(&log);
                let line = format!("The gateway had ended by itself: {status}.\n{last}");
                eprintln!("{line}");
                artifacts::note("ended.txt", &line);
            }
            let state = self
                .client
                .try_request("GET", &self.at("api/v1/paths"), &[], "");
            let state = state.map_or_else(|e| e.to_string(), |reply| reply.body);
            artifacts::note("api-paths.json", &state);
            artifacts::save_if_failing("sluice.log", &self.log());
        }
    }
}
