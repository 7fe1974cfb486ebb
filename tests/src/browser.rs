//! Real browsers, driven by the scripts in `tests/browser`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use crate::artifacts;
use crate::netns::Netns;
use crate::process::Process;
use crate::wait::secs;

/// Which browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Debian's Chromium.
    Chromium,
    /// Debian's Firefox ESR.
    Firefox,
}

/// What the page's viewer sees and hears, once a second.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// State of the newest peer connection; `none` before there is one.
    pub state: String,
    /// Peer connections made since the page was loaded.
    pub peers: u32,
    /// When the page was loaded; changes with a reload.
    pub loaded_at: f64,
    /// Frames decoded on the newest connection.
    pub frames_decoded: u64,
    /// Video codec in use.
    pub codec: String,
    /// Picture width.
    pub width: u32,
    /// Picture height.
    pub height: u32,
    /// Colours of the seven bars.
    pub bars: Vec<[u8; 3]>,
    /// Hash of the picture: differs when it moves.
    pub hash: Option<u32>,
    /// What is heard.
    pub audio: Option<Sound>,
    /// Video packets that never came.
    pub packets_lost: i64,
    /// NACKs sent.
    pub nack_count: u64,
    /// Times the picture stood still.
    pub freeze_count: u64,
    /// Position of the video element.
    pub time: f64,
    /// When the counters were read, in milliseconds since the page was loaded.
    pub clock: f64,
}

/// Levels of the sound.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sound {
    /// Loudest frequency.
    pub peak_hz: f64,
    /// Its level.
    pub peak_db: f64,
    /// Level at the known tone.
    pub tone_db: f64,
}

/// A browser with one page open; ended when dropped.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    engine: Engine,
}

impl Browser {
    /// Opens a page.
    pub fn open(engine: Engine, netns: &Netns, url: &str) -> Self {
        Self::start(engine, netns, "page", url, false)
    }

    /// Opens a page and takes every certificate; Chromium only.
    pub fn trusting(netns: &Netns, url: &str) -> Self {
        Self::start(Engine::Chromium, netns, "page", url, true)
    }

    /// Opens the smallest possible WHEP viewer.
    pub fn whep(engine: Engine, netns: &Netns, url: &str) -> Self {
        Self::start(engine, netns, "whep", url, false)
    }

    fn start(engine: Engine, netns: &Netns, mode: &str, url: &str, trusts_all: bool) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("browser");
        assert!(
            folder.join("node_modules").is_dir(),
            "the browser drivers are not installed: run `make test`, or `npm ci` in {}",
            folder.display()
        );
        let script = match engine {
            Engine::Chromium => "chromium.mjs",
            Engine::Firefox => "firefox.mjs",
        };
        let mut command = netns.command("node");
        command.current_dir(folder).args([script, mode, url]);
        let origin = url::Url::parse(url).map(|url| url.origin().ascii_serialization());
        command.env("SECURE_ORIGIN", origin.unwrap_or_default());
        if trusts_all {
            command.env("TRUST_ALL", "1");
        }
        let process = Process::spawn(script, &mut command);
        let browser = Self { process, engine };
        browser
            .process
            .wait_line(secs(60), |line| line.contains("\"ready\"").then_some(()));
        browser
    }

    /// Waits for a report that satisfies, and returns it.
    ///
    /// # Panics
    /// When none comes in time, with the last one.
    pub fn until(&self, limit: Duration, what: &str, wanted: impl Fn(&Report) -> bool) -> Report {
        let end = Instant::now() + limit;
        let mut last = None;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let Some(line) = self.process.next_line(left) else {
                break;
            };
            let Some(report) = parse(&line) else {
                continue;
            };
            if wanted(&report) {
                return report;
            }
            last = Some(report);
        }
        panic!(
            "{:?}: no {what} within {limit:?}; last seen: {last:?}",
            self.engine
        );
    }

    /// Waits for a picture that is decoded.
    pub fn until_playing(&self, limit: Duration) -> Report {
        self.until(limit, "moving picture", |r| {
            r.frames_decoded > 5 && !r.bars.is_empty()
        })
    }

    /// Watches for a while; returns all reports of the time.
    pub fn watch(&self, span: Duration) -> Vec<Report> {
        let end = Instant::now() + span;
        let mut reports = Vec::new();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let line = self.process.next_line(left);
            reports.extend(line.as_deref().and_then(parse));
        }
        reports
    }

    /// Gives the page's driver a command and waits for its answer.
    pub fn command(&mut self, line: &str) -> Value {
        self.process.say(line);
        self.process.wait_line(secs(20), |answer| {
            let value: Value = serde_json::from_str(answer).ok()?;
            let mine = value
                .get("done")
                .or(value.get("value"))
                .or(value.get("error"))?
                .clone();
            Some(mine)
        })
    }

    /// Evaluates a function expression in the page.
    pub fn eval(&mut self, function: &str) -> Value {
        self.command(&format!("eval {function}"))
    }

    /// Makes the window as small as a phone's, or as large as a desk's.
    pub fn resize(&mut self, width: u32, height: u32) {
        self.command(&format!("size {width} {height}"));
    }

    /// Clicks what this CSS selector finds.
    pub fn click(&mut self, selector: &str) {
        self.command(&format!("click {selector}"));
    }

    /// Writes a screenshot.
    pub fn screenshot(&mut self, file: &str) {
        self.command(&format!("screenshot {file}"));
    }

    /// Kills the driver; the browser goes with it, without a word to any server.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            artifacts::save_if_failing(&format!("{:?}.log", self.engine), &self.process.log());
        }
        if self.process.has_ended() {
            return;
        }
        // `quit` lets the browser remove its profile; the kill that follows is for one that hangs.
        self.process.say("quit");
        self.process.wait_exit(secs(5));
    }
}

fn parse(line: &str) -> Option<Report> {
    let value: Value = serde_json::from_str(line).ok()?;
    value.get("state")?;
    serde_json::from_value(value).ok()
}
