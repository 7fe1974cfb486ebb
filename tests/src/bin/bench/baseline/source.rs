//! The RTSP source: parsed frames, still encoded.

use std::error::Error;
use std::sync::Arc;

use gst::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Video,
    Audio,
}

/// Where frames go.
type Push = Arc<dyn Fn(Kind, &gst::Sample) + Send + Sync>;

/// Starts it; it runs until dropped with the process.
pub(crate) fn start(
    uri: &str,
    push: impl Fn(Kind, &gst::Sample) + Send + Sync + 'static,
) -> Result<gst::Pipeline, Box<dyn Error>> {
    let pipeline = gst::Pipeline::new();
    let rtsp = gst::ElementFactory::make("rtspsrc")
        .property("location", uri)
        .property("latency", 200u32)
        .property_from_str("protocols", "tcp")
        .build()?;
    pipeline.add(&rtsp)?;
    let push: Push = Arc::new(push);
    let video = branch(
        &pipeline,
        &["rtph264depay", "h264parse"],
        "video/x-h264,stream-format=byte-stream,alignment=au",
        Kind::Video,
        &push,
    )?;
    let audio = branch(
        &pipeline,
        &["rtpopusdepay", "opusparse"],
        "audio/x-opus",
        Kind::Audio,
        &push,
    )?;
    rtsp.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let media = caps
            .structure(0)
            .and_then(|s| s.get::<String>("media").ok());
        let sink = if media.as_deref() == Some("audio") {
            &audio
        } else {
            &video
        };
        if let Err(e) = pad.link(sink) {
            eprintln!("baseline: {e:?}");
        }
    });
    pipeline.set_state(gst::State::Playing)?;
    Ok(pipeline)
}

fn branch(
    pipeline: &gst::Pipeline,
    factories: &[&str],
    caps: &str,
    kind: Kind,
    push: &Push,
) -> Result<gst::Pad, Box<dyn Error>> {
    let push = Arc::clone(push);
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            push(kind, &sink.pull_sample().map_err(|_| gst::FlowError::Eos)?);
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    let sink = gst_app::AppSink::builder()
        .caps(&caps.parse()?)
        .sync(false)
        .callbacks(callbacks)
        .build();
    let mut elements = Vec::new();
    for factory in factories {
        elements.push(gst::ElementFactory::make(factory).build()?);
    }
    if kind == Kind::Video {
        elements[1].set_property("config-interval", -1i32);
    }
    elements.push(sink.upcast());
    pipeline.add_many(&elements)?;
    gst::Element::link_many(&elements)?;
    Ok(elements[0]
        .static_pad("sink")
        .ok_or("depayloaders have a sink pad")?)
}
