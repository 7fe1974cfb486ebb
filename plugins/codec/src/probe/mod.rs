//! Tries every installed encoder out, each in a process of its own: being registered is not working, and a
//! driver that crashes shall not take the gateway with it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use sluice_core::transcode::{ENCODERS, Encoder, Outcome, Speed, rank};

use crate::ranking::{Ranking, set_ranking};

mod cache;
mod child;

pub use child::child;

/// What a probe needs to know.
pub struct Options {
    /// Makes the command that tries one factory out and prints what [`child()`] gives.
    pub command: Box<dyn Fn(&str) -> Command + Send + Sync>,
    /// What is tried, best first.
    pub encoders: Vec<Encoder>,
    /// The longest that one may take; then it counts as hanging.
    pub limit: Duration,
    /// The file that keeps the results until drivers or libraries change; `None` tries all each time.
    pub cache: Option<PathBuf>,
}

impl Options {
    /// Makes options for the table, 20 s for each and no cache.
    pub fn new(command: impl Fn(&str) -> Command + Send + Sync + 'static) -> Self {
        Self {
            command: Box::new(command),
            encoders: ENCODERS.to_vec(),
            limit: Duration::from_secs(20),
            cache: None,
        }
    }
}

/// What was found out about one encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The row of the table.
    pub encoder: Encoder,
    /// What trying said; `None` if it is not installed.
    pub outcome: Option<Outcome>,
    /// Whether it is the one that is used first.
    pub chosen: bool,
}

impl Row {
    /// Says whether it is installed.
    pub const fn is_found(&self) -> bool {
        self.outcome.is_some()
    }

    /// Gives how fast it is, if it works.
    pub fn speed(&self) -> Option<Speed> {
        self.outcome.as_ref()?.0.as_ref().ok().copied()
    }

    /// Gives why it does not work, if it is installed and does not.
    pub fn why(&self) -> Option<&str> {
        self.outcome.as_ref()?.0.as_ref().err().map(String::as_str)
    }
}

/// What was found out about all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In the table's order.
    pub rows: Vec<Row>,
}

impl Report {
    fn new(tried: Vec<(Encoder, Option<Outcome>)>) -> Self {
        let order = order(&tried);
        let rows = tried
            .into_iter()
            .map(|(encoder, outcome)| Row {
                chosen: order
                    .iter()
                    .find(|first| first.codec == encoder.codec)
                    .is_some_and(|first| *first == encoder),
                encoder,
                outcome,
            })
            .collect();
        Self { rows }
    }

    /// Makes elements of this process use what works, best first, from their next encoder on.
    pub fn apply(&self) {
        let tried: Vec<_> = self
            .rows
            .iter()
            .map(|row| (row.encoder, row.outcome.clone()))
            .collect();
        set_ranking(Ranking {
            encoders: Some(order(&tried)),
            ..Ranking::default()
        });
    }
}

fn order(tried: &[(Encoder, Option<Outcome>)]) -> Vec<Encoder> {
    let found: Vec<_> = tried
        .iter()
        .filter_map(|(row, outcome)| Some((*row, outcome.clone()?)))
        .collect();
    rank(&found)
}

/// Tries out what is installed, or reads what was found out before. Blocks for seconds, up to the limit for
/// each encoder: call it on a thread of its own.
#[must_use]
pub fn run(options: &Options) -> Report {
    if gst::init().is_err() {
        return Report::new(options.encoders.iter().map(|row| (*row, None)).collect());
    }
    let key = cache::key(&options.encoders);
    if let Some(path) = &options.cache
        && let Some(outcomes) = cache::read(path, &key)
    {
        let known = |row: &Encoder| outcomes.get(row.factory).cloned();
        return Report::new(
            options
                .encoders
                .iter()
                .map(|row| (*row, known(row)))
                .collect(),
        );
    }
    let tried: Vec<_> = options
        .encoders
        .iter()
        .map(|row| {
            let found = gst::ElementFactory::find(row.factory).is_some();
            (*row, found.then(|| attempt(options, row.factory)))
        })
        .collect();
    if let Some(path) = &options.cache {
        cache::write(path, &key, &tried);
    }
    Report::new(tried)
}

/// Runs one child to its end, or to the limit.
fn attempt(options: &Options, factory: &str) -> Outcome {
    let started = (options.command)(factory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            return Outcome(Err(format!(
                "the process to try it in did not start: {error}"
            )));
        }
    };
    let (to, said) = mpsc::channel();
    let reader = child.stdout.take().map(|mut out| {
        std::thread::spawn(move || {
            let mut text = vec![];
            // What was read before an error counts as well.
            std::io::Read::read_to_end(&mut out, &mut text).ok();
            to.send(String::from_utf8_lossy(&text).into_owned()).ok();
        })
    });
    let text = said.recv_timeout(options.limit);
    if text.is_err() {
        // It may have ended in this moment.
        child.kill().ok();
    }
    let status = child.wait();
    if let Some(reader) = reader {
        reader.join().ok();
    }
    let seconds = options.limit.as_secs_f32();
    match text {
        Err(_) => Outcome(Err(format!("it hangs: no result after {seconds} s"))),
        Ok(text) => Outcome::parse(&text).unwrap_or_else(|| {
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            Outcome(Err(format!("it crashes ({status})")))
        }),
    }
}
