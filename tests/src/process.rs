//! Child processes whose output is read as it comes, and which never outlive the test.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::output::Log;
use crate::wait::{secs, within};

/// A running child; killed by its pid when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts the command with all its output collected.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start ({command:?}): {e}"));
        let (tx, lines) = channel();
        let log = Arc::new(Log::default());
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(log.follow(stdout.into(), Some(tx)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(log.follow(stderr.into(), None));
        }
        let stdin = child.stdin.take();
        Self {
            name: name.to_owned(),
            child,
            stdin,
            lines,
            log,
            readers,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All lines that it has written to stdout and stderr so far, read or not.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The next line on stdout, if one comes within `limit`.
    pub fn next_line(&self, limit: Duration) -> Option<String> {
        self.lines.recv_timeout(limit).ok()
    }

    /// Waits for the first stdout line that `pick` takes.
    ///
    /// # Panics
    /// When none comes in time or the process ends before it, with its output.
    pub fn wait_line<T>(&self, limit: Duration, pick: impl Fn(&str) -> Option<T>) -> T {
        let end = Instant::now() + limit;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(value) = pick(&line) {
                        return value;
                    }
                }
                Err(_ended_or_late) => break,
            }
        }
        panic!(
            "{} did not say what was awaited; it wrote:\n{}",
            self.name,
            self.log()
        );
    }

    /// Writes one line to its stdin.
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is piped");
        if let Err(e) = writeln!(stdin, "{line}").and_then(|()| stdin.flush()) {
            panic!(
                "{} takes no more commands: {e}; it wrote:\n{}",
                self.name,
                self.log()
            );
        }
    }

    /// Sends a signal by name (`STOP`, `CONT`, `TERM`).
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(
            done.is_ok_and(|s| s.success()),
            "kill -{name} {} failed",
            self.pid()
        );
    }

    /// Waits for its end, and for the last of its output.
    pub fn wait_exit(&mut self, limit: Duration) -> Option<ExitStatus> {
        let status = within(limit, || self.child.try_wait().ok().flatten())?;
        // A grandchild may hold the pipe: its silence is not waited for.
        let read = || {
            self.readers
                .iter()
                .all(JoinHandle::is_finished)
                .then_some(())
        };
        within(secs(2), read);
        Some(status)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.ended().is_some()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Kills it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        // It may have ended by itself; then there is nothing left to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end and returns its stdout.
///
/// # Panics
/// When it fails, with what it wrote.
pub fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// The path of one of this workspace's own programs: in `$SLUICE_BIN_DIR`, else built beside the
/// running one.
///
/// # Panics
/// When it is not built; `make test` builds it first.
pub fn our_binary(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("SLUICE_BIN_DIR") {
        let path = PathBuf::from(folder).join(name);
        if path.is_file() {
            return path;
        }
    }
    let me = std::env::current_exe().expect("a running program has a path");
    // Tests lie in target/PROFILE/deps, programs in target/PROFILE.
    let found = me
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|p| p.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "{name} is not built beside {}: run `make test`",
            me.display()
        )
    })
}

/// The folder of our plugins, for `GST_PLUGIN_PATH`; `plugin` is the one that is needed.
///
/// # Panics
/// When it is not built; `make test` builds it first.
pub fn our_plugins(plugin: &str) -> PathBuf {
    let mut folder = our_binary(&format!("libgst{plugin}.so"));
    folder.pop();
    folder
}

/// A TCP port that was free a moment ago.
pub fn free_tcp_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("bound").port()
}

/// A UDP port that was free a moment ago.
pub fn free_udp_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("bound").port()
}

/// How long anything on this machine may take to start.
pub const START: Duration = secs(30);
