//! Bus messages into [`Event`]s and the route's state: the only place where that is decided.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::redact::redact;
use tokio::sync::mpsc;

use crate::state::{Event, RouteState};

/// Follows one pipeline. Called from streaming threads: it never blocks.
#[derive(Debug)]
pub(crate) struct Watch {
    state: Mutex<RouteState>,
    broken: AtomicBool,
    /// Bounded. When it is full the event is dropped: the state says what matters, and the gateway
    /// reads that whenever it gets to the queue's next event.
    events: mpsc::Sender<Event>,
}

impl Watch {
    pub(crate) fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            state: Mutex::new(RouteState::Starting),
            broken: AtomicBool::new(false),
            events,
        }
    }

    pub(crate) fn state(&self) -> RouteState {
        self.state.lock().clone()
    }

    /// Says whether the pipeline is of no use any more, even when the event that said so was dropped.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Reads one message from the bus.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "GStreamer has 40 kinds of message; these matter"
    )]
    pub(crate) fn on_message(&self, message: &gst::Message) {
        use gst::MessageView;
        match message.view() {
            MessageView::Element(element) => {
                if let Some(structure) = element.structure() {
                    self.on_structure(structure);
                }
            }
            MessageView::Error(error) => {
                let reason = sentence(message, &error.error().to_string());
                tracing::debug!(%reason, debug = %redact(&error.debug().unwrap_or_default()), "pipeline error");
                self.on_broken(reason);
            }
            MessageView::Warning(warning) => {
                let reason = sentence(message, &warning.error().to_string());
                self.tell(Event::Warned { reason });
            }
            MessageView::Eos(_) => {
                self.change(RouteState::Failed {
                    reason: "The source has come to its end.".to_owned(),
                    until: None,
                });
            }
            MessageView::Latency(_) => distribute_latency(message),
            _ => {}
        }
    }

    fn on_structure(&self, structure: &gst::StructureRef) {
        match structure.name().as_str() {
            "sluice-source" => {
                let report = Report::read(structure);
                let next = report.state_after(&self.state(), Instant::now());
                self.change(next);
            }
            "sluice-push" => {
                let text = |name| text(structure, name);
                self.tell(Event::Forward {
                    target: text("location").unwrap_or_default(),
                    state: text("state").unwrap_or_default(),
                    reason: text("reason").map(|reason| redact(&reason).into_owned()),
                });
            }
            "sluice-record" => {
                let text = |name| text(structure, name);
                self.tell(Event::Recording {
                    state: text("state").unwrap_or_default(),
                    reason: text("reason"),
                    left_out: strings(structure, "left-out"),
                });
            }
            "sluice-recorded" => self.tell(Event::Recorded {
                file: structure.get("location").unwrap_or_default(),
                bytes: structure.get("bytes").unwrap_or_default(),
            }),
            "sluice-repaired" => self.tell(Event::Repaired {
                file: structure.get("location").unwrap_or_default(),
                playable: structure.get("playable").unwrap_or_default(),
            }),
            "sluice-tracks" => {
                let tracks = strings(structure, "skipped");
                if !tracks.is_empty() {
                    self.tell(Event::Skipped { tracks });
                }
            }
            _ => {}
        }
    }

    fn on_broken(&self, reason: String) {
        self.broken.store(true, Ordering::Release);
        *self.state.lock() = RouteState::Failed {
            reason: reason.clone(),
            until: None,
        };
        self.tell(Event::Broken { reason });
    }

    fn change(&self, next: RouteState) {
        let changed = {
            let mut state = self.state.lock();
            let changed = *state != next;
            *state = next;
            changed
        };
        if changed {
            self.tell(Event::Changed);
        }
    }

    fn tell(&self, event: Event) {
        if let Err(dropped) = self.events.try_send(event) {
            tracing::debug!(%dropped, "the route's event queue takes no more");
        }
    }
}

/// What `sluicesrc` or `sluicewhipsrc` says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Report {
    state: String,
    source: usize,
    reason: Option<String>,
    retry_in: Duration,
}

impl Report {
    fn read(structure: &gst::StructureRef) -> Self {
        let reason = text(structure, "reason");
        Self {
            state: structure.get("state").unwrap_or_default(),
            source: structure
                .get::<u32>("source")
                .ok()
                .and_then(|index| usize::try_from(index).ok())
                .unwrap_or_default(),
            reason: reason
                .filter(|reason| !reason.is_empty())
                .map(|reason| redact(&reason).into_owned()),
            retry_in: Duration::from_millis(structure.get("retry-in-ms").unwrap_or_default()),
        }
    }

    fn state_after(self, before: &RouteState, now: Instant) -> RouteState {
        let reason = self
            .reason
            .or_else(|| before.reason().map(ToOwned::to_owned));
        let reason = || {
            reason
                .clone()
                .unwrap_or_else(|| "The source is lost.".to_owned())
        };
        let until = (!self.retry_in.is_zero()).then(|| now + self.retry_in);
        match (self.state.as_str(), before) {
            ("running", _) => RouteState::Running {
                source: self.source,
            },
            ("failed", _) => RouteState::Failed {
                reason: reason(),
                until,
            },
            ("waiting" | "stalled", _) => RouteState::Waiting {
                reason: reason(),
                until,
            },
            ("absent", _) => RouteState::Unpublished { reason: reason() },
            // Its tracks are not known yet; what there was before says nothing about it.
            ("connecting", RouteState::Unpublished { .. }) => RouteState::Starting,
            ("connecting", RouteState::Idle | RouteState::Starting) => RouteState::Starting,
            // Dialling again after a failure keeps the reason: it is still why there is no picture.
            ("connecting", RouteState::Failed { .. }) => RouteState::Failed {
                reason: reason(),
                until: None,
            },
            ("connecting", _) => RouteState::Waiting {
                reason: reason(),
                until: None,
            },
            (_, before) => before.clone(),
        }
    }
}

/// Not at once: the message may come with the element's locks held.
fn distribute_latency(message: &gst::Message) {
    let Some(pipeline) = message.src().and_then(toplevel) else {
        return;
    };
    pipeline.call_async(|pipeline| {
        if pipeline.recalculate_latency().is_err() {
            tracing::debug!("latency could not be distributed");
        }
    });
}

/// Reads a text that may be missing.
pub(crate) fn text(structure: &gst::StructureRef, field: &str) -> Option<String> {
    structure.get::<Option<String>>(field).ok().flatten()
}

/// Reads a list of strings, whichever of GStreamer's two list types holds it.
pub(crate) fn strings(structure: &gst::StructureRef, field: &str) -> Vec<String> {
    let Ok(value) = structure.value(field) else {
        return Vec::new();
    };
    if let Ok(array) = value.get::<gst::Array>() {
        return array.iter().filter_map(|item| item.get().ok()).collect();
    }
    value
        .get::<gst::List>()
        .map(|list| list.iter().filter_map(|item| item.get().ok()).collect())
        .unwrap_or_default()
}

/// "rtspsrc: Could not open resource": who and what, without secrets.
fn sentence(message: &gst::Message, text: &str) -> String {
    let element = message
        .src()
        .and_then(|src| src.downcast_ref::<gst::Element>())
        .and_then(ElementExt::factory)
        .map(|factory| factory.name().to_string());
    match element {
        Some(element) => redact(&format!("{element}: {text}")).into_owned(),
        None => redact(text).into_owned(),
    }
}

fn toplevel(object: &gst::Object) -> Option<gst::Pipeline> {
    let mut current = object.clone();
    while let Some(parent) = current.parent() {
        current = parent;
    }
    current.downcast().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(state: &str, reason: Option<&str>, retry_in_s: u64) -> Report {
        Report {
            state: state.to_owned(),
            source: 1,
            reason: reason.map(ToOwned::to_owned),
            retry_in: Duration::from_secs(retry_in_s),
        }
    }

    /// What each report of a row leads to: state, reason, seconds to the next dial.
    fn follow(reports: Vec<Report>) -> Vec<(&'static str, String, Option<u64>)> {
        let now = Instant::now();
        let mut state = RouteState::Starting;
        let row = reports.into_iter().map(|report| {
            state = report.state_after(&state, now);
            let reason = state.reason().unwrap_or_default().to_owned();
            let retry_in = state.retry_in(now).map(|time| time.as_secs());
            (state.name(), reason, retry_in)
        });
        row.collect()
    }

    #[test]
    fn a_redial_keeps_the_reason_until_media_flows() {
        let frozen = || "Frozen.".to_owned();
        assert_eq!(
            follow(vec![
                report("connecting", None, 0),
                report("running", None, 0),
                report("stalled", Some("Frozen."), 0),
                report("waiting", None, 2),
                report("connecting", None, 0),
                report("running", None, 0),
            ]),
            [
                ("starting", String::new(), None),
                ("running", String::new(), None),
                ("waiting", frozen(), None),
                ("waiting", frozen(), Some(2)),
                ("waiting", frozen(), None),
                ("running", String::new(), None),
            ]
        );
    }

    #[test]
    fn what_a_person_has_to_mend_has_failed_even_while_it_is_tried_again() {
        let refused = || "Wrong password.".to_owned();
        assert_eq!(
            follow(vec![
                report("failed", Some("Wrong password."), 30),
                report("connecting", None, 0),
                report("failed", Some("Wrong password."), 30),
            ]),
            [
                ("failed", refused(), Some(30)),
                ("failed", refused(), None),
                ("failed", refused(), Some(30)),
            ]
        );
    }

    #[test]
    fn a_path_without_its_publisher_waits_until_the_next_one_plays() {
        let gone = || "Waiting for a publisher.".to_owned();
        assert_eq!(
            follow(vec![
                report("absent", Some("Waiting for a publisher."), 0),
                report("connecting", None, 0),
                report("running", None, 0),
                report("absent", Some("Waiting for a publisher."), 0),
            ]),
            [
                ("waiting", gone(), None),
                ("starting", String::new(), None),
                ("running", String::new(), None),
                ("waiting", gone(), None),
            ]
        );
    }

    #[test]
    fn a_report_is_read_without_its_secrets() {
        gst::init().unwrap();
        let structure = gst::Structure::builder("sluice-source")
            .field("state", "waiting")
            .field("source", 1u32)
            .field("reason", "rtsp://bob:hunter2@h/1 refused")
            .field("retry-in-ms", 2000u64)
            .build();
        assert_eq!(
            Report::read(&structure),
            report("waiting", Some("rtsp://***@h/1 refused"), 2)
        );
    }
}
