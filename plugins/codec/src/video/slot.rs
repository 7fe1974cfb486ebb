//! One half of a transcoder: the stage that runs, is being built or ends, and who comes next.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sluice_core::transcode::{Candidates, Verdict, Watch};

use super::mail::{Notice, Post};
use super::stage::{Chain, Side, Stage};

/// A device that takes longer to open hangs.
const BUILD: Duration = Duration::from_secs(3);

/// A stage that takes longer to give what it has hangs.
const DRAIN: Duration = Duration::from_secs(1);

enum State {
    Idle,
    Building {
        id: u64,
        until: Instant,
    },
    Running {
        stage: Stage,
        watch: Watch,
        since: Instant,
        /// It got something that it can start with.
        keyed: bool,
    },
    Draining {
        stage: Stage,
        until: Instant,
    },
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing.
    None,
    /// It runs.
    Started,
    /// All that was in it is out.
    Ended,
    /// The candidate failed, for this reason.
    Failed(String),
}

/// Candidates are kept best first; those that failed are gone.
pub(super) struct Slot<C> {
    side: Side,
    state: State,
    candidates: Candidates<C>,
    closed: (mpsc::Sender<()>, mpsc::Receiver<()>),
    closing: usize,
}

impl<C: Copy> Slot<C> {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            state: State::Idle,
            candidates: Candidates::new([]),
            closed: mpsc::channel(),
            closing: 0,
        }
    }

    pub(super) fn set_candidates(&mut self, candidates: Vec<C>) {
        self.candidates = Candidates::new(candidates);
    }

    pub(super) fn candidate(&self) -> Option<C> {
        self.candidates.current()
    }

    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    pub(super) const fn running(&self) -> Option<&Stage> {
        match &self.state {
            State::Running { stage, .. } => Some(stage),
            State::Idle | State::Building { .. } | State::Draining { .. } => None,
        }
    }

    /// Builds a stage on a thread of its own, since a device may hang while it opens.
    pub(super) fn build(
        &mut self,
        id: u64,
        post: &Arc<Post>,
        chain: impl FnOnce() -> Result<Chain, String> + Send + 'static,
        now: Instant,
    ) {
        let (post, side) = (Arc::clone(post), self.side);
        let builder = move || {
            let built = chain().and_then(|chain| Stage::start(id, side, chain, &post));
            post.with(|mail| mail.notices.push_back(Notice::Built(id, built)));
        };
        self.state = State::Building {
            id,
            until: now + BUILD,
        };
        // Without threads nothing works; the deadline says so.
        if let Err(error) = std::thread::Builder::new()
            .name("sluice-codec".to_owned())
            .spawn(builder)
        {
            gst::error!(super::CAT, "no thread: {error}");
        }
    }

    /// Takes what the builder made.
    pub(super) fn on_built(
        &mut self,
        built_id: u64,
        built: Result<Stage, String>,
        now: Instant,
    ) -> News {
        let expected = matches!(self.state, State::Building { id, .. } if id == built_id);
        match built {
            Ok(stage) if expected => {
                let watch = Watch::new(self.side == Side::Decode, now);
                self.state = State::Running {
                    stage,
                    watch,
                    since: now,
                    keyed: false,
                };
                News::Started
            }
            // Too late: another one has its place.
            Ok(stage) => {
                self.close(stage);
                News::None
            }
            Err(reason) if expected => self.on_fault(reason, now),
            Err(_) => News::None,
        }
    }

    pub(super) fn on_failed(&mut self, failed: u64, reason: String, now: Instant) -> News {
        if self.id() == Some(failed) {
            self.on_fault(reason, now)
        } else {
            News::None
        }
    }

    pub(super) fn on_ended(&mut self, ended: u64, now: Instant) -> News {
        match &self.state {
            State::Draining { stage, .. } if stage.id == ended => {
                self.abandon();
                News::Ended
            }
            State::Running { stage, .. } if stage.id == ended => {
                self.on_fault("it ended by itself".to_owned(), now)
            }
            State::Idle
            | State::Building { .. }
            | State::Running { .. }
            | State::Draining { .. } => News::None,
        }
    }

    /// Looks at the time and at what goes in and out.
    pub(super) fn on_time(&mut self, now: Instant) -> News {
        match &mut self.state {
            State::Idle => News::None,
            State::Building { until, .. } if now >= *until => {
                self.on_hang("it did not start within 3 s".to_owned(), now)
            }
            State::Draining { until, .. } if now >= *until => {
                self.abandon();
                News::Ended
            }
            State::Building { .. } | State::Draining { .. } => News::None,
            State::Running {
                stage,
                watch,
                keyed,
                ..
            } => {
                let (taken, made, waiting) = stage.counts();
                match watch.on_counts(taken, made, waiting, now) {
                    Verdict::Works => News::None,
                    Verdict::Hangs => self.on_hang("it took no input for 1 s".to_owned(), now),
                    Verdict::Silent if self.side == Side::Encode && made == 0 => {
                        self.on_fault(format!("it made nothing of {taken} pictures"), now)
                    }
                    // The source has not given a key frame yet.
                    Verdict::Silent if self.side == Side::Decode && !*keyed => News::None,
                    // A torn stream does that to any decoder: nobody is to blame.
                    Verdict::Silent if self.side == Side::Decode && made > 0 => self.on_stall(),
                    Verdict::Silent => {
                        self.on_hang(format!("it took {taken} and made {made}"), now)
                    }
                }
            }
        }
    }

    /// Hands the stage that runs one unit.
    pub(super) fn push(&mut self, buffer: gst::Buffer) {
        if let State::Running { stage, keyed, .. } = &mut self.state {
            *keyed |= !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            stage.push(buffer);
        }
    }

    /// Lets the stage give what it has; `Ended` follows.
    pub(super) fn drain(&mut self, now: Instant) {
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Running { stage, .. } => {
                stage.end();
                State::Draining {
                    stage,
                    until: now + DRAIN,
                }
            }
            other @ (State::Idle | State::Building { .. } | State::Draining { .. }) => other,
        };
    }

    /// Leaves the stage behind, whatever it does.
    pub(super) fn abandon(&mut self) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Running { stage, .. } | State::Draining { stage, .. } => self.close(stage),
            State::Idle | State::Building { .. } => {}
        }
    }

    /// Waits at most until `until` for what was left behind. A library that hangs keeps its thread.
    pub(super) fn finish(&mut self, until: Instant) {
        self.abandon();
        while self.closing > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if self.closed.1.recv_timeout(left).is_err() {
                gst::warning!(
                    super::CAT,
                    "{} stages hang and are left behind",
                    self.closing
                );
                return;
            }
            self.closing -= 1;
        }
    }

    fn id(&self) -> Option<u64> {
        match &self.state {
            State::Idle => None,
            State::Building { id, .. } => Some(*id),
            State::Running { stage, .. } | State::Draining { stage, .. } => Some(stage.id),
        }
    }

    fn on_fault(&mut self, reason: String, now: Instant) -> News {
        self.candidates.on_fault(self.worked(now));
        self.abandon();
        News::Failed(reason)
    }

    fn on_stall(&mut self) -> News {
        self.candidates.on_stall();
        self.abandon();
        News::Failed("it makes no more pictures".to_owned())
    }

    fn on_hang(&mut self, reason: String, now: Instant) -> News {
        self.candidates.on_hang(self.worked(now));
        self.abandon();
        News::Failed(reason)
    }

    /// How long the stage has been running.
    fn worked(&self, now: Instant) -> Duration {
        match &self.state {
            State::Running { since, .. } => now.saturating_duration_since(*since),
            State::Idle | State::Building { .. } | State::Draining { .. } => Duration::ZERO,
        }
    }

    fn close(&mut self, stage: Stage) {
        let done = self.closed.0.clone();
        self.closing += 1;
        let spawned = std::thread::Builder::new()
            .name("sluice-close".to_owned())
            .spawn(move || {
                stage.close();
                // The engine may have stopped waiting.
                done.send(()).ok();
            });
        if spawned.is_err() {
            self.closing -= 1;
        }
    }
}
