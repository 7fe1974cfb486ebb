//! Cameras of this machine.

use gst::prelude::*;
use sluice_core::redial::Failure;
use sluice_core::{Codec, SourceUri};

use super::Order;
use super::known::{element, encoder};
use crate::failure::Fault;
use crate::route::Plumbing;

/// One key frame every two seconds at 30 frames a second.
const KEY_INTERVAL: u32 = 60;

/// Builds v4l2src. What the camera compresses itself is taken as it is; raw pictures are encoded.
pub(super) fn build(plumbing: &Plumbing, _order: &Order, uri: &SourceUri) -> Result<(), Fault> {
    let path = uri.path().ok_or_else(|| plumbing.broken("the device"))?;
    if !path.exists() {
        let reason = format!("{} does not exist on this machine.", plumbing.subject);
        return Err(Fault::new(Failure::NotFound, reason));
    }
    let source = element(plumbing, ("v4l2src", &[("do-timestamp", "true")]))?;
    source.set_property("device", path.to_string_lossy().as_ref());
    source.set_state(gst::State::Ready).map_err(|_| {
        Fault::new(
            Failure::Unreachable,
            format!("{} could not be opened.", plumbing.subject),
        )
    })?;
    let offered = source
        .static_pad("src")
        .map(|pad| pad.query_caps(None))
        .unwrap_or_else(gst::Caps::new_empty);
    let wanted = ["video/x-h264", "image/jpeg"]
        .into_iter()
        .find(|media| offered.iter().any(|s| s.name() == *media));
    let filter = element(plumbing, ("capsfilter", &[]))?;
    let Some(media) = wanted else {
        let convert = element(plumbing, ("videoconvert", &[]))?;
        filter.set_property(
            "caps",
            gst::Caps::builder("video/x-raw")
                .field("format", "I420")
                .build(),
        );
        let mut chain = vec![source, convert, filter];
        chain.extend(encoder(plumbing, Codec::H264, KEY_INTERVAL)?);
        plumbing.on_pad(&plumbing.chain(&chain)?);
        return Ok(());
    };
    filter.set_property("caps", gst::Caps::new_empty_simple(media));
    plumbing.on_pad(&plumbing.chain(&[source, filter])?);
    Ok(())
}
