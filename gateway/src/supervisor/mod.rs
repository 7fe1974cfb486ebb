//! Owns every path's task; the control plane reaches them through [`Paths`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

mod describe;
mod lifecycle;
mod log;
pub mod metrics;
mod path;
mod paths;
mod recording;

pub use paths::{PathView, Paths, unknown};

/// Runs the paths of a config, each in a task of its own, so that none can take another down.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<()>,
    cancel: CancellationToken,
    paths: Arc<Paths>,
}

impl Supervisor {
    /// Starts every path's task; routes that are not on demand start at once. Needs tokio's runtime.
    #[must_use]
    pub fn start(config: &Config) -> Self {
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut handles = BTreeMap::new();
        for (id, path) in &config.paths {
            let memory = recording::Memory::new(&config.recordings, id);
            let (handle, task) = path::PathTask::new(path.clone(), memory, cancel.clone());
            tasks.spawn(task.run());
            handles.insert(id.as_str().to_owned(), handle);
        }
        Self {
            tasks,
            cancel,
            paths: Arc::new(Paths::new(handles, config.transcodes.clone())),
        }
    }

    /// Gives what the control plane sees of the paths.
    #[must_use]
    pub fn paths(&self) -> Arc<Paths> {
        Arc::clone(&self.paths)
    }

    /// Closes every viewer and stops every route, and waits for that at most `grace`.
    ///
    /// Returns how many paths had not stopped by then.
    pub async fn drain(mut self, grace: Duration) -> usize {
        self.cancel.cancel();
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        match tokio::time::timeout(grace, all_ended).await {
            Ok(()) => 0,
            Err(_elapsed) => self.tasks.len(),
        }
    }
}
