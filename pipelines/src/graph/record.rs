//! The branch of a route that goes to the disk: made and taken away while the route runs.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::Kind;

use super::audio::branch;
use super::{link as link_pads, make, millis, remove};
use crate::error::RouteError;
use crate::record::Recorder;
use crate::spec::RouteSpec;

/// A pad that pushes is idle after one frame; one that does not is at once.
const IDLE: Duration = Duration::from_secs(1);

/// Where a route's tracks can be tapped, and the recorder while there is one.
#[derive(Debug)]
pub(crate) struct Branches {
    spec: RouteSpec,
    pipeline: glib::WeakRef<gst::Pipeline>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each track's tee.
    tees: Vec<(Kind, gst::Element)>,
    sink: Option<gst::Element>,
    /// The tees' pads, and the recorder's.
    links: Vec<(gst::Pad, gst::Pad)>,
}

/// Makes what records the route, if that is wanted; its own start is another question.
pub(super) fn make_recorder(
    spec: &RouteSpec,
    pipeline: &gst::Pipeline,
) -> Result<Option<Recorder>, RouteError> {
    let Some(record) = &spec.record else {
        return Ok(None);
    };
    let branches = Branches {
        spec: spec.clone(),
        pipeline: pipeline.downgrade(),
        state: Mutex::default(),
    };
    let recorder = Recorder::new(branches.into());
    if record.starts {
        recorder.start()?;
    } else {
        recorder.arm()?;
    }
    Ok(Some(recorder))
}

impl Branches {
    /// Gives the recorder, while there is one.
    pub(crate) fn sink(&self) -> Option<gst::Element> {
        self.state.lock().sink.clone()
    }

    /// Takes a new track, as it came. The recorder takes frames into a queue of its own and never waits: what the disk does
    /// reaches no viewer.
    pub(super) fn add(&self, kind: Kind, tee: &gst::Element) -> Result<(), glib::BoolError> {
        let sink = {
            let mut state = self.state.lock();
            state.tees.push((kind, tee.clone()));
            state.sink.clone()
        };
        sink.map_or(Ok(()), |sink| self.link(&sink, kind, tee))
    }

    /// Makes a recorder that keeps the last seconds, if that is wanted.
    pub(crate) fn arm(&self) -> Result<(), RouteError> {
        let record = self.spec.record.as_ref();
        if record.is_some_and(|record| !record.pre_roll.is_zero()) {
            return self.begin(false);
        }
        Ok(())
    }

    /// Makes the recorder and links every track that there is; those that come later link themselves. Without `recording` it keeps
    /// the last seconds until this is called with it.
    pub(crate) fn begin(&self, recording: bool) -> Result<(), RouteError> {
        if let Some(sink) = self.sink() {
            sink.set_property("recording", recording);
            return Ok(());
        }
        let refused = |what: &glib::BoolError| RouteError::Build {
            route: self.spec.id.clone(),
            what: what.message.to_string(),
        };
        let (Some(record), Some(pipeline)) = (&self.spec.record, self.pipeline.upgrade()) else {
            return Err(refused(&glib::bool_error!("the route is gone")));
        };
        let sink = make(&self.spec, "sluicerecordsink")?;
        sink.set_property("path", self.spec.id.as_str());
        sink.set_property("location", record.location.text());
        sink.set_property("format", record.format.name());
        sink.set_property("segment-duration", millis(record.segment));
        sink.set_property("segment-size", record.segment_bytes);
        sink.set_property("pre-roll", millis(record.pre_roll));
        sink.set_property("recording", recording);
        // What cannot be recorded is watched all the same.
        sink.set_property("leave-out", true);
        pipeline.add(&sink).map_err(|what| refused(&what))?;
        let tees = {
            let mut state = self.state.lock();
            state.sink = Some(sink.clone());
            state.tees.clone()
        };
        let linked = sink.sync_state_with_parent().and_then(|()| {
            let mut tees = tees.iter();
            tees.try_for_each(|(kind, tee)| self.link(&sink, *kind, tee))
        });
        linked.map_err(|what| {
            self.end();
            refused(&what)
        })
    }

    /// Unlinks the recorder and lets it finish its file.
    pub(crate) fn end(&self) {
        let (sink, links) = {
            let mut state = self.state.lock();
            (state.sink.take(), std::mem::take(&mut state.links))
        };
        let Some(sink) = sink else { return };
        for (from, to) in links {
            unlink(&from, &to);
            sink.release_request_pad(&to);
        }
        remove(self.pipeline.upgrade().as_ref(), &sink);
    }

    fn link(
        &self,
        sink: &gst::Element,
        kind: Kind,
        tee: &gst::Element,
    ) -> Result<(), glib::BoolError> {
        let template = format!("{}_%u", kind.label());
        let to = sink.request_pad_simple(&template);
        let to =
            to.ok_or_else(|| glib::bool_error!("sluicerecordsink takes no more {template}"))?;
        let from = branch(tee)?;
        link_pads(&from, &to)?;
        let is_over = {
            let mut state = self.state.lock();
            let is_over = state.sink.as_ref() != Some(sink);
            if !is_over {
                state.links.push((from.clone(), to.clone()));
            }
            is_over
        };
        if is_over {
            // It was ended while this track came.
            unlink(&from, &to);
        }
        Ok(())
    }
}

/// Takes a tee's pad away while nothing is on its way through it: a frame that met the other end closed would be an error of
/// the whole route.
fn unlink(from: &gst::Pad, to: &gst::Pad) {
    let (tell, told) = sync_channel(1);
    let end = to.downgrade();
    from.add_probe(gst::PadProbeType::IDLE, move |from, _| {
        if let Some(to) = end.upgrade()
            && from.unlink(&to).is_err()
        {
            tracing::debug!(pad = %from.name(), "was not linked");
        }
        if tell.try_send(()).is_err() {
            tracing::debug!("nobody waits for it any more");
        }
        gst::PadProbeReturn::Remove
    });
    if told.recv_timeout(IDLE).is_err() {
        tracing::debug!(pad = %from.name(), "did not come to rest");
    }
    if let Some(tee) = from.parent_element() {
        tee.release_request_pad(from);
    }
}
