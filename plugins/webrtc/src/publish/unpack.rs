//! From webrtcbin's pad to the outlet: which depayloader and parser, in which shape. Nothing is decoded.

use std::sync::Arc;

use gst::prelude::*;
use parking_lot::Mutex;
use sluice_core::bitstream::tidy::{Parts, without_late_headers};
use sluice_core::{Codec, Kind};

use super::outlet::{Line, Outlet};
use super::session::Publisher;
use super::whole;
use crate::packetize::register_av1;

/// How one codec is unpacked. Adding one is one line.
struct Row {
    codec: Codec,
    depayloader: &'static str,
    /// What leaves the depayloader, where it must be told.
    unpacked: Option<&'static str>,
    parser: Option<&'static str>,
    /// What leaves the chain: the same shapes as `sluicesrc` gives.
    caps: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        codec: Codec::H264,
        depayloader: "rtph264depay",
        unpacked: Some("video/x-h264,stream-format=byte-stream,alignment=au"),
        parser: Some("h264parse"),
        caps: "video/x-h264,stream-format=byte-stream,alignment=au",
    },
    Row {
        codec: Codec::H265,
        depayloader: "rtph265depay",
        unpacked: Some("video/x-h265,stream-format=byte-stream,alignment=au"),
        parser: Some("h265parse"),
        caps: "video/x-h265,stream-format=byte-stream,alignment=au",
    },
    Row {
        codec: Codec::Vp8,
        depayloader: "rtpvp8depay",
        unpacked: None,
        parser: None,
        caps: "video/x-vp8",
    },
    Row {
        codec: Codec::Vp9,
        depayloader: "rtpvp9depay",
        unpacked: None,
        parser: None,
        caps: "video/x-vp9",
    },
    Row {
        codec: Codec::Av1,
        depayloader: "rtpav1depay",
        unpacked: None,
        parser: Some("av1parse"),
        caps: "video/x-av1,stream-format=obu-stream,alignment=tu",
    },
    Row {
        codec: Codec::Opus,
        depayloader: "rtpopusdepay",
        unpacked: None,
        parser: Some("opusparse"),
        caps: "audio/x-opus",
    },
    Row {
        codec: Codec::Pcmu,
        depayloader: "rtppcmudepay",
        unpacked: None,
        parser: None,
        caps: "audio/x-mulaw",
    },
    Row {
        codec: Codec::Pcma,
        depayloader: "rtppcmadepay",
        unpacked: None,
        parser: None,
        caps: "audio/x-alaw",
    },
];

/// After a loss the pictures stand still until the publisher has sent a key frame, for which it is asked: what
/// is broken would be broken for every viewer. And parameter sets before each key frame: viewers join there.
const PROPERTIES: &[(&str, &str)] = &[
    ("request-keyframe", "true"),
    ("wait-for-keyframe", "true"),
    ("config-interval", "-1"),
];

/// Gives the caps of all tracks of a kind.
pub(crate) fn caps(kind: Kind) -> gst::Caps {
    ROWS.iter()
        .filter(|row| row.codec.kind() == kind)
        .filter_map(|row| row.caps.parse::<gst::Caps>().ok())
        .fold(gst::Caps::new_empty(), |mut all, caps| {
            all.make_mut().append(caps);
            all
        })
}

/// Builds the chain behind `pad` and starts it; the error completes the log's line. `layer` is its number where the
/// section has several.
pub(super) fn build(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    codec: Codec,
    layer: Option<usize>,
    session: &Arc<Publisher>,
    outlet: &Arc<Outlet>,
) -> Result<(), String> {
    let rows = ROWS.iter().find(|row| row.codec == codec);
    let row = rows.ok_or_else(|| format!("nothing unpacks {codec}"))?;
    if codec == Codec::Av1 {
        register_av1();
    }
    // What waits here until all tracks are known is a second's worth; a thread for each track.
    let queue = make("queue")?;
    queue.set_property("max-size-buffers", 0_u32);
    queue.set_property("max-size-bytes", 32_u32 << 20);
    queue.set_property("max-size-time", gst::ClockTime::from_seconds(5));
    watch_requests(&queue, layer, session);
    let depayloader = make(row.depayloader)?;
    whole::keep(&depayloader, codec);
    let mut chain = vec![queue, depayloader];
    if let Some(unpacked) = row.unpacked {
        let filter = make("capsfilter")?;
        filter.set_property("caps", parsed(unpacked)?);
        tidy(&filter, codec);
        chain.push(filter);
    }
    chain.extend(row.parser.map(make).transpose()?);
    for element in &chain {
        for (name, value) in PROPERTIES {
            if element.has_property(name) {
                element.set_property_from_str(name, value);
            }
        }
    }
    let line = session.line(codec.kind(), layer, outlet);
    chain.push(sink(&parsed(row.caps)?, line, layer, outlet).upcast());
    attach(pipeline, pad, &chain)
}

fn make(factory: &str) -> Result<gst::Element, String> {
    gst::ElementFactory::make(factory)
        .build()
        .map_err(|_missing| format!("the element {factory} is not installed"))
}

fn parsed(caps: &str) -> Result<gst::Caps, String> {
    caps.parse()
        .map_err(|_error| format!("\"{caps}\" are no caps"))
}

/// A depayloader that lost something asks for a key frame: the session does so, at most once a second.
fn watch_requests(queue: &gst::Element, layer: Option<usize>, session: &Arc<Publisher>) {
    let Some(pad) = queue.static_pad("sink") else {
        return;
    };
    let session = Arc::downgrade(session);
    pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_pad, info| {
        let is_request = info
            .event()
            .is_some_and(|event| gst_video::ForceKeyUnitEvent::is(event));
        if !is_request {
            return gst::PadProbeReturn::Ok;
        }
        if let Some(session) = session.upgrade()
            && session.goes_out(layer)
        {
            session.want_key_frame(std::time::Instant::now());
        }
        // Not dropped: GStreamer 1.22 goes on with an event that a probe has taken away. This one means nothing
        // to anybody.
        let heard = gst::Structure::new_empty("sluice-key-frame-is-asked-for");
        info.data = Some(gst::PadProbeData::Event(gst::event::CustomUpstream::new(
            heard,
        )));
        gst::PadProbeReturn::Ok
    });
}

fn tidy(filter: &gst::Element, codec: Codec) {
    let Some(pad) = filter.static_pad("src") else {
        return;
    };
    let parts = Mutex::<Parts<gst::Buffer>>::default();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(gst::PadProbeData::Buffer(buffer)) = info.data.take() else {
            return gst::PadProbeReturn::Ok;
        };
        let flags = buffer.flags();
        let (is_key, ends) = (
            !flags.contains(gst::BufferFlags::DELTA_UNIT),
            flags.contains(gst::BufferFlags::MARKER),
        );
        let time = buffer.pts().map(gst::ClockTime::nseconds);
        let frames = parts.lock().on_part(buffer, time, is_key, ends);
        let mut flow = Ok(gst::FlowSuccess::Ok);
        if let (Some(frame), Some(next)) = (joined(frames.earlier, codec), pad.peer()) {
            flow = next.chain(frame);
        }
        match joined(frames.now, codec) {
            Some(frame) if flow.is_ok() => {
                info.data = Some(gst::PadProbeData::Buffer(frame));
                gst::PadProbeReturn::Ok
            }
            _ => {
                info.flow_res = flow;
                gst::PadProbeReturn::Handled
            }
        }
    });
}

/// Makes one buffer of the parts of a frame, tidied; `None` without any.
fn joined(parts: Vec<gst::Buffer>, codec: Codec) -> Option<gst::Buffer> {
    let mut frame = parts.into_iter().reduce(|mut frame, part| {
        frame.append(part);
        frame.make_mut().set_flags(gst::BufferFlags::MARKER);
        frame
    })?;
    if !frame.flags().contains(gst::BufferFlags::DELTA_UNIT)
        && let Some(tidy) = tidied(&frame, codec)
    {
        frame = tidy;
    }
    Some(frame)
}

fn tidied(buffer: &gst::BufferRef, codec: Codec) -> Option<gst::Buffer> {
    let data = {
        let map = buffer.map_readable().ok()?;
        without_late_headers(codec, map.as_slice())?
    };
    let mut tidy = gst::Buffer::from_mut_slice(data);
    let flags =
        gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META;
    buffer.copy_into(tidy.get_mut()?, flags, ..).ok()?;
    Some(tidy)
}

fn sink(
    caps: &gst::Caps,
    line: Arc<Line>,
    layer: Option<usize>,
    outlet: &Arc<Outlet>,
) -> gst_app::AppSink {
    let outlet = outlet.clone();
    let on_sample = move |sink: &gst_app::AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        outlet.deliver(&line, layer, &sample)
    };
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(on_sample);
    gst_app::AppSink::builder()
        .caps(caps)
        .sync(false)
        .async_(false)
        .enable_last_sample(false)
        .callbacks(callbacks.build())
        .build()
}

/// Adds the chain, links it behind `pad` and starts it. Called from the pad's streaming thread, so no data can
/// come before all of it runs.
fn attach(pipeline: &gst::Pipeline, pad: &gst::Pad, chain: &[gst::Element]) -> Result<(), String> {
    let text = |error: gst::glib::BoolError| error.message.to_string();
    pipeline.add_many(chain).map_err(text)?;
    gst::Element::link_many(chain).map_err(text)?;
    let entry = chain.first().and_then(|first| first.static_pad("sink"));
    let entry = entry.ok_or("a chain without a sink pad")?;
    pad.link(&entry).map_err(|error| error.to_string())?;
    // Sinks first: an element in front of one in a lower state would meet a flushing pad.
    for element in chain.iter().rev() {
        element.sync_state_with_parent().map_err(text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_taken_can_be_unpacked() {
        gst::init().unwrap();
        register_av1();
        for row in ROWS {
            for factory in [Some(row.depayloader), row.parser].into_iter().flatten() {
                assert!(gst::ElementFactory::find(factory).is_some(), "{factory}");
            }
        }
        assert_eq!(
            caps(Kind::Video).size() + caps(Kind::Audio).size(),
            ROWS.len()
        );
    }
}
