//! The branch of a route that goes to the disk.

use gst::glib;
use gst::prelude::*;
use sluice_core::Kind;

use super::audio::branch;
use super::{link as link_pads, make, millis};
use crate::error::RouteError;
use crate::record::Recorder;
use crate::spec::RouteSpec;

/// Makes `sluicerecordsink` in the pipeline, if the route is recorded.
pub(super) fn make_recorder(
    spec: &RouteSpec,
    pipeline: &gst::Pipeline,
) -> Result<Option<Recorder>, RouteError> {
    let Some(record) = &spec.record else {
        return Ok(None);
    };
    let sink = make(spec, "sluicerecordsink")?;
    sink.set_property("path", spec.id.as_str());
    sink.set_property("location", record.location.text());
    sink.set_property("format", record.format.name());
    sink.set_property("segment-duration", millis(record.segment));
    sink.set_property("segment-size", record.segment_bytes);
    // What cannot be recorded is watched all the same.
    sink.set_property("leave-out", true);
    pipeline.add(&sink).map_err(|what| RouteError::Build {
        route: spec.id.clone(),
        what: what.message.to_string(),
    })?;
    Ok(Some(Recorder::new(sink)))
}

/// Links a track as it came. The recorder takes frames into a queue of its own and never waits: what the disk does
/// reaches no viewer.
pub(super) fn link(
    recorder: &Recorder,
    kind: Kind,
    tee: &gst::Element,
) -> Result<(), glib::BoolError> {
    let template = format!("{}_%u", kind.label());
    let pad = recorder.sink().request_pad_simple(&template);
    let pad = pad.ok_or_else(|| glib::bool_error!("sluicerecordsink takes no more {template}"))?;
    link_pads(&branch(tee)?, &pad)
}
