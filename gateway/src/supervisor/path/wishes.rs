//! What the API asks of a path's recording.

use std::time::Instant;

use sluice_core::problem::Problem;

use super::super::recording;
use super::{PathTask, Wish};

impl PathTask {
    pub(super) async fn on_wish(&mut self, wish: Wish) -> Result<(), Problem> {
        let Some(record) = &self.config.spec.record else {
            return Err(recording::not_configured());
        };
        let records = record.starts;
        self.event_ends = match wish {
            Wish::Start | Wish::Stop => None,
            // It is recorded anyway, and nobody has said for how long.
            Wish::For(_) if records && self.event_ends.is_none() => None,
            Wish::For(span) => self.event_ends.max(Some(Instant::now() + span)),
        };
        self.on_record(wish != Wish::Stop).await
    }

    /// For the next start; an event that changes nothing says nothing either.
    pub(super) async fn remember(&self, wish: Wish) {
        let ends = self
            .event_ends
            .map(|ends| ends.saturating_duration_since(Instant::now()));
        let wish = match (wish, ends) {
            (Wish::For(_), None) => return,
            (Wish::For(_), Some(left)) => Wish::For(left),
            (Wish::Start | Wish::Stop, _) => wish,
        };
        if self.config.spec.record.is_some() {
            self.memory.keep(wish, self.usual).await;
        }
    }

    pub(super) async fn end_event(&mut self) {
        if self.event_ends.is_none_or(|ends| ends > Instant::now()) {
            return;
        }
        self.event_ends = None;
        self.memory.keep(Wish::Stop, self.usual).await;
        if let Err(problem) = self.on_record(false).await {
            tracing::warn!(reason = %problem.detail, "the recording did not end");
        }
    }

    /// Starts or ends the recording; when this returns, its file is whole.
    async fn on_record(&mut self, on: bool) -> Result<(), Problem> {
        let Some(record) = &mut self.config.spec.record else {
            return Err(recording::not_configured());
        };
        let changes = std::mem::replace(&mut record.starts, on) != on;
        let recorder = self.running.as_ref().and_then(|one| one.route.recorder());
        let done = match recorder {
            Some(recorder) if changes => recording::switch(recorder, on).await,
            Some(_) | None => Ok(()),
        };
        if !on {
            let count = self.running.as_ref();
            let count = count.map_or(0, |running| running.route.viewers().count());
            self.lifecycle.release(count, Instant::now());
            return done;
        }
        // A route that is started by this records from its first key frame on.
        let action = self.lifecycle.hold(Instant::now());
        self.act(action).await;
        done
    }
}
