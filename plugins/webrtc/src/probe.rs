//! Pad probes that take something away.

use std::ops::ControlFlow;

/// Buffers, alone or in a list.
pub(crate) const PACKETS: gst::PadProbeType =
    gst::PadProbeType::BUFFER.union(gst::PadProbeType::BUFFER_LIST);

/// Ends the way of what a probe looks at. With `PadProbeReturn::Drop` the core would unref what the binding has
/// taken out already, and say so with a critical warning each time.
pub(crate) fn swallow(info: &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn {
    drop(info.data.take());
    info.flow_res = Ok(gst::FlowSuccess::Ok);
    gst::PadProbeReturn::Handled
}

/// Lets those buffers go on, alone or in a list, that `takes` says so of; it may change them.
pub(crate) fn retain(
    info: &mut gst::PadProbeInfo<'_>,
    mut takes: impl FnMut(&mut gst::Buffer) -> bool,
) -> gst::PadProbeReturn {
    match &mut info.data {
        Some(gst::PadProbeData::Buffer(buffer)) => {
            if !takes(buffer) {
                return swallow(info);
            }
        }
        Some(gst::PadProbeData::BufferList(list)) => {
            list.make_mut().foreach_mut(|mut buffer, _index| {
                ControlFlow::Continue(takes(&mut buffer).then_some(buffer))
            });
        }
        Some(_) | None => {}
    }
    gst::PadProbeReturn::Ok
}
