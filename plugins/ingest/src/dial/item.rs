//! One child pipeline of a dial.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use gst::prelude::*;
use sluice_core::redial::Failure;
use sluice_core::{Scheme, SourceUri};

use super::{BUILDERS, Command, Operator};
use crate::failure::{Fault, classify, refusal};
use crate::feed::{Feed, Pace};
use crate::knock::diagnose;
use crate::outlet::Outlet;
use crate::report::{DialEvent, Reports};
use crate::route::Plumbing;
use crate::words::subject;

/// A file of a playlist, or all of any other source.
pub(super) struct Item {
    pipeline: gst::Pipeline,
    pub(super) feed: Arc<Feed>,
}

impl Item {
    /// Builds and starts the pipeline. Without `turn` it fills its queues and waits.
    pub(super) fn open(
        operator: &Operator,
        uri: &SourceUri,
        number: u64,
        turn: bool,
    ) -> Result<Self, Fault> {
        let order = &operator.order;
        let pipeline = gst::Pipeline::new();
        pipeline.use_clock(Some(&order.clock));
        pipeline.set_base_time(order.base);
        // The parent's base time stays; else going to PLAYING would choose another.
        pipeline.set_start_time(gst::ClockTime::NONE);
        let reports = &operator.reports;
        let feed = Arc::new(Feed::new(number, pace(uri.scheme()), turn, reports.clone()));
        let subject = subject(uri.scheme());
        listen(&pipeline, &feed, uri, reports, &operator.commands);
        let commands = operator.commands.clone();
        let plumbing = Plumbing::new(
            &pipeline,
            Arc::clone(&feed),
            Arc::clone(&operator.outlet),
            reports.clone(),
            subject,
            Arc::new(move || {
                commands
                    .try_send(Command::Draining(number))
                    .unwrap_or_default()
            }),
        );
        let item = Self { pipeline, feed };
        match item.start(&plumbing, operator, uri) {
            Ok(()) => Ok(item),
            Err(fault) => {
                item.close(&operator.outlet);
                Err(fault)
            }
        }
    }

    fn start(
        &self,
        plumbing: &Plumbing,
        operator: &Operator,
        uri: &SourceUri,
    ) -> Result<(), Fault> {
        let build = BUILDERS
            .iter()
            .find(|(scheme, _)| *scheme == uri.scheme())
            .map(|(_, build)| build);
        let build = build.ok_or_else(|| plumbing.broken("the scheme"))?;
        build(plumbing, &operator.order, uri)?;
        // What fails here has also sent an error message, which says more.
        let started = self.pipeline.set_state(gst::State::Playing);
        if started.is_err() && !self.feed.is_closed() {
            let generic = Fault::new(
                Failure::Unreachable,
                format!("{} could not be opened.", plumbing.subject),
            );
            operator.reports.send(DialEvent::Failed(generic));
        }
        Ok(())
    }

    /// Tears the pipeline down. May block as long as the source's teardown does.
    pub(super) fn close(self, outlet: &Outlet) {
        self.feed.close();
        outlet.wake();
        self.feed.wait_built();
        if self.pipeline.set_state(gst::State::Null).is_err() {
            gst::warning!(crate::source::CAT, "a child pipeline did not reach NULL");
        }
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
    }
}

/// Tells how the timestamps of a scheme are to be read.
const fn pace(scheme: Scheme) -> Pace {
    match scheme {
        Scheme::Rtsp
        | Scheme::Rtsps
        | Scheme::Whep
        | Scheme::Wheps
        | Scheme::V4l2
        | Scheme::Test => Pace::Clock,
        Scheme::Srt | Scheme::Udp => Pace::Arrival,
        Scheme::Http | Scheme::Https | Scheme::File => Pace::Recorded,
    }
}

/// Turns the pipeline's messages into events and commands, in the thread that posts them.
fn listen(
    pipeline: &gst::Pipeline,
    feed: &Arc<Feed>,
    uri: &SourceUri,
    reports: &Reports,
    commands: &SyncSender<Command>,
) {
    let Some(bus) = pipeline.bus() else { return };
    let (feed, reports, commands) = (Arc::clone(feed), reports.clone(), commands.clone());
    let (uri, subject) = (uri.clone(), subject(uri.scheme()));
    let tell = move |command| commands.try_send(command).unwrap_or_default();
    bus.set_sync_handler(move |_, message| {
        if feed.is_closed() {
            return gst::BusSyncReply::Drop;
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other messages of a child pipeline are its own"
        )]
        match message.view() {
            gst::MessageView::Error(error) => {
                let debug = error.debug();
                gst::debug!(
                    crate::source::CAT,
                    "{subject}: {} ({debug:?})",
                    error.error()
                );
                let mut fault = refusal(error.details(), &error.error())
                    .unwrap_or_else(|| classify(subject, &error.error(), debug.as_deref()));
                if fault.failure == Failure::Unreachable
                    && fault.retry_after.is_none()
                    && let Some(words) = diagnose(&uri)
                {
                    fault = Fault::new(fault.failure, format!("{subject} {words}."));
                }
                reports.send(DialEvent::Failed(fault));
            }
            gst::MessageView::Eos(_) => tell(Command::Ended(feed.item)),
            gst::MessageView::Progress(progress) => {
                let (kind, code, text) = progress.get();
                gst::log!(crate::source::CAT, "{subject}: {kind:?} {code} {text}");
                if kind == gst::ProgressType::Continue && code == "request" && text.contains("PLAY")
                {
                    tell(Command::Played);
                }
            }
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}
